"""Scoring a prepared volume: the detector loaded with its model, the device chosen, the map's record completed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from ...core.anomaly_map import AnomalyMap
from ...core.detector import Detector
from ...core.errors import InputError, ModelError
from ...core.kept import Kept
from ...core.memory import told_as_error
from ...core.params import Params
from ...core.progress import Progress
from ...core.seed import check_seed
from ...core.volume import Volume
from ...detectors.registry import create, method_class
from ...io.checkpoint import Checkpoint, checkpoint_files, load_checkpoint
from ..execution.devices import resolve_device
from ..models.earlier import as_now
from ..models.method_spec import MethodSpec, ParamsInput
from ..models.models import Model, default_model, find_model, list_models, no_model, settings_for

_LOADED: Kept[Checkpoint] = Kept(most=4)
"""The models of a cohort's methods: a process that scores scan after scan reads each once."""


@dataclass(frozen=True)
class ScoringRequest:
    """How a volume is to be scored: all that decides the map besides the volume, as plain data.

    Parameters
    ----------
    spec : MethodSpec
        The method, its settings and its model.
    device : str
        "auto", "cpu", "cuda" or "mps".
    seed : int
        Fixes everything random.
    use_cache, reconstruct : bool
        Look for the map, and keep it; make the method's pictures, too (see `pictures`).

    Raises
    ------
    InputError
        For a seed that is none.
    """

    spec: MethodSpec
    device: str = "auto"
    seed: int = 0
    use_cache: bool = True
    reconstruct: bool = False

    def __post_init__(self) -> None:
        check_seed(self.seed)

    @classmethod
    def of(cls, method: str | MethodSpec, *, params: ParamsInput = None, model: str | Path | None = None, **more: Any) -> Self:
        """A request from a method as `MethodSpec.of` takes it; raises as that does."""
        return cls(MethodSpec.of(method, params=params, model=model), **more)

    def as_dict(self) -> dict[str, Any]:
        """The request as plain JSON data."""
        return vars(self) | {"spec": str(self.spec)}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Self:
        """The inverse of `as_dict`; raises as `MethodSpec.parse`."""
        return cls(**record | {"spec": MethodSpec.parse(record["spec"])})


@told_as_error()
def load_detector(
    method: str, *, params: ParamsInput = None, model: str | Path | None = None, sequence: str | None = None, device: str = "cpu"
) -> Detector:
    """A detector ready to score: created from its id, with its trained state when it needs one.

    Parameters
    ----------
    model : str or Path, optional
        A model's id or file; without it the default model for `sequence` is taken (`workflows.models.models.default_model`).
    device : str
        "cpu", "cuda" or "mps", as `workflows.execution.devices.resolve_device` gives it.

    Returns
    -------
    Detector
        Its ``score`` takes a volume that is ready for it.

    Raises
    ------
    InputError
        For an unknown method or setting, or a model for a method that takes none.
    ModelError
        If the method needs a model and there is none, or the file is damaged or another method's.
    """
    found, used = method_class(method), model_for(method, model, sequence)
    if used is None:
        return _on(device, create(method, _as_params(found.Params, params)))
    path = used.path
    checkpoint = _LOADED.get(path, checkpoint_files(path), lambda: as_now(load_checkpoint(path)))
    own = settings_for(method, checkpoint.method, checkpoint.params)
    changed = params.as_dict() if isinstance(params, Params) else dict(params or {})
    detector = _on(device, create(method, found.Params.from_dict(own | changed)))
    detector.load_state(checkpoint.state)
    return detector


def _on(device: str, detector: Detector) -> Detector:
    detector.device = device
    return detector


@told_as_error()
def score_with(detector: Detector, volume: Volume, *, device: str = "auto", seed: int = 0, progress: Progress | None = None) -> AnomalyMap:
    """The raw anomaly map of a prepared volume, its record completed with the device; see `map_cache.scored_map`.

    Parameters
    ----------
    detector : Detector
        From `load_detector`.
    volume : Volume
        Ready for the method, with its brain mask.
    device, seed, progress
        As in `detect`.

    Returns
    -------
    AnomalyMap
        float32, on the volume's grid; higher is more abnormal, in the unit that it names.

    Raises
    ------
    InputError, ModelError, DeviceError, Cancelled
        As `detect`; and when the map is the same everywhere in the brain.
    """
    seed = check_seed(seed)
    used = resolve_device(device, detector.INFO.devices)
    detector.device = used.name
    amap = detector.score(volume, seed=seed, progress=progress or Progress())
    check_not_flat(amap)
    return replace(amap, provenance={**amap.provenance, "device": used.words})


def check_not_flat(amap: AnomalyMap) -> None:
    """A map that is the same everywhere tells nothing, and is no healthy brain: no threshold, figure or mask may be made of it.

    Raises
    ------
    InputError
        If all voxels of the brain have one score.
    """
    scores = amap.brain_scores()
    if scores.size and scores.min() == scores.max():
        why = f"every voxel of the brain has the score {scores[0]:.4g}, so that nothing can stand out"
        fix = "Look at the scan and its brain mask: intensities that hardly differ give this; or choose another method or model"
        raise InputError(f"The anomaly map of {amap.name} by {amap.method}", why=why, fix=fix)


def with_model(amap: AnomalyMap, used: Model | None) -> AnomalyMap:
    """The map with the model in its provenance."""
    record = {} if used is None else {"model": {"name": used.id, "sha256": used.sha256, "sequences": list(used.sequences)}}
    return replace(amap, provenance={**amap.provenance, **record})


def model_for(method: str, given: str | Path | None, sequence: str | None) -> Model | None:
    """The model a run uses; None for a method that needs none."""
    if not method_class(method).INFO.trainable:
        if given is not None:
            raise InputError(f"{method} takes no model", why="it learns nothing from data", fix="Leave --model out")
        return None
    if given is None:
        default = default_model(method, sequence)
        if default is None:
            raise no_model(method, sequence)
        return default
    found = find_model(given)
    if found.method not in (method, *method_class(method).INFO.models_of):
        raise ModelError(f"{found.path.name} is a model of {found.method}, not of {method}", fix=f"Use --method {found.method}")
    return found


def check_model(method: str, given: str | Path | None) -> None:
    """Refuse a model that cannot be used, or that is missing, before a scan is prepared for it, which may take minutes.

    Raises
    ------
    InputError, ModelError
        As `model_for` does whatever the scan's sequence is.
    """
    if given is not None or not list_models(method):
        model_for(method, given, None)


def _as_params(kind: type[Params], given: ParamsInput) -> Params:
    return given if isinstance(given, Params) else kind.from_dict(given or {})
