"""The layers of a file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from napari.utils.notifications import show_warning

from ...core.errors import InputError
from ...core.text import readable
from ...core.volume import Volume
from ...io.nifti import count_volumes, image_stem, read_map, read_volume
from ..layers.layers import KEY, labels_layer, map_layer, volume_layer

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
LayerTuple = tuple[Any, ...]
MAX_VOLUMES = 8
"""A 4-D file with more volumes is refused: it is a time series or diffusion data, and each volume would be a layer."""
_MAP_ENDINGS = ("_anomalymap.nii.gz", "_anomalymap.nii")
_MOST_LABELS = 300
_LABEL_WORDS = re.compile(r"(^|[._-])((brain)?mask|(ground_?)?truth|lesions?|tumou?r|d?seg|segmentation|labels?)(?=[._-]|$)")


def file_layers(path: Path) -> list[LayerTuple]:
    """The layers of a file; touches no widget, so that a job may call it.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    if path.name.lower().endswith(_MAP_ENDINGS):
        return [map_layer(read_map(path))]
    return [labels_layer(volume) if is_labels(path, volume) else volume_layer(volume) for volume in read_all(path)]


def warn(layers: Sequence[LayerTuple]) -> None:
    """Notify of what the checks saw in these scans."""
    for _, meta, _ in layers:
        volume = meta["metadata"][KEY].get("volume")
        for finding in () if volume is None else volume.findings:
            if finding.level == "warning":
                show_warning(f"{readable(volume.name)}: {finding.message}. {finding.fix}".rstrip(". ") + ".")


def read_all(path: Path) -> list[Volume]:
    """Every volume of a file.

    Raises
    ------
    InputError
        If the file cannot be read or holds more than `MAX_VOLUMES` volumes.
    """
    if path.name.lower().endswith(DICOM_SUFFIXES):
        from ...io.dicom import read_series

        return [read_series(path)]
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
