"""The raw map of a prepared volume by a method's id: here or in a process of its own, from the cache when it is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...core.memory import check_memory, told_as_error
from ...core.progress import Progress
from ...core.seed import check_seed
from ...core.volume import Volume
from ...detectors.registry import method_class
from ..execution.place import goes_apart
from .map_cache import scored_here, try_out
from .pictures import check_pictures
from .score import ParamsInput
from .scored_map import ScoredMap
from .scoring_process import ScoringJob, scored_apart


@told_as_error()
def scored_volume(
    volume: Volume,
    method: str,
    *,
    params: ParamsInput = None,
    model: str | Path | None = None,
    device: str = "auto",
    seed: int = 0,
    use_cache: bool = True,
    reconstruct: bool = False,
    progress: Progress | None = None,
) -> ScoredMap:
    """The raw map of a prepared volume by a method's id, from the cache when it is there; its provenance names the model.

    Within `place.learned_methods_apart`, a method that computes with torch does so in a process of its own.

    Parameters
    ----------
    volume : Volume
        Ready for the method, with its brain mask.
    method, params, model, device, seed
        As in `detect`.
    use_cache : bool
        Look for the map, and keep it.
    reconstruct : bool
        The method's pictures, too; see `pictures`.

    Raises
    ------
    InputError, ModelError, DeviceError, Cancelled
        As `detect`.
    """
    seed = check_seed(seed)
    info = method_class(method).INFO
    check_memory(volume.name, int(info.bytes_per_voxel * volume.data.size), f"scoring it with {info.name}")
    check_pictures(method, reconstruct)
    how: dict[str, Any] = {"device": device, "seed": seed, "use_cache": use_cache, "reconstruct": reconstruct}
    if goes_apart(method):
        if use_cache:
            try_out()  # nobody hears what the other process has to say about it
        job = ScoringJob.of(method, params, model, **how)
        return scored_apart(job, volume, progress or Progress())
    return scored_here(volume, method, params=params, model=model, progress=progress, **how)
