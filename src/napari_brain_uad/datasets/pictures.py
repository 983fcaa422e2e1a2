"""A folder of 2-D pictures (PNG, JPEG), each a slice by itself.

What their folders are called says which of them are ill (``no`` and ``yes``, ``healthy`` and ``ill``, ...), if that is clear; the last
folder that says something counts, the root's own name included. No sequence is known unless a name tells.
A picture named after another one of its folder, and a mask by that (``a_seg.png`` beside ``a.png``), is no slice: it is the other's ground
truth where its name says so, else not used; of what is called a mask alone nobody knows whether it is the brain or the lesion.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..core.file_role import file_role
from ..core.sequence import sequence_of_name
from ..io.pictures import SUFFIXES
from ..io.results import results_among
from .layout import Subject, files, some_subjects

_HEALTHY = ("no", "no tumour", "no tumor", "healthy", "normal", "good", "negative")
_ILL = ("yes", "tumour", "tumor", "ill", "abnormal", "lesion", "lesions", "positive")


@dataclass(frozen=True)
class Pictures:
    """The layout; see the module's text."""

    id: str = "pictures"
    name: str = "Folder of pictures"
    note: str = "2-D pictures (PNG, JPEG), each a slice by itself; not volumes"

    def detect(self, root: Path) -> bool:
        """Whether there is any picture."""
        return bool(_no_results(root))

    def subjects(self, root: Path) -> tuple[Subject, ...]:
        """One entry a picture, called after its path; pictures that would be called alike keep their suffix."""
        paths, masks = _apart(_no_results(root))
        stems = [path.relative_to(root).with_suffix("").as_posix() for path in paths]
        times, found = Counter(stems), []
        for path, stem in zip(paths, stems, strict=True):
            name = stem if times[stem] == 1 else path.relative_to(root).as_posix()
            sequence = sequence_of_name(path.stem) or "unknown"
            own = masks.get((path.parent, path.stem), [])
            truths = [mask for mask in own if file_role(mask.stem).role == "truth"]
            truth = truths[0] if len(truths) == 1 else None
            extra = tuple(mask for mask in own if mask != truth)
            found.append(Subject(name, None, {sequence: path}, truth=truth, extra=extra, ill=_label(path, root)))
        return some_subjects(tuple(found), root, self.name)


def _no_results(root: Path) -> list[Path]:
    """The pictures but for our own: no run draws slices."""
    pictures = list(files(root, SUFFIXES))
    ours = results_among(pictures)
    return [path for path in pictures if path not in ours]


def _apart(paths: list[Path]) -> tuple[list[Path], dict[tuple[Path, str], list[Path]]]:
    """Slices, and the masks of each, by its folder and stem."""
    stems, slices = {(path.parent, path.stem) for path in paths}, []
    masks: dict[tuple[Path, str], list[Path]] = {}
    for path in paths:
        role = file_role(path.stem)
        of = (path.parent, role.rest.strip("-_ ."))
        if role.role != "scan" and of in stems and of[1] != path.stem:
            masks.setdefault(of, []).append(path)
        else:
            slices.append(path)
    return slices, masks


def _label(path: Path, root: Path) -> bool | None:
    """Whether a picture shows something ill, by the names of its folders."""
    folders = (root.absolute().name, *path.relative_to(root).parts[:-1])
    for folder in reversed([name.lower().replace("_", " ").replace("-", " ") for name in folders]):
        if folder in (*_HEALTHY, *_ILL):
            return folder in _ILL
    return None
