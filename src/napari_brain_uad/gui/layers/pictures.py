"""2-D pictures that napari opened (PNG, JPEG, ...), taken for one slice of a scan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from numpy.typing import NDArray

from ...core.errors import BrainUADError
from ...core.volume import Volume
from ...io.pictures import as_slice, grey_of_colours, is_picture_file, read_picture, slice_volume
from .mask_values import is_binary


def is_picture(layer: Layer) -> bool:
    """Whether a layer holds one 2-D picture, grey or in colours."""
    return isinstance(layer, Image) and layer.ndim == 2 and not layer.multiscale


def is_picture_mask(layer: Layer) -> bool:
    """Whether a layer may be a mask of a picture: labels, or a picture in black and white."""
    if isinstance(layer, Labels):
        return bool(layer.ndim == 2)
    return is_picture(layer) and not layer.rgb and is_binary(np.asarray(layer.data)[None])


def slice_of(layer: Image) -> Volume:
    """A picture as a volume of one slice.

    Returns
    -------
    Volume
        With the layer's present data and name; with the file that it was opened from, where that holds the same.

    Raises
    ------
    InputError
        If it is a colour picture whose colours are not shades of grey, or holds NaN.
    """
    data = np.asarray(layer.data)
    grey, marks = grey_of_colours(f"Layer '{layer.name}'", _bytes(data)) if layer.rgb else (data, ())
    volume = slice_volume(grey, layer.name)
    known = _file(layer)
    if known is not None and np.array_equal(known.data, volume.data):
        return replace(known, name=layer.name)
    return replace(volume, findings=(*volume.findings, *marks))


def lay_on(layer: Layer, slice_layer: Layer) -> None:
    """Put a picture that has no place of its own where the layer of its slice is, so that both show the same place alike."""
    if not (np.array_equal(layer.scale, (1, 1)) and np.array_equal(layer.translate, (0, 0))):
        return
    size, corner = np.array(slice_layer.scale[-2:]), np.array(slice_layer.translate[-2:])
    layer.units = slice_layer.units[-2:]
    # See `io.pictures`: the picture's first pixel is the last of the slice.
    layer.translate = corner + size * (np.array(slice_layer.data.shape[-2:]) - 1)
    layer.scale = -size


def lay_masks(layers: Sequence[Layer]) -> None:
    """Put masks of pictures, which have no place of their own, on the slice that has as many pixels: the last one."""
    slices = [layer for layer in layers if isinstance(layer, Image) and layer.ndim == 3 and layer.data.shape[0] == 1]
    for mask in layers:
        fitting = [layer for layer in slices if mask.ndim == 2 and layer.data.shape[1:] == mask.data.shape]
        if fitting and is_picture_mask(mask):
            lay_on(mask, fitting[-1])


def slice_mask(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """A mask that was drawn on a picture (rows, columns), as one of its slice."""
    return np.asarray(as_slice(mask), np.bool_)


def _bytes(colours: NDArray[Any]) -> NDArray[np.uint8]:
    """Colours from 0 to 255, as napari has them: whole numbers of any size, or fractions from 0 to 1."""
    if colours.dtype == np.uint8:
        return np.asarray(colours, np.uint8)
    most = np.iinfo(colours.dtype).max if colours.dtype.kind in "iu" else 1.0
    return np.rint(np.nan_to_num(colours.astype(np.float64)) / most * 255.0).clip(0, 255).astype(np.uint8)


def _file(layer: Layer) -> Volume | None:
    path = layer.source.path
    if not path or not is_picture_file(path):
        return None
    try:
        return read_picture(Path(path))
    except BrainUADError:
        return None
