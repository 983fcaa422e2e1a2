"""What a run will take, said before it starts."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.volume import Volume
from ..detectors.registry import method_class

_OWN_BYTES_PER_VOXEL = 30
"""Scan, map, masks and post-processing of one volume, whatever the method."""


@dataclass(frozen=True)
class Estimate:
    """Time, peak memory and a line that says both."""

    seconds: float
    bytes: int
    words: str


def estimate(method: str, volume: Volume) -> Estimate:
    """Estimate a run of `method` on `volume` from the figures on the method's card."""
    info = method_class(method).INFO
    voxels = volume.data.size
    seconds = 0.5 + info.seconds_per_megavoxel * voxels / 1e6
    memory = int((info.bytes_per_voxel + _OWN_BYTES_PER_VOXEL) * voxels)
    time = "under 2 s" if seconds < 2 else f"about {seconds:.0f} s" if seconds < 90 else f"about {seconds / 60:.0f} min"
    amount = f"{memory / 1e9:.1f} GB" if memory >= 1e8 else f"{memory / 1e6:.0f} MB"
    return Estimate(seconds, memory, f"{time[0].upper()}{time[1:]}, {amount} of memory")
