"""Where a scan's relation to MNI is known its regions have names, left and right right; elsewhere it is said why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid, Source
from napari_brain_uad.postprocessing.atlas import atlas
from napari_brain_uad.postprocessing.edits import RegionEdits
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.postprocessing.region_edits import marked, merged
from napari_brain_uad.preprocessing.geometry import resample_mask
from napari_brain_uad.preprocessing.template import MNI_GRID, template
from napari_brain_uad.workflows.detect.detect import finish_detection
from napari_brain_uad.workflows.detect.region_files import regions_record, regions_tsv
from napari_brain_uad.workflows.detect.region_names import mni_relation
from napari_brain_uad.workflows.detect.save import provenance_record, save_detection

GRID = Grid((91, 109, 91), MNI_GRID.affine @ np.diag([2.0, 2.0, 2.0, 1.0]))
POST = PostParams(threshold="0.5", min_voxels=0, opening=0)
LESIONS = {(-28.0, -20.0, 30.0): 6.0, (12.0, -16.0, 8.0): 4.0}
"""One in the left white matter, a smaller one in the right thalamus: nothing is alike on both sides."""


def _map(to_scan: np.ndarray | None = None, **more: Any) -> AnomalyMap:  # type: ignore[type-arg]
    """A brain with lesions in MNI, or moved to where `to_scan` takes it."""
    move = np.eye(4) if to_scan is None else to_scan
    grid = Grid(GRID.shape, move @ GRID.affine)
    mask = template().mask
    assert mask is not None
    places = GRID.to_world(np.indices(GRID.shape).transpose(1, 2, 3, 0))
    score = np.zeros(GRID.shape, np.float32)
    for centre, radius in LESIONS.items():
        score[((places - centre) ** 2).sum(axis=-1) < radius**2] = radius / 6.0
    brain = resample_mask(mask, MNI_GRID, GRID) | (score > 0)
    return AnomalyMap(score, grid, brain, "unit", "thresh-raw", "scan", ThresholdRule("value", 0.5), **more)


def _names(amap: AnomalyMap) -> list[str]:
    result = finish_detection(template(), amap, POST, truth=None, command="").result
    return [region.name for region in result.regions]


def test_a_scan_in_mni_has_names_on_the_right_side() -> None:
    assert _names(_map()) == ["left cerebral white matter", "right thalamus"]


def test_a_registered_scan_is_named_through_its_record() -> None:
    turn = np.deg2rad(20.0)
    to_scan = np.array([[np.cos(turn), -np.sin(turn), 0, 31.0], [np.sin(turn), np.cos(turn), 0, -12.5], [0, 0, 1.1, 40.0], [0, 0, 0, 1]])
    rigid = np.eye(4)
    rigid[:3, 3] = (5.0, 0.0, -3.0)
    # What the steps record: the world they give to the world they were given, from the scan onwards.
    record = [
        {"step": "reorient", "outcome": {}},
        {"step": "coregister", "outcome": {"matrix": rigid.tolist()}},
        {"step": "register_mni", "outcome": {"matrix": (np.linalg.inv(rigid) @ to_scan).tolist(), "dice": 0.95}},
    ]
    moved = _map(to_scan, provenance={"preprocessing": record})
    assert _names(moved) == ["left cerebral white matter", "right thalamus"]
    poor = [*record[:2], {**record[2], "outcome": {**record[2]["outcome"], "dice": 0.6}}]
    assert _names(replace(moved, provenance={"preprocessing": poor})) == ["", ""]


def test_a_scan_elsewhere_has_no_names_and_the_reason_is_said() -> None:
    shift = np.eye(4)
    shift[:3, 3] = (40.0, 0.0, 0.0)
    amap = _map(shift)
    assert _names(amap) == ["", ""]
    assert mni_relation(amap).words.startswith("no MNI coordinates")


def test_without_orientation_codes_there_is_no_left() -> None:
    source = Source(GRID, qform_code=0, sform_code=0)
    amap = _map(source=source)
    assert mni_relation(amap).to_mni is None
    assert "left" in mni_relation(amap).words


@pytest.fixture
def reviewed() -> tuple[AnomalyMap, RegionEdits]:
    amap = _map()
    found = finish_detection(template(), amap, POST, truth=None, command="").result
    return amap, marked(RegionEdits(), found, [2], review="rejected", note="choroid\tplexus")


def test_the_files_hold_names_and_reviews(reviewed: tuple[AnomalyMap, RegionEdits], tmp_path: Path) -> None:
    amap, edits = reviewed
    volume = replace(template(), data=amap.score + 1.0, grid=GRID, mask=amap.mask)
    detection = finish_detection(volume, amap, POST, truth=None, command="brain-uad detect SCAN", edits=edits)
    record = regions_record(detection)
    assert [row["region_name"] for row in record["regions"]] == ["left cerebral white matter", "right thalamus"]
    assert [(row["review"], row["note"]) for row in record["regions"]] == [("", ""), ("rejected", "choroid plexus")]
    assert record["edited_by_hand"] == {"accepted": 0, "rejected": 1, "merged": 0, "with a note": 1}
    assert provenance_record(detection, {})["regions_edited_by_hand"] == record["edited_by_hand"]
    lines = [line.split("\t") for line in regions_tsv(detection).splitlines()]
    assert lines[2][lines[0].index("review")] == "rejected"
    assert lines[2][lines[0].index("region_name")] == "right thalamus"
    files = save_detection(detection, tmp_path)
    assert files["reviewed_mask"].name.endswith("_reviewed_mask.nii.gz")
    whole, kept = detection.result.mask, detection.result.reviewed_mask
    assert 0 < kept.sum() < whole.sum()


def test_without_a_review_nothing_says_there_was_one(tmp_path: Path) -> None:
    amap = _map()
    volume = replace(template(), data=amap.score + 1.0, grid=GRID, mask=amap.mask)
    detection = finish_detection(volume, amap, POST, truth=None, command="")
    assert provenance_record(detection, {})["regions_edited_by_hand"] is None
    assert "reviewed_mask" not in save_detection(detection, tmp_path)


def test_metrics_are_those_of_the_method(reviewed: tuple[AnomalyMap, RegionEdits]) -> None:
    amap, edits = reviewed
    truth = amap.score == 1.0
    alone = finish_detection(template(), amap, POST, truth=truth, command="")
    by_hand = finish_detection(template(), amap, POST, truth=truth, command="", edits=edits)
    assert alone.evaluation is not None
    assert by_hand.evaluation is not None
    assert by_hand.evaluation.as_dict() == alone.evaluation.as_dict()
    joint = finish_detection(template(), amap, POST, truth=truth, command="", edits=merged(edits, by_hand.result, [1, 2]))
    assert [(region.parts, region.hit) for region in joint.result.regions] == [(2, True)]


def test_the_atlas_lies_on_the_templates_brain() -> None:
    mask = template().mask
    assert mask is not None
    brain = resample_mask(mask, MNI_GRID, atlas().grid)
    inside = atlas().labels > 0
    assert (inside & brain).sum() / brain.sum() > 0.85
