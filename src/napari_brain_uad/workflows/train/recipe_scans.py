"""The healthy subjects that a recipe names, simulated or real, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.volume import Grid, Volume
from ...io.nifti import image_stem
from ...preprocessing.geometry import resample_volume
from ...preprocessing.template import MNI_GRID, template
from ...simulation.params import SimulationParams
from ...simulation.population import Population
from ..scans.lazy_volumes import LazyVolumes
from .carried_scans import carried_makers
from .cohorts import cohort
from .picture_scans import picture_makers

SPACING_MM = 2.0
"""Voxel size of simulated subjects where a recipe says nothing."""


def training_scans(scans: Mapping[str, Any], maps: Sequence[Path], seed: int, healthy: Path | None = None) -> LazyVolumes:
    """Healthy subjects of a recipe's ``scans``: of each contrast so many, once in every kind of scan, and real ones.

    Parameters
    ----------
    scans : mapping
        "contrasts", how many of each; "kinds", how each kind is scanned (settings of `SimulationParams`, and "rims_mm": how much of the
        fluid around the cortex masks keep, in turn); "registered", whether they lie on the template's grid; "real", which real scans come
        with them (`carried_makers`); "pictures", which slices do (`picture_makers`).
    maps : sequence of Path
        Label maps of their heads.
    seed : int
        Each kind has the next.
    healthy : Path, optional
        Folder of the real scans and slices.

    Raises
    ------
    InputError
        If the recipe names real scans and they are not there.
    """
    makers = [maker for number, kind in enumerate(scans["kinds"]) for maker in _makers(scans["contrasts"], kind, maps, seed + number)]
    real = carried_makers(scans["real"], _folder_of(scans["real"], healthy), seed) if "real" in scans else []
    real += picture_makers(scans["pictures"], _folder_of(scans["pictures"], healthy)) if "pictures" in scans else []
    names = [*(f"Simulated subject {number + 1}" for number in range(len(makers))), *(image_stem(maker.args[0]) for maker in real)]
    makers += real
    return LazyVolumes([partial(on_template, maker) for maker in makers] if scans.get("registered") else makers, names)


def validation_scans(scans: Mapping[str, Any], maps: Sequence[Path], seed: int) -> LazyVolumes:
    """Simulated subjects of other heads, to watch how a training goes: "count" of each contrast, in the kinds of "validation" if given."""
    own = scans.get("validation", {})
    simulated = {name: value for name, value in scans.items() if name not in ("real", "pictures")}
    return training_scans({**simulated, **own, "contrasts": dict.fromkeys(scans["contrasts"], own.get("count", 1))}, maps, seed)


def spacing_of(scans: Mapping[str, Any]) -> float:
    """Voxel size of a recipe's subjects, in mm."""
    return float(scans["kinds"][0].get("spacing_mm", SPACING_MM))


def _folder_of(real: Mapping[str, Any], healthy: Path | None) -> Path:
    if healthy is None:
        who = cohort(real)
        why = f"it trains on {len(who['names'])} real scans too ({who['words']}), like {who['names'][0]}{who['ending']}"
        raise InputError("This recipe", why=why, fix="Name their folder with --healthy")
    return healthy


def _makers(contrasts: Mapping[str, int], kind: Mapping[str, Any], maps: Sequence[Path], seed: int) -> list[Callable[[], Volume]]:
    settings = {"spacing_mm": SPACING_MM, **kind}
    rims_mm = settings.pop("rims_mm")
    makers: list[Callable[[], Volume]] = []
    for contrast, count in contrasts.items():
        fixed = SimulationParams.from_dict({**settings, "sequence": contrast})
        subjects = [Population(maps, replace(fixed, rim_mm=rim), seed) for rim in rims_mm]
        makers += [partial(_scan, subjects[number % len(subjects)], number) for number in range(count)]
    return makers


def _scan(subjects: Population, number: int) -> Volume:
    return subjects[number].volume


def on_template(make: Callable[[], Volume]) -> Volume:
    """A subject on the template's grid, stretched along the axes until its brain fills the template's, as registered scans do."""
    volume, brain = make(), template()
    assert volume.mask is not None
    assert brain.mask is not None
    here, there = (grid.to_world(corners(mask)) for grid, mask in ((volume.grid, volume.mask), (brain.grid, brain.mask)))
    stretch = np.eye(4)
    stretch[:3, :3] = np.diag(np.ptp(there, axis=0) / np.ptp(here, axis=0))
    stretch[:3, 3] = there.mean(axis=0) - stretch[:3, :3] @ here.mean(axis=0)
    return resample_volume(replace(volume, grid=Grid(volume.grid.shape, stretch @ volume.grid.affine)), MNI_GRID)


def corners(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """First and last voxel of a mask along each axis, shape (2, 3)."""
    shown = [np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    return np.array([[one[0] for one in shown], [one[-1] for one in shown]], dtype=np.float64)
