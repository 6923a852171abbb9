"""What a run left: every file with digest, maker and inputs (MANIFEST.json, RO-Crate); its check.

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

from rote import __version__
from rote.core import runs, tables
from rote.core.errors import InputError
from rote.core.files import under
from rote.core.job import git_commit
from rote.core.papers import about
from rote.run.begin import as_yaml

log = logging.getLogger("rote")
NAME = "MANIFEST.json"
CRATE = "ro-crate-metadata.json"
WORKFLOW = "Snakefile"
FORMAT = "rote manifest 1"
# not listed: the first two hold digests, the last says only that all claims held
_UNLISTED = (NAME, CRATE, "strict.txt")
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
    """Write a run's manifest, its RO-Crate, its config and a copy of the workflow's entry.

    Args:
        results: results/<run>, where the files go.
        config: the complete configuration.
        snakefile: the workflow's entry file.
        records: Snakemake's folder of records, `.snakemake/metadata`; may be missing.
        threads: files hashed at a time.
    """
    for stray in tables.sweep(results):
        log.info("removed %s, which a killed job left", stray)
    _put(results / runs.CONFIG, as_yaml(dict(config)))
    _put(results / WORKFLOW, snakefile.read_text("utf-8"))
    makers = dict(_records(records))
    with ThreadPoolExecutor(threads) as pool:
        files = list(pool.map(lambda path: _entry(results, path, makers), _files(results)))
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
        "packages": dict(sorted((d.metadata["Name"], d.version) for d in distributions())),
        "files": files,
    }
    _put(results / NAME, json.dumps(manifest, indent=1) + "\n")
    _put(results / CRATE, json.dumps(crate(manifest), indent=1) + "\n")


def read(results: Path) -> dict[str, Any]:
    """A run's manifest. Raises InputError if it is missing, damaged, or of another format."""
    path = results / NAME
    try:
        manifest = json.loads(path.read_text("utf-8"))
        if manifest["format"] != FORMAT:
            raise InputError(f"{path}: format {manifest['format']!r}, expected {FORMAT!r}")
        for entry in manifest["files"]:
            (entry["path"], entry["sha256"], entry["size"])
    except FileNotFoundError as error:
        raise InputError(
            f"{path} does not exist; it is made at the end of a run: {runs.again(path)}"
        ) from error
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} is not a manifest ({error!r}); make it anew: {runs.again(path, force=True)}"
        ) from error
    return manifest


def verify(results: Path, threads: int = 1) -> list[Change]:
    """Hash a run's files again; what changed, is missing, or was added. Empty if nothing did.

    Args:
        results: results/<run>, with its manifest.
        threads: files hashed at a time.

    Returns:
        Missing files, then extra ones, then changed ones, each by path.

    Raises:
        InputError: if there is no whole manifest, or a file in it lies outside the folder.
    """
    recorded = {entry["path"]: entry for entry in read(results)["files"]}
    for path in recorded:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise InputError(f"{results / NAME}: path {path!r} leaves the folder")
    present = {str(path.relative_to(results)): path for path in _files(results)}
    changes = [
        Change("missing", path, "in the manifest, not in the folder")
        for path in sorted(recorded.keys() - present)
    ]
    changes += [
        Change("extra", path, "in the folder, not in the manifest")
        for path in sorted(present.keys() - recorded)
    ]

    def check(path: str) -> Change | None:
        return _changed(present[path], recorded[path])

    with ThreadPoolExecutor(threads) as pool:
        changes += filter(None, pool.map(check, sorted(recorded.keys() & present.keys())))
    return changes


def _changed(path: Path, entry: Mapping[str, Any]) -> Change | None:
    """How a file differs from its entry in the manifest, None if it does not."""
    size = path.stat().st_size
    if size != entry["size"]:
        message = f"{size:,} bytes, the manifest says {entry['size']:,}"
        return Change("changed", entry["path"], message)
    digest = _sha256(path)
    if digest != entry["sha256"]:
        message = f"sha256 {digest[:12]}…, the manifest says {entry['sha256'][:12]}…"
        return Change("changed", entry["path"], message)
    return None


def crate(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The run as an RO-Crate 1.1 in JSON-LD, profile Workflow Run Crate 0.5 (w3id.org/ro/wfrun)."""
    files = manifest["files"]
    descriptor = {
        "@id": CRATE,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": [{"@id": "https://w3id.org/ro/crate/1.1"}, {"@id": list(_PROFILES)[-1]}],
    }
    titles = "; ".join(about(paper).title for paper in manifest["papers"])
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"rote: run {manifest['run']}",
        "description": "What seven papers claim about memorization "
        f"and generalization, re-derived: {titles}",
        "datePublished": manifest["created"],
        "license": {"@id": "https://spdx.org/licenses/MIT"},
        "conformsTo": [{"@id": profile} for profile in _PROFILES],
        "hasPart": [{"@id": entry["path"]} for entry in files],
        "mainEntity": {"@id": WORKFLOW},
        "mentions": {"@id": "#run"},
        "author": {"@id": "#authors"},
    }
    snakemake = {
        "@id": "#snakemake",
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "alternateName": "Snakemake",
        "identifier": {"@id": "https://doi.org/10.1093/bioinformatics/bts480"},
        "url": {"@id": "https://snakemake.github.io"},
        "version": manifest["packages"].get("snakemake", ""),
    }
    graph = [
        descriptor,
        root,
        {"@id": "#authors", "@type": "Organization", "name": "The rote authors"},
        {"@id": "https://spdx.org/licenses/MIT", "@type": "CreativeWork", "name": "MIT License"},
        *(_profile(url, name) for url, name in _PROFILES.items()),
        snakemake,
        _action(manifest),
        *(_file(entry, manifest) for entry in files),
    ]
    context = [
        "https://w3id.org/ro/crate/1.1/context",
        "https://w3id.org/ro/terms/workflow-run/context",
    ]
    return {"@context": context, "@graph": graph}


_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}


def _profile(url: str, name: str) -> dict[str, Any]:
    return {"@id": url, "@type": "CreativeWork", "name": name, "version": url.rsplit("/")[-1]}


def _action(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The run itself: what it used and what it made, from when to when."""
    files = manifest["files"]
    begins = [entry["started"] for entry in files if "started" in entry]
    ends = [entry["ended"] for entry in files if "ended" in entry]
    paths = [entry["path"] for entry in files]
    action = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"Run {manifest['run']} of rote {manifest['rote']}",
        "instrument": {"@id": WORKFLOW},
        "description": f"Scale {manifest['scale']}, seed {manifest['seed']}, "
        f"papers {', '.join(manifest['papers'])}",
        "object": {"@id": runs.CONFIG},
        "result": [{"@id": path} for path in paths if path.endswith((".parquet", ".png", ".pdf"))],
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "endTime": max(begins + ends, default=manifest["created"]),
    }
    if begins or ends:
        action["startTime"] = min(begins + ends)
    return action


def _file(entry: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A file of the run."""
    path = entry["path"]
    entity: dict[str, Any] = {
        "@id": path,
        "@type": "File",
        "contentSize": str(entry["size"]),
        "sha256": entry["sha256"],
    }
    if form := _FORMATS.get(PurePosixPath(path).suffix):
        entity["encodingFormat"] = form
    if path == runs.CONFIG:
        entity["name"] = "Complete configuration"
    if path == WORKFLOW:
        entity |= {
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
            "name": "rote",
            "version": manifest["rote"],
            "programmingLanguage": {"@id": "#snakemake"},
        }
        if manifest["git_commit"] != "unknown":
            entity["identifier"] = manifest["git_commit"]
    return entity


def _entry(results: Path, path: Path, makers: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A file in the manifest. `makers` are Snakemake's records by output: files or folders."""
    entry: dict[str, Any] = {
        "path": str(path.relative_to(results)),
        "sha256": _sha256(path),
        "size": path.stat().st_size,
    }
    output = Path(os.path.relpath(path))
    outputs = [str(parent) for parent in (output, *output.parents)]
    record = next((makers[name] for name in outputs if name in makers), None)
    # a record that ends before the file was written is of an earlier making of it
    if record is not None and (record.get("endtime") or math.inf) > path.stat().st_mtime - 1:
        entry |= _making(record)
    if path.suffix == ".parquet":
        # a broken table must not keep the others from being listed
        with suppress(InputError):
            entry |= tables.provenance(path)
    return entry


_OPTIONS = {"settings": json.loads, "code": str, "seed": int}


def _making(record: Mapping[str, Any]) -> dict[str, Any]:
    """Rule, inputs, times and options of a file, from Snakemake's record of it."""
    fields = {"rule": record.get("rule"), "inputs": record.get("input")}
    fields["log"] = next(iter(record.get("log") or []), None)
    for name, key in (("started", "starttime"), ("ended", "endtime")):
        if record.get(key):
            fields[name] = _time(record[key])
    words = shlex.split(record.get("shellcmd") or "")
    for name, kind in _OPTIONS.items():
        if f"--{name}" in words[:-1]:
            fields[name] = kind(words[words.index(f"--{name}") + 1])
    return {key: value for key, value in fields.items() if value is not None}


def _records(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Snakemake's records by output.

    Their names are base64 of the output, long ones cut into folders that begin with @.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            try:
                name = "".join(part.removeprefix("@") for part in path.relative_to(folder).parts)
                yield base64.b64decode(name).decode(), json.loads(path.read_text("utf-8"))
            except (ValueError, UnicodeDecodeError):
                continue  # not one of its records


def _files(results: Path) -> list[Path]:
    """A run's files in a fixed order, without the manifest, temporary files and checkpoints."""
    paths = under(results, hidden=True)
    return [path for path in paths if _is_listed(path.relative_to(results))]


def _is_listed(path: Path) -> bool:
    """Whether a file, by its path in the run's folder, belongs to the run's result."""
    return not (
        str(path) in _UNLISTED
        or re.search(r"\.tmp|\.part$", path.name)
        or path.name == ".snakemake_timestamp"
        or path.parts[0] == "checkpoints"
        or path.stem.startswith("report_record_")
    )


def _put(path: Path, text: str) -> None:
    with tables.atomic(path) as temporary:
        temporary.write_text(text, "utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
