"""Pipelines as data: parsed, run, recorded, replayed, cached, undone."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.errors import Cancelled, InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.preprocessing import cache
from napari_brain_uad.preprocessing.pipeline import as_data, parse_pipeline, replay, run_pipeline
from napari_brain_uad.preprocessing.presets import PRESETS, preset

CHEAP = [
    {"step": "brain_extraction"},
    {"step": "resample", "params": {"x_mm": 2.0, "y_mm": 2.0, "z_mm": 2.0}},
    {"step": "crop_pad", "params": {"i": 96, "j": 112, "k": 80, "centre": "brain"}},
    {"step": "intensity", "params": {"method": "percentile"}},
    {"step": "slice_range", "params": {"first": 4, "last": -5}},
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"step": "bogus"}, "no step 'bogus'"),
        ({"params": {}}, "no 'step'"),
        ({"step": "n4", "parms": {}}, "'parms' is not understood"),
        ({"step": "n4", "params": {"coarse": 3}}, "no setting 'coarse'"),
        ({"step": "n4", "params": {"coarse_mm": 99.0}}, "outside its range"),
    ],
)
def test_wrong_pipelines_are_refused(entry, message):
    with pytest.raises(InputError, match=message):
        parse_pipeline([entry])


def test_presets_are_plain_data_and_come_back_from_json():
    assert set(PRESETS) == {"threshold-i", "threshold-ii", "pddpm", "strega", "simple-slice-net", "baur", "clinical", "native"}
    for one in PRESETS.values():
        steps = parse_pipeline(json.loads(json.dumps(one.pipeline)))
        assert parse_pipeline(as_data(steps)) == steps
        assert one.notes
    with pytest.raises(InputError, match="Known presets"):
        preset("bogus")


def test_a_replayed_record_gives_the_same_array(stripped):
    prepared, runs = run_pipeline(CHEAP, stripped)
    assert [run.step.ID for run in runs] == [entry["step"] for entry in CHEAP]
    record = json.loads(json.dumps(prepared.record))
    again = replay(record, stripped)
    np.testing.assert_array_equal(again.volume.data, prepared.volume.data)
    np.testing.assert_array_equal(again.volume.mask, prepared.volume.mask)
    np.testing.assert_array_equal(again.matrix, prepared.matrix)


def test_a_changed_step_reruns_only_itself_and_what_follows(stripped):
    _, runs = run_pipeline(CHEAP, stripped)
    changed = [*CHEAP[:3], {"step": "intensity", "params": {"method": "zscore"}}, CHEAP[4]]
    seen = []
    again, later = run_pipeline(changed, stripped, earlier=runs, on_step=seen.append)
    assert [a is b for a, b in zip(runs, later, strict=True)] == [True, True, True, False, False]
    assert seen == list(later)
    np.testing.assert_array_equal(again.volume.data, run_pipeline(changed, stripped)[0].volume.data)


def test_cancelling_stops_between_steps(stripped):
    progress = Progress()
    with pytest.raises(Cancelled):
        run_pipeline(CHEAP, stripped, on_step=lambda run: progress.cancel(), progress=progress)


def test_maps_and_masks_come_back_to_the_scan(stripped):
    prepared, _ = run_pipeline(CHEAP, stripped)
    index = (20, 50, 22)
    where = stripped.grid.to_world(index)
    points = prepared.volume.grid.to_world(np.moveaxis(np.indices(prepared.volume.grid.shape), 0, -1))
    score = np.exp(-((points - where) ** 2).sum(axis=-1) / (2 * 6.0**2)).astype(np.float32)
    score[~prepared.volume.mask] = 0.0
    amap = AnomalyMap(score, prepared.volume.grid, prepared.volume.mask, "score", "test", "brain", ThresholdRule("otsu"))
    native = prepared.map_to_native(amap)
    assert native.grid is stripped.grid
    peak = np.array(np.unravel_index(int(np.argmax(native.score)), native.score.shape))
    assert np.abs(peak - index).max() <= 1
    np.testing.assert_allclose(native.score[index], 1.0, atol=0.05)
    assert (native.score[~native.mask] == 0).all()
    assert not (native.mask & ~prepared.native_mask).any()
    assert native.provenance["preprocessing"] == [dict(step) for step in prepared.record]
    blob = score > 0.5
    back = prepared.to_native(blob)
    volume = blob.sum() * prepared.volume.grid.voxel_volume_mm3
    assert back.sum() * stripped.grid.voxel_volume_mm3 == pytest.approx(volume, rel=0.1)
    labels = prepared.to_native(blob.astype(np.uint8) * 3, interpolation="nearest")
    assert set(np.unique(labels)) == {0, 3}
    with pytest.raises(InputError, match="voxels"):
        prepared.to_native(blob[1:])


def test_slices_the_model_left_out_stay_unscored(stripped):
    prepared, _ = run_pipeline([CHEAP[0], {"step": "slice_range", "params": {"first": 10, "last": 19}}], stripped)
    amap = AnomalyMap(
        prepared.volume.data, prepared.volume.grid, prepared.volume.mask, "score", "test", "brain", ThresholdRule("otsu"), background=-1.0
    )
    native = prepared.map_to_native(amap)
    assert native.mask.any(axis=(0, 1)).nonzero()[0].tolist() == list(range(10, 20))
    assert (native.score[:, :, :10] == -1.0).all()
    np.testing.assert_array_equal(native.score[native.mask], stripped.data[native.mask])


def test_the_cache_gives_back_what_was_kept(stripped):
    prepared, _ = run_pipeline(CHEAP, stripped)
    key = cache.cache_key(stripped, CHEAP)
    assert cache.find(key, stripped) is None
    cache.store(key, prepared)
    kept = cache.find(key, stripped)
    np.testing.assert_array_equal(kept.volume.data, prepared.volume.data)
    np.testing.assert_array_equal(kept.volume.mask, prepared.volume.mask)
    np.testing.assert_array_equal(kept.native_mask, prepared.native_mask)
    np.testing.assert_array_equal(kept.matrix, prepared.matrix)
    np.testing.assert_array_equal(kept.volume.grid.affine, prepared.volume.grid.affine)
    assert json.loads(json.dumps(kept.record)) == json.loads(json.dumps(prepared.record))


def test_cache_keys_follow_content_and_settings(stripped):
    base = cache.cache_key(stripped, CHEAP)
    assert cache.cache_key(replace(stripped, name="other"), CHEAP) == base  # names are not content
    touched = stripped.data.copy()
    touched[30, 40, 20] += 1
    others = {
        cache.cache_key(stripped.with_data(touched), CHEAP),
        cache.cache_key(stripped.with_mask(stripped.data > 0), CHEAP),
        cache.cache_key(replace(stripped, sequence="T2"), CHEAP),
        cache.cache_key(stripped, CHEAP[:-1]),
        cache.cache_key(stripped, [*CHEAP[:-1], {"step": "slice_range", "params": {"first": 5}}]),
    }
    assert len(others | {base}) == 6
    explicit = [*CHEAP[:-1], {"step": "slice_range", "params": {"first": 4, "last": -5}}]
    assert cache.cache_key(stripped, explicit) == base
