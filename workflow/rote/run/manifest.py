"""What a run left: every file with digest, maker and inputs, as MANIFEST.json and as an RO-Crate;
and its verification.

Who made a file is taken from Snakemake's own records (`.snakemake/metadata`) and from the
provenance in Parquet files. What neither says is left out, never guessed. Verification needs
nothing but the folder.
"""

import base64
import hashlib
import json
import logging
import math
import os
import platform
import re
import shlex
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import pyarrow as pa
import yaml

from rote import __version__
from rote.core import tables
from rote.core.errors import InputError
from rote.core.job import git_commit
from rote.core.papers import about

log = logging.getLogger("rote")
NAME, CRATE, CONFIG, WORKFLOW = (
    "MANIFEST.json",
    "ro-crate-metadata.json",
    "config.yaml",
    "Snakefile",
)
FORMAT = "rote manifest 1"
_OWN = (
    NAME,
    CRATE,
    "strict.txt",
)  # the first two hold digests; the last says only that all claims held
_FORMATS = {
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".tsv": "text/tab-separated-values",
    ".log": "text/plain",
    ".txt": "text/plain",
    ".yaml": "application/yaml",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
}


class Change(NamedTuple):
    """One way in which a folder differs from its manifest."""

    kind: str  # changed, missing or extra
    path: str
    message: str


def write(
    results: Path, config: Mapping[str, Any], snakefile: Path, records: Path, threads: int = 1
) -> None:
    """Write MANIFEST.json, ro-crate-metadata.json, config.yaml (complete) and Snakefile (a copy)
    into a run's folder.

    Args:
        results: results/<run>.
        config: the complete configuration.
        records: Snakemake's folder of records, `.snakemake/metadata`; may be missing.
        threads: files hashed at a time.
    """
    for stray in tables.sweep(results):
        log.info("removed %s, which a killed job left", stray)
    for name, text in (
        (CONFIG, yaml.safe_dump(dict(config), sort_keys=False, width=110)),
        (WORKFLOW, snakefile.read_text()),
    ):
        _put(results / name, text)
    made = dict(_records(records))
    with ThreadPoolExecutor(threads) as pool:
        files = list(pool.map(lambda path: _entry(results, path, made), _files(results)))
    manifest = {
        "format": FORMAT,
        "run": config["run"],
        "scale": config["scale"],
        "seed": config["seed"],
        "papers": config["papers"],
        "created": _time(datetime.now(UTC).timestamp()),
        "rote": __version__,
        "git_commit": git_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {
            d.metadata["Name"]: d.version
            for d in sorted(distributions(), key=lambda d: d.metadata["Name"])
        },
        "files": files,
    }
    _put(results / NAME, json.dumps(manifest, indent=1) + "\n")
    _put(results / CRATE, json.dumps(crate(manifest), indent=1) + "\n")


def read(results: Path) -> dict[str, Any]:
    """A run's manifest. Raises InputError if it is missing, damaged, or of another format."""
    path = results / NAME
    try:
        manifest = json.loads(path.read_text())
        if manifest["format"] != FORMAT:
            raise InputError(f"{path}: format {manifest['format']!r}, expected {FORMAT!r}")
        for entry in manifest["files"]:
            (entry["path"], entry["sha256"], entry["size"])
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist; it is made at the end of a run: snakemake {path}"
        ) from error
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} is not a manifest ({error!r}); make it anew: snakemake --force {path}"
        ) from error
    return manifest


def verify(results: Path, threads: int = 1) -> list[Change]:
    """Hash a run's files again: what changed, is missing, or is there beyond the manifest; [] if it
    is as it was.

    Raises:
        InputError: if there is no whole manifest, or a file in it lies outside the folder.
    """
    wanted = {entry["path"]: entry for entry in read(results)["files"]}
    for path in wanted:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise InputError(f"{results / NAME}: path {path!r} leaves the folder")
    found = {str(path.relative_to(results)): path for path in _files(results)}
    changes = [
        Change("missing", path, "in the manifest, not in the folder")
        for path in sorted(wanted.keys() - found)
    ]
    changes += [
        Change("extra", path, "in the folder, not in the manifest")
        for path in sorted(found.keys() - wanted)
    ]

    def look(path: str) -> Change | None:
        size = found[path].stat().st_size
        if size != wanted[path]["size"]:
            return Change(
                "changed", path, f"{size:,} bytes, the manifest says {wanted[path]['size']:,}"
            )
        digest = _sha256(found[path])
        if digest != wanted[path]["sha256"]:
            return Change(
                "changed",
                path,
                f"sha256 {digest[:12]}…, the manifest says {wanted[path]['sha256'][:12]}…",
            )
        return None

    with ThreadPoolExecutor(threads) as pool:
        changes += [
            change for change in pool.map(look, sorted(wanted.keys() & found.keys())) if change
        ]
    return changes


def crate(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The run as an RO-Crate 1.1 of the profile Workflow Run Crate 0.5 (w3id.org/ro/wfrun), as
    JSON-LD.
    """
    profiles = [
        ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate"),
        ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate"),
        ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate"),
    ]
    times = [
        entry[key] for entry in manifest["files"] for key in ("started", "ended") if key in entry
    ]
    run, files = manifest["run"], manifest["files"]
    products = [
        entry["path"] for entry in files if entry["path"].endswith((".parquet", ".png", ".pdf"))
    ]
    commit = {} if manifest["git_commit"] == "unknown" else {"identifier": manifest["git_commit"]}
    action = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Run {run} of rote {manifest['rote']}",
        "instrument": {"@id": WORKFLOW},
        "description": f"Scale {manifest['scale']}, seed {manifest['seed']}, papers "
        f"{', '.join(manifest['papers'])}",
        "object": {"@id": CONFIG},
        "result": [{"@id": path} for path in products],
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "endTime": max(times, default=manifest["created"]),
    }
    if times:
        action["startTime"] = min(times)
    graph = [
        {
            "@id": CRATE,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": [{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": profiles[2][0]}],
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": f"rote: run {run}",
            "description": "What seven papers claim about memorization and generalization, "
            "re-derived: " + "; ".join(about(paper).title for paper in manifest["papers"]),
            "datePublished": manifest["created"],
            "license": {"@id": "https://spdx.org/licenses/MIT"},
            "conformsTo": [{"@id": profile} for profile, _ in profiles],
            "hasPart": [{"@id": entry["path"]} for entry in files],
            "mainEntity": {"@id": WORKFLOW},
            "mentions": {"@id": "#run"},
            "author": {"@id": "#authors"},
        },
        {"@id": "#authors", "@type": "Organization", "name": "The rote authors"},
        {"@id": "https://spdx.org/licenses/MIT", "@type": "CreativeWork", "name": "MIT License"},
        *(
            {"@id": id, "@type": "CreativeWork", "name": name, "version": id.rsplit("/")[-1]}
            for id, name in profiles
        ),
        {
            "@id": "#snakemake",
            "@type": "ComputerLanguage",
            "name": "Snakemake",
            "alternateName": "Snakemake",
            "identifier": {"@id": "https://doi.org/10.1093/bioinformatics/bts480"},
            "url": {"@id": "https://snakemake.github.io"},
            "version": manifest["packages"].get("snakemake", ""),
        },
        action,
    ]
    for entry in files:
        kind: Any = "File"
        extra: dict[str, Any] = {}
        if form := _FORMATS.get(PurePosixPath(entry["path"]).suffix):
            extra["encodingFormat"] = form
        if entry["path"] == WORKFLOW:
            kind = ["File", "SoftwareSourceCode", "ComputationalWorkflow"]
            extra |= {
                "name": "rote",
                "version": manifest["rote"],
                "programmingLanguage": {"@id": "#snakemake"},
                **commit,
            }
        elif entry["path"] == CONFIG:
            extra |= {"name": "Complete configuration"}
        graph.append(
            {
                "@id": entry["path"],
                "@type": kind,
                "contentSize": str(entry["size"]),
                "sha256": entry["sha256"],
                **extra,
            }
        )
    context = [
        "https://w3id.org/ro/crate/1.1/context",
        "https://w3id.org/ro/terms/workflow-run/context",
    ]
    return {"@context": context, "@graph": graph}


def _entry(results: Path, path: Path, made: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "path": str(path.relative_to(results)),
        "sha256": _sha256(path),
        "size": path.stat().st_size,
    }
    whole = Path(os.path.relpath(path))
    record = next(
        (made[str(place)] for place in (whole, *whole.parents) if str(place) in made), None
    )
    # a record that ends before the file was written tells of an earlier making of it
    if record is not None and (record.get("endtime") or math.inf) > path.stat().st_mtime - 1:
        entry |= _told(record)
    if path.suffix == ".parquet":
        with suppress(
            pa.ArrowInvalid, OSError
        ):  # a broken table must not keep the others from being listed
            entry |= tables.provenance(path)
    return entry


def _told(record: Mapping[str, Any]) -> dict[str, Any]:
    """What Snakemake's record of an output says of its making."""
    told = {"rule": record.get("rule"), "inputs": record.get("input")}
    for name, key in (("started", "starttime"), ("ended", "endtime")):
        if record.get(key):
            told[name] = _time(record[key])
    words = shlex.split(record.get("shellcmd") or "")
    for option, name, kind in (
        ("--settings", "settings", json.loads),
        ("--code", "code", str),
        ("--seed", "seed", int),
    ):
        if option in words[:-1]:
            told[name] = kind(words[words.index(option) + 1])
    return {key: value for key, value in told.items() if value is not None}


def _records(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Snakemake's records by output. Names are base64 of the output, long ones cut into folders
    that begin with @.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            try:
                name = "".join(part.removeprefix("@") for part in path.relative_to(folder).parts)
                yield base64.b64decode(name).decode(), json.loads(path.read_text())
            except (ValueError, UnicodeDecodeError):
                continue  # not one of its records


def _files(results: Path) -> list[Path]:
    """A run's files in a fixed order, without the manifest itself, temporary files, and what
    belongs to no result.
    """
    temporary = re.compile(r"\.tmp|\.part$")
    return [
        path
        for path in sorted(results.rglob("*"))
        if path.is_file()
        and str(path.relative_to(results)) not in _OWN
        and not temporary.search(path.name)
        and path.name != ".snakemake_timestamp"
        and path.relative_to(results).parts[0] != "checkpoints"
        and not path.stem.startswith("report_record_")
    ]


def _put(path: Path, text: str) -> None:
    with tables.atomic(path) as temporary:
        temporary.write_text(text)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
