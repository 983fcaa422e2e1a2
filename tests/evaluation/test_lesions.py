"""Lesions one by one, against sets of voxels written out plainly."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.evaluation.lesions import (
    SIOU_THRESHOLDS,
    Lesion,
    ScanLesions,
    check_edges,
    instance_figures,
    scan_lesions,
    strata,
)

Parts = list[set[tuple[int, ...]]]


def _parts(mask: NDArray[np.bool_]) -> Parts:
    labels, number = ndimage.label(mask, np.ones((3, 3, 3)))
    return [set(map(tuple, np.argwhere(labels == one).tolist())) for one in range(1, number + 1)]


def _siou(lesion: set[tuple[int, ...]], lesions: Parts, regions: Parts) -> float:
    """Chan et al. 2021, equation of the adjusted sIoU, on sets of voxels."""
    touching = set().union(*(region for region in regions if region & lesion))
    others = set().union(*(one for one in lesions if one is not lesion))
    return len(lesion & touching) / len((lesion | touching) - (others & touching))


def _random(seed: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    truth = ndimage.gaussian_filter(rng.normal(size=(18, 17, 9)), 1.1) > 0.13
    mask = ndimage.gaussian_filter(rng.normal(size=truth.shape) + truth, 1.0) > 0.55
    return mask, truth


@pytest.mark.parametrize("seed", range(3))
def test_every_lesion_against_sets_of_voxels(seed: int) -> None:
    mask, truth = _random(seed)
    lesions, regions = _parts(truth), _parts(mask)
    assert len(lesions) > 3
    assert len(regions) > 3
    found = scan_lesions(mask, truth, 0.002)
    flagged = set().union(*regions)
    expected = [(len(one) * 0.002, len(one & flagged) / len(one), _siou(one, lesions, regions)) for one in lesions]
    ours = [(one.ml, one.overlap, one.siou) for one in found.lesions]
    assert np.allclose(sorted(ours), sorted(expected))
    assert [one.ml for one in found.lesions] == sorted((one.ml for one in found.lesions), reverse=True)
    everything = set().union(*lesions)
    assert np.allclose(sorted(found.region_precision), sorted(len(one & everything) / len(one) for one in regions))


def test_one_region_over_two_lesions_costs_only_what_is_no_lesion() -> None:
    truth = np.zeros((9, 3, 3), bool)
    truth[0:3, 1, 1] = truth[5:9, 1, 1] = True
    mask = np.zeros_like(truth)
    mask[:, 1, 1] = True  # all seven voxels of lesion, and the two between
    found = scan_lesions(mask, truth, 1.0)
    assert [one.siou for one in found.lesions] == [4 / 6, 3 / 5]
    assert found.region_precision == (7 / 9,)
    assert scan_lesions(np.zeros_like(mask), truth, 1.0).lesions == (Lesion(4.0, 0.0, 0.0), Lesion(3.0, 0.0, 0.0))
    assert scan_lesions(mask, np.zeros_like(mask), 1.0) == ScanLesions((), (0.0,))
    with pytest.raises(InputError, match="Lesions"):
        scan_lesions(mask, truth[:4], 1.0)


def _scan(*lesions: tuple[float, float]) -> ScanLesions:
    return ScanLesions(tuple(Lesion(ml, overlap, overlap / 2) for ml, overlap in lesions), (0.2, 0.6))


def test_recall_by_size() -> None:
    scans = [_scan((20.0, 0.5), (1.0, 0.0), (0.05, 0.1)), _scan((0.999, 0.3)), _scan(), _scan((10.0, 0.0), (0.1, 0.0))]
    found = strata(scans)
    assert [one.words for one in found] == ["under 0.1 ml", "0.1 to 1 ml", "1 to 10 ml", "10 ml and more"]
    assert [(one.found, one.lesions) for one in found] == [(1, 1), (1, 2), (0, 1), (1, 2)]  # a lesion on an edge is of the larger stratum
    assert [None if one.recall is None else one.recall.mean for one in found] == [1.0, 0.5, 0.0, 0.5]
    assert found[3].recall is not None
    assert (found[3].recall.low, found[3].recall.high, found[3].recall.count) == (0.0, 1.0, 2)
    assert [(one.low, one.high, one.lesions) for one in strata(scans, [5])] == [(0.0, 5.0, 4), (5.0, None, 2)]
    assert strata([_scan()])[0].recall is None


@pytest.mark.parametrize("edges", [[], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [float("nan")], [1.0, float("inf")]])
def test_edges_that_make_no_strata(edges: list[float]) -> None:
    with pytest.raises(InputError, match=r"0\.1,1,10"):
        check_edges(edges)


def test_lesions_and_regions_as_wholes_by_hand() -> None:
    one = ScanLesions((Lesion(1, 1, 0.8), Lesion(1, 1, 0.5), Lesion(1, 0, 0.0)), (0.9, 0.5))
    other = ScanLesions((Lesion(1, 1, 0.3),), (0.0,))
    found = instance_figures([one, other, ScanLesions()])
    assert (found.lesions, found.regions) == (4, 3)
    # Above 0.25: lesions 0.8, 0.5, 0.3, regions 0.9, 0.5. Above 0.5, neither the lesion nor the region of just 0.5 counts.
    expected = [(0.25, 2 / 3, 3 / 4, 6 / (6 + 1 + 1)), (0.5, 1 / 3, 1 / 4, 2 / (2 + 3 + 2)), (0.75, 1 / 3, 1 / 4, 2 / (2 + 3 + 2))]
    assert np.allclose(found.at, expected)
    tp, fp = ([sum(value > at for value in values) for at in SIOU_THRESHOLDS] for values in ((0.8, 0.5, 0.3), (0.9, 0.5)))
    assert found.mean_f1 == pytest.approx(np.mean([2 * t / (2 * t + (4 - t) + (3 - f)) for t, f in zip(tp, fp, strict=True)]))
    assert found.siou is not None
    assert found.siou.mean == pytest.approx((0.8 + 0.5 + 0.3) / 4)
    nothing = instance_figures([ScanLesions()])
    assert (nothing.siou, nothing.mean_f1, nothing.at[0]) == (None, None, (0.25, None, None, None))
