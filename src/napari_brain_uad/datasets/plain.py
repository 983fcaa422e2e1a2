"""A plain folder of scans, for data that follow no public layout.

Either a folder a subject, with files named after their sequence (``pat01/FLAIR.nii.gz``, ``pat01/lesions.nii.gz``), or one folder
with files named after subject and sequence (``pat01_FLAIR.nii.gz``, ``pat01_mask.nii.gz``). A visit (``study1_FLAIR``,
``ses-2_T1``) becomes the session. What a name does not tell is "unknown". Masks and truths named after a sequence are that
sequence's, where others are named after another. What this package made from scans of the folder, prepared scans too, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.file_role import SEQUENCE_WORDS, FileRole, file_role, file_roles
from ..core.sequence import sequence_of_name
from ..io.nifti import SUFFIXES, image_stem
from .layout import BRAIN_MASK, TRUTH, Subject, files, made_within, masks_of, some_subjects

_USED = ("scan", BRAIN_MASK, TRUTH)
_VISIT = re.compile(r"(?<![A-Za-z])(?:study|ses|session|visit|tp|time|timepoint)[-_]?\d+", re.IGNORECASE)
"""No part of a longer word: "MTP01" and "cases02" are people."""
_SCANS = tuple(suffix for suffix in SUFFIXES if not suffix.startswith(".img"))  # a pair is opened by its header
_ORDER = ("FLAIR", "T1", "T2", "T1c", "PD", "unknown")


@dataclass(frozen=True)
class Plain:
    """The layout; see the module's text."""

    id: str = "plain"
    name: str = "Plain folder"
    note: str = ""

    def detect(self, root: Path) -> bool:
        """Whether there is any scan."""
        return any(file_role(image_stem(path)).role == "scan" for path in files(root))

    def subjects(self, root: Path) -> tuple[Subject, ...]:
        """One entry a subject and visit."""
        by_folder: dict[Path, list[Path]] = {}
        every = tuple(files(root))
        ours = made_within(every)
        for path in every:
            if path not in ours and not path.name.lower().endswith((".img", ".img.gz")):
                by_folder.setdefault(path.parent, []).append(path)
        found: dict[tuple[str, str], dict[Path, FileRole]] = {}
        for folder, paths in by_folder.items():
            roles = file_roles(image_stem(path) for path in paths)
            used = {path: role for path in paths if (role := roles[image_stem(path)]).role in _USED}
            rests = {_name_of(role) for role in used.values()}
            for path, role in used.items():
                found.setdefault(_key(role, folder, root, rests), {})[path] = role
            for path in paths:
                # Tissue maps and the like belong to their scan's subject as what is not used, where their names say whose they are.
                if path not in used and (key := _key(roles[image_stem(path)], folder, root, rests)) in found:
                    found[key][path] = roles[image_stem(path)]
        subjects = [_subject(key, paths) for key, paths in sorted(found.items())]
        return some_subjects(tuple(subject for subject in subjects if subject.sequences), root, self.name)


def _name_of(role: FileRole) -> str:
    """What is left of a name without its kind and its sequence."""
    rest = re.sub(rf"(?<![a-z0-9])(?:{SEQUENCE_WORDS})(?![a-z0-9])", "", role.rest, flags=re.IGNORECASE)
    return re.sub(r"[-_ .]{2,}", "_", rest).strip("-_ .")


def with_masks_beside(paths: Iterable[Path]) -> tuple[Path, ...]:
    """The paths, each scan followed by the brain mask and the truth of the same name that lie in its folder.

    Where several lie there, the one named after the scan is taken, or none. What is no scan, and folders, stay alone.
    """
    given = tuple(paths)
    known = {path.resolve() for path in given}
    found: list[Path] = []
    for path in given:
        found.append(path)
        for role in (BRAIN_MASK, TRUTH) if path.is_file() and file_role(image_stem(path)).role == "scan" else ():
            beside = _beside(path, role)
            if beside is not None and beside.resolve() not in known:
                known.add(beside.resolve())
                found.append(beside)
    return tuple(found)


def _beside(scan: Path, role: str) -> Path | None:
    others = [path for path in sorted(scan.parent.iterdir()) if path.name.lower().endswith(_SCANS) and path.is_file()]
    stem, roles = image_stem(scan), file_roles(image_stem(path) for path in (*others, scan))
    same = {path: roles[image_stem(path)] for path in others if _name_of(roles[image_stem(path)]) == _name_of(roles[stem])}
    masks = [path for path, own in same.items() if own.role == role]
    named = [path for path in masks if same[path].rest.strip("-_ .") == stem]
    return next((few[0] for few in (named, masks) if len(few) == 1), None)


def _key(role: FileRole, folder: Path, root: Path, rests: set[str]) -> tuple[str, str]:
    """Subject and session of a file: its folder is a subject's if its files are named after sequences or visits alone."""
    rest = _name_of(role)
    own = folder.name
    if folder != root and all(one in ("", own) or _VISIT.fullmatch(one.removeprefix(own).strip("-_ ")) for one in rests):
        return folder.relative_to(root).as_posix(), rest.removeprefix(own).strip("-_ ")
    if folder == root and rests == {""}:
        return folder.name, ""
    prefix = "" if folder == root else f"{folder.relative_to(root).as_posix()}/"
    visit = _VISIT.search(rest)
    subject = rest if visit is None else (rest[: visit.start()] + rest[visit.end() :]).strip("-_ ")
    return prefix + (subject or rest or role.rest), visit.group() if visit and subject else ""


def _subject(key: tuple[str, str], paths: dict[Path, FileRole]) -> Subject:
    kinds: dict[str, list[Path]] = {}
    for path, role in paths.items():
        kind = (sequence_of_name(role.rest) or "unknown") if role.role == "scan" else role.role
        kinds.setdefault(kind, []).append(path)
    sequences = {kind: kinds[kind][0] for kind in _ORDER if kind in kinds}
    masks = {role: {path: sequence_of_name(paths[path].rest) for path in kinds.get(role, [])} for role in (BRAIN_MASK, TRUTH)}
    fitting = {role: {sequence: _fitting(own, sequence) for sequence in sequences} for role, own in masks.items()}
    used = {*sequences.values(), *fitting[BRAIN_MASK].values(), *fitting[TRUTH].values()}
    extra = tuple(path for path in paths if path not in used)
    return Subject(key[0], key[1] or None, sequences, extra=extra, **masks_of(fitting[BRAIN_MASK], fitting[TRUTH]))


def _fitting(masks: Mapping[Path, str | None], sequence: str) -> Path | None:
    """The mask of a sequence: its own, or that of no sequence; of a subject whose sequences share one, that one, whatever its name."""
    own = [path for path, of in masks.items() if of == sequence]
    shared = [path for path, of in masks.items() if of is None]
    single = list(masks) if len(set(masks.values())) == 1 else []
    return next(iter((*own, *shared, *single)), None)
