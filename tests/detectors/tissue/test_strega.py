"""StRegA: what it makes of a scan before the network, what it minimises, and what it finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from batches import batch_of_images

from napari_brain_uad.core.errors import DeviceError, InputError, ModelError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.tissue.restoration_task import TissueTask, shares
from napari_brain_uad.detectors.tissue.synthetic_anomalies import as_scanned, paint_patches, paint_regions
from napari_brain_uad.detectors.tissue.tissue_ensemble import Strega, StregaParams
from napari_brain_uad.scoring.tissue import lost_white_matter
from napari_brain_uad.training.draws import BatchDraw

SHAPE = (40, 44, 20)


def phantom(sequence: str = "T1", *, seed: int = 0, lesion: bool = False) -> Volume:
    """White matter in a shell of grey in a shell of fluid, 2 mm voxels."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) * 1.15 for n in SHAPE), indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes)) + rng.normal(0, 0.01)
    tissue = np.select([radius < 0.6, radius < 0.85, radius < 1.0], [3, 2, 1], 0)
    values = {"T1": (0, 30, 60, 90), "T2": (0, 90, 60, 30)}[sequence]
    data = np.array(values, np.float32)[tissue] + np.where(tissue > 0, rng.normal(0, 3, SHAPE), 0)
    if lesion:
        data[18:23, 20:25, 9:12] = values[1]
    return Volume(data.astype(np.float32), Grid(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0])), f"phantom-{seed}", tissue > 0, sequence)


@pytest.fixture(scope="module")
def trained() -> Strega:
    detector = Strega(StregaParams.from_dict(dict(StregaParams.PRESETS["tiny"]) | {"sequence": "auto", "pixel_mm": 3.0, "latent": 8}))
    settings = Strega.Training.from_dict(dict(Strega.Training.PRESETS["tiny"]) | {"steps": 150, "learning_rate": 0.003})
    detector.fit([phantom(seed=seed) for seed in range(4)], training=settings)
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


def test_holes_of_the_mask_are_fluid_to_the_network(trained):
    scan = phantom()
    mask = scan.mask.copy()
    mask[17:23, 19:25, 5:15] = False
    slices = trained._slices(scan.with_mask(mask))
    middle = slices.data[len(slices.data) // 2]
    assert middle[middle.shape[0] // 2, middle.shape[1] // 2] == 1.0


def test_healing_makes_the_network_surer_of_white_matter(trained):
    patient = phantom(seed=9, lesion=True)
    lesion = (slice(19, 22), slice(21, 24), slice(9, 12))
    scan = trained._scan(patient, 20, 0, Progress())
    before, after = (scan.slices.back(scan.healed(times)[:, 2])[lesion].mean() for times in (0, 3))
    assert after > before


def test_only_slices_in_which_something_was_filled_in_are_asked_about_again(trained):
    scan, asked = trained._scan(phantom(seed=9), 1, 0, Progress()), []

    def expect(slices):
        asked.append(slices.data.copy())
        white = np.zeros((len(slices.data), 3, *slices.data.shape[1:]), np.float32)
        white[:, 2] = slices.mask  # white matter everywhere
        return white

    number = len(scan.slices.data) // 2
    fluid = np.where(scan.slices.mask, np.float32(3.0), np.float32(0.0))
    fluid[number] = np.where(scan.slices.mask[number], np.float32(1.0), np.float32(0.0))
    scan = replace(scan, slices=scan.slices.with_data(fluid), expect=expect, shift=0, pixels_mm=(50.0, 2.0, 2.0))
    healed = scan.healed(1)
    assert [len(seen) for seen in asked] == [len(fluid), 1]
    np.testing.assert_allclose(asked[1][0][scan.slices.mask[number]], 3.0)
    assert healed.shape == (len(fluid), 3, *fluid.shape[1:])


def test_shifted_copies_are_shifted_back_before_they_are_averaged(trained):
    scan = replace(trained._scan(phantom(seed=9), 1, 0, Progress()), shift=2, expect=lambda slices: np.stack([slices.data] * 3, axis=1))
    averaged = scan.averaged(scan.slices)
    np.testing.assert_allclose(averaged[:, 1], scan.slices.data, atol=1e-6)


def test_a_region_is_found_where_no_white_matter_is_missing(trained):
    """Bright in grey matter: the white matter's score alone stays silent there."""
    patient = phantom(seed=9)
    data = patient.data.copy()
    data[4:10, 19:28, 5:15] = 140.0
    patient = replace(patient, data=np.where(patient.mask, data, 0).astype(np.float32))
    region = (slice(5, 9), slice(20, 27), slice(7, 13))
    alone = Strega(replace(trained.params, regions=False))
    alone.load_state(trained.state())
    gained = trained.score(patient).score - alone.score(patient).score
    healthy = trained.score(phantom(seed=9)).score - alone.score(phantom(seed=9)).score
    assert gained[region].mean() > 5 * healthy[patient.mask].mean()


@pytest.mark.parametrize("which", ["restorer", "finder"])
def test_memory_that_holds_few_slices_gives_the_same_map(trained, which, monkeypatch):
    scan = phantom(seed=9, lesion=True)
    whole, sizes = trained.score(scan).score, []
    network = trained.network(which)
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


def test_both_networks_come_with_the_model(trained):
    state = trained.state()
    other = Strega(trained.params)
    other.load_state(state)
    np.testing.assert_array_equal(other.score(phantom(seed=9)).score, trained.score(phantom(seed=9)).score)
    alone = Strega(replace(trained.params, regions=False))
    alone.load_state(state)
    with pytest.raises(ModelError, match="no network that finds"):
        other.load_state(alone.state())


@pytest.mark.parametrize(("sequence", "weight"), [("T1", 0.2), ("T2", 0.4)])
def test_missing_white_matter_counts_by_the_sequence(trained, sequence, weight):
    patient = phantom(sequence, seed=9, lesion=True)
    scores = {}
    for name, settings in {"both": {}, "missing": {"regions": False}, "found": {"deficit_weight": 0.0, "deficit_weight_t1": 0.0}}.items():
        detector = Strega(replace(trained.params, **settings))
        detector.load_state(trained.state())
        scores[name] = detector.score(patient).score
    missing = weight * scores["missing"]
    np.testing.assert_allclose(scores["both"], missing + (1 - missing) * scores["found"], atol=1e-6)


def test_what_is_found_is_smoothed(trained):
    found = {}
    for width in (0.0, 4.0):
        detector = Strega(replace(trained.params, deficit_weight_t1=0.0, finder_smoothing_mm=width))
        detector.load_state(trained.state())
        found[width] = detector.score(phantom(seed=9, lesion=True)).score
    assert np.abs(np.diff(found[4.0], axis=0)).max() < 0.7 * np.abs(np.diff(found[0.0], axis=0)).max()


def test_a_stack_is_a_slice_between_its_neighbours_in_the_same_scan(trained):
    scans = [phantom(seed=seed) for seed in (1, 2)]
    stacks = trained.stages()[1].samples(scans, Progress())
    each = len(stacks) // 2
    ends, middle = stacks.images([0, each - 1, each, len(stacks) - 1]), stacks.images([each // 2, each // 2 + 1])
    assert ends.shape[1:] == (5, 32, 32)
    np.testing.assert_array_equal(middle[0, 1:], middle[1, :-1])
    # The phantom's ends are cut out of samples, but not out of what lies beside them; nothing reaches into the other scan.
    for stack, beyond in zip(ends, ((0, 1), (3, 4), (0, 1), (3, 4)), strict=True):
        assert np.count_nonzero(stack[list(beyond)]) < np.count_nonzero(stack[[1, 3]])


def test_scores_that_need_neighbours_are_taken_on_slices(trained):
    detector = Strega(replace(trained.params, score="ssim", regions=False))
    detector.load_state(trained.state())
    score = detector.score(phantom(seed=9, lesion=True)).score
    assert np.isfinite(score).all()
    assert score.max() > 0


def test_paper_and_code_presets_compare_label_images():
    for name, score in (("paper", "brighter"), ("code", "darker")):
        params = StregaParams.preset(name)
        assert (params.tissue, params.decoder, params.score) == ("classes", "label-image", score)
    with pytest.raises(InputError, match="needs the decoder"):
        Strega(StregaParams.from_dict(dict(StregaParams.PRESETS["paper"]) | {"score": "lost-white-matter"}))
    with pytest.raises(InputError, match="regions need the decoder"):
        Strega(StregaParams.from_dict(dict(StregaParams.PRESETS["paper"]) | {"regions": True}))


def test_a_label_image_is_trained_and_scored_like_the_paper():
    small = {"height": 32, "width": 32, "pixel_mm": 3.0, "maps": "8-16-32", "latent": 16}
    detector = Strega(StregaParams.from_dict(dict(StregaParams.PRESETS["paper"]) | small))
    detector.fit([phantom(seed=seed) for seed in range(2)], training=Strega.Training.preset("tiny"))
    score = detector.score(phantom(seed=9, lesion=True)).score
    assert np.isfinite(score).all()
    assert score.max() > 0


def test_without_a_model_nothing_is_scored():
    with pytest.raises(ModelError, match="not been trained"):
        Strega().score(phantom())


def test_shares_add_up_and_mix_linearly():
    scale = torch.tensor([0.0, 1.0, 1.25, 2.0, 2.5, 3.0, 3.7]).view(1, 1, 1, 7)
    found = shares(scale)[0, :, 0].T
    torch.testing.assert_close(found.sum(dim=1), torch.ones(7))
    torch.testing.assert_close(found[2], torch.tensor([0.0, 0.75, 0.25, 0.0]))
    torch.testing.assert_close(found[4], torch.tensor([0.0, 0.0, 0.5, 0.5]))
    torch.testing.assert_close(found[6], torch.tensor([0.0, 0.0, 0.0, 1.0]))


def test_patches_are_painted_inside_the_brain_on_the_share_asked_for():
    scale = torch.zeros(200, 1, 48, 48)
    scale[:, :, 8:40, 8:40] = 3.0
    painted = paint_patches(scale, 0.5, BatchDraw(1, 0, 200, 200))
    assert (painted[scale == 0] == 0).all()
    changed = (painted != scale).flatten(1).any(dim=1).float().mean()
    assert 0.4 < changed < 0.6
    assert painted[scale > 0].min() >= 1.0
    assert torch.equal(painted, paint_patches(scale, 0.5, BatchDraw(1, 0, 200, 200)))


def test_regions_are_painted_inside_the_brain_and_told():
    stack = torch.zeros(60, 5, 48, 48)
    stack[:, :, 8:40, 8:40] = 3.0
    painted, where = paint_regions(stack, BatchDraw(1, 0, 60, 60))
    assert (painted[stack == 0] == 0).all()
    assert (where[:, 0] == 0).all()
    assert ((painted[:, 2] - 3.0).abs()[where == 1]).mean() > 0.5
    untouched = (painted == stack).flatten(1).all(dim=1)
    assert 0.05 < untouched.float().mean() < 0.6
    assert where[untouched].sum() == 0
    assert painted.min() >= 0
    assert painted.max() <= 5.0
    again = paint_regions(stack, BatchDraw(1, 0, 60, 60))
    assert torch.equal(painted, again[0])
    assert torch.equal(where, again[1])


def test_rows_of_a_batch_are_painted_alike_by_any_process():
    stack = torch.zeros(8, 5, 32, 32)
    stack[:, :, 4:28, 4:28] = 2.5
    whole, where = paint_regions(stack, BatchDraw(3, 0, 8, 8))
    half, there = paint_regions(stack[4:], BatchDraw(3, 4, 8, 8))
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

    task = TissueTask(Uniform, 3, 1.0, painted=1.0, mirror=True)
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
