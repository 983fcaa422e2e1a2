"""A plain folder of scans, for data that follow no public layout.

Either a folder a subject, with files named after their sequence (``pat01/FLAIR.nii.gz``, ``pat01/lesions.nii.gz``), or one folder
with files named after subject and sequence (``pat01_FLAIR.nii.gz``, ``pat01_mask.nii.gz``). A visit (``study1_FLAIR``,
``ses-2_T1``) becomes the session. What a name does not tell is "unknown".
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..core.sequence import sequence_of_name
from ..io.nifti import SUFFIXES, image_stem
from .layout import BRAIN_MASK, TRUTH, Subject, files, some_subjects

_SEQUENCE = r"t2[-_ ]?flair|flair|t1[-_]?w?[-_]?(?:ce|c|gd|post|km|contrast)|mprage|mp2rage|t[12](?:wks|w|f|n)?|pdw?"
_TRUTH = r"ground[-_]?truth|truth|consensus_gt|gt|lesions?|tumou?r|seg(?:mentation)?|anomal(?:y|ies)"
_BRAIN = r"(?:hd-?bet|brain)?[-_]?mask"
_TISSUES = "tissues?"
_VISIT = re.compile(r"(?:study|ses|session|visit|tp|time|timepoint)[-_]?\d+", re.IGNORECASE)
_SCANS = tuple(suffix for suffix in SUFFIXES if not suffix.startswith(".img"))  # a pair is opened by its header
_ROLES = (BRAIN_MASK, TRUTH, "tissue")
_ORDER = ("FLAIR", "T1", "T2", "T1c", "PD", "unknown")


@dataclass(frozen=True)
class Plain:
    """The layout; see the module's text."""

    id: str = "plain"
    name: str = "Plain folder"
    note: str = ""

    def detect(self, root: Path) -> bool:
        """Whether there is any scan."""
        return any(_split_name(path)[1] not in _ROLES for path in files(root))

    def subjects(self, root: Path) -> tuple[Subject, ...]:
        """One entry a subject and visit."""
        by_folder: dict[Path, list[Path]] = {}
        for path in files(root):
            if not path.name.lower().endswith((".img", ".img.gz")):
                by_folder.setdefault(path.parent, []).append(path)
        found: dict[tuple[str, str], list[Path]] = {}
        for folder, paths in by_folder.items():
            for path in paths:
                found.setdefault(_key(path, folder, root, paths), []).append(path)
        subjects = [_subject(key, paths) for key, paths in sorted(found.items())]
        return some_subjects(tuple(subject for subject in subjects if subject.sequences), root, self.name)


def with_masks_beside(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The paths, each scan followed by the brain mask and the truth of the same name that lie in its folder.

    Where several lie there, the one named after the scan is taken, or none. What is no scan, and folders, stay alone.
    """
    given = tuple(paths)
    known = {path.resolve() for path in given}
    found: list[Path] = []
    for path in given:
        found.append(path)
        for role in (BRAIN_MASK, TRUTH) if path.is_file() and _split_name(path)[1] not in _ROLES else ():
            beside = _beside(path, role)
            if beside is not None and beside.resolve() not in known:
                known.add(beside.resolve())
                found.append(beside)
    return tuple(found)


def _beside(scan: Path, role: str) -> Path | None:
    rest, stem = _split_name(scan)[0], image_stem(scan)
    others = (path for path in sorted(scan.parent.iterdir()) if path.name.lower().endswith(_SCANS) and path.is_file())
    masks = [path for path in others if _split_name(path) == (rest, role)]
    named = [path for path in masks if _split_role(image_stem(path))[0].strip("-_ .") == stem]
    return next((few[0] for few in (named, masks) if len(few) == 1), None)


def _split_name(path: Path) -> tuple[str, str]:
    """What is left of a name without its kind, and the kind: a sequence, `BRAIN_MASK`, `TRUTH`, "tissue" or "unknown"."""
    rest, kind = _split_role(image_stem(path))
    if kind == "unknown":
        kind = sequence_of_name(rest) or "unknown"
    rest = re.sub(rf"(?<![a-z0-9])(?:{_SEQUENCE})(?![a-z0-9])", "", rest, flags=re.IGNORECASE)
    return re.sub(r"[-_ .]{2,}", "_", rest).strip("-_ ."), kind


def _split_role(stem: str) -> tuple[str, str]:
    """A stem without the word that makes it a mask, and what it is then; "unknown" when there is no such word."""
    for role, pattern in ((BRAIN_MASK, _BRAIN), (TRUTH, _TRUTH), ("tissue", _TISSUES)):
        cut, count = re.subn(rf"(?<![a-z0-9])(?:{pattern})(?![a-z0-9])", "", stem, flags=re.IGNORECASE)
        if count:
            return cut, role
    return stem, "unknown"


def _key(path: Path, folder: Path, root: Path, siblings: list[Path]) -> tuple[str, str]:
    """Subject and session of a file: its folder is a subject's if its files are named after sequences or visits alone."""
    rest, _ = _split_name(path)
    rests = {_split_name(other)[0] for other in siblings}
    own = folder.name
    if folder != root and all(one in ("", own) or _VISIT.fullmatch(one.removeprefix(own).strip("-_ ")) for one in rests):
        return folder.relative_to(root).as_posix(), rest.removeprefix(own).strip("-_ ")
    if folder == root and rests == {""}:
        return folder.name, ""
    prefix = "" if folder == root else f"{folder.relative_to(root).as_posix()}/"
    visit = _VISIT.search(rest)
    subject = rest if visit is None else (rest[: visit.start()] + rest[visit.end() :]).strip("-_ ")
    return prefix + (subject or rest or path.name), visit.group() if visit and subject else ""


def _subject(key: tuple[str, str], paths: list[Path]) -> Subject:
    kinds: dict[str, list[Path]] = {}
    for path in paths:
        kinds.setdefault(_split_name(path)[1], []).append(path)
    sequences = {kind: kinds[kind][0] for kind in _ORDER if kind in kinds}
    first = next(iter(sequences), "")
    masks = kinds.get(BRAIN_MASK, [])
    brain = next((mask for mask in masks if sequence_of_name(_split_role(image_stem(mask))[0]) == first), masks[0] if masks else None)
    truth = kinds.get(TRUTH, [None])[0]
    used = {*sequences.values(), brain, truth}
    return Subject(key[0], key[1] or None, sequences, brain, truth, extra=tuple(path for path in paths if path not in used))
