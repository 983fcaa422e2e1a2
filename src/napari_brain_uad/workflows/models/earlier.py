"""Models of earlier versions, read as what they are called now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from ...core.errors import ModelError
from ...io.checkpoint import Checkpoint, CheckpointRecord

Record = TypeVar("Record", Checkpoint, CheckpointRecord)

_SETTINGS = {
    "painted": "corrupted_share",
    "healing": "inpainting_rounds",
    "finder_maps": "segmentation_maps",
    "finder_smoothing_mm": "segmentation_smoothing_mm",
    "roughness": "augmentation_strength",
    "deficit_weight": "restoration_weight",
    "deficit_weight_t1": "restoration_weight_t1",
}
"""Settings of the former `strega`, and what they are called in the tissue methods."""
_DROPPED = {"tissue", "decoder", "regions", "context_weight", "convention"}
_OF_THE_ENSEMBLE = {
    "segmentation_maps",
    "segmentation_smoothing_mm",
    "augmentation_strength",
    "restoration_weight",
    "restoration_weight_t1",
}
_PARTS = {"restorer": "restoration", "finder": "segmentation"}


def as_now(record: Record) -> Record:
    """A model as this version knows it; the same one where nothing has changed.

    Before version 0.1.0 the tissue methods were one, called `strega`, which is now the method that StRegA's authors published. And
    brightness did not count beside the network of `hyperintensity-segmentation`.

    Raises
    ------
    ModelError
        If no method of this version can use it.
    """
    if record.method == "hyperintensity-segmentation" and "intensity_weight" not in record.params:
        return replace(record, params={**record.params, "intensity_weight": 0.0})  # its healthy references are of the network alone
    if record.method != "strega" or "decoder" not in record.params:
        return record
    if record.params["decoder"] != "tissues" or record.params.get("tissue") != "scale":
        raise ModelError(
            "This model of StRegA",
            why="an earlier version trained it, on label images of another size and scale than the published method's",
            fix="Train it again with the method strega",
        )
    ensemble = bool(record.params.get("regions"))
    params = _renamed(record.params)
    if not ensemble:
        params = {name: value for name, value in params.items() if name not in _OF_THE_ENSEMBLE}
    changes: dict[str, Any] = {"method": "tissue-ensemble" if ensemble else "tissue-restoration", "params": params}
    if isinstance(record, Checkpoint):
        changes["state"] = {_array(name): array for name, array in record.state.items()}
    return replace(record, **changes)


def _renamed(params: Mapping[str, Any]) -> dict[str, Any]:
    return {_SETTINGS.get(name, name): value for name, value in params.items() if name not in _DROPPED}


def _array(name: str) -> str:
    part, dot, rest = name.partition(".")
    return f"{_PARTS.get(part, part)}{dot}{rest}"
