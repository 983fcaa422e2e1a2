"""The brain mask that a run used, as a layer: to be looked at, painted, and used again once it was."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels, Layer
from napari.utils.colormaps import DirectLabelColormap
from numpy.typing import NDArray

from ...core.volume import Grid, Volume
from .layers import fits, labels_layer, mask_of, record
from .mask_values import inside
from .subjects import join

if TYPE_CHECKING:
    from napari.components import ViewerModel

_COLOUR = "#D8D8D8"

_MADE, _PREPARED = "made", "with_preparation"
"""Keys of its record: the mask as a run made it, and whether it was extracted from a whole head, which was prepared for the method."""


def brain_name(scan: str) -> str:
    """What the layer is called."""
    return f"{scan} | brain mask"


def brain_layer(volume: Volume, mask: NDArray[np.bool_]) -> tuple[Any, dict[str, Any], str]:
    """Layer data tuple of a scan's brain mask: an outline, hidden until somebody wants to see it."""
    given = replace(volume, data=mask.astype(np.float32), name=brain_name(volume.name), mask=None, findings=())
    data, meta, kind = labels_layer(given)
    look = {"colormap": DirectLabelColormap(color_dict={None: "transparent", 1: _COLOUR}), "visible": False}
    return data, {**meta, **look}, kind


def add_brain(viewer: ViewerModel, volume: Volume, scan: Layer | None) -> Labels | None:
    """Add the brain mask that a run used, unless a layer shows it already; right above the scan, and the active layer stays so.

    Parameters
    ----------
    volume : Volume
        The scan with the mask that was used; its findings tell where that came from.
    scan : Layer, optional
        The layer it belongs to.
    """
    mask = volume.mask
    if mask is None:
        return None
    for shown in viewer.layers:
        if isinstance(shown, Labels) and fits(shown, volume.grid) and holds(shown, volume.grid, mask):
            if scan is not None:
                join(shown, scan)
            return None
    data, meta, _ = brain_layer(volume, mask)
    layer = Labels(data, **meta)
    note_run(layer, mask, prepared=any(finding.code == "prepared" for finding in volume.findings))
    if scan is not None:
        join(layer, scan)
    insert_above(viewer, layer, scan)
    return layer


def holds(layer: Layer, grid: Grid, mask: NDArray[np.bool_]) -> bool:
    """Whether a layer on this grid shows this mask; what else it may hold matters to those who give it as one."""
    return np.array_equal(mask_of(layer, grid, "mask", check=False), mask)


def by_hand(layer: Layer, mask: NDArray[np.bool_]) -> bool:
    """Whether a mask is somebody's: a run's own that was not painted since is not, and the next run finds the same again."""
    made = record(layer).get(_MADE)
    return made is None or not np.array_equal(made, mask)


def note_run(layer: Layer, made: NDArray[np.bool_] | None, *, prepared: bool) -> None:
    """Note the mask that a run made, None when somebody painted it since, and whether it was extracted from a whole head."""
    record(layer).update({_MADE: made, _PREPARED: prepared})


def is_runs_own(layer: Layer) -> bool:
    """Whether a layer holds a mask as a run made it."""
    made = record(layer).get(_MADE)
    return made is not None and np.array_equal(made, inside(np.asarray(layer.data)).T)


def needs_preparation(layer: Layer | None) -> bool:
    """Whether a brain mask was extracted from a whole head, whose scan is prepared also when the mask was painted."""
    return layer is not None and bool(record(layer).get(_PREPARED))


def insert_above(viewer: ViewerModel, layer: Layer, scan: Layer | None) -> None:
    """Add a layer right above a scan's, on top when there is none; the active layer stays so."""
    layers = viewer.layers
    usual, layers._activate_on_insert = layers._activate_on_insert, False
    try:
        layers.insert(len(layers) if scan not in layers else layers.index(scan) + 1, layer)
    finally:
        layers._activate_on_insert = usual
