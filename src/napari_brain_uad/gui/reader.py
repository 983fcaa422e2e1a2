"""Opening NIfTI and MGZ files in napari, by drag and drop or from the menu."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari import current_viewer
from napari.utils.notifications import show_error, show_warning

from ..core.errors import BrainUADError, InputError
from ..core.volume import Volume
from ..io.nifti import count_volumes, image_stem, read_map, read_volume
from .layers import labels_layer, map_layer, volume_layer
from .settings import remember
from .view import attach

LayerTuple = tuple[Any, ...]

SUFFIXES = (".nii", ".nii.gz", ".mgz", ".mgh", ".hdr", ".img")
MAX_VOLUMES = 8
"""A 4-D file with more volumes is refused: it is a time series or diffusion data, and each volume would be a layer."""

_MAP_ENDINGS = ("_anomalymap.nii.gz", "_anomalymap.nii")
_MOST_LABELS = 300
_LABEL_WORDS = re.compile(r"(^|[._-])((brain)?mask|(ground_?)?truth|lesions?|tumou?r|d?seg|segmentation|labels?)(?=[._-]|$)")
_NOTHING: list[LayerTuple] = [(None,)]
"""What a napari reader returns for "read, but there is no layer"."""


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[LayerTuple]] | None:
    """Answer napari whether this plugin can open `path` (one path, or several that are to be stacked)."""
    paths = [path] if isinstance(path, str) else list(path)
    return read if paths and all(str(one).lower().endswith(SUFFIXES) for one in paths) else None


def read(path: str | Sequence[str]) -> list[LayerTuple]:
    """Layers for a file (or several): a scan, a mask, an anomaly map, or each volume of a short 4-D file.

    An error becomes a notification in one sentence; raising it would show a traceback and a dialog that offers other readers,
    which might load a damaged file without a word.
    """
    layers: list[LayerTuple] = []
    for one in [path] if isinstance(path, str) else path:
        try:
            layers += _layers(Path(one))
        except BrainUADError as error:
            show_error(str(error))
            continue
        remember("last_folder", str(Path(one).resolve().parent))
    viewer = current_viewer()
    if viewer is not None and layers:
        attach(viewer)
    return layers or _NOTHING


def _layers(path: Path) -> list[LayerTuple]:
    if path.name.lower().endswith(_MAP_ENDINGS):
        return [map_layer(read_map(path))]
    volumes = read_all(path)
    for finding in volumes[0].findings:
        if finding.level == "warning":
            show_warning(f"{volumes[0].name}: {finding.message}. {finding.fix}".rstrip(". ") + ".")
    return [labels_layer(volume) if is_labels(path, volume) else volume_layer(volume) for volume in volumes]


def read_all(path: Path) -> list[Volume]:
    """Every volume of a file.

    Raises
    ------
    InputError
        If the file cannot be read or holds more than `MAX_VOLUMES` volumes.
    """
    count = count_volumes(path)
    if count == 1:
        return [read_volume(path)]
    if count > MAX_VOLUMES:
        raise InputError(
            f"{path.name} holds {count} volumes",
            why=f"at most {MAX_VOLUMES} are opened at once",
            fix="Save the one to look at as a 3-D file, or open it in Python with napari_brain_uad.load(path, index=N)",
        )
    return [read_volume(path, index=index, name=f"{image_stem(path)} [{index}]") for index in range(count)]


def is_labels(path: Path, volume: Volume) -> bool:
    """Whether a file holds a mask or labels: its name says so, and its values are a few whole numbers from 0 up."""
    name = path.name.lower()
    stem = name.removesuffix(".gz").rpartition(".")[0]
    if not _LABEL_WORDS.search(stem):
        return False
    data = volume.data
    if float(data.min()) < 0 or float(data.max()) > 65535 or not np.array_equal(data, np.round(data)):
        return False
    return len(np.unique(data)) <= _MOST_LABELS
