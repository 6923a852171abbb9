"""The templates of the report's pages, with the filters that they share."""

from types import SimpleNamespace as Namespace
from typing import Any

import jinja2
import pandas as pd

from rote import ledger
from rote.claims import by_claim

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("rote.report"), autoescape=True, undefined=jinja2.StrictUndefined
)


def _side(row: Any, side: str) -> str:
    """What one of two runs measured, from a row of `rote.compare.ledgers`."""
    return ledger.measured(
        Namespace(**{name: getattr(row, f"{name}_{side}") for name in ("value", "low", "high", "unit")})
    )


_TEMPLATES.filters |= {"measured": ledger.measured, "side": _side}


def render(template: str, **values: Any) -> str:
    """A template of `rote/report/templates/` as text."""
    return _TEMPLATES.get_template(template).render(**values)


def groups(frame: pd.DataFrame) -> list[tuple[str, list]]:
    """Ledger rows by claim, each claim's worst condition first, for `ledger.html`."""
    return [(claim, list(rows.itertuples())) for claim, rows in by_claim(frame)]
