"""Every file of the repository that is generated from the models; `rote config write` makes them, a test compares."""

import json

from rote import config
from rote.claims import Claim, Ledger
from rote.papers import load as load_paper
from rote.papers import names as paper_names
from rote.tables import json_schema


def files() -> dict[str, str]:
    """Text of each generated file, by its path in the repository."""
    texts = config.files()
    for paper in paper_names():
        texts[f"workflow/schemas/tables/{paper}.json"] = json_schema(load_paper(paper, "schema").TABLES)
    texts["workflow/schemas/tables/claims.json"] = json_schema({"claims": Ledger})
    claims = {"type": "array", "items": Claim.model_json_schema()}
    texts["workflow/schemas/claims.schema.json"] = json.dumps(claims, indent=1) + "\n"
    return texts
