"""The layers of a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari.utils.notifications import show_warning

from ...core.errors import InputError
from ...core.text import readable
from ...core.volume import Volume
from ...io.nifti import count_volumes, image_stem, read_map, read_volume
from ..layers.layers import KEY, fraction_layer, labels_layer, map_layer, volume_layer
from ..layers.mask_values import kind_of

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")
LayerTuple = tuple[Any, ...]
MAX_VOLUMES = 8
"""A 4-D file with more volumes is refused: it is a time series or diffusion data, and each volume would be a layer."""
_MAP_ENDINGS = ("_anomalymap.nii.gz", "_anomalymap.nii")


def file_layers(path: Path) -> list[LayerTuple]:
    """The layers of a file; touches no widget, so that a job may call it.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    if path.name.lower().endswith(_MAP_ENDINGS):
        return [map_layer(read_map(path))]
    return [_layer(path, volume) for volume in read_all(path)]


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
        from ...io.dicom.series import read_series

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


def _layer(path: Path, volume: Volume) -> LayerTuple:
    """A scan, a mask or labels, or a map of fractions, by name and values."""
    make = {"labels": labels_layer, "fraction": fraction_layer, "scan": volume_layer}
    return make[kind_of(image_stem(path), volume.data)](volume)
