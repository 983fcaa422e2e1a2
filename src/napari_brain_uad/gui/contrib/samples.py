"""File > Open Sample."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from napari import current_viewer
from napari.utils.notifications import show_error

from ...core.errors import BrainUADError
from ...workflows.scans.load import load, load_mask
from ...workflows.scans.samples import sample
from ..layers.brain_layer import brain_layer
from ..layers.layers import labels_layer, volume_layer
from ..layers.view import attach


def open_sample_tumour_t1c() -> list[tuple[Any, ...]]:
    """A real brain tumour, T1 with contrast, with its ground truth."""
    return _open("tumour-t1c")


def open_sample_healthy_t1() -> list[tuple[Any, ...]]:
    """A real healthy brain, T1."""
    return _open("healthy-t1")


def open_sample_ms_flair_simulated() -> list[tuple[Any, ...]]:
    """A simulated case of multiple sclerosis, FLAIR-like, with its ground truth."""
    return _open("ms-flair-simulated")


def _open(sample_id: str) -> list[tuple[Any, ...]]:
    try:
        chosen = sample(sample_id)
        scan = load(chosen.scan)
        scan = replace(scan, name=chosen.id, sequence=chosen.sequence, sequence_origin="the sample's")
        if chosen.mask is not None:
            scan = scan.with_mask(load_mask(chosen.mask, scan))
        layers: list[tuple[Any, ...]] = [volume_layer(scan)]
        if scan.mask is not None:
            layers.append(brain_layer(scan, scan.mask))
        if chosen.truth is not None:
            truth = load_mask(chosen.truth, scan, label="ground truth").astype(np.float32)
            layers.append(labels_layer(replace(scan, data=truth, name=f"{chosen.id} | ground truth", mask=None)))
    except BrainUADError as error:
        show_error(str(error))
        return [(None,)]
    viewer = current_viewer()
    if viewer is not None:
        attach(viewer)
    return layers
