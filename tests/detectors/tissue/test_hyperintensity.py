"""FLAIR made from tissue, hyperintensities in it, and a network that finds them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tissue_phantom import phantom

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.detectors.intensity.robust_intensity import RobustIntensity, RobustIntensityParams, mode_and_spread
from napari_brain_uad.detectors.tissue.flair_appearance import (
    BRIGHTEST,
    DARKEST,
    OFFSET,
    as_flair,
    with_bright_lesions,
    with_hyperintensities,
)
from napari_brain_uad.detectors.tissue.hyperintensity_segmentation import BRIGHT, HyperintensitySegmentation, with_brightness
from napari_brain_uad.detectors.tissue.hyperintensity_task import HyperintensityTask, _of_thick_slices
from napari_brain_uad.detectors.tissue.segmentation_task import LesionShare
from napari_brain_uad.io.checkpoint import read_record
from napari_brain_uad.io.nifti import write_volume
from napari_brain_uad.training.draws import BatchDraw
from napari_brain_uad.workflows.models.method_spec import MethodSpec
from napari_brain_uad.workflows.train.train import train
from napari_brain_uad.workflows.train.train_estimate import estimate_training
from napari_brain_uad.workflows.train.training_data import TrainingData


def tissue(count: int = 8) -> torch.Tensor:
    """Discs of white matter with a ring of grey matter and fluid inside and around, five slices each."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(48.0), indexing="ij")
    radius = torch.hypot((rows - 32) / 28, (columns - 24) / 20)
    values = torch.where(radius < 0.2, 1.0, torch.where(radius < 0.75, 3.0, torch.where(radius < 0.92, 2.0, 1.0)))
    return torch.where(radius < 1.0, values, 0.0).expand(count, 5, 64, 48).contiguous()


def draw(seed: int = 0, count: int = 8) -> BatchDraw:
    return BatchDraw(seed, 0, count, count)


def test_tissues_have_the_order_of_flair_and_nothing_is_outside_the_brain() -> None:
    seen = tissue()
    flair = as_flair(seen, draw(), 2.0)
    assert (flair[seen == 0] == 0).all()
    assert float(flair[seen > 0].min()) >= DARKEST
    assert float(flair.max()) <= BRIGHTEST
    fluid, grey, white = (float(flair[seen == value].median()) for value in (1, 2, 3))
    assert fluid < white < grey
    assert abs(white - OFFSET) < 0.5  # white matter is the commonest


def test_hyperintensities_are_where_it_says_brighter_and_nowhere_else() -> None:
    seen = tissue(64)
    healthy = as_flair(seen, draw(count=64), 2.0)
    changed, where = with_hyperintensities(healthy, seen, draw(1, 64), 2.0, 2.0)
    middle = slice(2, 3)
    difference = (changed - healthy)[:, middle][:, 0]
    inside = where > 0
    assert 0.001 < float(inside.float().mean()) < 0.2
    assert float((difference[inside] > 0.3).float().mean()) > 0.8
    assert float(difference[~inside].abs().mean()) < 0.05
    assert (where[(seen[:, 2] == 0) | (seen[:, 2] == 1)] == 0).all()  # neither around the brain nor in fluid
    assert int((where.flatten(1).sum(dim=1) == 0).sum()) > 0  # some slices have none


def test_sizes_are_in_millimetres() -> None:
    """Pixels of half the size show lesions of twice as many pixels across, and as much of them within a slice."""
    seen = tissue(64)
    fine = seen.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    shares = []
    for stack, pixel_mm in ((seen, 2.0), (fine, 1.0)):
        where = with_hyperintensities(torch.where(stack > 0, OFFSET, 0.0), stack, draw(1, 64), pixel_mm, 2.0)[1]
        shares.append(float(where.mean()))
    assert shares[1] == pytest.approx(shares[0], rel=0.15)


def test_lesions_reach_through_as_many_millimetres_of_slices_as_in_them() -> None:
    """Neighbours that lie farther away show less of a lesion."""
    seen = tissue(64)
    healthy = torch.where(seen > 0, OFFSET, 0.0)
    beside = []
    for step_mm in (1.0, 6.0):
        changed = with_hyperintensities(healthy, seen, draw(1, 64), 2.0, step_mm)[0]
        beside.append(float(((changed - healthy).abs() > 0.3)[:, ::4].float().mean()))
    assert beside[1] < 0.8 * beside[0]


def test_thick_slices_look_like_their_neighbours_and_others_stay() -> None:
    stack = torch.rand((400, 5, 4, 4), generator=torch.Generator().manual_seed(1))
    seen = _of_thick_slices(stack, stack > 0, draw(2, 400))
    same = (seen == stack).flatten(1).all(dim=1)
    assert 0.5 < float(same.float().mean()) < 0.8
    torch.testing.assert_close(seen.mean(dim=1), stack.mean(dim=1))
    assert float((seen.std(dim=1) / stack.std(dim=1))[~same].mean()) == pytest.approx(0.5, abs=0.1)


def test_rows_do_not_depend_on_how_many_processes_share_a_batch() -> None:
    seen, task = tissue(4), HyperintensityTask(2, (8, 8), LesionShare(0.5, 2.0, 2.0))
    whole = task.corrupted(seen, BatchDraw(3, 0, 4, 4))
    part = task.corrupted(seen[2:], BatchDraw(3, 2, 4, 4))
    assert all(torch.equal(one[2:], other) for one, other in zip(whole, part, strict=True))


def test_lesions_of_white_matter_are_bright_where_it_says_and_lie_beside_the_ventricles() -> None:
    seen = tissue(64)
    healthy = as_flair(seen, draw(count=64), 2.0)
    changed, where = with_bright_lesions(healthy, seen, draw(1, 64), 2.0, 2.0)
    assert (changed >= healthy).all()
    assert (changed[seen == 0] == 0).all()
    inside, above = where > 0, (changed - healthy)[:, 2]
    assert 0.001 < float(inside.float().mean()) < 0.3
    assert float(above[inside].min()) > 0.4
    assert not inside[seen[:, 2] <= 1].any()
    white, grey = (float(inside[seen[:, 2] == value].float().mean()) for value in (3, 2))
    assert white > 3 * grey


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_task_has_them_in_their_share_of_the_slices(share: float) -> None:
    seen = tissue(64)
    where = HyperintensityTask(2, (8, 8), LesionShare(share, 2.0, 2.0)).corrupted(seen, draw(3, 64))[1]
    others = HyperintensityTask(2, (8, 8), LesionShare(0.0, 2.0, 2.0)).corrupted(seen, draw(3, 64))[1]
    same = float((where == others).flatten(1).all(dim=1).float().mean())
    assert same < 0.25 if share == 1.0 else 0.5 < same < 0.95


def test_brightness_leaves_what_is_clearly_bright_and_takes_odds_from_what_is_not() -> None:
    found = np.array([0.5, 0.5, 0.5, 0.0, 1.0], np.float32)
    bright = np.array([BRIGHT + 50.0, BRIGHT, BRIGHT - 2.0, 0.0, BRIGHT + 50.0], np.float32)
    odds = 1.0 / (1.0 + np.exp(4.0))  # the evidence of brightness two interquartile ranges below its middle
    np.testing.assert_allclose(with_brightness(found, bright, 1.0), [0.5, 1 / 3, odds / (1 + odds), 0.0, 1.0], atol=1e-4)
    np.testing.assert_allclose(with_brightness(found, bright, 2.0)[1], 0.2, atol=1e-6)


@pytest.fixture(scope="module")
def trained() -> HyperintensitySegmentation:
    settings = {**HyperintensitySegmentation.Params.PRESETS["tiny"], "segmentation_maps": (8, 16), "pixel_mm": 3.0, "sequence": "auto"}
    detector = HyperintensitySegmentation(HyperintensitySegmentation.Params.from_dict(settings))
    tiny = dict(HyperintensitySegmentation.Training.PRESETS["tiny"])
    training = HyperintensitySegmentation.Training.from_dict(tiny | {"steps": 60, "learning_rate": 0.02})
    detector.fit([phantom(seed=seed) for seed in range(4)], training=training)
    return detector


def test_what_was_learned_from_t1_finds_a_lesion_on_flair(trained: HyperintensitySegmentation) -> None:
    patient = phantom("FLAIR", seed=9, lesion=True)
    healthy = phantom("FLAIR", seed=9)
    lesion = np.abs(patient.data - healthy.data) > 0
    score = trained.score(patient).score
    assert score[lesion].mean() > 1.5 * score[patient.mask & ~lesion].mean()


def test_the_weight_of_intensity_says_how_much_it_counts(trained: HyperintensitySegmentation) -> None:
    scan = phantom("FLAIR", seed=9, lesion=True)
    states = {}
    for weight in (0.0, 1.0):
        other = HyperintensitySegmentation(replace(trained.params, intensity_weight=weight))
        other.load_state(trained.state())
        states[weight] = other.score(scan).score
    bright = RobustIntensity(RobustIntensityParams()).score(scan).score
    expected = np.where(scan.mask, with_brightness(states[0.0], bright, 1.0), 0.0)
    np.testing.assert_allclose(states[1.0], expected, atol=1e-6)
    np.testing.assert_allclose(trained.score(scan).score, states[trained.params.intensity_weight], atol=1e-6)
    assert (states[1.0] <= states[0.0] + 1e-6).all()


def test_what_the_network_sees_is_on_the_brains_own_scale(trained: HyperintensitySegmentation) -> None:
    scan = phantom("FLAIR", seed=9)
    slices = trained._slices(scan)
    mode, spread = mode_and_spread(scan.data[scan.mask])
    assert (slices.data[~slices.mask] == 0).all()
    assert float(np.median(slices.data[slices.mask])) == pytest.approx(OFFSET + (np.median(scan.data[scan.mask]) - mode) / spread, abs=0.3)
    louder = scan.with_data(3.0 * scan.data + 50.0 * scan.mask)
    np.testing.assert_allclose(trained.score(louder).score, trained.score(scan).score, atol=1e-3)


def test_flair_scans_cannot_teach_it(tmp_path: Path) -> None:
    """On FLAIR white matter lies between fluid and grey matter: no anatomy can be read from one brightness."""
    flair = [phantom("FLAIR", seed=seed) for seed in range(2)]
    with pytest.raises(InputError, match="learns from healthy T1 or T2 or PD scans, and these are FLAIR"):
        train("hyperintensity-segmentation", flair, out=tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "healthy").mkdir()
    for number, scan in enumerate(flair):
        write_volume(tmp_path / "healthy" / f"sub{number}_FLAIR.nii.gz", scan)
    with pytest.raises(InputError, match="learns from healthy T1 or T2 or PD scans, and these are FLAIR"):
        estimate_training("hyperintensity-segmentation", TrainingData("folder", str(tmp_path / "healthy")))


def test_a_model_is_for_flair_whatever_it_learned_from(tmp_path: Path) -> None:
    spec = MethodSpec.parse("hyperintensity-segmentation@tiny")
    detector = train(spec, [phantom(seed=seed) for seed in range(2)], out=tmp_path / "model", training={"steps": 2})
    assert read_record(tmp_path / "model.json").meta["sequences"] == ["FLAIR"]
    assert detector.INFO.learns_from == ("T1", "T2", "PD")
