"""Grey-level windows of a scan: presets by percentile, and the way back to the one it was opened with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Image

from ...core.volume import Volume
from .layers import contrast_limits, is_scan, record

if TYPE_CHECKING:
    from napari.components import ViewerModel

WINDOWS: dict[str, tuple[float, float] | None] = {
    "Clip 0.1 %": (0.1, 99.9),
    "Full range": None,
    "Soft tissue, p1 to p99": (1.0, 99.0),
    "Robust, p2 to p98": (2.0, 98.0),
    "Narrow, p10 to p90": (10.0, 90.0),
}
"""Name to the percentiles of the tissue that become black and white (see `layers.contrast_limits`); None: the smallest and largest value.

The first is what a scan is opened with. 2 to 98 is FSL's robust range.
"""

DEFAULT = next(iter(WINDOWS))


def main_scan(viewer: ViewerModel) -> Image | None:
    """The scan that is looked at: the topmost visible one, or the topmost one."""
    # What is computed from maps, agreement or difference, is no scan either, nor is a map of fractions.
    scans = [layer for layer in viewer.layers if is_scan(layer) and record(layer).get("kind") not in ("derived", "mask")]
    return next((layer for layer in reversed(scans) if layer.visible), scans[-1] if scans else None)


def set_window(viewer: ViewerModel, name: str) -> None:
    """Give the scan that is looked at, wherever it is shown, one of `WINDOWS`; its gamma becomes 1 again.

    Raises
    ------
    KeyError
        For another name.
    """
    percentiles, scan = WINDOWS[name], main_scan(viewer)
    if scan is None:
        return
    volume = record(scan).get("volume")
    data = np.asarray(scan.data)
    if percentiles is None:
        # As floats: the next step must not overflow whole numbers.
        low, high = (float(v) for v in (np.nanmin(data), np.nanmax(data)))
        limits = (low, high) if high > low else (low, low + 1.0)
    else:
        mask = volume.mask if isinstance(volume, Volume) and volume.mask is not None else None
        limits = contrast_limits(data.T, mask, percentiles)
    for layer in viewer.layers:
        # Side by side, the same scan lies in every cell.
        if layer is scan or (is_scan(layer) and layer.data is scan.data):
            layer.contrast_limits = limits
            layer.gamma = 1.0
