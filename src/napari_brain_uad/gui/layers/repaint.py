"""What follows a moving threshold on the canvas, and no more than that.

The layer list, which repaints all its rows on any event of a layer, hears nothing of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels, Layer

from ...evaluation.colours import heat_limits
from .layers import record
from .mask_layer import Refilled

if TYPE_CHECKING:
    from napari.components import ViewerModel


def repaint(viewer: ViewerModel, layer: Labels, live: Refilled) -> None:
    """Draw a mask's slice anew."""
    if not layer.visible:
        return  # napari slices it when it is shown again
    with viewer.layers.events.blocker_all():
        if not live.refill(layer._slice.image.raw):
            layer.set_view_slice()
        # As after a stroke of napari's brush: new labels in the texture. A refresh would place the layer anew as well.
        image = layer._slice.image
        image.view[...] = layer._raw_to_displayed(image.raw)
        layer.events.labels_update(data=image.view, offset=(0,) * image.view.ndim)


def show_heat(viewer: ViewerModel, heat: Layer | None, threshold: float, *, moving: bool = False) -> None:
    """Have a heatmap begin at a threshold; the colours of higher scores end where they did (see `evaluation.colours.heat_limits`).

    While the threshold is `moving`, the colour bar waits: napari builds its shaders anew with every change, which costs as much as
    painting the layer.
    """
    if not isinstance(heat, Image) or heat not in viewer.layers:
        return
    limits = heat.events.contrast_limits
    bars = _colour_bars(limits) if moving else []
    for bar in bars:
        limits.disconnect(bar)
    with viewer.layers.events.blocker_all():
        heat.contrast_limits = heat_limits(record(heat)["limits"], threshold)
    for bar in bars:
        limits.connect(bar)


def _colour_bars(limits: Any) -> list[Any]:
    """What of napari's colour bars hears of new limits."""
    heard = [(callback[0](), callback[1]) for callback in limits.callbacks if isinstance(callback, tuple)]
    return [getattr(bar, name) for bar, name in heard if type(bar).__module__.endswith("overlays.colorbar")]
