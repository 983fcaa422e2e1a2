"""The tissue methods: what they make of a scan before the network, what they minimise, and what they find."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from batches import batch_of_images
from tissue_phantom import SHAPE, phantom

from napari_brain_uad.core.errors import DeviceError, InputError, ModelError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.tissue.anomaly_segmentation import AnomalySegmentation
from napari_brain_uad.detectors.tissue.params import TissueEnsembleParams
from napari_brain_uad.detectors.tissue.restoration_task import TissueTask, shares
from napari_brain_uad.detectors.tissue.synthetic_anomalies import as_scanned, with_patches, with_regions
from napari_brain_uad.detectors.tissue.tissue_ensemble import TissueEnsemble
from napari_brain_uad.detectors.tissue.tissue_restoration import TissueRestoration
from napari_brain_uad.scoring.tissue import lost_white_matter
from napari_brain_uad.training.draws import BatchDraw


@pytest.fixture(scope="module")
def trained() -> TissueEnsemble:
    detector = TissueEnsemble(
        TissueEnsembleParams.from_dict(dict(TissueEnsembleParams.PRESETS["tiny"]) | {"sequence": "auto", "pixel_mm": 3.0, "latent": 8})
    )
    settings = TissueEnsemble.Training.from_dict(dict(TissueEnsemble.Training.PRESETS["tiny"]) | {"steps": 150, "learning_rate": 0.003})
    detector.fit([phantom(seed=seed) for seed in range(4)], training=settings)
    return detector


@pytest.fixture(scope="module")
def restoration(trained) -> TissueRestoration:
    return trained.members["restoration"]


def member(trained: TissueEnsemble, kind: type, **settings: object):
    """A method of its own with the ensemble's model."""
    known = {name for name, _, _ in kind.Params.describe()}
    own = {name: value for name, value in trained.params.as_dict().items() if name in known}
    detector = kind(kind.Params.from_dict(own | settings))
    detector.load_state(trained.state())
    return detector


@pytest.mark.parametrize("sequence", ["T1", "T2"])
def test_one_model_finds_missing_white_matter_in_every_sequence(trained, sequence):
    patient = phantom(sequence, seed=9, lesion=True)
    score = trained.score(patient).score
    lesion = np.zeros(SHAPE, bool)
    lesion[19:22, 21:24, 9:12] = True
    healthy = patient.mask & ~np.pad(np.ones((9, 9, 7), bool), ((16, 15), (18, 17), (7, 6)))
    assert score[lesion].mean() > 3 * score[healthy].mean()
    assert score.min() >= 0
    assert score.max() <= 1


def test_a_map_of_tissue_classes_is_taken_as_it_is(trained):
    scan = phantom(seed=9, lesion=True)
    classes = np.where(scan.mask, np.clip(np.rint(scan.data / 30.0), 1, 3), 0).astype(np.float32)
    from_classes = trained.score(replace(scan, data=classes, sequence=None)).score
    assert from_classes[20, 22, 10] == pytest.approx(trained.score(scan).score[20, 22, 10], abs=0.15)


def test_an_unknown_sequence_is_not_guessed(trained):
    with pytest.raises(InputError, match="sequence is not known"):
        trained.score(replace(phantom(), sequence=None))


def test_holes_of_the_mask_are_fluid_to_the_network(restoration):
    scan = phantom()
    mask = scan.mask.copy()
    mask[17:23, 19:25, 5:15] = False
    slices = restoration._slices(scan.with_mask(mask))
    middle = slices.data[len(slices.data) // 2]
    assert middle[middle.shape[0] // 2, middle.shape[1] // 2] == 1.0


def test_iterative_inpainting_makes_the_network_surer_of_white_matter(restoration):
    patient = phantom(seed=9, lesion=True)
    lesion = (slice(19, 22), slice(21, 24), slice(9, 12))

    def expected(rounds: int) -> float:
        detector = TissueRestoration(replace(restoration.params, inpainting_rounds=rounds))
        detector.load_state(restoration.state())
        found = detector._tissues(patient)
        return found.slices.back(detector._scan(found, 0, Progress()).restored(rounds)[:, 2])[lesion].mean()

    before, after = expected(0), expected(3)
    assert after > before


def test_shifted_copies_are_shifted_back_before_they_are_averaged(restoration):
    found = restoration._tissues(phantom(seed=9))
    scan = replace(restoration._scan(found, 0, Progress()), shift=2, expect=lambda slices: np.stack([slices.data] * 3, axis=1))
    averaged = scan.averaged(scan.slices)
    np.testing.assert_allclose(averaged[:, 1], scan.slices.data, atol=1e-6)


def test_only_slices_in_which_something_was_filled_in_are_asked_about_again(restoration):
    found, asked = restoration._tissues(phantom(seed=9)), []

    def expect(slices):
        asked.append(slices.data.copy())
        white = np.zeros((len(slices.data), 3, *slices.data.shape[1:]), np.float32)
        white[:, 2] = slices.mask  # white matter everywhere
        return white

    mask, number = found.slices.mask, len(found.slices.data) // 2
    tissue = np.where(mask, np.float32(3.0), np.float32(0.0))
    tissue[number] = np.where(mask[number], np.float32(1.0), np.float32(0.0))
    scan = replace(
        restoration._scan(found, 0, Progress()),
        slices=found.slices.with_data(tissue),
        expect=expect,
        shift=0,
        pixels_mm=(50.0, 2.0, 2.0),  # slices so far apart that smoothing leaves each to itself
    )
    expected = scan.restored(1)
    assert [len(seen) for seen in asked] == [len(tissue), 1]
    np.testing.assert_allclose(asked[1][0][mask[number]], 3.0)
    np.testing.assert_array_equal(expected[:, 2], mask)


def test_a_region_is_found_where_no_white_matter_is_missing(trained):
    """Bright in grey matter: the white matter's score alone stays silent there."""
    patient = phantom(seed=9)
    data = patient.data.copy()
    data[4:10, 19:28, 5:15] = 140.0
    patient = replace(patient, data=np.where(patient.mask, data, 0).astype(np.float32))
    region = (slice(5, 9), slice(20, 27), slice(7, 13))
    alone = member(trained, TissueRestoration)
    gained = trained.score(patient).score - alone.score(patient).score
    healthy = trained.score(phantom(seed=9)).score - alone.score(phantom(seed=9)).score
    assert gained[region].mean() > 5 * healthy[patient.mask].mean()


@pytest.mark.parametrize("which", ["restoration", "segmentation"])
def test_memory_that_holds_few_slices_gives_the_same_map(trained, which, monkeypatch):
    scan = phantom(seed=9, lesion=True)
    whole, sizes = trained.score(scan).score, []
    network = trained.members[which].network()
    forward = network.forward

    def short(images, *more):
        sizes.append(len(images))
        if len(images) > 3:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        return forward(images, *more)

    monkeypatch.setattr(network, "forward", short)
    assert np.allclose(trained.score(scan).score, whole, atol=1e-4)
    assert max(sizes) > 3
    assert sizes.count(2) > 3
    monkeypatch.setattr(network, "forward", lambda *_: np.empty(1 << 60, np.uint8))
    with pytest.raises(DeviceError, match="too little memory for this network"):
        trained.score(scan)


def test_one_model_serves_the_ensemble_and_both_members(trained):
    state, scan = trained.state(), phantom(seed=9, lesion=True)
    other = TissueEnsemble(trained.params)
    other.load_state(state)
    np.testing.assert_array_equal(other.score(scan).score, trained.score(scan).score)
    restored, segmented = member(trained, TissueRestoration), member(trained, AnomalySegmentation)
    assert {name.partition(".")[0] for name in state} == {"restoration", "segmentation"}
    assert {f"restoration.{name}" for name in restored.state()} | {f"segmentation.{name}" for name in segmented.state()} == set(state)
    for half in (restored.state(), {f"restoration.{name}": array for name, array in restored.state().items()}):
        with pytest.raises(ModelError):
            other.load_state(half)
    # What was refused has changed nothing.
    np.testing.assert_array_equal(other.score(scan).score, trained.score(scan).score)


@pytest.mark.parametrize(("sequence", "weight"), [("T1", 0.2), ("T2", 0.4)])
def test_missing_white_matter_counts_by_the_sequence(trained, sequence, weight):
    patient = phantom(sequence, seed=9, lesion=True)
    missing = weight * member(trained, TissueRestoration).score(patient).score
    found = member(trained, AnomalySegmentation).score(patient).score
    assert found.max() > 0.1
    np.testing.assert_allclose(trained.score(patient).score, missing + (1 - missing) * found, atol=1e-6)


def test_what_is_segmented_is_smoothed(trained):
    patient = phantom(seed=9, lesion=True)
    rough, smooth = (member(trained, AnomalySegmentation, segmentation_smoothing_mm=width).score(patient).score for width in (0.0, 4.0))
    assert np.abs(np.diff(smooth, axis=0)).max() < 0.7 * np.abs(np.diff(rough, axis=0)).max()


def test_the_tissue_and_what_is_expected_of_it_are_pictures(trained):
    pictures = trained.reconstruct(phantom(seed=9, lesion=True))
    assert set(pictures) == {"input", "reconstruction"}
    lesion = (slice(19, 22), slice(21, 24), slice(9, 12))
    assert pictures["input"][lesion].mean() == pytest.approx(1.0, abs=0.3)
    assert pictures["reconstruction"][lesion].mean() > pictures["input"][lesion].mean() + 0.5


def test_a_stack_is_a_slice_between_its_neighbours_in_the_same_scan(trained):
    scans = [phantom(seed=seed) for seed in (1, 2)]
    stacks = trained.stages()[1].samples(scans, {}, Progress())
    each = len(stacks) // 2
    ends, middle = stacks.images([0, each - 1, each, len(stacks) - 1]), stacks.images([each // 2, each // 2 + 1])
    assert ends.shape[1:] == (5, 32, 32)
    np.testing.assert_array_equal(middle[0, 1:], middle[1, :-1])
    # The phantom's ends are cut out of samples, but not out of what lies beside them; nothing reaches into the other scan.
    for stack, beyond in zip(ends, ((0, 1), (3, 4), (0, 1), (3, 4)), strict=True):
        assert np.count_nonzero(stack[list(beyond)]) < np.count_nonzero(stack[[1, 3]])


def test_scores_that_need_neighbours_are_taken_on_slices(trained):
    score = member(trained, TissueRestoration, score="ssim").score(phantom(seed=9, lesion=True)).score
    assert np.isfinite(score).all()
    assert score.max() > 0


def test_without_a_model_nothing_is_scored():
    with pytest.raises(ModelError, match="not been trained"):
        TissueEnsemble().score(phantom())


def test_shares_add_up_and_mix_linearly():
    scale = torch.tensor([0.0, 1.0, 1.25, 2.0, 2.5, 3.0, 3.7]).view(1, 1, 1, 7)
    found = shares(scale)[0, :, 0].T
    torch.testing.assert_close(found.sum(dim=1), torch.ones(7))
    torch.testing.assert_close(found[2], torch.tensor([0.0, 0.75, 0.25, 0.0]))
    torch.testing.assert_close(found[4], torch.tensor([0.0, 0.0, 0.5, 0.5]))
    torch.testing.assert_close(found[6], torch.tensor([0.0, 0.0, 0.0, 1.0]))


def test_patches_lie_inside_the_brain_on_the_share_asked_for():
    scale = torch.zeros(200, 1, 48, 48)
    scale[:, :, 8:40, 8:40] = 3.0
    changed = with_patches(scale, 0.5, BatchDraw(1, 0, 200, 200))
    assert (changed[scale == 0] == 0).all()
    share = (changed != scale).flatten(1).any(dim=1).float().mean()
    assert 0.4 < share < 0.6
    assert changed[scale > 0].min() >= 1.0
    assert torch.equal(changed, with_patches(scale, 0.5, BatchDraw(1, 0, 200, 200)))


def test_regions_lie_inside_the_brain_and_told():
    stack = torch.zeros(60, 5, 48, 48)
    stack[:, :, 8:40, 8:40] = 3.0
    changed, where = with_regions(stack, BatchDraw(1, 0, 60, 60))
    assert (changed[stack == 0] == 0).all()
    assert (where[:, 0] == 0).all()
    assert ((changed[:, 2] - 3.0).abs()[where == 1]).mean() > 0.5
    untouched = (changed == stack).flatten(1).all(dim=1)
    assert 0.05 < untouched.float().mean() < 0.6
    assert where[untouched].sum() == 0
    assert changed.min() >= 0
    assert changed.max() <= 5.0
    again = with_regions(stack, BatchDraw(1, 0, 60, 60))
    assert torch.equal(changed, again[0])
    assert torch.equal(where, again[1])


def test_rows_of_a_batch_are_changed_alike_by_any_process():
    stack = torch.zeros(8, 5, 32, 32)
    stack[:, :, 4:28, 4:28] = 2.5
    whole, where = with_regions(stack, BatchDraw(3, 0, 8, 8))
    half, there = with_regions(stack[4:], BatchDraw(3, 4, 8, 8))
    assert torch.equal(whole[4:], half)
    assert torch.equal(where[4:], there)


def test_blur_noise_and_shift_stay_within_the_brain_and_the_tissues():
    scale = torch.zeros(4, 1, 16, 16)
    scale[:, :, 4:12, 4:12] = 2.0
    noisy = as_scanned(scale, BatchDraw(1, 0, 4, 4))
    assert (noisy[scale == 0] == 0).all()
    assert noisy.max() <= 3.0
    assert (noisy != scale).any()


def test_the_loss_is_the_cross_entropy_of_the_tissues():
    scale = torch.full((2, 1, 16, 16), 2.0)

    class Uniform(torch.nn.Module):
        def forward(self, images: torch.Tensor, noise: torch.Tensor | None = None):
            from napari_brain_uad.detectors.nets.output import Output

            zeros = torch.zeros(len(images), 3)
            return Output(torch.zeros(len(images), 4, 16, 16), zeros, zeros)

    task = TissueTask(Uniform, 3, 1.0, corrupted=1.0, mirror=True)
    parts = task.loss(Uniform(), batch_of_images(scale), BatchDraw(0, 0, 2, 2))
    assert float(parts["loss"]) == pytest.approx(256 * np.log(4.0), rel=1e-5)
    evidence = task.evidence(Uniform(), scale)
    assert float(evidence.reconstruction[0, 0, 0, 0]) == pytest.approx(2 / 3)


def test_white_matter_counts_where_it_is_expected():
    probabilities = torch.zeros(1, 4, 1, 5)
    probabilities[0, 3, 0] = torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0])
    probabilities[0, 2, 0] = torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0])
    scale = torch.tensor([3.0, 1.0, 2.5, 1.0, 4.0]).view(1, 1, 1, 5)
    torch.testing.assert_close(lost_white_matter(scale, probabilities)[0, 0], torch.tensor([0.0, 1.0, 0.25, 0.0, 1.0]))
