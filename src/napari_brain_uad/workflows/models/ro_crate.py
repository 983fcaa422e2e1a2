"""A folder of results as an RO-Crate, from the manifests and records that the runs left there.

The crate is of the folder, not of a run: several scans and methods share one. It is gathered anew each time, so that it holds what is
there; hashes are those of the manifests, which makes it quick.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...core.detector import cited
from ...core.errors import BrainUADError, InputError
from ...core.provenance import package_version
from ...detectors.registry import method_class
from ...io.atomic import write_json
from ...io.exchange.ro_crate import FILE_NAME, CrateFile, CrateInput, CrateRun, crate_record, is_ours
from ...io.json_files import encodable, read_json
from ...io.results import FORMAT
from .method_spec import MethodSpec

_OURS = "napari-brain-uad "
"""How the format begins that our own records name."""

_WORK = {
    "detect": "Detection of anomalies in a scan",
    "compare": "Comparison of methods on a scan",
    "batch": "Detection of anomalies in a folder of scans",
    "evaluate": "Evaluation of methods on a set of scans",
    "prepare": "Preparation of a scan",
    "sweep": "Sweep of settings over a set of scans",
    "stress": "Stress test of methods on a set of scans",
}


def check_crate(folder: str | Path) -> None:
    """See whether `write_crate` will be able to write, before anything is computed.

    Raises
    ------
    InputError
        If the folder holds a crate that is not ours.
    """
    path = Path(folder) / FILE_NAME
    if path.exists() and not is_ours(_json(path)):
        why = "somebody else described that folder"
        raise InputError(f"{path.name} is there already", why=why, fix="Choose another --out, or leave --ro-crate out")


def renew_crate(folder: str | Path, *, wanted: bool) -> Path | None:
    """Write the crate where it is wanted, or where one of ours is there, which would be wrong now; its path."""
    path = Path(folder) / FILE_NAME
    return write_crate(folder) if wanted or (path.is_file() and is_ours(_json(path))) else None


def write_crate(folder: str | Path) -> Path:
    """Describe a folder of results in ``ro-crate-metadata.json``.

    Parameters
    ----------
    folder : str or Path
        What runs wrote; of a batch, the scans' folders in it count, too.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If it cannot be written, or the folder holds a crate that is not ours.
    """
    folder = Path(folder)
    check_crate(folder)
    files: dict[str, CrateFile] = {}
    runs: list[CrateRun] = []
    for part in ("", *_scan_folders(folder)):
        own, manifests = _listed(folder, part)
        files |= own
        runs += [_run(folder, part, manifest, own) for manifest in manifests]
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(folder / FILE_NAME, crate_record([files[path] for path in sorted(files)], runs, version=package_version(), created=now))
    return folder / FILE_NAME


def _scan_folders(folder: Path) -> list[str]:
    """Those of a batch, by its own table."""
    rows = _json(folder / "batch.json").get("scans")
    named = [row.get("folder") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    there = {encodable(one.name): one.name for one in folder.iterdir() if one.is_dir()}
    return sorted(there[name] for name in named if isinstance(name, str) and name in there)


def _listed(folder: Path, part: str) -> tuple[dict[str, CrateFile], list[dict[str, Any]]]:
    """The files of a folder, or of one in it, that manifests list, and our own records; and the manifests."""
    place = folder / part
    records = {path: _json(path) for path in sorted(place.glob("*.json"))}
    manifests = [record for record in records.values() if record.get("format") == FORMAT and isinstance(record.get("files"), dict)]
    known = {name: sha256 for manifest in manifests for name, sha256 in manifest["files"].items() if isinstance(sha256, str)}
    found = {}
    for path in sorted(place.iterdir()):
        sha256 = known.get(encodable(path.name)) if path.is_file() else None
        if sha256 is None and str(records.get(path, {}).get("format", "")).startswith(_OURS):
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        if sha256 is not None:
            name = f"{part}/{path.name}" if part else path.name
            found[name] = CrateFile(name, sha256, path.stat().st_size)
    return found, manifests


def _run(folder: Path, part: str, manifest: Mapping[str, Any], files: Mapping[str, CrateFile]) -> CrateRun:
    prefix = f"{part}/" if part else ""
    results = tuple(file for name, file in files.items() if encodable(name.removeprefix(prefix)) in manifest["files"])
    record = _record(folder, results)
    kind, given = str(manifest.get("kind") or ""), manifest.get("input")
    version = record.get("versions")
    return CrateRun(
        f"{prefix}{manifest.get('run')}",
        _WORK.get(kind, kind or "Run"),
        _inputs(given, record),
        results,
        str(record.get("command") or ""),
        str(record.get("created") or ""),
        str(version.get("napari-brain-uad") or "") if isinstance(version, dict) else "",
        tuple(dict.fromkeys(_papers(record))),
    )


def _inputs(given: Any, record: Mapping[str, Any]) -> tuple[CrateInput, ...]:
    """Scans, the files besides them, and models, each once."""
    scans = record.get("sequences") or [given]  # several sequences of one person scored together: each is an input
    told = [(one, "Input", one.get("file_sha256") or one.get("sha256")) for one in _objects(scans)]
    told = told or [({}, "Input", "")]
    told += [(one, str(one.get("what") or "Input"), one.get("sha256")) for one in _objects(record.get("given_files"))]
    told += [(one, "Model", one.get("sha256")) for one in _objects(record.get("models") or [record.get("model")])]
    return tuple(dict.fromkeys(CrateInput(str(one.get("name") or what.lower()), str(sha256 or ""), what) for one, what, sha256 in told))


def _objects(value: Any) -> list[dict[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _record(folder: Path, results: tuple[CrateFile, ...]) -> dict[str, Any]:
    """What a run says of itself; that of a copy, which has a longer name, says the same."""
    for file in sorted(results, key=lambda one: (len(one.path), one.path)):
        if file.path.endswith(".json") and isinstance((found := _json(folder / file.path)).get("command"), str):
            return found
    return {}


def _papers(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of the methods that a record names."""
    method, means = record.get("method"), record.get("mean")
    ids = [str(method.get("id"))] if isinstance(method, dict) else []
    for title in means if isinstance(means, dict) else ():
        with suppress(BrainUADError):
            ids.append(MethodSpec.parse(title).method)
    for one in ids:
        with suppress(BrainUADError):
            paper = method_class(one).INFO.paper
            yield paper, (cited(paper) or ("", ""))[1]


def _json(path: Path) -> dict[str, Any]:
    """A file's content; empty when there is none that can be read."""
    with suppress(InputError):
        content = read_json(path)
        return content if isinstance(content, dict) else {}
    return {}
