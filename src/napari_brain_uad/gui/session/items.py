"""What a session holds: one item a layer, lowest first, and how the viewer looks at them. Plain data, no widgets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.anomaly_map import AnomalyMap
from ...core.volume import Volume
from ...postprocessing.edits import RegionEdits

SCAN, MASK, MAP, REGIONS, BOXES, DERIVED, ARRAY = "scan", "mask", "map", "regions", "boxes", "derived", "array"
"""Kinds of items. An array is the image or the labels of a layer that this plugin knows nothing about."""

KINDS = (SCAN, MASK, MAP, REGIONS, BOXES, DERIVED, ARRAY)


@dataclass(eq=False)
class Item:
    """One layer.

    Parameters
    ----------
    kind : str
        One of `KINDS`.
    name : str
        The layer's.
    look : dict
        Attributes of the layer as JSON data: visible, opacity, contrast_limits, ...
    notes : dict
        What its record says, as JSON data: the subject's tokens, the sequence, settings of the post-processing, ...
    volume : Volume, optional
        Of a scan; of a mask its values, as a volume.
    amap : AnomalyMap, optional
        Of a map; of regions, boxes and derived pictures the map they belong to.
    data : array, optional
        Of a derived picture, shape (i, j, k); of an array as the layer holds it.
    truth : array of bool, shape (i, j, k), optional
        Ground truth that a map was made with.
    edits : RegionEdits
        What a person did to a map's regions.
    place : dict
        Where an array lies: scale, translate, ... as JSON data.
    """

    kind: str
    name: str
    look: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    volume: Volume | None = None
    amap: AnomalyMap | None = None
    data: NDArray[Any] | None = None
    truth: NDArray[np.bool_] | None = None
    edits: RegionEdits = field(default_factory=RegionEdits)
    place: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class WindowSession:
    """A window's work.

    Parameters
    ----------
    items : tuple of Item
        The layers, the lowest first.
    view : mapping
        Slices, camera and the active layer, as JSON data.
    docks : tuple of str
        Titles of our docks that are open.
    left_out : tuple of str
        Layers that are not kept, or could not be opened again, with the reason.
    """

    items: tuple[Item, ...]
    view: Mapping[str, Any]
    docks: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


def scan_path(volume: Volume) -> Path | None:
    """The file that a volume was read from."""
    return None if volume.source is None else volume.source.path
