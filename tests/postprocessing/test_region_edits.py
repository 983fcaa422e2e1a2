"""What a person did to regions stays with them under other thresholds, and leaves the others alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.postprocessing.edits import RegionEdits
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.postprocessing.pipeline import PostResult, postprocess
from napari_brain_uad.postprocessing.region_edits import cleared, edited, marked, merged, review_record

GRID = Grid((40, 30, 20), np.diag([2.0, 2.0, 2.0, 1.0]))
HILLS = {"left": ((8, 10, 10), 1.0), "middle": ((18, 10, 10), 0.9), "far": ((32, 20, 10), 0.7)}


@pytest.fixture(scope="module")
def amap() -> AnomalyMap:
    """Three hills of score; the first two flow together under a low threshold."""
    places = np.indices(GRID.shape).transpose(1, 2, 3, 0)
    score = np.zeros(GRID.shape, np.float32)
    for centre, height in HILLS.values():
        distance = ((places - centre) ** 2).sum(axis=-1)
        score = np.maximum(score, height * np.exp(-distance / 12.0)).astype(np.float32)
    return AnomalyMap(score, GRID, np.ones(GRID.shape, bool), "unit", "method", "scan", ThresholdRule("value", 0.5))


def _at(amap: AnomalyMap, threshold: float, edits: RegionEdits | None = None) -> PostResult:
    return edited(postprocess(amap, PostParams(threshold=str(threshold), min_voxels=0, opening=0)), edits, GRID)


def _number(result: PostResult, hill: str) -> int:
    return int(result.labels[HILLS[hill][0]])


def _said(result: PostResult, hill: str) -> tuple[str, str]:
    region = result.regions[_number(result, hill) - 1]
    return region.review, region.note


def test_nothing_done_changes_nothing(amap: AnomalyMap) -> None:
    result = _at(amap, 0.5)
    assert edited(result, None, GRID) is result
    assert edited(result, RegionEdits(), GRID) is result


@pytest.mark.parametrize("threshold", [0.4, 0.45, 0.5, 0.6, 0.69])
def test_a_review_goes_with_its_region(amap: AnomalyMap, threshold: float) -> None:
    found = _at(amap, 0.5)
    edits = marked(RegionEdits(), found, [_number(found, "far")], review="rejected", note="vessel")
    edits = marked(edits, _at(amap, 0.5, edits), [_number(found, "left")], review="accepted")
    result = _at(amap, threshold, edits)
    assert _said(result, "far") == ("rejected", "vessel")
    assert _said(result, "left") == ("accepted", "")
    assert _said(result, "middle") == ("", "")


def test_a_region_that_swallowed_the_reviewed_one_is_another(amap: AnomalyMap) -> None:
    found = _at(amap, 0.65)
    edits = marked(RegionEdits(), found, [_number(found, "far")], review="rejected")
    assert _said(_at(amap, 0.3, edits), "far") == ("", "")
    # ... and the review is back with the region.
    assert _said(_at(amap, 0.65, edits), "far") == ("rejected", "")


def test_of_two_reviewed_regions_that_became_one_the_larger_counts(amap: AnomalyMap) -> None:
    found = _at(amap, 0.2)
    assert _number(found, "left") != _number(found, "middle")
    edits = marked(RegionEdits(), found, [_number(found, "middle")], review="rejected")
    edits = marked(edits, _at(amap, 0.2, edits), [_number(found, "left")], review="accepted")
    joint = _at(amap, 0.1, edits)
    assert _number(joint, "left") == _number(joint, "middle")
    assert _said(joint, "left") == ("accepted", "")


def test_a_mark_is_replaced_not_piled_up(amap: AnomalyMap) -> None:
    edits, number = RegionEdits(), _number(_at(amap, 0.5), "far")
    for review in ("accepted", "rejected", "accepted"):
        edits = marked(edits, _at(amap, 0.5, edits), [number], review=review, note="seen")
    assert len(edits.marks) == 1
    edits = marked(edits, _at(amap, 0.5, edits), [number], review="")
    assert _said(_at(amap, 0.5, edits), "far") == ("", "seen")
    assert not marked(edits, _at(amap, 0.5, edits), [number], note="")


def test_a_note_is_one_line(amap: AnomalyMap) -> None:
    found = _at(amap, 0.5)
    edits = marked(RegionEdits(), found, [1], note=" two\tparts\nof it \x85" + "x" * 900)
    note = _at(amap, 0.5, edits).regions[0].note
    assert note.startswith("two parts of it x")
    assert len(note) == 500


@pytest.mark.parametrize("threshold", [0.4, 0.5, 0.6])
def test_merged_regions_are_one(amap: AnomalyMap, threshold: float) -> None:
    found = _at(amap, 0.5)
    pair = [_number(found, "left"), _number(found, "far")]
    edits = merged(RegionEdits(), found, pair)
    apart, result = _at(amap, threshold), _at(amap, threshold, edits)
    one = result.regions[_number(result, "left") - 1]
    assert _number(result, "far") == one.number
    assert len(result.regions) == 2
    assert [region.number for region in result.regions] == [1, 2]
    old = [apart.regions[_number(apart, hill) - 1] for hill in ("left", "far")]
    assert one.volume_ml == pytest.approx(sum(region.volume_ml for region in old))
    assert one.strength == pytest.approx(sum(region.strength for region in old))
    for low in (0, 2, 4):
        assert one.box[low] == min(region.box[low] for region in old)
        assert one.box[low + 1] == max(region.box[low + 1] for region in old)
    assert one.parts == 2
    assert result.regions[_number(result, "middle") - 1].parts == 1
    np.testing.assert_array_equal(result.mask, apart.mask)
    np.testing.assert_array_equal(result.labels > 0, apart.labels > 0)


def test_a_merged_region_can_be_merged_again_reviewed_and_taken_apart(amap: AnomalyMap) -> None:
    found = _at(amap, 0.5)
    edits = marked(RegionEdits(), found, [1], review="accepted", note="one")
    edits = marked(edits, _at(amap, 0.5, edits), [2], review="accepted", note="two")
    edits = merged(edits, _at(amap, 0.5, edits), [1, 2])
    result = _at(amap, 0.5, edits)
    assert _said(result, "left") == _said(result, "middle") == ("accepted", "one; two")
    edits = merged(edits, result, [1, 2])
    whole = _at(amap, 0.5, edits)
    assert [(region.review, region.parts) for region in whole.regions] == [("", 3)]
    edits = marked(edits, whole, [1], review="rejected")
    assert not _at(amap, 0.5, edits).reviewed_mask.any()
    edits = cleared(edits, _at(amap, 0.5, edits), [1])
    assert not edits
    assert _at(amap, 0.5, edits).regions == found.regions


def test_merging_keeps_p_values_and_takes_the_least_likely_for_the_whole(amap: AnomalyMap) -> None:
    plain = _at(amap, 0.5)
    p = {_number(plain, "left"): 0.3, _number(plain, "far"): 0.1, _number(plain, "middle"): 0.7}
    found = replace(
        plain, regions=tuple(replace(region, p_value=p[region.number], verdict=f"p {p[region.number]}") for region in plain.regions)
    )
    result = edited(found, merged(RegionEdits(), found, [_number(plain, "left"), _number(plain, "far")]), amap.grid)
    assert {result.regions[_number(result, hill) - 1].p_value for hill in ("left", "far")} == {0.1}
    assert {result.regions[_number(result, hill) - 1].verdict for hill in ("left", "far")} == {"p 0.1"}
    assert result.regions[_number(result, "middle") - 1].p_value == 0.7


def test_one_region_cannot_be_merged(amap: AnomalyMap) -> None:
    edits = RegionEdits()
    assert merged(edits, _at(amap, 0.5), [2]) is edits


def test_the_reviewed_mask_lacks_what_was_rejected(amap: AnomalyMap) -> None:
    found = _at(amap, 0.5)
    number = _number(found, "middle")
    edits = marked(RegionEdits(), found, [number], review="rejected")
    edits = marked(edits, _at(amap, 0.5, edits), [_number(found, "left")], review="accepted")
    result = _at(amap, 0.5, edits)
    np.testing.assert_array_equal(result.mask, found.mask)
    np.testing.assert_array_equal(result.reviewed_mask, found.mask & (found.labels != number))
    np.testing.assert_array_equal(found.reviewed_mask, found.mask)


def test_the_record_counts_and_names_nobody(amap: AnomalyMap) -> None:
    found = _at(amap, 0.5)
    assert review_record(found.regions) is None
    edits = merged(marked(RegionEdits(), found, [3], review="rejected", note="noise"), found, [1, 2])
    assert review_record(_at(amap, 0.5, edits).regions) == {"accepted": 0, "rejected": 1, "merged": 1, "with a note": 1}
