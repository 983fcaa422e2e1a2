"""A sweep is what single evaluations give, scored once for each preparation; its choice is honest."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from small_heads import brain, head, save

from napari_brain_uad import cli
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.cohort.cohort import cases_of, evaluate_cohort
from napari_brain_uad.workflows.cohort.sweep import MOST, SweepSetting, choose, parse_sweep, sweep_cohort
from napari_brain_uad.workflows.compare import compare
from napari_brain_uad.workflows.scans.ready import make_ready


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("set")
    for number in range(3):
        data, truth = head(number, lesion=True)
        noise = ndimage.gaussian_filter(np.random.default_rng(number).normal(size=data.shape), 1) * (100 + 80 * number)
        subject = root / f"pat{number}"
        subject.mkdir()
        save(np.where(brain(), np.maximum(data + noise, 1), 0).astype(np.float32), subject / "FLAIR.nii.gz")
        save(brain().astype(np.uint8), subject / "brainmask.nii.gz")
        save(truth.astype(np.uint8), subject / "truth.nii.gz")
    return root


def test_the_grid_is_every_combination_by_either_name() -> None:
    settings = parse_sweep(["min_size_ml=0,0.1", "median=0,3", "spacing_mm=as-is,2"], PostParams(opening=0))
    assert len(settings) == 8
    assert len(set(settings)) == 8
    assert settings[0].values == (("min_ml", "0"), ("median", "0"), ("spacing_mm", "as-is"))
    assert (settings[0].prepare_with, settings[1].prepare_with) == ("auto", "auto+spacing_mm=2")
    assert all(setting.post.opening == 0 for setting in settings), "what is not swept stays as it was asked for"
    assert [setting.post.min_ml for setting in settings] == [0.0] * 4 + [0.1] * 4


def test_two_spellings_of_one_value_are_one_setting() -> None:
    settings = parse_sweep(["threshold=1,otsu,1.0,percentile:98,percentile:98.0", "spacing_mm=3,3.0"], PostParams())
    assert [setting.words for setting in settings] == [
        "threshold=1 spacing_mm=3",
        "threshold=otsu spacing_mm=3",
        "threshold=percentile:98 spacing_mm=3",
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["medain=0,3"], "Did you mean median"),
        (["median"], "not NAME=VALUE"),
        (["median=,"], "no value"),
        (["median=4"], "median"),
        (["threshold=otsu,best-dice"], "uses the ground truth"),
        (["slices=15"], "two numbers"),
        (["spacing_mm=much"], "no number"),
        ([f"min_voxels={','.join(map(str, range(MOST + 1)))}"], "at most"),
    ],
)
def test_a_grid_that_cannot_be_is_refused_before_anything_runs(words: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_sweep(words, PostParams())


def test_the_choice_has_not_seen_the_scan_it_is_judged_on() -> None:
    a, b = (SweepSetting((("median", value),), "auto", PostParams(median=int(value))) for value in ("0", "3"))
    dice = {a: {"x": 0.9, "y": 0.1, "z": 0.5}, b: {"x": 0.1, "y": 0.8, "z": 0.5}}
    found = choose("m", dice)
    assert found is not None
    assert found.best == a
    assert found.in_sample.mean == pytest.approx(0.5)
    # Without x: b (1.3 over 0.6), which gives x 0.1; without y: a, which gives y 0.1; without z: a (1.0 over 0.9), 0.5.
    assert found.left_out.mean == pytest.approx((0.1 + 0.1 + 0.5) / 3)
    assert dict(found.chosen) == {"median=3": 1, "median=0": 2}
    assert choose("m", {a: {"x": 0.9, "y": 1.0}, b: {"x": 0.1}}) is None, "one scan with figures under all settings is too few"


def test_no_scan_of_a_person_has_a_say_in_the_choice_for_another() -> None:
    """Two visits like `b`; the other person's scan likes `a`: without both visits `a` is chosen for them."""
    a, b = (SweepSetting((("median", value),), "auto", PostParams()) for value in "03")
    dice = {a: {"x1": 0.1, "x2": 0.1, "y": 0.5}, b: {"x1": 0.9, "x2": 0.9, "y": 0.4}}
    people = {"x1": "x", "x2": "x", "y": "y"}
    found = choose("m", dice, people)
    assert found is not None
    assert found.left_out.mean == pytest.approx((0.1 + 0.1 + 0.4) / 3)
    assert choose("m", dice, dict.fromkeys(people, "x")) is None


def test_a_sweep_is_what_single_evaluations_give_and_scores_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored: Counter[str] = Counter()
    real = compare.scored_volume

    def counting(volume, *given):  # type: ignore[no-untyped-def]
        scored[f"{volume.grid.spacing}"] += 1
        return real(volume, *given)

    monkeypatch.setattr(compare, "scored_volume", counting)
    cases, _ = cases_of(folder)
    base = PostParams(threshold="percentile:98")
    settings = parse_sweep(["median=0,3", "opening=0,1", "spacing_mm=as-is,4"], base)
    sweep = sweep_cohort(cases, ["thresh-raw"], settings, use_cache=False)
    assert sorted(scored.values()) == [3, 3], "three scans in two preparations, eight settings"
    assert len(sweep.rows) == 3 * 8
    for setting in (settings[0], settings[-1]):
        alone = evaluate_cohort(
            cases, ["thresh-raw"], post=setting.post, prepare_with=setting.prepare_with, with_pooled=False, use_cache=False
        )
        assert sweep.dice("thresh-raw")[setting] == {row.case: row.figures.dice for row in alone.rows}
    assert len({tuple(values.values()) for values in sweep.dice("thresh-raw").values()}) > 4, "settings differ"


def test_healthy_scans_go_through_the_clean_up_of_each_setting(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    healthy = [save(head(seed, lesion=False)[0], tmp_path / f"sub-{seed:02d}_FLAIR.nii.gz") for seed in (11, 12, 13)]
    scored: list[str] = []
    real = compare.scored_volume

    def counting(volume, *given):  # type: ignore[no-untyped-def]
        scored.append(volume.name)
        return real(volume, *given)

    monkeypatch.setattr(compare, "scored_volume", counting)
    cases = cases_of(folder)[0][:1]
    how = {"healthy": healthy, "use_cache": False}
    settings = parse_sweep(["median=0,5", "min_voxels=1,60", "threshold=healthy-ml:0.5,percentile:98"], PostParams(opening=0))
    sweep = sweep_cohort(cases, ["thresh-raw"], settings, **how)
    assert (len(scored), len(set(scored))) == (4, 4), "the scan and three healthy ones, once each"
    assert not sweep.failures
    found = {row.setting: row.threshold for row in sweep.rows}
    assert list(found) == list(settings)
    for setting in settings:
        alone = evaluate_cohort(cases, ["thresh-raw"], post=setting.post, with_pooled=False, **how)
        assert alone.rows[0].figures.threshold == found[setting]
    assert len({value for setting, value in found.items() if setting.post.rule.needs_healthy}) == 4


def test_what_is_done_behind_the_preset_and_the_way_back(folder: Path) -> None:
    scan, mask = folder / "pat1" / "FLAIR.nii.gz", folder / "pat1" / "brainmask.nii.gz"
    plain = make_ready(scan, mask, preset_id="clinical")
    ready = make_ready(scan, mask, preset_id="clinical", prepare_with="auto+spacing_mm=4+slices=5:-6")
    assert ready.scored.grid.spacing == (4.0, 4.0, 4.0)
    assert ready.scored.grid.shape[2] == int(np.ceil(36 * 2.5 / 4)) - 10
    assert ready.scan.grid.shape == plain.scan.grid.shape
    from napari_brain_uad.detectors.registry import create

    amap = create("thresh-raw").score(ready.scored, seed=0)
    back = ready.bring_back(amap)
    assert back.grid.shape == plain.scan.grid.shape
    assert back.provenance["preprocessing"][0]["step"] == "resample"
    heights = back.grid.to_world(np.argwhere(back.mask))[:, 2]
    kept = ready.scored.grid
    bottom, top = kept.to_world([0, 0, -0.5])[2], kept.to_world([0, 0, kept.shape[2] - 0.5])[2]
    assert bottom - 2.6 < heights.min() < bottom + 7
    assert top - 7 < heights.max() < top + 2.6


def test_the_command_writes_one_tidy_table(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert cli.main(["evaluate", str(folder / "pat0" / "FLAIR.nii.gz"), "--sweep", "median=0,3"]) == 2
    assert "--sweep is for a folder" in capsys.readouterr().err
    words = ["evaluate", folder, "--methods", "thresh-raw,threshold", "--sweep", "median=0,3", "--sweep", "threshold=percentile:95,otsu"]
    assert cli.main([str(word) for word in (*words, "--quiet", "--no-cache", "--out", out)]) == 0
    assert "chosen without the scan it is judged on" in capsys.readouterr().out
    with (out / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 * 4
    assert list(rows[0])[:4] == ["scan", "method", "median", "threshold_rule"]
    record = json.loads((out / "sweep.json").read_text())
    for method, found in record["choice"].items():
        own = [row for row in rows if row["method"] == method]
        means = {
            values: np.mean([float(row["dice"]) for row in own if (row["median"], row["threshold_rule"]) == values])
            for values in {(row["median"], row["threshold_rule"]) for row in own}
        }
        assert found["best_dice_in_sample"]["mean"] == pytest.approx(max(means.values()))
        assert found["dice_leave_one_scan_out"]["mean"] <= max(means.values()) + 1e-12
