"""The raw map of a prepared volume by a method's id: here or in a process of its own, from the cache when it is there."""

from __future__ import annotations

from ...core.memory import check_memory, told_as_error
from ...core.progress import Progress
from ...core.volume import Volume
from ...detectors.registry import method_class
from ..execution.place import goes_apart
from .map_cache import scored_here, try_out
from .pictures import check_pictures
from .score import ScoringRequest
from .scored_map import ScoredMap
from .scoring_process import scored_apart


@told_as_error()
def scored_volume(volume: Volume, request: ScoringRequest, progress: Progress | None = None) -> ScoredMap:
    """The raw map of a prepared volume, from the cache when it is there; its provenance names the model.

    Within `place.learned_methods_apart`, a method that computes with torch does so in a process of its own.

    Parameters
    ----------
    volume : Volume
        Ready for the method, with its brain mask.
    request : ScoringRequest
        How to score it.

    Returns
    -------
    ScoredMap
        The map on the volume's grid; the seconds and bytes that it took.

    Raises
    ------
    InputError, ModelError, DeviceError, Cancelled
        As `detect`.
    """
    info = method_class(request.spec.method).INFO
    check_memory(volume.name, int(info.bytes_per_voxel * volume.data.size), f"scoring it with {info.name}")
    check_pictures(info.id, request.reconstruct)
    if goes_apart(info.id):
        if request.use_cache:
            try_out()  # nobody hears what the other process has to say about it
        return scored_apart(request, volume, progress or Progress())
    return scored_here(volume, request, progress)
