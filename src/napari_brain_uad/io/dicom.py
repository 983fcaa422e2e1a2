"""DICOM series in: which series a folder holds, and one of them as a volume.

Loaded right or refused: positions order the slices, nothing is filled in, and what is left out is counted in
``Volume.findings``. Nothing that names the patient leaves this module: a volume is called after its modality, its sequence and a
digest of its series' UID, and it does not keep the folder's path, since scanners name folders after patients.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..core.checks import Finding
from ..core.errors import InputError
from ..core.sequence import SequenceReading, read_sequence
from ..core.volume import Grid, Source, Volume, canonical
from .dicom_frames import Frame, is_dicom, read_frames
from .dicom_pixels import read_stack
from .dicom_stack import build_stack, split

_SUFFIXES = (".dcm", ".dicom", ".dic", ".ima")


@dataclass(frozen=True)
class Series:
    """One volume that a folder offers.

    Parameters
    ----------
    uid : str
        What `read_series` takes: the SeriesInstanceUID, with ``#n`` when the series holds several volumes (echoes, ...).
    number : int or None
        SeriesNumber.
    modality : str
        "MR", "CT", ...
    sequence : str or None
        "FLAIR", "T1", "T1c", "T2", "PD", or None when neither tags nor description tell.
    origin : str
        What says so, in words.
    slices : int
        How many.
    size : tuple of int
        Columns and rows.
    description : str
        SeriesDescription, for showing to the user only: free text may name the patient.
    """

    uid: str
    number: int | None
    modality: str
    sequence: str | None
    origin: str
    slices: int
    size: tuple[int, int]
    description: str = field(repr=False, compare=False)

    @property
    def label(self) -> str:
        """The series in a few words without free text: "series 4: MR FLAIR, 26 slices of 256 x 224"."""
        named = " ".join(filter(None, (self.modality, self.sequence)))
        number = "series" if self.number is None else f"series {self.number}"
        return f"{number}: {named}, {self.slices} slice{'s' if self.slices != 1 else ''} of {self.size[0]} x {self.size[1]}"


@dataclass(frozen=True, eq=False)
class _Folder:
    """What a folder holds: the frames of every volume, by uid, and what was left out."""

    volumes: dict[str, tuple[Frame, ...]]
    findings: tuple[Finding, ...]


def find_series(folder: Path | str) -> tuple[Series, ...]:
    """The volumes in a folder and its subfolders, from the headers only.

    Raises
    ------
    InputError
        If the folder is missing, holds no DICOM image, or a DICOM file in it is damaged.
    """
    return _listed(_scan(Path(folder)).volumes)


def read_series(path: Path | str, uid: str | None = None, *, index: int | None = None) -> Volume:
    """Read one DICOM series as a volume.

    Parameters
    ----------
    path : Path or str
        A folder (read with its subfolders), or a file: a multi-frame file stands for itself, a slice for its series in its folder.
    uid : str, optional
        Which series, as `find_series` gives it; not needed when there is one only.
    index : int, optional
        Its place in the list that `find_series` gives, from 0, instead of `uid`.

    Returns
    -------
    Volume
        float32, RAS+ axes. ``source`` holds the grid indexed (column, row, slice); ``findings`` a tilt, hints of missing slices,
        and how many files were left out.

    Raises
    ------
    InputError
        If there are several series and none is chosen (they are listed); if slices are missing, doubled, mixed or damaged; if
        they say nothing about their place; or if no installed package decodes them.
    """
    path = Path(path)
    if path.is_file():
        alone = _read_file(path)
        if len(alone) > 1:
            return _volume(_Folder(_volumes(alone), ()), uid, index)
        uid, path = uid or _uid_of(alone[0], path.parent), path.parent
    return _volume(_scan(path), uid, index)


def is_dicom_path(path: Path | str) -> bool:
    """Whether `read_series` is the reader for a path: a folder, or a file with DICOM's mark."""
    path = Path(path)
    return path.is_dir() or (path.is_file() and is_dicom(path))


def _read_file(path: Path) -> tuple[Frame, ...]:
    if not is_dicom(path):
        raise InputError(path.name, why="it is not a DICOM file", fix="Give a folder of DICOM files, or one of them")
    frames = read_frames(path)
    if not frames:
        raise InputError(path.name, why="this DICOM file holds no image", fix="Give a folder of DICOM images, or one of them")
    return frames


def _uid_of(frame: Frame, folder: Path) -> str:
    for uid, frames in _scan(folder).volumes.items():
        if any(other.path == frame.path for other in frames):
            return uid
    raise InputError(frame.path.name, why="its series was not found in its folder", fix="Give the folder")


def _scan(folder: Path) -> _Folder:
    if not folder.is_dir():
        raise InputError(f"{folder.name} is not a folder", fix="Give a folder of DICOM files")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    marked: list[Path] = []
    others: list[Path] = []
    for path in files:
        (marked if is_dicom(path) else others).append(path)
    frames: list[Frame] = []
    images: list[Path] = []
    for path in marked:
        found = read_frames(path)
        frames += found
        images += [path] if found else []
    _check_unmarked(others, images)
    if not frames:
        raise InputError(
            f"Folder {folder.name} holds no DICOM image", why=f"of its {len(files)} files none is one", fix="Give another folder"
        )
    return _Folder(_volumes(frames), tuple(_left_out(len(marked) - len(images), len(others))))


def _check_unmarked(others: Sequence[Path], images: Sequence[Path]) -> None:
    """A file that is not DICOM, but by its name or size should be a slice, is a damaged slice."""
    suffixes = {path.suffix.lower() for path in images}
    least = min((path.stat().st_size for path in images), default=0)
    for path in others:
        size = path.stat().st_size
        alike = path.suffix.lower() in suffixes and (size == 0 or 2 * size >= least)
        if alike or path.suffix.lower() in _SUFFIXES:
            raise InputError(path.name, why="it looks like a DICOM file, but is none: damaged", fix="Copy it again, or take it away")


def _left_out(without: int, others: int) -> Iterable[Finding]:
    if without:
        yield Finding("dicom-no-image", "info", f"{without} DICOM file{'s' * (without > 1)} without an image left out")
    if others:
        yield Finding("not-dicom", "info", f"{others} file{'s' * (others > 1)} that {'are' if others > 1 else 'is'} not DICOM left out")


def _volumes(frames: Sequence[Frame]) -> dict[str, tuple[Frame, ...]]:
    by_series: dict[str, list[Frame]] = {}
    for frame in frames:
        by_series.setdefault(frame.series, []).append(frame)
    volumes: dict[str, tuple[Frame, ...]] = {}
    for uid, members in by_series.items():
        parts = split(members)
        for number, part in enumerate(parts, 1):
            volumes[uid if len(parts) == 1 else f"{uid}#{number}"] = part
    return volumes


def _series(uid: str, frames: Sequence[Frame]) -> Series:
    first = frames[0]
    read, size = _sequence(first), (first.columns, first.rows)
    return Series(uid, first.series_number, first.modality, read.sequence, read.origin, len(frames), size, first.description)


def _listed(volumes: Mapping[str, Sequence[Frame]]) -> tuple[Series, ...]:
    series = [_series(uid, frames) for uid, frames in volumes.items()]
    return tuple(sorted(series, key=lambda one: (one.number is None, one.number or 0, one.uid)))


def _sequence(frame: Frame) -> SequenceReading:
    """The sequence by tags and description; of the description only the words that tell it are kept."""
    return read_sequence("", fields=frame.fields, descriptions=(frame.description, frame.protocol))


def _choose(found: _Folder, uid: str | None, index: int | None) -> str:
    listed = _listed(found.volumes)
    if uid is not None:
        if uid not in found.volumes:
            raise InputError("The series", why="there is none of this UID in the folder", fix="Choose one that find_series gives")
        return uid
    if index is not None:
        if not 0 <= index < len(listed):
            raise InputError(f"There is no series {index}", fix=f"Choose index 0 to {len(listed) - 1}")
        return listed[index].uid
    if len(listed) > 1:
        names = [f"{place}: {one.label}" for place, one in enumerate(listed)]
        more = f"; and {len(names) - 12} more" if len(names) > 12 else ""
        raise InputError(
            f"The folder holds {len(listed)} series", why="; ".join(names[:12]) + more, fix=f"Choose one: index 0 to {len(listed) - 1}"
        )
    return listed[0].uid


def _volume(found: _Folder, uid: str | None, index: int | None) -> Volume:
    uid = _choose(found, uid, index)
    series = _series(uid, found.volumes[uid])
    stack = build_stack(series.label.capitalize(), found.volumes[uid])
    stored, sha256 = read_stack(stack)
    source = Source(Grid(stored.shape, stack.affine), path=None, sha256=sha256, qform_code=1, sform_code=1)
    turned, grid = canonical(stored, source.grid)
    # As after reading NIfTI: the last axis varies slowest, so that what napari shows is contiguous.
    data = np.asfortranarray(turned)
    digest = hashlib.sha256(uid.encode()).hexdigest()[:8]
    name = "-".join(filter(None, (series.modality or "DICOM", series.sequence, digest)))
    findings = (*stack.findings, *_kind_findings(stack.frames), *found.findings)
    return Volume(data, grid, name, sequence=series.sequence, source=source, findings=findings, sequence_origin=series.origin)


def _kind_findings(frames: Sequence[Frame]) -> Iterable[Finding]:
    if frames[0].modality != "MR":
        yield Finding("not-mr", "warning", f"its modality is {frames[0].modality[:2] or 'unknown'}, not MR", "The methods are made for MRI")
    if any(frame.lossy for frame in frames):
        yield Finding("lossy", "warning", "its images were compressed with loss: intensities are not the original ones")
