"""Oracles: formulas by hand, numpy, and the uniform distribution of p-values of exchangeable scans."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from napari_brain_uad.calibration.build import HealthyMap, build_reference, leave_one_out
from napari_brain_uad.calibration.reference import HealthyReference, HealthyScan
from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.postprocessing.pipeline import postprocess


def strengths_of(strengths: list[float], kinds: list[str] | None = None, ml: list[float] | None = None) -> HealthyReference:
    """A reference with one threshold, 1, that says how strong the strongest region of each brain is."""
    count = len(strengths)
    scans = tuple(HealthyScan(number, kind, 1.0, 1000.0) for number, kind in enumerate(kinds or ["real"] * count))
    curves = {name: np.zeros((count, 2), np.float32) for name in ("flagged_ml", "regions", "largest_ml", "peak")}
    curves["flagged_ml"][:, 0] = ml or [2.0] * count
    curves["strength"] = np.column_stack([strengths, np.zeros(count)]).astype(np.float32)
    levels = np.array([1.0, 5.0], np.float32)
    return HealthyReference("toys", "toy", "T1", {}, "", "", {}, scans, levels, curves, np.zeros((count, 27), np.float32))


def test_p_values_by_hand() -> None:
    given = strengths_of([0.1, 0.2, 0.2, 0.7])
    found = given.p_values([0.05, 0.2, 0.3, 0.7, 0.8], 1.0)
    assert found is not None
    np.testing.assert_allclose(found, [5 / 5, 4 / 5, 2 / 5, 2 / 5, 1 / 5])
    assert given.smallest_p == 1 / 5


@pytest.mark.parametrize("kind", ["simulated", "part"])
def test_only_whole_real_brains_count_in_p_values(kind: str) -> None:
    given = strengths_of([0.1, 0.2, 9.0, 9.0, 9.0], ["real", "real", kind, kind, kind])
    found = given.p_values([0.3], 1.0)
    assert found is not None
    assert found[0] == pytest.approx(1 / 3)
    assert given.smallest_p == pytest.approx(1 / 3)
    assert strengths_of([1.0, 2.0], [kind, kind]).p_values([0.3], 1.0) is None


def test_p_values_of_exchangeable_brains_are_uniform() -> None:
    """19 healthy brains and one more like them: each of the 20 ranks is as likely."""
    rng = np.random.default_rng(8)
    draws = rng.gamma(0.7, 1.0, (4000, 20))
    p = [float(strengths_of(list(row[1:])).p_values([row[0]], 1.0)[0]) for row in draws]  # type: ignore[index]  # all are real
    ranks = np.bincount(np.round(np.array(p) * 20).astype(int), minlength=21)[1:]
    assert ranks.size == 20
    # Each count is binomial with mean 200 and a standard deviation of 13.8.
    assert np.abs(ranks - 200).max() < 60
    for rate in (0.05, 0.1, 0.5):
        assert np.mean(np.array(p) <= rate + 1e-9) == pytest.approx(rate, abs=0.025)


def test_between_thresholds_p_values_take_the_lower_one_and_below_them_there_are_none() -> None:
    given = strengths_of([0.1, 0.2])
    same, between = given.p_values([0.15], 1.0), given.p_values([0.15], 3.0)
    assert same is not None
    assert between is not None
    assert between[0] == same[0] == pytest.approx(2 / 3)
    with pytest.raises(InputError, match="thresholds below 1"):
        given.p_values([0.15], 0.9)


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_discoveries_are_those_of_benjamini_and_hochberg(rate: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    given = strengths_of(list(rng.gamma(1, 1, 30)))
    strengths = [*rng.gamma(1, 1, 5), *rng.gamma(1, 4, 5)]
    p = given.p_values(strengths, 1.0)
    assert p is not None
    order = np.argsort(p)
    passing = [rank for rank in range(1, 11) if p[order[rank - 1]] <= rate * rank / 10]
    wanted = np.zeros(10, bool)
    wanted[order[: max(passing, default=0)]] = True
    # Ties at the limit are found together.
    wanted |= p <= (p[wanted].max() if wanted.any() else -1.0)
    np.testing.assert_array_equal(given.discoveries(strengths, 1.0, rate), wanted)


def test_a_rate_that_so_few_brains_cannot_show_is_refused() -> None:
    with pytest.raises(InputError, match=r"needs 19.*18 real healthy brains: no p-value below 0\.053"):
        strengths_of([0.1] * 18).discoveries([9.0], 1.0, 0.05)
    assert strengths_of([0.1] * 19).discoveries([9.0], 1.0, 0.05).all()
    with pytest.raises(InputError, match="no real healthy brain"):
        strengths_of([0.1] * 30, ["simulated"] * 30).threshold(ThresholdRule("fdr", 0.05))


@pytest.mark.parametrize("allowed", [0.02, 0.1, 0.5])
def test_average_brains_show_what_the_threshold_promises(
    allowed: float, make_map: Callable[..., AnomalyMap], reference: HealthyReference, post: PostParams
) -> None:
    value, origin = reference.threshold(ThresholdRule("healthy-ml", allowed))
    at = replace(post, threshold=repr(value))
    shown = [postprocess(make_map(seed), at).mask.sum() * 0.008 for seed in range(24)]
    assert np.mean(shown) == pytest.approx(allowed, rel=0.3, abs=0.01)
    assert f"{allowed:g} ml in an average brain of 24 healthy brains" in origin


def test_a_rate_of_healthy_brain(make_map: Callable[..., AnomalyMap], reference: HealthyReference, post: PostParams) -> None:
    value, origin = reference.threshold(ThresholdRule("healthy-fpr", 0.003))
    masks = [postprocess(make_map(seed), replace(post, threshold=repr(value))).mask for seed in range(24)]
    assert sum(int(mask.sum()) for mask in masks) / sum(int(make_map(seed).mask.sum()) for seed in range(24)) == pytest.approx(
        0.003, rel=0.3
    )
    assert "0.3 %" in origin
    assert "after the clean-up" in origin


def test_a_rate_that_needs_unknown_thresholds_is_refused_and_a_volume_is_said_to_be_less() -> None:
    """Brains of 1000 ml that show 2 and 4 ml at the lowest threshold, 0.3 %."""
    given = strengths_of([0.1, 0.2], ml=[2.0, 4.0])
    assert given.threshold(ThresholdRule("healthy-fpr", 0.003))[0] == pytest.approx(1.0)
    with pytest.raises(InputError, match=r"the lowest, 1, flags 0.3 % of 2 healthy brains.*Ask for 0.003 or less"):
        given.threshold(ThresholdRule("healthy-fpr", 0.05))
    # What it says can be asked for is never more than there is.
    with pytest.raises(InputError, match=r"Ask for 0.00319 or less"):
        strengths_of([0.1, 0.2], ml=[2.0, 4.3995]).threshold(ThresholdRule("healthy-fpr", 0.05))
    value, origin = given.threshold(ThresholdRule("healthy-ml", 5.0))
    assert value == 1.0
    assert origin == "shows 5 ml at most in an average brain of 2 healthy brains: 3 ml, at the lowest threshold looked at"


def test_people_are_counted_once_at_whatever_voxel_sizes() -> None:
    given = strengths_of([0.1, 0.2, 0.3])
    twice = replace(given, scans=tuple(replace(scan, person=min(scan.person, 1)) for scan in given.scans))
    assert (twice.real, twice.words, twice.smallest_p) == (2, "2 healthy brains", 1 / 3)


def test_nothing_allowed_is_nothing_shown(reference: HealthyReference) -> None:
    value, _ = reference.threshold(ThresholdRule("healthy-ml", 0.0))
    place = int(np.searchsorted(reference.levels, np.float32(value)))
    assert not reference.curves["flagged_ml"][:, place:].any()
    assert reference.curves["flagged_ml"][:, place - 1].any()


def test_simulated_brains_set_thresholds_only_where_real_ones_are_few() -> None:
    few = strengths_of([0.1] * 6, ["real"] * 3 + ["simulated"] * 3, [0.5] * 3 + [4.0] * 3)
    many = strengths_of([0.1] * 12, ["real"] * 8 + ["simulated"] * 4, [0.5] * 8 + [40.0] * 4)
    rule = ThresholdRule("healthy-ml", 1.0)
    assert few.threshold(rule)[0] > 1.0
    assert many.threshold(rule)[0] == 1.0
    assert "8 healthy brains" in many.threshold(rule)[1]
    assert "3 simulated" in few.threshold(rule)[1]


def test_brains_of_another_sequence_set_thresholds_where_too_few_are_of_this_one() -> None:
    rule = ThresholdRule("healthy-ml", 1.0)
    kinds = ["real"] * 2 + ["carried"] * 6 + ["simulated"] * 4
    few = strengths_of([0.1] * 12, kinds, [0.5] * 8 + [40.0] * 4)
    assert few.sets_default
    assert few.threshold(rule)[0] == 1.0
    assert "2 healthy brains and 6 contrast-transferred healthy brains" in few.threshold(rule)[1]
    assert few.p_values([1.0], 1.0).size == 1
    assert few.smallest_p == pytest.approx(1 / 3)
    fewer = strengths_of([0.1] * 12, ["simulated", *kinds[1:]], [0.5] * 8 + [40.0] * 4)
    assert not fewer.sets_default
    many = strengths_of([0.1] * 12, ["real"] * 8 + ["carried"] * 4, [0.5] * 8 + [40.0] * 4)
    assert " 8 healthy brains" in many.threshold(rule)[1]


def test_each_person_counts_once_at_the_closest_voxel_size() -> None:
    given = strengths_of([0.1, 0.2, 0.3, 0.4])
    scans = tuple(HealthyScan(person, "real", voxel, 900.0) for person, voxel in ((1, 1.0), (1, 8.0), (2, 8.0), (3, 300.0)))
    given = replace(given, scans=scans)
    near = given.like(1.2)
    assert near is not None
    assert [(scan.person, scan.voxel_mm3) for scan in near.scans] == [(1, 1.0), (2, 8.0)]
    np.testing.assert_allclose(near.curves["strength"][:, 0], [0.1, 0.3])
    assert given.like(0.01) is None


def test_similar_ages_are_compared_where_there_are_enough() -> None:
    given = strengths_of([float(n) for n in range(24)])
    scans = tuple(HealthyScan(n, "real", 1.0, 900.0, 25.0 if n < 12 else 75.0) for n in range(24))
    given = replace(given, scans=scans)
    old, said = given.of_age(80.0)
    assert old.real == 12
    assert "12 within 10 years" in said
    everyone, said = given.of_age(50.0)
    assert everyone.real == 24
    assert "only 0" in said
    assert strengths_of([1.0]).of_age(50.0)[1].endswith("ages are not known")
    assert given.of_age(None)[1] == ""


def test_what_an_average_brain_would_have_between_scores(make_map: Callable[..., AnomalyMap], reference: HealthyReference) -> None:
    edges = np.array([-1.0, 0.0, 1.0, 2.0])
    pooled = np.concatenate([make_map(seed).brain_scores() for seed in range(24)])
    wanted = np.histogram(pooled, edges)[0] / pooled.size * 1000
    np.testing.assert_allclose(reference.expected(edges, 1000), wanted, rtol=0.1)


def test_left_out_one_at_a_time_brains_show_about_what_is_promised(reference: HealthyReference) -> None:
    found = leave_one_out(reference)
    assert found is not None
    assert len(found.p) == 24
    assert np.mean(found.flagged_ml) == pytest.approx(found.nominal_ml, rel=0.3)
    assert "24 brains" in found.words
    assert leave_one_out(reference.of([True] + [False] * 23)) is None


def test_maps_that_were_not_made_alike_make_no_reference(make_map: Callable[..., AnomalyMap], post: PostParams) -> None:
    one, other = make_map(1), make_map(2)
    other = replace(other, provenance={**other.provenance, "method": {"params": {"width": 4}}})
    with pytest.raises(InputError, match="not all made by one method"):
        build_reference([HealthyMap(one), HealthyMap(other)], post, title="", sequence="T1")
    with pytest.raises(InputError, match="no healthy scan"):
        build_reference([], post, title="", sequence="T1")
