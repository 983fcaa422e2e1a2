from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from napari_brain_uad.calibration.build import HealthyMap, build_reference
from napari_brain_uad.calibration.reference import HealthyReference
from napari_brain_uad.calibration.verdict import Verdict, clean_up_note, fitting, joined, judge, with_p_values
from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import AUTO_RULE
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.postprocessing.pipeline import postprocess


def fit(reference: HealthyReference, amap: AnomalyMap, post: PostParams) -> tuple[HealthyReference | None, str]:
    return fitting(reference, amap, amap.score, amap.mask, post.as_dict())


def test_a_lesion_lies_beyond_all_and_a_healthy_brain_within(
    make_map: Callable[..., AnomalyMap], reference: HealthyReference, post: PostParams
) -> None:
    ill, healthy = make_map(50, 5.0), make_map(51)
    results = [postprocess(one, post, healthy=reference) for one in (ill, healthy)]
    found, nothing = (judge(one, reference) for one in results)
    assert found.line == "1 region beyond all 24 healthy brains (p = 0.04, the smallest that so many allow)"
    assert found.short == "1 region beyond all 24 healthy brains (p = 0.04)"
    assert found.beyond == 1
    assert found.p == found.smallest_p == pytest.approx(1 / 25)
    assert found.region_words(1) == "stronger, by size and score together, than anything in 24 of 24 healthy brains (p = 0.04)"
    assert nothing.line.startswith("Nothing beyond healthy variation")
    assert nothing.short == f"Nothing beyond healthy variation (p = {nothing.p:.2g})"
    assert nothing.beyond == 0
    assert nothing.advice == "This does not mean that there is no lesion: lower the threshold to look at weaker regions"
    assert (found.advice, Verdict(why_not="nobody knows").advice) == ("", "")
    assert Verdict(why_not="nobody knows", fix="Ask").short == "No verdict: nobody knows. Ask"
    assert Verdict(why_not="nobody knows", fix="Ask").advice == "Ask"
    assert "24 toy brains" in found.details
    ordinary = Verdict(healthy=24, region_p=(0.52,), unusual=(False,))
    assert ordinary.region_words(1) == "12 of 24 healthy brains have a stronger region (p = 0.52)"
    first = with_p_values(results[0], found).regions[0]
    assert first.p_value == found.p
    assert first.verdict == found.region_words(1)
    json.dumps(found.as_dict())


def test_a_brain_without_a_region_is_unremarkable(
    reference: HealthyReference, make_map: Callable[..., AnomalyMap], post: PostParams
) -> None:
    verdict = judge(postprocess(make_map(51), replace(post, threshold="healthy-ml:0"), healthy=reference), reference)
    assert (verdict.p, verdict.beyond, verdict.applies) == (1.0, 0, True)
    assert verdict.line == "Nothing beyond healthy variation: no region is left at a threshold that healthy brains set"
    assert judge(postprocess(make_map(51), post.with_rule(AUTO_RULE), healthy=reference), reference).applies


@pytest.mark.parametrize("threshold", ["99", "percentile:99.999", "otsu"])
@pytest.mark.parametrize("kind", ["real", "simulated"])
def test_no_region_at_a_threshold_that_others_set_says_nothing(
    reference: HealthyReference, make_map: Callable[..., AnomalyMap], post: PostParams, threshold: str, kind: str
) -> None:
    own = replace(post, threshold=threshold, min_voxels=100_000)
    brains = replace(reference, scans=tuple(replace(scan, kind=kind) for scan in reference.scans))
    verdict = judge(postprocess(make_map(50, 5.0), own, healthy=brains), brains)
    assert verdict.line == "No verdict: no region is left at the threshold that was given"
    assert verdict.short == verdict.line
    assert (verdict.p, verdict.beyond, verdict.applies) == (None, 0, False)
    assert verdict.rank == 0.0, "among scans it still is the one that shows least"
    assert verdict.as_dict()["regions_beyond"] is None
    assert "24 toy brains" in verdict.details
    # With one there is something to compare.
    one = judge(postprocess(make_map(50, 5.0), replace(post, threshold="3"), healthy=brains), brains)
    assert (one.applies, one.rank) == (True, one.strength)
    assert judge(postprocess(make_map(50, 5.0), replace(post, threshold="otsu-slice")), brains).rank is None


def test_few_brains_are_said_to_be_few(reference: HealthyReference, make_map: Callable[..., AnomalyMap], post: PostParams) -> None:
    few = reference.of([True] * 9 + [False] * 15)
    verdict = judge(postprocess(make_map(50, 5.0), post, healthy=few), few)
    assert verdict.line.startswith("1 region beyond all 9 healthy brains (p = 0.1")
    assert "too few to call it unusual at p = 0.05" in verdict.line


def test_simulated_brains_give_no_p_value(reference: HealthyReference, make_map: Callable[..., AnomalyMap], post: PostParams) -> None:
    simulated = replace(reference, scans=tuple(replace(scan, kind="simulated") for scan in reference.scans))
    verdict = judge(postprocess(make_map(50, 5.0), post, healthy=simulated), simulated)
    assert verdict.p is None
    assert verdict.region_words(1) == "stronger, by size and score together, than anything in 24 simulated brains"
    assert verdict.region_words(2) == ""
    assert verdict.as_dict()["regions_beyond"] is None  # of no real brain: 0 would be read as "nothing"
    assert verdict.short == "1 region beyond all 24 simulated brains"
    assert verdict.line == "1 region beyond all 24 simulated brains; there is no real healthy brain of this sequence to give a p-value"
    within = judge(postprocess(make_map(51), post, healthy=simulated), simulated)
    assert within.line.startswith("No region beyond all 24 simulated brains")
    assert within.beyond == 0
    assert verdict.region_p[0] is None
    carried = replace(reference, scans=tuple(replace(scan, kind="carried" if scan.person > 4 else "simulated") for scan in reference.scans))
    found = judge(postprocess(make_map(50, 5.0), post, healthy=carried), carried)
    assert (found.p, found.stand_in_kind, found.stand_ins) == (None, "carried", sum(scan.kind == "carried" for scan in carried.scans))
    assert "contrast-transferred healthy brains" in found.line
    mixed = replace(reference, scans=(*simulated.scans[:4], *reference.scans[4:]))
    verdict = judge(postprocess(make_map(50, 5.0), post, healthy=mixed), mixed)
    assert verdict.healthy == 20
    assert any("simulated" in note for note in verdict.notes)


@pytest.mark.parametrize(
    ("of_map", "of_post", "words"),
    [
        ({"sequence": "T2"}, {}, "is for T1, and this scan is T2"),
        ({"spacing": 0.2}, {}, "this scan's 0.008 mm"),
        ({"shift": 40.0}, {}, "scores unlike any healthy brain"),
        ({}, {"gaussian_mm": 1.0}, "another gaussian_mm"),
        ({}, {"median": 3}, "another median"),
    ],
)
def test_outside_its_domain_a_reference_does_not_apply(
    make_map: Callable[..., AnomalyMap],
    reference: HealthyReference,
    post: PostParams,
    of_map: dict[str, float],
    of_post: dict[str, float],
    words: str,
) -> None:
    amap, own = make_map(60, **of_map), PostParams.from_dict(post.as_dict() | of_post)
    found, why = fit(reference, amap, own)
    assert found is None
    assert words in why
    verdict = judge(postprocess(amap, own), None, why_none=why)
    assert verdict.line == f"No verdict: {why}"
    assert verdict.as_dict()["regions_beyond"] is None


def test_a_bulk_unlike_healthy_ones_keeps_the_threshold_and_gets_no_verdict(
    make_map: Callable[..., AnomalyMap], reference: HealthyReference, post: PostParams
) -> None:
    """More than 2 % of the brain may be ill; a threshold that flags most of it is on another scale."""
    threshold = reference.threshold(reference.default)[0]
    amap = make_map(61)
    quarter = float(np.quantile(amap.score[amap.mask], 0.75))
    amap.score[amap.mask] *= 0.9 * threshold / quarter
    found, why = fit(reference, amap, post)
    assert found is not None
    assert "scores unlike any healthy brain" in why
    result = postprocess(amap, post, healthy=found)
    assert result.threshold.value == pytest.approx(threshold)
    verdict = judge(result, found, why_none=why)
    assert verdict.line == f"No verdict: {why}"
    assert verdict.region_p == ()
    amap.score[amap.mask] *= 1.2
    assert fit(reference, amap, post)[0] is None


def test_a_large_lesion_does_not_take_a_scan_out_of_the_domain(
    make_map: Callable[..., AnomalyMap], reference: HealthyReference, post: PostParams
) -> None:
    amap = make_map(61)
    amap.score[3:18, 3:14, 3:14] += 8.0  # a fifth of the brain
    assert fit(reference, amap, post)[1] == ""


def test_other_settings_of_the_method_are_told(make_map: Callable[..., AnomalyMap], reference: HealthyReference, post: PostParams) -> None:
    amap = make_map(62)
    amap = replace(amap, provenance={**amap.provenance, "method": {"params": {"width": 5}}})
    assert "another width" in fit(reference, amap, post)[1]


def test_numbers_recorded_with_hyphens_are_those_of_today(
    make_map: Callable[..., AnomalyMap], reference: HealthyReference, post: PostParams
) -> None:
    amap = make_map(62)
    amap = replace(amap, provenance={**amap.provenance, "method": {"params": {"width": 3, "maps": [8, 16]}}})
    old = replace(reference, params={"width": 3, "maps": "8-16"})
    assert fit(old, amap, post)[0] is not None
    assert "another maps (8-32)" in fit(replace(old, params={"width": 3, "maps": "8-32"}), amap, post)[1]


def test_maps_of_another_precision_are_compared_all_the_same(
    make_map: Callable[..., AnomalyMap], reference: HealthyReference, post: PostParams
) -> None:
    amap = make_map(62)
    rounded = replace(amap, provenance={**amap.provenance, "method": {"params": {**reference.params, "precision": "bf16"}}})
    for exact in ({}, {"precision": "auto"}):
        assert fit(replace(reference, params={**reference.params, **exact}), rounded, post)[0] is not None
    maps = [HealthyMap(one) for one in (amap, rounded)]
    assert build_reference(maps, post, title="two", sequence="T1").params == reference.params


def test_another_clean_up_of_the_mask_is_told(reference: HealthyReference, post: PostParams) -> None:
    assert clean_up_note(reference, post.as_dict()) == ""
    assert "min_voxels 4" in clean_up_note(reference, post.as_dict() | {"min_voxels": 9})


def test_thresholds_that_the_reference_says_nothing_of(
    make_map: Callable[..., AnomalyMap], reference: HealthyReference, post: PostParams
) -> None:
    amap = make_map(63)
    low = judge(postprocess(amap, replace(post, threshold="-1")), reference)
    assert "thresholds below" in low.line
    for kind in ("simulated", "carried"):
        others = replace(reference, scans=tuple(replace(scan, kind=kind) for scan in reference.scans))
        assert judge(postprocess(amap, replace(post, threshold="-1")), others).why_not == low.why_not
    slices = judge(postprocess(amap, replace(post, threshold="otsu-slice")), reference)
    assert "slice to slice" in slices.line


def test_false_discovery_rate_keeps_the_regions_that_differ(
    make_map: Callable[..., AnomalyMap], reference: HealthyReference, post: PostParams, monkeypatch: pytest.MonkeyPatch
) -> None:
    # These brains are small: 3 ml of them are dozens of regions, of which no single one could pass.
    monkeypatch.setattr("napari_brain_uad.calibration.reference.DEFAULT_ML", 0.3)
    amap = make_map(50, 5.0)
    everything = postprocess(amap, replace(post, threshold=str(reference.default)), healthy=reference)
    kept = postprocess(amap, replace(post, threshold="fdr:0.6"), healthy=reference)
    p = np.array(judge(everything, reference).region_p, float)
    order = np.sort(p)
    limit = max((one for rank, one in enumerate(order, 1) if one <= 0.6 * rank / order.size), default=0.0)
    assert [region.voxels for region in kept.regions] == [
        region.voxels for region, one in zip(everything.regions, p, strict=True) if one <= limit
    ]
    assert len(everything.regions) > len(kept.regions) == 1
    assert kept.threshold.value == everything.threshold.value
    none = postprocess(amap, replace(post, threshold="fdr:0.05"), healthy=reference)
    assert [finding.code for finding in none.findings] == ["none-discovered"]
    with pytest.raises(InputError, match="needs 99"):
        postprocess(amap, replace(post, threshold="fdr:0.01"), healthy=reference)


def test_no_reference_no_verdict() -> None:
    assert Verdict(why_not="there is none").line == "No verdict: there is none"
    assert Verdict(why_not="there is none").details == ""


def test_regions_that_became_one_have_the_least_likely_p(
    reference: HealthyReference, make_map: Callable[..., AnomalyMap], post: PostParams
) -> None:
    verdict = judge(postprocess(make_map(50, 5.0), post, healthy=reference), reference)
    assert len(verdict.region_p) > 2
    assert verdict.unusual == (True, *(False for _ in verdict.region_p[1:]))
    others = tuple(range(4, len(verdict.region_p) + 1))
    found = joined(verdict, [(2,), (3, 1), others], ["grown"])
    assert found.region_p[:2] == (verdict.region_p[1], verdict.region_p[0])
    assert found.unusual[:2] == (False, True)
    assert found.beyond == verdict.beyond == 1
    assert found.line == verdict.line
    assert found.notes == (*verdict.notes, "grown")
