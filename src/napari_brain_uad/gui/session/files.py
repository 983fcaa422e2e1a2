"""A session on disk: a folder with ``session.json`` and the images that no other file holds.

A scan or mask that a file gives exactly stays there: its path and SHA-256 are kept. What was painted, prepared or computed is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ...core.anomaly_map import AnomalyMap
from ...core.checks import Finding
from ...core.errors import BrainUADError, InputError
from ...core.progress import Progress
from ...core.provenance import NOTICE, versions
from ...core.volume import Volume
from ...io.atomic import write_json
from ...io.json_files import read_json
from ...io.nifti import read_map, read_mask, read_volume, write_map, write_mask, write_volume
from ...io.results import Run, check_whole, written_whole
from ...postprocessing.edits import Mark, RegionEdits
from .items import ARRAY, BOXES, DERIVED, KINDS, MAP, MASK, REGIONS, SCAN, Item, WindowSession, scan_path

RECORD = "session.json"
SUFFIX = ".uad-session"
_FORMAT = "napari-brain-uad session 1"
_RUN = Run("session", r"session\.json|\d{3}_[a-z]+(\.nii\.gz|\.npz|\.json)", "a window's layers", _FORMAT, kind="session")


def is_session(folder: Path) -> bool:
    """Whether a folder holds a session."""
    return (folder / RECORD).is_file()


def save_session(session: WindowSession, folder: Path, progress: Progress) -> None:
    """Write a session into a folder, whole or not at all; an earlier one there is replaced.

    Raises
    ------
    InputError
        If the folder cannot be made or written, or holds other results; `Cancelled` if `progress` was.
    """
    with written_whole(folder, [_RUN]) as stage:
        entries = []
        for number, item in enumerate(session.items):
            progress.update(number / len(session.items), f"Saving {item.name}")
            entries.append(_written(item, session.items, stage, number, folder))
        record = {
            "format": _FORMAT,
            "notice": NOTICE,
            "layers": entries,
            "view": dict(session.view),
            "docks": list(session.docks),
            "left_out": list(session.left_out),
            "versions": versions(),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_json(stage / RECORD, record)
    progress.update(1.0, "Saved")


def _written(item: Item, items: Sequence[Item], stage: Path, number: int, folder: Path) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": item.kind, "name": item.name, "look": item.look, "notes": item.notes}
    stem = f"{number:03d}"
    if item.volume is not None:
        entry |= _volume_written(item, stage / f"{stem}_{item.kind}.nii.gz", folder)
    elif item.kind == MAP:
        assert item.amap is not None
        _write_map(item.amap, stage, stem)
        entry["edits"] = _write_edits(item.edits, stage / f"{stem}_edits.npz")
        if item.truth is not None:
            write_mask(stage / f"{stem}_truth.nii.gz", item.truth, item.amap)
    elif item.amap is not None:
        entry["of"] = next((place for place, other in enumerate(items) if other.kind == MAP and other.amap is item.amap), None)
        if item.kind == DERIVED:
            assert item.data is not None
            write_map(stage / f"{stem}_derived.nii.gz", replace(item.amap, score=item.data))
    if item.kind == ARRAY:
        assert item.data is not None
        np.savez_compressed(stage / f"{stem}_array.npz", data=item.data)
        entry["place"] = item.place
    return entry


def _volume_written(item: Item, file: Path, folder: Path) -> dict[str, Any]:
    """Where a volume can be read: the file it came from if that gives the same again, else one of the session."""
    volume = item.volume
    assert volume is not None
    about: dict[str, Any] = {"sequence": volume.sequence, "sequence_origin": volume.sequence_origin}
    about["findings"] = [finding.as_dict() for finding in volume.findings]
    again = _read_again(volume)
    if again is not None and np.array_equal(again.data, volume.data) and not again.grid.compare(volume.grid, "file"):
        path, source = scan_path(volume), volume.source
        assert path is not None
        assert source is not None
        near = os.path.relpath(path.absolute(), folder.absolute())
        return {**about, "file": {"path": str(path.absolute()), "near": near, "sha256": source.sha256, "index": source.volume_index}}
    write_volume(file, volume)
    return about


def _read_again(volume: Volume) -> Volume | None:
    path = scan_path(volume)
    if path is None or volume.source is None or volume.mask is not None:
        return None
    try:
        return read_volume(path, index=volume.source.volume_index)
    except BrainUADError:
        return None


def _write_map(amap: AnomalyMap, stage: Path, stem: str) -> None:
    write_map(stage / f"{stem}_anomalymap.nii.gz", amap)
    write_mask(stage / f"{stem}_brainmask.nii.gz", amap.mask, amap)
    made = {"unit": amap.unit, "background": amap.background, "default_threshold": str(amap.default_threshold)}
    known = {"method": {"id": amap.method}, "input": {"name": amap.name}}
    write_json(stage / f"{stem}_provenance.json", {"notice": NOTICE, **known, **amap.provenance, "map": made})


def _write_edits(edits: RegionEdits, file: Path) -> dict[str, Any]:
    """Voxels go into arrays, words into the record."""
    arrays = {f"merge-{number}-{part}": voxels for number, merge in enumerate(edits.merges) for part, voxels in enumerate(merge)}
    arrays |= {f"mark-{number}": mark.voxels for number, mark in enumerate(edits.marks)}
    if arrays:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # numpy's types take the names for its own option
    return {
        "merges": [len(merge) for merge in edits.merges],
        "marks": [{"review": mark.review, "note": mark.note} for mark in edits.marks],
    }


def read_session(folder: Path, progress: Progress) -> WindowSession:
    """Read a session.

    Returns
    -------
    WindowSession
        Scans that are gone or were changed since are not in it; its `left_out` says so.

    Raises
    ------
    InputError
        If the folder holds no session, or its files are not as they were written; `Cancelled` if `progress` was.
    """
    record = read_json(folder / RECORD, fix="Choose the folder of a session that was saved")
    check_whole(folder / RECORD, "session", sorted(folder.glob("[0-9][0-9][0-9]_*")))
    layers = record.get("layers") if isinstance(record, dict) else None
    if not isinstance(layers, list) or record.get("format") != _FORMAT:
        raise InputError(RECORD, why="it is not the record of a session", fix="Choose the folder of a session that was saved")
    items: list[Item | None] = []
    left_out: list[str] = []
    for number, entry in enumerate(layers):
        progress.update(number / len(layers), "Reading the session")
        try:
            items.append(_read(_entry(entry, number), folder, number))
        except BrainUADError as error:
            items.append(None)
            left_out.append(str(error))
    for item in items:
        place = None if item is None else item.notes.pop("of_map", None)
        owner = items[place] if isinstance(place, int) and 0 <= place < len(items) else None
        if item is not None and owner is not None:
            item.amap = owner.amap
    places = [number for number, item in enumerate(items) if item is not None]
    view = record["view"] if isinstance(record.get("view"), dict) else {}
    active = view.get("active")
    view = {**view, "active": places.index(active) if active in places else None}
    docks = tuple(title for title in _list(record.get("docks")) if isinstance(title, str))
    return WindowSession(tuple(item for item in items if item is not None), view, docks, tuple(left_out))


def _entry(entry: Any, number: int) -> dict[str, Any]:
    parts = {"name": str, "look": dict, "notes": dict}
    if not isinstance(entry, dict) or entry.get("kind") not in KINDS or not all(isinstance(entry.get(n), t) for n, t in parts.items()):
        raise InputError(f"Layer {number} of the session", why="its record cannot be used", fix="Save the session again")
    return entry


def _read(entry: Mapping[str, Any], folder: Path, number: int) -> Item:
    item = Item(entry["kind"], entry["name"], dict(entry["look"]), dict(entry["notes"]))
    _READERS[item.kind](item, entry, folder / f"{number:03d}")
    return item


def _read_volume(item: Item, entry: Mapping[str, Any], stem: Path) -> None:
    given = entry.get("file")
    volume = _from_file(item.name, given, stem.parent) if isinstance(given, dict) else read_volume(Path(f"{stem}_{item.kind}.nii.gz"))
    findings = tuple(Finding(**one) for one in _list(entry.get("findings")) if _says_finding(one))
    sequence, origin = entry.get("sequence"), entry.get("sequence_origin")
    volume = volume.with_sequence(sequence if isinstance(sequence, str) else None, origin if isinstance(origin, str) else "")
    item.volume = replace(volume, name=item.name, findings=findings)


def _says_finding(one: Any) -> bool:
    names = {"code", "level", "message", "fix"}
    return isinstance(one, dict) and set(one) == names and all(isinstance(text, str) for text in one.values())


def _from_file(name: str, given: Mapping[str, Any], folder: Path) -> Volume:
    """A scan where it lay, or as far from the session as it was."""
    candidates = [Path(str(given.get("path", ""))), folder / str(given.get("near", ""))]
    path = next((one for one in candidates if one.is_file()), None)
    if path is None:
        raise InputError(
            f"The layer {name}", why=f"its file {candidates[0].name} is not in {candidates[0].parent} any more", fix="Put it back"
        )
    index = given.get("index")
    volume = read_volume(path, index=index if isinstance(index, int) else None)
    assert volume.source is not None
    if volume.source.sha256 != given.get("sha256"):
        raise InputError(f"The layer {name}", why=f"{path.name} is not the file that it was", fix="Open the scan and run the method again")
    return volume


def _read_map(item: Item, entry: Mapping[str, Any], stem: Path) -> None:
    item.amap = read_map(Path(f"{stem}_anomalymap.nii.gz"))
    truth = Path(f"{stem}_truth.nii.gz")
    if truth.is_file():
        like = Volume(item.amap.score, item.amap.grid, name=item.name, source=item.amap.source)
        item.truth = read_mask(truth, like, label="ground truth")
    item.edits = _read_edits(entry.get("edits"), Path(f"{stem}_edits.npz"), item.amap.score.size)


def _read_edits(about: Any, file: Path, size: int) -> RegionEdits:
    if not isinstance(about, dict) or not file.is_file():
        return RegionEdits()
    arrays = _arrays(file)
    merges = tuple(
        tuple(_voxels(arrays, f"merge-{number}-{part}", size) for part in range(min(parts, len(arrays)) if isinstance(parts, int) else 0))
        for number, parts in enumerate(_list(about.get("merges")))
    )
    marks = tuple(
        Mark(_voxels(arrays, f"mark-{number}", size), str(one.get("review", "")), str(one.get("note", "")))
        for number, one in enumerate(_list(about.get("marks")))
        if isinstance(one, dict)
    )
    return RegionEdits(merges, marks)


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except (OSError, ValueError, BadZipFile) as error:
        raise InputError(file.name, why="it holds no arrays that can be read", fix="Save the session again") from error


def _voxels(arrays: Mapping[str, NDArray[Any]], name: str, size: int) -> NDArray[np.int64]:
    found = np.asarray(arrays[name], np.int64).ravel() if name in arrays else np.zeros(0, np.int64)
    if found.size and (found.min() < 0 or found.max() >= size):
        raise InputError("The review of a map", why="it names voxels that the map does not have", fix="Save the session again")
    return found


def _read_of_map(item: Item, entry: Mapping[str, Any], stem: Path) -> None:
    # The map may lie above: it is found when all are read.
    item.notes["of_map"] = entry.get("of")
    if item.kind == DERIVED:
        item.data = read_volume(Path(f"{stem}_derived.nii.gz")).data


def _read_array(item: Item, entry: Mapping[str, Any], stem: Path) -> None:
    item.data = _arrays(Path(f"{stem}_array.npz")).get("data")
    if item.data is None or item.data.dtype.kind not in "biuf":
        raise InputError(f"The layer {item.name}", why="its file holds no numbers", fix="Save the session again")
    item.place = dict(entry["place"]) if isinstance(entry.get("place"), dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


_READERS: Mapping[str, Callable[[Item, Mapping[str, Any], Path], None]] = {
    SCAN: _read_volume,
    MASK: _read_volume,
    MAP: _read_map,
    REGIONS: _read_of_map,
    BOXES: _read_of_map,
    DERIVED: _read_of_map,
    ARRAY: _read_array,
}
