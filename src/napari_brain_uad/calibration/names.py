"""What the files of healthy references are called; apart from what reads them, so that lists of models stay cheap."""

from __future__ import annotations

import glob
from pathlib import Path

from ..core.sequence import SEQUENCES

SUFFIX = ".reference"


def reference_file(folder: Path, stem: str, sequence: str) -> Path:
    """Where the reference of a model (or of a method without one) for a sequence lies: NAME without its two suffixes."""
    return folder / f"{stem}.{sequence}{SUFFIX}"


def borrowed(model: str, method: str) -> str:
    """What the files of a reference are called by where a method uses another's model: ids of models have no plus sign."""
    return f"{model}+{method}"


def reference_files(folder: Path, stem: str) -> tuple[Path, ...]:
    """All files, present or not, of the references of a model, with those of the methods that borrow it."""
    stems = (stem, *(borrowed(stem, method) for method in borrowers(folder, stem)))
    places = [reference_file(folder, one, sequence) for one in stems for sequence in SEQUENCES]
    return tuple(place.with_name(place.name + ending) for place in places for ending in (".safetensors", ".json"))


def borrowers(folder: Path, stem: str) -> tuple[str, ...]:
    """The methods that have a reference of their own with a model of another method, of those in a folder."""
    start = borrowed(stem, "")
    return tuple(sorted({file.name.removeprefix(start).split(".")[0] for file in folder.glob(f"{glob.escape(start)}*{SUFFIX}.json")}))


def is_reference(tensors: Path) -> bool:
    """Whether a ``.safetensors`` file is a reference and no model."""
    return tensors.name.endswith(f"{SUFFIX}.safetensors")
