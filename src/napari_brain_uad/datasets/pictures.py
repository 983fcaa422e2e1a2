"""A folder of 2-D pictures (PNG, JPEG), each a slice by itself.

What their folders are called says which of them are ill (``no`` and ``yes``, ``healthy`` and ``ill``, ...), if that is clear; the last
folder that says something counts, the root's own name included. Nothing else is known: no sequence unless a name tells, no masks.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..core.sequence import sequence_of_name
from ..io.pictures import SUFFIXES
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
        return next(files(root, SUFFIXES), None) is not None

    def subjects(self, root: Path) -> tuple[Subject, ...]:
        """One entry a picture, called after its path; pictures that would be called alike keep their suffix."""
        paths = list(files(root, SUFFIXES))
        stems = [path.relative_to(root).with_suffix("").as_posix() for path in paths]
        times, found = Counter(stems), []
        for path, stem in zip(paths, stems, strict=True):
            name = stem if times[stem] == 1 else path.relative_to(root).as_posix()
            sequence = sequence_of_name(path.stem) or "unknown"
            found.append(Subject(name, None, {sequence: path}, ill=_label(path, root)))
        return some_subjects(tuple(found), root, self.name)


def _label(path: Path, root: Path) -> bool | None:
    """Whether a picture shows something ill, by the names of its folders."""
    folders = (root.absolute().name, *path.relative_to(root).parts[:-1])
    for folder in reversed([name.lower().replace("_", " ").replace("-", " ") for name in folders]):
        if folder in (*_HEALTHY, *_ILL):
            return folder in _ILL
    return None
