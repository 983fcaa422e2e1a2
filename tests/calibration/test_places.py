"""The mean map in MNI152: cells by hand, who counts, and what is said of regions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.calibration.build import HealthyMap, build_reference
from napari_brain_uad.calibration.files import load_reference, save_reference
from napari_brain_uad.calibration.places import CELLS, HealthyPlaces, cell_means, mean_of, with_healthy_means
from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import ModelError
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.postprocessing.pipeline import postprocess

MakeMap = Callable[..., AnomalyMap]

_MIDDLE = np.array([[1.0, 0, 0, -26.0], [0, 1, 0, -40.0], [0, 0, 1, -10.0], [0, 0, 0, 1]])
"""Toy brains begin at 0 mm; this puts them into MNI152's brain."""


def test_a_cell_has_the_mean_of_its_voxels_wherever_the_scan_lies() -> None:
    grid = Grid((8, 4, 4), np.diag([-2.0, 2.0, 2.0, 1.0]))  # left and right are swapped
    score = np.arange(8 * 4 * 4, dtype=np.float32).reshape(8, 4, 4)
    judged = np.ones(score.shape, bool)
    judged[0] = False
    corner = CELLS.to_world(np.array([[20, 20, 20]]))[0]
    to_mni = np.eye(4)
    # Voxels 6 and 7 of each axis end lie in cell 20, half a voxel to either side of its centre.
    to_mni[:3, 3] = corner - grid.to_world(np.array([[6.5, 0.5, 0.5]]))[0]
    found = cell_means(score, judged, grid, to_mni)
    assert found[20, 20, 20] == pytest.approx(score[6:8, :2, :2].mean())
    assert found[21, 20, 20] == pytest.approx(score[4:6, :2, :2].mean())
    assert found[20, 21, 20] == pytest.approx(score[6:8, 2:, :2].mean())
    assert found[23, 20, 20] == pytest.approx(score[1, :2, :2].mean())  # voxels outside the brain do not count
    assert np.isfinite(found).sum() == 4 * 2 * 2


def test_cells_that_few_scans_reach_do_not_count() -> None:
    scans = [np.full(CELLS.shape, np.nan, np.float32) for _ in range(4)]
    for number, scan in enumerate(scans):
        scan[10, 10, 10] = number
    scans[0][11, 10, 10] = scans[1][11, 10, 10] = 5.0
    scans[0][12, 10, 10] = 5.0
    found = mean_of(scans, 3)
    assert found is not None
    assert found.people == 3
    assert found.mean[10, 10, 10] == 1.5
    assert found.mean[11, 10, 10] == 5.0
    assert np.isnan(found.mean[12, 10, 10])
    assert found.at(CELLS.to_world(np.array([[10.4, 10, 10], [11, 10, 10]]))) == pytest.approx(3.25)
    assert found.at(CELLS.to_world(np.array([[12, 10, 10], [-400, 0, 0]]))) is None
    assert mean_of([], 0) is None


def test_a_region_is_told_what_healthy_brains_score_at_its_place(make_map: MakeMap, post: PostParams) -> None:
    amap = make_map(90, lesion=9.0)
    result = postprocess(amap, replace(post, threshold="6"))
    assert len(result.regions) == 1
    mean = np.zeros(CELLS.shape, np.float32)
    centre = amap.grid.to_world(np.array([[10, 10, 10]])) + _MIDDLE[:3, 3]
    i, j, k = np.round(CELLS.to_index(centre)).astype(int)[0]
    mean[i - 2 : i + 3, j - 2 : j + 3, k - 2 : k + 3] = 0.75
    told = with_healthy_means(result, amap.grid, _MIDDLE, HealthyPlaces(mean, 5))
    assert told.regions[0].healthy_mean == pytest.approx(0.75)
    assert told.regions[0].volume_ml == result.regions[0].volume_ml
    elsewhere = _MIDDLE.copy()
    elsewhere[0, 3] += 40.0
    assert with_healthy_means(result, amap.grid, elsewhere, HealthyPlaces(mean, 5)).regions[0].healthy_mean == 0.0


def test_only_real_brains_whose_way_is_known_count(make_map: MakeMap, post: PostParams, tmp_path: Path) -> None:
    known = [HealthyMap(make_map(seed), person=1 + seed // 2, to_mni=_MIDDLE) for seed in range(4)]  # two people, two visits each
    unknown = HealthyMap(make_map(4, lesion=50.0), person=3)
    simulated = HealthyMap(make_map(5, lesion=50.0), "simulated", person=4, to_mni=_MIDDLE)
    both = build_reference([*known, unknown, simulated], post, title="toy", sequence="T1")
    alone = build_reference(known, post, title="toy", sequence="T1")
    assert both.places is not None
    assert alone.places is not None
    np.testing.assert_array_equal(both.places.mean, alone.places.mean)
    assert both.places.people == 2
    assert both.places_words == "Mean map in MNI152: of 2 brains"
    nobody_said = [replace(one, person=0) for one in known]
    assert build_reference(nobody_said, post, title="toy", sequence="T1").places.people == 4  # type: ignore[union-attr]  # there is one
    assert build_reference([unknown], post, title="toy", sequence="T1").places is None
    save_reference(tmp_path / "toy", both)
    kept = load_reference(tmp_path / "toy", model_sha256="").places
    assert kept is not None
    np.testing.assert_array_equal(kept.mean, both.places.mean)
    assert kept.people == 2


def test_hyperintensities_left_out_do_not_count(make_map: MakeMap, post: PostParams) -> None:
    bright = make_map(7, lesion=50.0)
    counted = bright.mask & (bright.score < 20)
    found = build_reference([HealthyMap(bright, counted=counted, to_mni=_MIDDLE)], post, title="toy", sequence="T1").places
    assert found is not None
    assert np.nanmax(found.mean) < 20


def test_a_mean_map_of_another_grid_is_refused(make_map: MakeMap, post: PostParams, tmp_path: Path) -> None:
    made = build_reference([HealthyMap(make_map(1), to_mni=_MIDDLE)], post, title="toy", sequence="T1")
    assert made.places is not None
    save_reference(tmp_path / "toy", replace(made, places=HealthyPlaces(made.places.mean[:-1], 1)))
    with pytest.raises(ModelError, match="mean map does not fit MNI152"):
        load_reference(tmp_path / "toy", model_sha256="")
