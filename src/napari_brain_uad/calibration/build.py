"""Make a healthy reference from the raw maps of healthy scans, and check it by leaving one out at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.anomaly_map import AnomalyMap
from ..core.errors import InputError
from ..core.progress import Progress
from ..postprocessing.params import PostParams
from ..postprocessing.pipeline import filtered_score
from .measure import CURVES, levels_of, measured
from .places import HealthyPlaces, cell_means, mean_of
from .reference import ALPHA, HealthyReference, HealthyScan, settings_of


@dataclass(frozen=True, eq=False)
class HealthyMap:
    """The map of a healthy scan, and what is known of it.

    Parameters
    ----------
    map : AnomalyMap
        Raw, on the scan's own grid. The scan itself is let go of: many such maps are kept, and nothing here looks at it.
    kind : str
        One of `reference.KINDS`.
    person : int
        The same for scans of the same person.
    age : float, optional
        In years.
    counted : array of bool, optional
        Where its tissue is healthy; the whole brain when None.
    to_mni : array, shape (4, 4), optional
        World mm of the scan to world mm of MNI152, where that is known.
    """

    map: AnomalyMap
    kind: str = "real"
    person: int = 0
    age: float | None = None
    counted: NDArray[np.bool_] | None = field(default=None, repr=False)
    to_mni: NDArray[np.float64] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "map", replace(self.map, scan=None))


@dataclass(frozen=True)
class LeaveOneOut:
    """Each real brain judged by a reference made without it.

    Parameters
    ----------
    nominal_ml : float
        What an average brain should show at the default threshold.
    flagged_ml : tuple of float
        What each shows.
    p : tuple of float
        Of each brain's strongest region.
    smallest_p : float
        The smallest that so many others allow.
    """

    nominal_ml: float
    flagged_ml: tuple[float, ...]
    p: tuple[float, ...]
    smallest_p: float

    @property
    def words(self) -> str:
        """The check in one sentence."""
        ml, unusual = np.array(self.flagged_ml), sum(p <= ALPHA for p in self.p)
        called = f"{unusual} would be called unusual at p = {ALPHA:g}"
        if self.smallest_p > ALPHA:
            called = f"so few others allow no p-value below {self.smallest_p:.2g}, so none can be called unusual at p = {ALPHA:g}"
        return (
            f"Left out one at a time, {ml.size} brains show {ml.mean():.2f} ml on average (median {np.median(ml):.2f}, "
            f"nominal {self.nominal_ml:g}); {called}"
        )


def build_reference(
    maps: Sequence[HealthyMap], post: PostParams, *, title: str, sequence: str, model_sha256: str = "", progress: Progress | None = None
) -> HealthyReference:
    """Measure healthy maps of one method, after the clean-up that patients' maps will go through.

    Raises
    ------
    InputError
        If there is no map, two are of one scan, or they are not of one method with one set of settings and weights.
    """
    progress = progress or Progress()
    if not maps:
        raise InputError("Healthy reference", why="there is no healthy scan", fix="Give some")
    made = [_made_by(one.map) for one in maps]
    if any(one != made[0] for one in made):
        why = "the healthy maps were not all made by one method with the same settings and weights"
        raise InputError("Healthy reference", why=why, fix="Score them all alike")
    sources = _sources(maps)
    levels = levels_of(score[brain] for score, brain in (filtered_score(one.map, post) for one in maps))
    curves, scans, quantiles = [], [], []
    for number, one in enumerate(maps):
        progress.update(number / len(maps), f"Measuring healthy scan {number + 1} of {len(maps)}")
        found = measured(one.map, post, levels, one.counted)
        curves.append(found.values)
        quantiles.append(found.quantiles)
        scans.append(HealthyScan(one.person or number + 1, one.kind, one.map.grid.voxel_volume_mm3, found.brain_ml, one.age))
    method, params, weights = made[0]
    progress.update(1.0, "Measured")
    return HealthyReference(
        title=title,
        method=method,
        sequence=sequence,
        params=params,
        weights_sha256=weights,
        model_sha256=model_sha256,
        post=clean_up_of(post),
        scans=tuple(scans),
        levels=levels,
        curves={name: np.stack([one[name] for one in curves]) for name in CURVES},
        quantiles=np.stack(quantiles),
        places=_places(maps, post),
        sources=frozenset(sources),
    )


def source_of(amap: AnomalyMap) -> str:
    """SHA-256 of the voxels that a map was made of, as its record has it; empty where it does not."""
    about = amap.provenance.get("input")
    return str(about.get("voxels_sha256") or "") if isinstance(about, Mapping) else ""


def _sources(maps: Sequence[HealthyMap]) -> dict[str, str]:
    """The scans by their SHA-256. One that is there twice would count as two healthy brains."""
    found: dict[str, str] = {}
    for one in maps:
        source = source_of(one.map)
        if source and source in found:
            what = f"Two healthy maps are of one scan: {found[source]} and {one.map.name}"
            raise InputError(what, why="it would count as two brains", fix="Give each healthy scan once, without its copies in MNI space")
        if source:
            found[source] = one.map.name
    return found


def _places(maps: Sequence[HealthyMap], post: PostParams) -> HealthyPlaces | None:
    """How those score on average whose way to MNI152 is known. Simulated brains say nothing of where real tissue is bright."""
    found, people = [], set()
    for number, one in enumerate(maps):
        if one.to_mni is not None and one.kind != "simulated":
            score, brain = filtered_score(one.map, post)
            found.append(cell_means(score, brain if one.counted is None else brain & one.counted, one.map.grid, one.to_mni))
            people.add(one.person or number + 1)  # as in `build_reference`
    return mean_of(found, len(people))


def clean_up_of(post: PostParams) -> dict[str, Any]:
    """What of the settings a reference depends on: all but the threshold, and what becomes of regions beyond it."""
    return {name: value for name, value in post.as_dict().items() if name not in ("threshold", "outline", "edge_contrast")}


def _made_by(amap: AnomalyMap) -> tuple[str, dict[str, object], str]:
    record = amap.provenance.get("method", {})
    return amap.method, settings_of(amap), str(record.get("weights_sha256", ""))


def leave_one_out(reference: HealthyReference) -> LeaveOneOut | None:
    """Judge each real brain by the others; None with fewer than two."""
    real = np.array([scan.kind == "real" for scan in reference.scans])
    subjects = np.array([scan.person for scan in reference.scans])
    if np.unique(subjects[real]).size < 2:
        return None
    flagged, p, least = [], [], 1.0
    for number in np.flatnonzero(real):
        others = reference.of((subjects != subjects[number]).tolist()).like(reference.scans[number].voxel_mm3)
        if others is None or not others.real:
            continue
        value, _ = others.threshold(others.default)
        flagged.append(float(np.interp(value, reference.levels, reference.curves["flagged_ml"][number])))
        place = max(int(np.searchsorted(reference.levels, np.float32(value), side="right")) - 1, 0)
        found = others.p_values([float(reference.curves["strength"][number, place])], float(reference.levels[place]))
        p.append(1.0 if found is None else float(found[0]))
        least = min(least, others.smallest_p or 1.0)
    return LeaveOneOut(float(reference.default.number or 0.0), tuple(flagged), tuple(p), least) if flagged else None
