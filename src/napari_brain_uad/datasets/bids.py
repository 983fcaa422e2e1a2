"""BIDS: the Brain Imaging Data Structure (Gorgolewski et al., Scientific Data 2016, doi:10.1038/sdata.2016.44; bids-specification).

Anatomical images ``sub-01[/ses-02]/anat/sub-01[_ses-02][_acq-..][_ce-..][_rec-..][_run-..]_{T1w,T2w,FLAIR,PDw}.nii[.gz]``; with
``ce-`` (contrast agent) T1w is "T1c". Brain masks (``desc-brain_mask``) and lesions (``label-lesion_roi``, ``label-L_mask``,
``desc-T1lesion_mask``, ``sub-01_lesions``, ...; see `core.file_role`) are taken from beside the images and from any folder of
``derivatives/``, when they lie in the images' own space.
Where a session has several images of one sequence, the plainest name with the lowest run is used; the others are in `extra`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.file_role import FileRole, file_roles
from ..io.nifti import image_stem
from .layout import BRAIN_MASK, TRUTH, Subject, files, some_subjects

_SUFFIX_OF = {"t1w": "T1", "t2w": "T2", "flair": "FLAIR", "pdw": "PD"}
_OWN_SPACES = {"", "orig", "native", "T1w", "T2w", "FLAIR", "PDw"}
_ENDINGS = (".nii", ".nii.gz")
_OTHER_DATA = {"beh", "dwi", "eeg", "fmap", "func", "ieeg", "meg", "micr", "motion", "mrs", "nirs", "perf", "pet"}
"""Folders of what is no anatomy: masks there lie on those images."""


@dataclass(frozen=True)
class BIDS:
    """The layout; see the module's text."""

    id: str = "bids"
    name: str = "BIDS"
    note: str = "masks in a template's space are left out: they do not lie on the images"

    def detect(self, root: Path) -> bool:
        """Whether there is an anatomical image in a subject's folder."""
        return any(kind not in (None, BRAIN_MASK, TRUTH) for _, kind in _raw(root))

    def subjects(self, root: Path) -> tuple[Subject, ...]:
        """One entry a subject and session."""
        found: dict[tuple[str, str], dict[str, list[Path]]] = {}
        derived = [(path, kind) for path, kind in _files(root / "derivatives") if kind in (BRAIN_MASK, TRUTH)]
        for path, kind in [*_raw(root), *derived]:
            if kind is None:
                continue
            entities = _entities(path)
            group = found.setdefault((entities.get("sub", ""), entities.get("ses", "")), {})
            group.setdefault(kind, []).append(path)
        subjects = [_subject(key, group) for key, group in sorted(found.items())]
        return some_subjects(tuple(subject for subject in subjects if subject.sequences), root, self.name)


def _raw(root: Path) -> list[tuple[Path, str | None]]:
    found = [one for folder in sorted(root.glob("sub-*")) for one in _files(folder)]
    return [(path, kind) for path, kind in found if kind in (BRAIN_MASK, TRUTH) or path.parent.name == "anat"]


def _files(folder: Path) -> Iterator[tuple[Path, str | None]]:
    """The images under a folder, but for those that are no anatomy, and what each is."""
    by_folder: dict[Path, list[Path]] = {}
    for path in files(folder, _ENDINGS) if folder.is_dir() else ():
        if path.parent.name not in _OTHER_DATA:
            by_folder.setdefault(path.parent, []).append(path)
    for paths in by_folder.values():
        roles = file_roles(image_stem(path) for path in paths)
        yield from ((path, _kind(path, roles[image_stem(path)])) for path in paths)


def _entities(path: Path) -> dict[str, str]:
    """``{"sub": "01", "ses": "02", ...}`` of a file's name, and its suffix under ""."""
    *parts, suffix = path.name.split(".", 1)[0].split("_")
    return {**{key: value for key, _, value in (part.partition("-") for part in parts)}, "": suffix}


def _kind(path: Path, found: FileRole) -> str | None:
    """The sequence, `BRAIN_MASK` or `TRUTH`; None for what is not used (phase images, other suffixes, other spaces)."""
    entities = _entities(path)
    suffix = entities[""]
    if "sub" not in entities or entities.get("space", "") not in _OWN_SPACES or entities.get("part", "mag") != "mag":
        return None
    role = found.role
    if role != "scan":
        # Of a mask that its name says nothing of, only the standard's own way of naming tells that it is no result of some program.
        standard = all("-" in part for part in path.name.split(".", 1)[0].split("_")[:-1]) or "brain" in path.name.lower()
        return role if role == TRUTH or (role == BRAIN_MASK and standard) else None
    sequence = _SUFFIX_OF.get(suffix.lower())
    return "T1c" if sequence == "T1" and "ce" in entities else sequence


def _preference(path: Path) -> tuple[int, int, str]:
    entities = _entities(path)
    run = entities.get("run", "0")
    return len(entities) - ("run" in entities), int(run) if run.isdigit() else 0, path.as_posix()


def _subject(key: tuple[str, str], group: dict[str, list[Path]]) -> Subject:
    ranked = {kind: sorted(paths, key=_preference) for kind, paths in group.items()}
    best = {kind: paths[0] for kind, paths in ranked.items()}
    return Subject(
        id=f"sub-{key[0]}",
        session=key[1] or None,
        sequences={kind: path for kind, path in best.items() if kind not in (BRAIN_MASK, TRUTH)},
        brain_mask=best.get(BRAIN_MASK),
        truth=best.get(TRUTH),
        extra=tuple(path for paths in ranked.values() for path in paths[1:]),
    )
