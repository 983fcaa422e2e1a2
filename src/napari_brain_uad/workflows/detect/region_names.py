"""Names of brain regions for what was found, where the scan's relation to MNI152 is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from ...calibration.places import with_healthy_means
from ...calibration.reference import HealthyReference
from ...core.anomaly_map import AnomalyMap
from ...core.volume import Grid
from ...postprocessing.atlas import region_names
from ...postprocessing.pipeline import PostResult

MNI_WAY = "copies in MNI space (--mni, or Export in Tune) register it and name the regions"
"""What to do where the way to MNI152 is not known."""

_RIGID_DICE = 0.6
"""Brains that overlap the template's this much as they lie were put there on purpose."""


@dataclass(frozen=True, eq=False)
class MniRelation:
    """How a scan lies to MNI152.

    Parameters
    ----------
    to_mni : array, shape (4, 4), or None
        World mm of the scan to world mm of MNI152; None when that is not known.
    words : str
        How it is known, or why not.
    """

    to_mni: NDArray[np.float64] | None
    words: str


_KNOWN: WeakKeyDictionary[AnomalyMap, MniRelation] = WeakKeyDictionary()


def mni_relation(amap: AnomalyMap) -> MniRelation:
    """How the scan of a map lies to MNI152: by a registration that its provenance records, or because it lies there already.

    A scan without orientation codes has no left and right, and so no names. Looked up once for a map.
    """
    if amap not in _KNOWN:
        _KNOWN[amap] = _relation(amap)
    return _KNOWN[amap]


def with_names(result: PostResult, amap: AnomalyMap, reference: HealthyReference | None = None) -> PostResult:
    """The result with a name for every region and what healthy brains score there; as it is where the relation to MNI is not known."""
    relation = mni_relation(amap)
    return result if relation.to_mni is None else named(result, amap.grid, relation.to_mni, reference)


def named(result: PostResult, grid: Grid, to_mni: NDArray[np.float64], reference: HealthyReference | None = None) -> PostResult:
    """The result with a name for every region, where the way from its world mm to those of MNI152 is `to_mni`."""
    names = region_names(result.labels, [region.number for region in result.regions], grid, to_mni) if result.regions else ()
    regions = tuple(replace(region, name=name) for region, name in zip(result.regions, names, strict=True))
    found = replace(result, regions=regions)
    places = None if reference is None else reference.places
    return found if places is None else with_healthy_means(found, grid, to_mni, places)


def registration_of(amap: AnomalyMap) -> Mapping[str, Any] | None:
    """What the registration to MNI152 found that the provenance of a map records; None without one."""
    steps: Sequence[Mapping[str, Any]] = amap.provenance.get("preprocessing", ())
    registered = next((step for step in steps if step["step"] == "register_mni"), None)
    return None if registered is None else registered["outcome"]


def recorded_matrix(amap: AnomalyMap) -> NDArray[np.float64]:
    """World mm that the recorded preparation gives to world mm of the scan.

    Every step that moves the patient records its matrix, from the world it gives to the world it was given.
    """
    to_scan = np.eye(4)
    for step in amap.provenance.get("preprocessing", ()):
        to_scan = to_scan @ np.array(step["outcome"].get("matrix", np.eye(4)), dtype=np.float64)
    return to_scan


def _relation(amap: AnomalyMap) -> MniRelation:
    from ...preprocessing.steps.register_mni import POOR_DICE, REGISTERED_DICE, overlap_in_mni

    if amap.source is not None and not amap.source.orientation_known:
        return MniRelation(None, "no MNI coordinates: the file does not say which side is left")
    outcome = registration_of(amap)
    if outcome is None:
        overlap = overlap_in_mni(amap.mask, amap.grid)
        if overlap >= REGISTERED_DICE:
            return MniRelation(np.eye(4), "the scan lies in MNI152")
        why = "the scan was not registered to MNI152"
        if overlap >= _RIGID_DICE:
            # On the template's grid by a rigid registration, as MSLUB is: names would be wrong by as much as the brain is smaller.
            why = f"on MNI152's grid, but the brain overlaps the template's by {overlap:.2f} only, as after a rigid registration"
        return MniRelation(None, f"no MNI coordinates: {why}; {MNI_WAY}")
    if outcome.get("dice_shown", outcome.get("dice", 0.0)) < POOR_DICE:
        return MniRelation(None, "no MNI coordinates: the registration to MNI152 is poor")
    deformed = "warp_sha256" in outcome
    to_mni = np.asarray(np.linalg.inv(recorded_matrix(amap)), dtype=np.float64)
    return MniRelation(to_mni, f"by the recorded registration to MNI152{', its affine part' if deformed else ''}")
