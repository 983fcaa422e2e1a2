"""One unit for all that is shown beside a scan of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layers import MILLIMETRES, record

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

_NO_UNIT = "pixel"
"""What napari calls the unit of a layer that came without one."""


def share_millimetres(viewer: ViewerModel) -> None:
    """Let layers without a unit be in mm, as they are read anyway (see `layers.volume_of`), while there are layers of ours.

    napari switches the units of a whole viewer off, with a warning, as soon as two layers differ in kind. Layers that say what their
    unit is keep it.
    """
    if any(record(layer) for layer in viewer.layers):
        for layer in viewer.layers:
            _share(layer)


def _share(layer: Layer) -> None:
    shown = [str(unit) for unit in layer.units[-3:]]
    if set(shown) == {_NO_UNIT}:
        layer.units = (*layer.units[:-3], *MILLIMETRES[: len(shown)])
