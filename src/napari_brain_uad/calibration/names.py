"""What the files of healthy references are called; apart from what reads them, so that lists of models stay cheap."""

from __future__ import annotations

from pathlib import Path

from ..core.sequence import SEQUENCES

SUFFIX = ".reference"


def reference_file(folder: Path, stem: str, sequence: str) -> Path:
    """Where the reference of a model (or of a method without one) for a sequence lies: NAME without its two suffixes."""
    return folder / f"{stem}.{sequence}{SUFFIX}"


def reference_files(folder: Path, stem: str) -> tuple[Path, ...]:
    """All files, present or not, of the references of a model."""
    places = [reference_file(folder, stem, sequence) for sequence in SEQUENCES]
    return tuple(place.with_name(place.name + ending) for place in places for ending in (".safetensors", ".json"))


def is_reference(tensors: Path) -> bool:
    """Whether a ``.safetensors`` file is a reference and no model."""
    return tensors.name.endswith(f"{SUFFIX}.safetensors")
