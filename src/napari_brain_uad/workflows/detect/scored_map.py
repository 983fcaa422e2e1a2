"""An anomaly map and what it took, and both as an entry of a store."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ...core.anomaly_map import AnomalyMap
from ...core.threshold import ThresholdRule
from ...core.volume import Volume
from ...io.entries import Entry
from .pictures import Pictures

_PICTURE = "picture "


@dataclass(frozen=True, eq=False)
class ScoredMap:
    """A raw map and what it took.

    Parameters
    ----------
    map : AnomalyMap
        On the grid of the volume that was scored.
    seconds : float
        Wall time of scoring, when it was scored.
    peak_bytes : int or None
        Memory on top of what was in use before; None where the system does not tell.
    cached : bool
        Whether it came from the cache: `seconds` and `peak_bytes` are then those of the run that made it.
    pictures : mapping of str to array
        What the method compared, where that was asked for (see `pictures`).
    """

    map: AnomalyMap
    seconds: float
    peak_bytes: int | None
    cached: bool
    pictures: Pictures = field(default_factory=dict)


def as_entry(scored: ScoredMap) -> Entry:
    """A map and what it took, fit to be written; see `from_entry`."""
    amap = scored.map
    about = {
        "unit": amap.unit,
        "method": amap.method,
        "default_threshold": str(amap.default_threshold),
        "provenance": dict(amap.provenance),
        "background": amap.background,
        "seconds": scored.seconds,
        "peak_bytes": scored.peak_bytes,
        "cached": scored.cached,
    }
    pictures = {_PICTURE + name: picture for name, picture in scored.pictures.items()}
    return Entry(about, {"score": amap.score, "mask": np.packbits(amap.mask.ravel(order="F")), **pictures})


def from_entry(entry: Entry, volume: Volume) -> ScoredMap:
    """The inverse of `as_entry`. Names and source are those of `volume`."""
    about, score, bits = entry.about, entry.arrays["score"], entry.arrays["mask"]
    mask = np.unpackbits(bits, count=score.size).astype(np.bool_).reshape(score.shape, order="F")
    amap = AnomalyMap(
        score=score,
        grid=volume.grid,
        mask=mask,
        unit=about["unit"],
        method=about["method"],
        name=volume.name,
        default_threshold=ThresholdRule.parse(about["default_threshold"]),
        source=volume.source,
        provenance=_of_this_file(about["provenance"], volume),
        background=about["background"],
    )
    pictures = {name.removeprefix(_PICTURE): array for name, array in entry.arrays.items() if name.startswith(_PICTURE)}
    return ScoredMap(amap, about["seconds"], about["peak_bytes"], about["cached"], pictures)


def _of_this_file(provenance: dict[str, object], volume: Volume) -> dict[str, object]:
    """The same voxels may have come from another file: name, file, what says its sequence and findings are this one's."""
    given = provenance.get("input")
    if not isinstance(given, dict):
        return provenance
    own = {
        "name": volume.name,
        "file_sha256": volume.source.sha256 if volume.source else "",
        "sequence_origin": volume.sequence_origin,
        "findings": [finding.as_dict() for finding in volume.findings],
    }
    return {**provenance, "input": {**given, **own}}
