"""What the base of the reconstructing methods promises, beyond the contract."""

from __future__ import annotations

import copy
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from batches import batch_of_images

from napari_brain_uad.core.errors import DeviceError, InputError, ModelError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.autoencoder.ce_vae import CeVAE, CeVAEParams
from napari_brain_uad.detectors.autoencoder.vae import VAE, VAEParams
from napari_brain_uad.detectors.autoencoder.vae_restoration import VAERestoration, VAERestorationParams
from napari_brain_uad.detectors.base.network_state import network_with
from napari_brain_uad.detectors.base.reconstruction import ReconstructionDetector, ReconstructionParams
from napari_brain_uad.detectors.base.tasks import AutoencoderTask
from napari_brain_uad.detectors.registry import create, method_class
from napari_brain_uad.sampling.slices import Slices
from napari_brain_uad.sampling.windows import Windows
from napari_brain_uad.training.draws import SampleDraw
from napari_brain_uad.training.session import TrainingSession

METHODS = ("ae-dense", "ae-spatial", "vae", "ce-vae", "cce-vae", "vae-restoration")
TINY = VAEParams.preset("tiny")


def brain(shape: tuple[int, int, int] = (28, 30, 16), spacing: float = 1.5, seed: int = 0) -> Volume:
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    mask = i**2 + j**2 + k**2 < 0.8
    data = 100 + 30 * i + 20 * np.sin(3 * j) + np.random.default_rng(seed).normal(0, 2, shape)
    return Volume(np.where(mask, data, 0).astype(np.float32), Grid(shape, np.diag([spacing, spacing, 2.0, 1.0])), mask=mask)


def untrained(detector: ReconstructionDetector, seed: int = 0) -> ReconstructionDetector:
    """With random weights: enough for whatever does not ask how good it is."""
    torch.manual_seed(seed)
    detector.load_state({name: value.numpy() for name, value in detector._task().build().state_dict().items()})
    return detector


class Identity(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, images: torch.Tensor) -> object:
        from napari_brain_uad.detectors.nets.output import Output

        return Output(torch.zeros_like(images))


class Zero(ReconstructionDetector):
    """Reconstructs nothing: the score is what the network was shown."""

    INFO = replace(VAE.INFO, id="zero")
    Params = ReconstructionParams

    def _prepare(self, volume: Volume) -> Volume:
        return volume.with_data((volume.data > 100).astype(np.float32))

    def _windows(self) -> Windows:
        return Windows(size=(16, 16), step=(8, 16))

    def _finish(self, scores: np.ndarray, slices: Slices) -> np.ndarray:
        return np.asarray(scores * 3, np.float32)

    def _task(self) -> AutoencoderTask:
        return AutoencoderTask(Identity)


def test_hooks_before_slicing_for_patches_and_for_the_whole_scan() -> None:
    volume = brain()
    found = untrained(Zero(ReconstructionParams(height=32, width=32, pixel_mm=1.5, step_mm=2.0))).score(volume)
    assert volume.mask is not None
    bright = volume.data > 100
    assert found.score[volume.mask & bright].mean() > 2
    assert found.score[volume.mask & ~bright].mean() < 1
    assert found.score.max() == pytest.approx(3)


@pytest.mark.parametrize("method", METHODS)
def test_half_precision_weights_give_nearly_the_same_map(method: str) -> None:
    first = untrained(create(method, method_class(method).Params.preset("tiny")))  # type: ignore[arg-type]
    half = {name: a.astype(np.float16) if a.dtype == np.float32 else a for name, a in first.state().items()}
    second = create(method, first.params)
    second.load_state(half)
    one, other = (d.score(brain(), seed=0, progress=Progress()).score for d in (first, second))
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.99


@pytest.mark.parametrize(
    "score", ["l1", "l2", "brighter", "darker", "ssim", "ssim-ensemble", "l1-ssim", "kl-gradient", "elbo-gradient", "combi"]
)
def test_every_score_of_a_variational_method(score: str) -> None:
    detector = untrained(VAE(replace(TINY, score=score)))
    first, second = detector.score(brain()), detector.score(brain())
    assert np.array_equal(first.score, second.score)
    assert first.score.max() > 0
    assert first.score.min() >= 0


def test_a_score_with_a_fixed_scale_says_so_and_one_without_does_not() -> None:
    limits = [untrained(VAE(replace(TINY, score=s))).score(brain()).provenance["method"]["colour_limits"] for s in ("l1", "kl-gradient")]
    assert limits == [[0.0, 0.5], None]


def test_the_map_hardly_depends_on_the_grid_of_the_scan() -> None:
    detector = untrained(VAE(replace(TINY, score="l1")))
    smooth = []
    for shape, spacing in (((28, 30, 16), 1.5), ((42, 45, 16), 1.0)):
        i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
        mask = i**2 + j**2 + k**2 < 0.8
        data = np.where(mask, 100 + 30 * i + 20 * np.sin(3 * j), 0).astype(np.float32)
        amap = detector.score(Volume(data, Grid(shape, np.diag([spacing, spacing, 2.0, 1.0])), mask=mask))
        smooth.append(float(amap.brain_scores().mean()))
    assert smooth[0] == pytest.approx(smooth[1], rel=0.05)


def test_a_scan_of_one_slice_is_enough() -> None:
    volume = brain()
    thin = Volume(volume.data[:, :, 8:9].copy(), Grid((28, 30, 1), volume.grid.affine), mask=volume.data[:, :, 8:9] > 0)
    assert untrained(VAE(TINY)).score(thin).score.shape == (28, 30, 1)


@pytest.mark.parametrize(("change", "message"), [
    (lambda s: s.pop("mean.weight"), "lacks 1"),
    (lambda s: s.update(extra=np.zeros(2, np.float32)), "1 others"),
    (lambda s: s.update({"mean.bias": np.zeros(7, np.float32)}), "shape"),
    (lambda s: s.update({"mean.bias": np.zeros(128, np.int64)}), "int64"),
    (lambda s: s.update({"mean.bias": np.full(128, np.inf, np.float16)}), "infinite"),
])  # fmt: skip
def test_a_state_that_does_not_fit_is_refused(change: object, message: str) -> None:
    state = untrained(VAE(TINY)).state()
    change(state)  # type: ignore[operator]
    detector = VAE(TINY)
    with pytest.raises(ModelError, match=message):
        detector.load_state(state)
    assert detector.state() == {}


def test_a_state_of_other_settings_names_them() -> None:
    with pytest.raises(ModelError, match="settings"):
        VAE(replace(TINY, latent=64)).load_state(untrained(VAE(TINY)).state())


def test_what_was_loaded_is_a_copy_nobody_else_changes() -> None:
    detector = untrained(VAE(TINY))
    before = detector.score(brain()).score
    detector.state()["mean.bias"][:] += 0.0
    assert np.array_equal(detector.score(brain()).score, before)


def test_memory_that_does_not_hold_a_batch_gets_smaller_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = untrained(VAE(TINY))
    whole, sizes, network = detector.score(brain()).score, [], detector.network()
    forward = network.forward

    def short(images: torch.Tensor) -> object:
        sizes.append(len(images))
        if len(images) > 4:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(images)

    monkeypatch.setattr(network, "forward", short)
    assert np.allclose(detector.score(brain()).score, whole, atol=1e-4)
    assert sizes[0] > 4
    assert set(sizes[2:]) <= {4, 3, 2, 1}


def test_memory_that_holds_no_slice_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(images: torch.Tensor) -> object:
        raise RuntimeError("out of memory")

    detector = untrained(VAE(TINY))
    monkeypatch.setattr(detector.network(), "forward", never)
    with pytest.raises(DeviceError, match="memory"):
        detector.score(brain())


@pytest.mark.parametrize("settings", [{"height": 40}, {"width": 100}])
def test_sizes_that_cannot_be_halved_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(settings))}.*multiple of 16"):
        VAE(VAEParams(**settings))


@pytest.mark.parametrize("maps", ["", "16-", "a-b", "0-8", (), (16, 5000), (16.0, 32), "1,2,3,4,5,6,7,8"])
def test_maps_that_are_none_are_refused(maps: object) -> None:
    with pytest.raises(InputError, match="maps"):
        CeVAE(CeVAEParams(maps=maps))  # type: ignore[arg-type]


def test_restoring_lowers_the_energy_and_total_variation_holds_back() -> None:
    vae = untrained(VAE(TINY))
    moved = {}
    for weight in (0.0, 0.3, 3.0):
        detector = VAERestoration(replace(VAERestorationParams.preset("tiny"), score="l1", tv_weight=weight, step_size=0.005))
        detector.load_state(vae.state())
        network, task = detector.network(), detector._task()
        images = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
        found = detector._inference()(network, batch_of_images(images), SampleDraw(0, [0, 1]), Progress())
        if weight == 0:
            assert (task.elbo(network, found.reconstruction) < task.elbo(network, images)).all()
        moved[weight] = float((found.reconstruction - images).abs().mean())
    assert moved[0.0] > moved[3.0]


def test_restoration_takes_the_models_of_vae() -> None:
    assert VAERestoration.INFO.models_of == ("vae",)
    known = {name for name, _, _ in VAERestorationParams.describe()}
    assert {name for name, _, _ in VAEParams.describe()} <= known


def test_validation_scans_are_judged_and_not_trained_on() -> None:
    told = []
    session = TrainingSession(validation=[brain(seed=9)], report=told.append)
    training = replace(VAE.Training.preset("tiny"), steps=4, validate_every=2)
    detector = VAE(TINY)
    detector.fit([brain()], seed=0, training=training, session=session)
    validated = [update for update in told if update.validation is not None]
    assert [update.step for update in validated] == [2, 4]
    assert validated[0].pictures is not None
    assert [values.shape[1:] for values in validated[0].pictures.values()] == [(32, 32)] * 3
    alone = VAE(TINY)
    alone.fit([brain()], seed=0, training=training)
    assert all(np.array_equal(detector.state()[name], array) for name, array in alone.state().items())


def test_the_same_seed_trains_the_same_network_and_another_another() -> None:
    training = replace(CeVAE.Training.preset("tiny"), steps=3)
    states = []
    for seed in (0, 0, 1):
        detector = CeVAE(CeVAEParams.preset("tiny"))
        detector.fit([brain()], seed=seed, training=training)
        states.append(detector.state())
    same = [all(np.array_equal(states[0][n], other[n]) for n in states[0]) for other in states[1:]]
    assert same == [True, False]


def test_scans_without_a_brain_worth_the_name_cannot_be_trained_on() -> None:
    volume = brain()
    mask = np.zeros(volume.data.shape, bool)
    mask[13:15, 14:16, 7:9] = True
    with pytest.raises(InputError, match="train"):
        VAE(TINY).fit([volume.with_mask(mask)])


def test_cards_and_settings_need_no_torch() -> None:
    code = (
        "import sys; from napari_brain_uad.detectors.registry import cards, method_class; names = [c.id for c in cards()];"
        "[method_class(n).Params() for n in names]; sys.exit(bool({'torch', 'skimage', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_normalisation_folded_into_convolutions_changes_rounding_alone() -> None:
    torch.manual_seed(2)
    layers = torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 3, padding=1, bias=False),
        torch.nn.BatchNorm2d(6),
        torch.nn.ReLU(),
        torch.nn.Sequential(torch.nn.ConvTranspose2d(6, 3, 4, stride=2), torch.nn.BatchNorm2d(3)),
        torch.nn.ReLU(),
        torch.nn.BatchNorm2d(3),
    )
    for norm in (layers[1], layers[3][1], layers[5]):
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.2, 3)
        torch.nn.init.uniform_(norm.weight, -2, 2)
        torch.nn.init.uniform_(norm.bias, -1, 1)
    kept = {name: value.numpy().copy() for name, value in layers.state_dict().items()}
    images = torch.randn(2, 1, 8, 8)
    network, state = network_with(lambda: copy.deepcopy(layers), kept, "Model")
    torch.testing.assert_close(network(images), layers.eval()(images), rtol=1e-4, atol=1e-5)
    # One is left: there is no convolution before it.
    assert [type(part).__name__ for part in network.modules()].count("BatchNorm2d") == 1
    for name, value in kept.items():
        np.testing.assert_array_equal(state[name], value)
