"""DICOM series in: which series a folder holds, and one of them as a volume.

Loaded right or refused: positions order the slices, nothing is filled in, and what is left out is counted in
``Volume.findings``. Nothing that names the patient leaves this module: a volume is called after its modality, its sequence and a
digest of its series' UID, and it does not keep the folder's path, since scanners name folders after patients.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ...core.checks import Finding, Level
from ...core.errors import InputError
from ...core.sequence import SequenceReading, read_sequence
from ...core.text import counted
from ...core.volume import Grid, Source, Volume, canonical
from ..streams import WHICH
from .folder import Contents, Skipped, look_through, volumes_of
from .frames import Frame, digest, is_dicom, read_file
from .kinds import PHASE
from .pixels import read_stack
from .stack import Stack, build_stack, unfit_series

_NOBODY = {digest(number, name) for number in (None, "") for name in (None, "")}
"""Of files that do not say who was scanned, nobody knows whether they are of one person."""


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
class Study:
    """The volumes that a folder offers, and what else lies in it.

    Parameters
    ----------
    series : tuple of Series
        Those that can be read, by number.
    left_out : tuple of Skipped
        Everything else, each with its reason: series that are damaged or no volumes, files that belong to none.
    frames, stacks, refused : mapping by UID
        What `read_series` goes on with: the frames of all volumes, the stacks of those that can be read, why the others cannot.
    """

    series: tuple[Series, ...]
    left_out: tuple[Skipped, ...]
    frames: Mapping[str, tuple[Frame, ...]] = field(repr=False)
    stacks: Mapping[str, Stack] = field(repr=False)
    refused: Mapping[str, InputError] = field(repr=False)


def find_study(folder: Path | str) -> Study:
    """Look through a folder and its subfolders, from the headers only; links are followed.

    Raises
    ------
    InputError
        If the folder is missing or holds no DICOM image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder.name} is not a folder", fix="Give a folder of DICOM files")
    found = look_through(folder)
    if not found.volumes and not found.faults:
        beside = "; ".join(f"{one.what} ({one.why})" if one.why else one.what for one in found.left_out)
        why = f"of its {counted(found.files, 'file')} none is one{f': {beside}' if beside else ''}"
        fix = "Give a folder of DICOM files, or one image file; sequences of one person together: `brain-uad detect`, or detect_several"
        raise InputError(f"Folder {folder.name} holds no DICOM image", why=why, fix=fix)
    return _study(found)


def _study(found: Contents) -> Study:
    stacks: dict[str, Stack] = {}
    refused = dict(found.faults)
    for uid in found.volumes.keys() - refused.keys():
        try:
            stacks[uid] = _stack(uid, found)
        except InputError as error:
            refused[uid] = error
    good = {uid: found.volumes[uid] for uid in stacks}
    left_out = [_refused(uid, refused[uid], found) for uid in dict.fromkeys((*found.volumes, *refused)) if uid in refused]
    return Study(_listed(good), (*left_out, *found.left_out), found.volumes, stacks, refused)


def _stack(uid: str, found: Contents) -> Stack:
    frames = found.volumes[uid]
    stack = build_stack(_series(uid, frames).label.replace("series", "Series", 1), frames)
    if uid not in found.joined:
        return stack
    message = "slices that do not name their series were put into it: number, study and direction are the same"
    return replace(stack, findings=(*stack.findings, Finding("no-series-uid", "warning", message, "Check that it is one series")))


def _refused(uid: str, error: InputError, found: Contents) -> Skipped:
    """What is told of a series that is not offered; that it is none by its kind (a localizer, a picture) is no cause for concern."""
    frames, fault = found.volumes.get(uid, ()), found.faults.get(uid)
    level: Level = "info" if frames and fault is None and unfit_series(frames) is not None else "warning"
    what = _series(uid, frames).label if frames else "a series without a sound file"
    if fault is None:
        return Skipped("dicom-series", level, what, error.why)
    return Skipped("dicom-series", level, what, f"one of its files: {fault.why}" if frames else fault.why, (fault.what,))


def find_series(folder: Path | str) -> tuple[Series, ...]:
    """The volumes in a folder and its subfolders that can be read, from the headers only; see `find_study` for the others.

    Raises
    ------
    InputError
        If the folder is missing, or no series in it can be read.
    """
    study = find_study(folder)
    _check_any(study)
    return study.series


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
        and what in the folder was left out and why.

    Raises
    ------
    InputError
        If there are several series and none is chosen (they are listed); if slices of the chosen one are missing, doubled, mixed or
        damaged; if they say nothing about their place; or if no installed package decodes them.
    """
    return _volume(*_chosen(Path(path), uid, index), index)


def stack_of(path: Path | str, *, index: int | None = None) -> Stack:
    """The slices, in order, that `read_series` makes a volume of, for who writes further objects of that series; raises as it does."""
    study, uid = _chosen(Path(path), None, index)
    return study.stacks[uid]


def _chosen(path: Path, uid: str | None, index: int | None) -> tuple[Study, str]:
    if path.is_file():
        alone = _read_file(path)
        if len(alone) > 1:
            study = _study(Contents(1, volumes_of(alone), {}, (), frozenset()))
            return study, _choose(study, uid, index)
        study = find_study(path.parent)
        return study, _choose(study, uid or _uid_of(alone[0], study), index)
    study = find_study(path)
    return study, _choose(study, uid, index)


def is_dicom_path(path: Path | str) -> bool:
    """Whether `read_series` is the reader for a path: a folder, or a file with DICOM's mark."""
    path = Path(path)
    return path.is_dir() or (path.is_file() and is_dicom(path))


def _read_file(path: Path) -> tuple[Frame, ...]:
    reading = read_file(path) if is_dicom(path) else None
    if reading is None:
        raise InputError(path.name, why="it is not a DICOM file", fix="Give a folder of DICOM files, or one of them")
    if reading.fault is not None:
        raise reading.fault
    if not reading.frames:
        why = f"this DICOM file holds no image ({reading.kind})"
        raise InputError(path.name, why=why, fix="Give a folder of DICOM images, or one of them")
    return reading.frames


def _uid_of(frame: Frame, study: Study) -> str:
    for uid, frames in study.frames.items():
        if any(other.path == frame.path for other in frames):
            return uid
    raise InputError(frame.path.name, why="its series was not found in its folder", fix="Give the folder")


def _check_any(study: Study) -> None:
    """Something can be read; the reason of the only series as it is, those of several in one sentence."""
    if study.series:
        return
    if len(study.refused) == 1:
        raise next(iter(study.refused.values()))
    why = "; ".join(str(one) for one in study.left_out if one.code == "dicom-series")
    raise InputError("No series in the folder can be read", why=why, fix="Export the series again, or choose another folder")


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


def _choose(study: Study, uid: str | None, index: int | None) -> str:
    listed = study.series
    if uid is not None:
        if uid in study.refused:
            raise study.refused[uid]
        if uid not in study.stacks:
            raise InputError("The series", why="there is none of this UID in the folder", fix="Choose one that find_series gives")
        return uid
    _check_any(study)
    if index is not None:
        if not 0 <= index < len(listed):
            raise InputError(
                f"There is no series {index}", why=_left_out_words(study), fix=f"Choose index 0 to {len(listed) - 1} ({WHICH})"
            )
        return listed[index].uid
    if len(listed) > 1:
        names = [f"{place}: {one.label}" for place, one in enumerate(listed)]
        more = f"; and {len(names) - 12} more" if len(names) > 12 else ""
        beside = _left_out_words(study)
        why = "; ".join(names[:12]) + more + (f". {beside}" if beside else "")
        raise InputError(f"The folder holds {len(listed)} series", why=why, fix=f"Choose one: index 0 to {len(listed) - 1} ({WHICH})")
    return listed[0].uid


def _left_out_words(study: Study) -> str:
    told = [str(one) for one in study.left_out]
    more = f"; and {len(told) - 8} more" if len(told) > 8 else ""
    return f"Left out: {'; '.join(told[:8])}{more}" if told else ""


def _volume(study: Study, uid: str, index: int | None) -> Volume:
    stack = study.stacks[uid]
    series = _series(uid, study.frames[uid])
    stored, sha256 = read_stack(stack)
    patient = str(stack.frames[0].same.get("patient", ""))
    source = Source(
        grid=Grid(stored.shape, stack.affine),
        sha256=sha256,
        qform_code=1,
        sform_code=1,
        volume_index=index,
        patient="" if patient in _NOBODY else patient,
    )
    turned, grid = canonical(stored, source.grid)
    # As after reading NIfTI: the last axis varies slowest, so that what napari shows is contiguous.
    data = np.asfortranarray(turned)
    digest = hashlib.sha256(uid.encode()).hexdigest()[:8]
    name = "-".join(filter(None, (series.modality or "DICOM", series.sequence, digest)))
    findings = (*stack.findings, *_kind_findings(stack.frames), *(one.finding for one in study.left_out))
    return Volume(data, grid, name, sequence=series.sequence, source=source, findings=findings, sequence_origin=series.origin)


def _kind_findings(frames: Sequence[Frame]) -> Iterable[Finding]:
    if frames[0].modality != "MR":
        yield Finding("not-mr", "warning", f"its modality is {frames[0].modality[:2] or 'unknown'}, not MR", "The methods are made for MRI")
    if any(frame.lossy for frame in frames):
        yield Finding("lossy", "warning", "its images were compressed with loss: intensities are not the original ones")
    words = {str(frames[0].kinds.get(name)) for name in ("part of the complex signal",)} | {
        *str(frames[0].kinds.get("image type")).split("\\")
    }
    if words & PHASE:
        message = "it is a phase, real or imaginary image: its values are no intensities of tissue"
        yield Finding("not-magnitude", "warning", message, "Choose the magnitude images")
