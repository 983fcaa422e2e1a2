"""Pictures of single slices: detected, trained on, and told apart as whole images."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.cohort.batch import BatchRun, run_batch
from napari_brain_uad.workflows.cohort.batch_report import save_batch
from napari_brain_uad.workflows.cohort.cohort import cases_of, evaluate_cohort
from napari_brain_uad.workflows.cohort.cohort_report import cohort_record, cohort_text
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.models.method_spec import MethodSpec
from napari_brain_uad.workflows.scans.load import load
from napari_brain_uad.workflows.scans.ready import make_ready
from napari_brain_uad.workflows.train.train import train
from napari_brain_uad.workflows.train.training_data import TrainingData, describe, first_scan, open_data

ROWS, COLUMNS = np.mgrid[:96, :80]
RADIUS = ((ROWS - 48) / 44) ** 2 + ((COLUMNS - 40) / 36) ** 2
HEAD = RADIUS <= 1
LESION = (ROWS - 30) ** 2 + (COLUMNS - 28) ** 2 <= 49


def picture(path: Path, seed: int = 0, *, lesion: bool = False) -> Path:
    """A noisy brain in a bright skull on black air, with a dark ventricle, 96 rows and 80 columns."""
    image = np.where(HEAD, np.random.default_rng(seed).normal(110, 8, HEAD.shape), 4.0)
    image[HEAD & (RADIUS > 0.8)] = 200.0
    image[44:52, 36:44] = 2.0
    image[LESION & lesion] = 230.0
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(3):
        picture(tmp_path / "set" / "no" / f"h{number}.png", number)
        picture(tmp_path / "set" / "yes" / f"i{number}.png", 10 + number, lesion=True)
    return tmp_path / "set"


def test_the_brighter_than_air_is_scored_with_its_holes_and_never_prepared(tmp_path: Path) -> None:
    volume = load(picture(tmp_path / "a.png"))
    ready = make_ready(volume, preset_id="clinical")
    assert ready.prepared is None
    assert ready.scan.mask is not None
    np.testing.assert_array_equal(ready.scan.mask[::-1, ::-1, 0].T, HEAD)
    assert [finding.code for finding in ready.scan.findings] == ["orientation-unknown", "head-of-slice"]
    with pytest.raises(InputError, match="a cannot be prepared: it is a single slice"):
        make_ready(volume, preset_id="clinical", prepare_with="clinical")


def test_a_lesion_is_found_in_its_place(tmp_path: Path) -> None:
    """The default clean-up opens the mask, which must not take a slice off on either side."""
    found = detect(picture(tmp_path / "a.png", lesion=True), "thresh-raw", post=PostParams(threshold="215.0"))
    (region,) = found.result.regions
    mask = found.result.mask[::-1, ::-1, 0].T
    assert np.count_nonzero(mask & ~LESION) == 0
    assert np.count_nonzero(mask) > 0.9 * np.count_nonzero(LESION)
    assert region.name in (None, "")


def test_who_is_ill_is_not_trained_on(folder: Path) -> None:
    summary = describe(TrainingData("folder", str(folder)))
    assert summary.count == 3
    assert summary.problems == ("3 subjects with lesions (by the folder's name) left out: yes/i0, yes/i1, yes/i2",)
    opened = open_data(TrainingData("folder", str(folder), validation=0.0), "thresh-raw")
    assert [volume.name for volume in opened.train] == ["h0", "h1", "h2"]
    assert not first_scan(TrainingData("folder", str(folder)))[1]


def test_images_are_told_apart_by_the_highest_score(folder: Path) -> None:
    cases, _ = cases_of(folder, need_truth=False)
    cohort = evaluate_cohort(cases, ["thresh-raw"])
    level = cohort.image_level("thresh-raw")
    assert level is not None
    assert (level.auroc.area, level.auprc, level.auroc.healthy, level.auroc.ill) == (1.0, 1.0, 3, 3)
    scores = cohort.values("thresh-raw", "image_score")
    assert scores["yes/i0"] == 230.0
    assert scores["no/h0"] == load(folder / "no" / "h0.png").data.max()


def test_batch_and_evaluate_write_the_scores(folder: Path, tmp_path: Path) -> None:
    cases, _ = cases_of(folder, need_truth=False)
    (ill,) = run_batch(cases[3:4], BatchRun(MethodSpec("thresh-raw")), tmp_path)
    assert (ill.image_score, ill.case.ill) == (230.0, True)
    save_batch([replace(ill, case=cases[0], image_score=200.0), ill], tmp_path)
    record = json.loads((tmp_path / "batch.json").read_text(encoding="utf-8"))
    assert [(row["ill"], row["image_score"]) for row in record["scans"]] == [(False, 200.0), (True, 230.0)]
    assert record["image_level"]["auprc"] == 1.0
    assert "AUROC 1.00" in (tmp_path / "batch.html").read_text(encoding="utf-8")

    cohort = evaluate_cohort(cases, ["thresh-raw"])
    assert "Image level (highest score of each map) of thresh-raw: AUROC 1.00" in cohort_text(cohort)
    evaluated = cohort_record(cohort)
    assert evaluated["image_level"]["thresh-raw"]["auroc"]["area"] == 1.0
    assert [row["ill"] for row in evaluated["scans"]] == [False] * 3 + [True] * 3


def test_patchcore_learns_from_pictures(folder: Path) -> None:
    """Trained on the folder of healthy ones, it finds the lesion of an ill one."""
    detector = train("patchcore@tiny@height=96@width=96@pixel_mm=2.0", folder / "no", device="cpu")
    amap = detector.score(make_ready(folder / "yes" / "i0.png", preset_id="clinical").scored)
    scores = amap.score[::-1, ::-1, 0].T
    assert scores[LESION].mean() > 2.0 * scores[HEAD & ~LESION].mean()
