"""Saving a layer as NIfTI in the space of the file it came from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.utils.notifications import show_error

from ...core.anomaly_map import AnomalyMap
from ...core.errors import BrainUADError
from ...core.volume import Volume
from ...io.nifti import write_map, write_mask, write_volume
from ..app.settings import remember
from ..layers.layers import map_of, record, volume_of
from ..layers.mask_layer import LiveMask

_TRANSFORM = ("scale", "translate", "rotate", "shear", "affine")


def write_layer(path: str, data: Any, meta: dict[str, Any]) -> list[str]:
    """Write one Image or Labels layer to `path` (napari's writer for single layers).

    Returns
    -------
    list of str
        The path written; empty when it failed, which a notification then says.
    """
    target = Path(path)
    try:
        _write(target, _layer(data, meta))
    except BrainUADError as error:
        show_error(str(error))
        return []
    remember("last_folder", str(target.absolute().parent))
    return [str(target)]


def _write(target: Path, layer: Layer) -> None:
    noted = record(layer)
    if isinstance(layer, Labels):
        shown: Volume | AnomalyMap | None = noted.get("volume") or noted.get("map")
        raw = layer.data.flagged() if isinstance(layer.data, LiveMask) else np.asarray(layer.data)
        like = shown if shown is not None else volume_of(Image(raw, **{name: getattr(layer, name) for name in ("name", *_TRANSFORM)}))
        if raw.dtype == np.bool_ or raw.max() <= 1:
            write_mask(target, np.ascontiguousarray(raw.T) > 0, like)
        else:
            # Label values mean something (tissue, tumour part): a 0/1 mask would lose them.
            write_volume(target, Volume(np.ascontiguousarray(raw.T, np.float32), like.grid, name=layer.name, source=like.source))
    elif "map" in noted:
        amap = map_of(layer)
        write_map(target, replace(amap, score=np.ascontiguousarray(np.asarray(layer.data).T, np.float32)))
    else:
        write_volume(target, volume_of(layer))


def _layer(data: Any, meta: dict[str, Any]) -> Layer:
    known = {name: meta[name] for name in ("name", "metadata", *_TRANSFORM, "units") if name in meta}
    # Every Image layer has contrast limits; no Labels layer has.
    labels = "contrast_limits" not in meta and np.dtype(data.dtype).kind in "iub"
    return Labels(data, **known) if labels else Image(data, **known)
