"""The contract every method keeps, and the card that describes it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from .anomaly_map import AnomalyMap
from .params import Params as AnyParams
from .progress import Progress
from .threshold import ThresholdRule
from .volume import Volume

State = dict[str, NDArray[Any]]

_LINKS = (
    (re.compile(r"arXiv:(\d{4}\.\d{4,5})"), "https://arxiv.org/abs/"),
    (re.compile(r"\b(?:doi:)?(10\.\d{4,9}/[^\s,;]+)", re.I), "https://doi.org/"),
)


@dataclass(frozen=True)
class Measurement:
    """A figure somebody measured, with what it was measured on: a card shows no others."""

    metric: str
    value: float
    data: str
    source: str


@dataclass(frozen=True)
class MethodInfo:
    """A method's card.

    Parameters
    ----------
    id : str
        What users type.
    name, family, summary : str
        For lists and cards.
    paper : str
        Citation with its DOI or arXiv number.
    licence : str
        Of this implementation and of any weights it ships.
    needs : str
        What the input has to be, in words.
    sequences : tuple of str
        MRI sequences it is meant for, the best first; empty = any.
    trainable : bool
        Whether `fit` must run (or a model be loaded) before `score`.
    score_unit : str
        What its score measures.
    default_threshold : ThresholdRule
        Used when the user asks for none.
    preset : str
        The preprocessing a scan of the whole head goes through first (an id of `preprocessing.presets`).
    devices : tuple of str
        Where it can run.
    seconds_per_megavoxel, bytes_per_voxel : float
        For the estimate before a run: time on one CPU core, peak memory on top of the scan.
    measured : tuple of Measurement
        Scores on named scans.
    presets : str
        Where the paper and its authors' code disagree, and what each preset is, in words.
    learns_from : tuple of str
        MRI sequences of the healthy scans it learns from, where these are not those it is meant for.
    models_of : tuple of str
        Further methods whose models it can score with.
    incomparable : str
        Why its scores cannot be compared between brains, where they cannot: it can have no healthy reference then.
    colour_limits : tuple of float, optional
        Fixed scale for heatmaps of the raw score, so that two scans can be compared by eye; None = each map's own range.
    """

    id: str
    name: str
    family: str
    summary: str
    paper: str
    licence: str
    needs: str
    sequences: tuple[str, ...]
    trainable: bool
    score_unit: str
    default_threshold: ThresholdRule
    preset: str = "native"
    devices: tuple[str, ...] = ("cpu",)
    seconds_per_megavoxel: float = 1.0
    bytes_per_voxel: float = 16.0
    measured: tuple[Measurement, ...] = ()
    presets: str = ""
    learns_from: tuple[str, ...] = ()
    models_of: tuple[str, ...] = ()
    colour_limits: tuple[float, float] | None = None
    incomparable: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The card as plain JSON data."""
        record = asdict(self)
        record["default_threshold"] = str(self.default_threshold)
        return record


class Detector(Protocol):
    """A method of unsupervised anomaly detection.

    A detector is made with its parameters, ``Method(params)``; it is not trained yet. All it learns is in `state`.
    """

    INFO: ClassVar[MethodInfo]
    Params: ClassVar[type[AnyParams]]
    params: AnyParams
    device: str
    """Where it computes: "cpu", "cuda" or "mps"."""

    def fit(
        self, volumes: Sequence[Volume], *, seed: int = 0, progress: Progress | None = None, training: Any = None, session: Any = None
    ) -> None:
        """Learn what healthy looks like.

        Parameters
        ----------
        volumes : sequence of Volume
            Healthy scans; methods that need registration ask for one common grid.
        seed : int
            Fixes everything random.
        progress : Progress
            Told how far it is; its cancelling stops the training within two seconds.
        training : training.params.TrainingParams, optional
            How a network is trained; the method's own defaults when None. Methods without a network have no use for it.
        session : training.session.TrainingSession, optional
            Where it is trained, what to resume, whom to tell.

        Raises
        ------
        InputError
            If the volumes do not fit the method.
        Cancelled
            The detector is then as it was before.
        """
        ...

    def score(self, volume: Volume, *, seed: int, progress: Progress) -> AnomalyMap:
        """Score every voxel inside ``volume.mask`` (all voxels when it is None), on the same grid, higher = more abnormal.

        Raises
        ------
        InputError
            If the volume does not fit the method.
        ModelError
            If the method needs training and has none.
        """
        ...

    def state(self) -> State:
        """What was learned, as named arrays; empty when nothing was. Settings are in `params`, not here."""
        ...

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `state` gave.

        Raises
        ------
        ModelError
            If names, shapes or types are not this method's, or a value is not finite.
        """
        ...


def state_is_finite(state: Mapping[str, NDArray[Any]]) -> bool:
    """Whether every floating-point array of a state is free of NaN and infinity."""
    return all(bool(np.isfinite(array).all()) for array in state.values() if array.dtype.kind == "f")


def cited(citation: str) -> tuple[str, str] | None:
    """The arXiv number or DOI of a citation as it stands there, and its address; None without one."""
    for pattern, address in _LINKS:
        found = pattern.search(citation)
        if found is not None:
            return found[0], address + found[1]
    return None
