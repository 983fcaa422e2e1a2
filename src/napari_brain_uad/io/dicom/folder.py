"""What a study's folder holds: its volumes, the damaged files that belong to them, and everything else by kind.

A folder straight from a scanner or an archive is full of other things: reports, pictures, lists, lock files. They are counted and
told. A damaged file stands against the series that it may be a slice of, and against no other.
"""

from __future__ import annotations

import filecmp
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from ...core.checks import Finding, Level
from ...core.errors import InputError
from ..streams import GET_LINKED
from ..walk import Missed, walk_files
from .frames import Frame, Reading, is_dicom, read_file
from .stack import split

_SUFFIXES = (".dcm", ".dicom", ".dic", ".ima")


@dataclass(frozen=True)
class Skipped:
    """Something in a folder that is not read, and why.

    Parameters
    ----------
    code, level : str
        See `core.checks.Finding`.
    what : str
        A series or a number of files, in words without free text.
    why : str
        The reason; may be empty where `what` says it.
    names : tuple of str
        The files, for the screen only: scanners name files after patients.
    """

    code: str
    level: Level
    what: str
    why: str = ""
    names: tuple[str, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        """What and why, like "series 3: MR, 1 slice of 512 x 512: it is in colour"."""
        return f"{self.what}: {self.why}" if self.why else self.what

    @property
    def finding(self) -> Finding:
        """It as a finding about the volume that was read from the same folder; names no file."""
        return Finding(self.code, self.level, f"left out: {self}")


@dataclass(frozen=True, eq=False)
class Contents:
    """What a folder holds.

    Parameters
    ----------
    files : int
        How many files it has.
    volumes : dict of str to tuple of Frame
        The frames of every volume, by UID (with ``#n`` for the parts of a series).
    faults : dict of str to InputError
        What is wrong with a file of a volume, by UID; of a series without one sound file, too.
    left_out : tuple of Skipped
        The files that belong to no volume.
    joined : frozenset of str
        The volumes that hold slices whose files do not name the series.
    """

    files: int
    volumes: dict[str, tuple[Frame, ...]]
    faults: dict[str, InputError]
    left_out: tuple[Skipped, ...]
    joined: frozenset[str]


def look_through(folder: Path) -> Contents:
    """Read the headers of all files in a folder and its subfolders; links are followed, hidden files left out."""
    missed = Missed()
    files = walk_files(folder, missed)
    readings: dict[Path, Reading] = {}
    others: list[Path] = []
    for path in files:
        reading = _read(path)
        if reading is None:
            others.append(path)
        else:
            readings[path] = reading
    copies = _copies(readings)
    for path in copies:
        del readings[path]
    volumes, joined = _volumes([frame for reading in readings.values() for frame in reading.frames], folder)
    places = _Places(volumes)
    damage = {path: (reading.series, reading.fault) for path, reading in readings.items() if reading.fault is not None}
    why = "it looks like a DICOM file, but is none: damaged"
    damage |= {path: ("", InputError(path.name, why=why, fix="Copy it again, or take it away")) for path in others if places.suspects(path)}
    gone = {path: ("", InputError(path.name, why="it is a link that leads nowhere", fix=GET_LINKED)) for path in missed.dangling}
    faults, stray = _attributed({**damage, **gone}, places)
    left_out = (
        *_without_image(readings.values()),
        *_not_dicom([path for path in others if path not in damage]),
        *([Skipped("dicom-copies", "info", f"{len(copies)} files that are copies of others, byte for byte")] if copies else []),
        *(Skipped("dicom-damaged", "warning", "1 file that belongs to no series", error.why, (path.name,)) for path, error in stray),
        *(Skipped("dicom-damaged", "warning", line) for line in Missed(unreadable=missed.unreadable).words(folder)),
    )
    return Contents(len(files) + len(missed.dangling), volumes, faults, left_out, joined)


def _read(path: Path) -> Reading | None:
    try:
        return read_file(path) if is_dicom(path) else None
    except InputError as error:
        return Reading(fault=error)


def _copies(readings: dict[Path, Reading]) -> list[Path]:
    """The second and further files of every series that is there several times as a whole, byte for byte.

    A copy of some slices alone may stand where another slice has been: it stays, and `build_stack` refuses it.
    """
    series: dict[str, dict[str, list[Path]]] = {}
    for path, reading in readings.items():
        if reading.frames and reading.frames[0].series:
            images = series.setdefault(reading.frames[0].series, {})
            images.setdefault(reading.frames[0].instance, []).append(path)
    copies: list[Path] = []
    for images in series.values():
        if len({len(paths) for paths in images.values()}) == 1 and all(_same_bytes(paths) for paths in images.values()):
            copies += [path for _, *others in images.values() for path in others]
    return copies


def _same_bytes(paths: Sequence[Path]) -> bool:
    return all(filecmp.cmp(paths[0], other, shallow=False) for other in paths[1:])


def _volumes(frames: Sequence[Frame], folder: Path) -> tuple[dict[str, tuple[Frame, ...]], frozenset[str]]:
    """The frames of every volume by UID, and the UIDs of those that a slice without a UID was put into."""
    series: dict[str, list[Frame]] = {}
    for frame in frames:
        if frame.series:
            series.setdefault(frame.series, []).append(frame)
    named = {uid: members[0] for uid, members in series.items()}
    joined = set()
    for frame in frames:
        if not frame.series:
            own = [uid for uid, first in named.items() if _same_series(frame, first)]
            uid = own[0] if len(own) == 1 else _stand_in(frame, folder)
            joined |= {uid} if len(own) == 1 else set()
            series.setdefault(uid, []).append(frame)
    volumes: dict[str, tuple[Frame, ...]] = {}
    for uid, members in series.items():
        volumes |= _parts(uid, members)
    return volumes, frozenset(uid for uid in volumes if uid.partition("#")[0] in joined)


def volumes_of(frames: Sequence[Frame]) -> dict[str, tuple[Frame, ...]]:
    """The volumes of one file, by UID."""
    return _parts(frames[0].series or "without-uid", frames)


def _parts(uid: str, frames: Sequence[Frame]) -> dict[str, tuple[Frame, ...]]:
    parts = split(frames)
    return {uid if len(parts) == 1 else f"{uid}#{number}": part for number, part in enumerate(parts, 1)}


def _same_series(frame: Frame, other: Frame) -> bool:
    """Whether a slice that does not name its series may be one of `other`'s: side by side, same number, study and direction."""
    if frame.series_number is None or frame.orientation is None or other.orientation is None:
        return False
    alike = frame.path.parent == other.path.parent and frame.series_number == other.series_number and frame.same == other.same
    return alike and float(np.abs(np.subtract(frame.orientation, other.orientation)).max()) < 1e-3


def _stand_in(frame: Frame, folder: Path) -> str:
    """What a series without a UID is called: the same for slices side by side of one study, number and size."""
    place = frame.path.parent.relative_to(folder).as_posix()
    told = (place, frame.series_number, frame.modality, *frame.same.values())
    return f"without-uid-{hashlib.sha256(repr(told).encode()).hexdigest()[:16]}"


class _Places:
    """Where the files of the volumes lie, and what their names look like: tells which volumes a damaged file may be a slice of."""

    def __init__(self, volumes: dict[str, tuple[Frame, ...]]) -> None:
        self._uids = tuple(volumes)
        self._near: dict[tuple[Path, str], dict[str, set[str]]] = {}
        for uid, frames in volumes.items():
            for frame in frames:
                self._near.setdefault(_shape(frame.path), {}).setdefault(frame.path.name, set()).add(uid.partition("#")[0])

    def of_series(self, series: str) -> list[str]:
        """The volumes of a series."""
        return [uid for uid in self._uids if uid.partition("#")[0] == series]

    def suspects(self, path: Path) -> set[str]:
        """The series that have files of such a name beside it; of many that follow each other, those it lies between."""
        near = self._near.get(_shape(path), {})
        owners = set().union(*near.values())
        names = sorted(near, key=_natural)
        runs = [names[0]] if names else []
        runs += [name for before, name in pairwise(names) if near[before] != near[name]]
        if len(owners) < 2 or len(runs) > len(owners):
            return owners
        at = sum(_natural(name) < _natural(path.name) for name in names)
        return set().union(*(near[name] for name in names[max(at - 1, 0) : at + 1]))


def _shape(path: Path) -> tuple[Path, str]:
    """A file's folder, and its name with every number (decimal or hexadecimal) made the same: slices are numbered."""
    return path.parent, re.sub(r"[0-9a-f]{4,}|[0-9a-f]*[0-9][0-9a-f]*", "#", path.name.lower())


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"([0-9]+)", name)]


def _attributed(damage: dict[Path, tuple[str, InputError]], places: _Places) -> tuple[dict[str, InputError], list[tuple[Path, InputError]]]:
    """What stands against which volume, the first fault of each; and what stands against none."""
    faults: dict[str, InputError] = {}
    stray = []
    for path, (series, error) in damage.items():
        against = {series} if series else places.suspects(path)
        for one in against:
            for uid in places.of_series(one) or [one]:
                faults.setdefault(uid, error)
        if not against:
            stray.append((path, error))
    return faults, stray


def _without_image(readings: Iterable[Reading]) -> Iterable[Skipped]:
    kinds = Counter(reading.kind for reading in readings if reading.kind)
    count = sum(kinds.values())
    if count:
        named = ", ".join(f"{many} {kind}" if many > 1 else kind for kind, many in kinds.most_common())
        yield Skipped("dicom-no-image", "info", f"{count} DICOM file{'s' * (count > 1)} without an image", named)


def _not_dicom(others: Sequence[Path]) -> Iterable[Skipped]:
    odd = tuple(path.name for path in others if path.suffix.lower() in _SUFFIXES)
    count = len(others) - len(odd)
    if count:
        yield Skipped("not-dicom", "info", f"{count} file{'s' * (count > 1)} that {'are' if count > 1 else 'is'} not DICOM")
    if odd:
        what = f"{len(odd)} file{'s' * (len(odd) > 1)} named like DICOM"
        yield Skipped("dicom-damaged", "warning", what, "damaged, or something else under that name", odd)
