"""SimpleSliceNet: the flow against autograd, the counts of the paper, its losses on examples by hand, and what its model is tied to."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_brain_uad.core.errors import Cancelled, ModelError
from napari_brain_uad.core.kept import Kept
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.backbones import load
from napari_brain_uad.detectors.backbones.catalogue import BACKBONES
from napari_brain_uad.detectors.backbones.load import network_class
from napari_brain_uad.detectors.base.stages import GradientStage
from napari_brain_uad.detectors.distillation.edc import EDC, EDCParams, EDCTraining
from napari_brain_uad.detectors.flow.conditional import POSITION, ConditionalFlow, position
from napari_brain_uad.detectors.flow.flow_task import FlowTask, boundary_guided, ranking, triplet
from napari_brain_uad.detectors.flow.names import LOSSES
from napari_brain_uad.detectors.flow.simple_slice_net import FlowTraining, SimpleSliceNet, SimpleSliceNetParams
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import BatchDraw
from napari_brain_uad.training.params import TrainingParams
from napari_brain_uad.training.session import TrainingSession


@pytest.mark.parametrize(
    ("dimension", "total", "trained"), [(512, 6_962_176, 2_767_872), (1024, 25_326_592, 8_549_376), (1536, 55_225_344, None)]
)
def test_the_flow_has_the_papers_parameters(dimension: int, total: int, trained: int | None) -> None:
    detector = SimpleSliceNet(SimpleSliceNetParams(dimension=dimension))
    assert detector.parameter_count() == total
    with torch.device("meta"):
        flow = ConditionalFlow(dimension, 8, 1.9)
    if trained is not None:
        assert sum(weights.numel() for weights in flow.parameters() if weights.requires_grad) == trained


def flow(dimension: int = 6, **scale: torch.Tensor) -> ConditionalFlow:
    torch.manual_seed(0)
    made = ConditionalFlow(dimension, 3, 1.9, **scale)
    for weights in made.parameters():
        if weights.requires_grad:
            weights.data += 0.3 * torch.randn_like(weights)
    return made.double()


def test_the_likelihood_is_that_of_the_change_of_variables() -> None:
    """The Jacobian by autograd, one place at a time."""
    made, places = flow(), torch.cat([torch.randn(3, 6), torch.tensor([[0.0, 1.0], [5.0, 2.0], [7.0, 7.0]])], dim=1).double()
    latents, found = (part.detach() for part in made(places))
    for row in range(3):

        def one(x: torch.Tensor, row: int = row) -> torch.Tensor:
            return made(torch.cat([x, places[row, 6:]])[None])[0][0]

        jacobian = torch.autograd.functional.jacobian(one, places[row, :6])
        normal = torch.distributions.Normal(0.0, 1.0).log_prob(latents[row]).sum()
        expected = (normal + torch.linalg.slogdet(jacobian)[1]) / 6
        assert float(found[row]) == pytest.approx(float(expected), abs=1e-6)


def test_the_flow_is_invertible_and_depends_on_the_place() -> None:
    made, places = flow(), torch.randn(4, 8).double()
    latents = made(places)[0]
    back = latents
    for block in reversed(made.blocks):
        (back,), _ = block((back,), [position(places[:, 6:])], rev=True)
    assert torch.allclose(back, places[:, :6], atol=1e-6)
    elsewhere = torch.cat([places[:, :6], places[:, 6:] + 3], dim=1)
    assert not torch.allclose(made(elsewhere)[0], latents, atol=1e-3)


def test_features_are_standardised_and_noise_added_after_that() -> None:
    mean, deviation = torch.full((6,), 2.0), torch.full((6,), 4.0)
    plain, scaled = flow(), flow(mean=mean, deviation=deviation)
    places, noise = torch.randn(3, 8).double(), torch.randn(3, 6).double()
    raw = torch.cat([places[:, :6] * 4 + 2, places[:, 6:]], dim=1)
    assert torch.allclose(scaled(raw)[0], plain(places)[0])
    assert torch.allclose(scaled(raw, noise)[0], plain(torch.cat([places[:, :6] + noise, places[:, 6:]], dim=1))[0])


def test_the_rotations_are_rotations_and_follow_from_torchs_seed() -> None:
    one, two = flow(), flow()
    for first, second in zip(one.blocks, two.blocks, strict=True):
        assert torch.equal(first.w_perm, second.w_perm)
        assert torch.allclose(first.w_perm @ first.w_perm.T, torch.eye(6).double(), atol=1e-6)
        assert torch.allclose(first.w_perm_inv, first.w_perm.T)


def test_places_have_sines_and_cosines() -> None:
    found = position(torch.tensor([[3.0, 5.0]]))[0].numpy()
    assert found.shape == (POSITION,)
    for number in range(32):
        rate = 10_000 ** (-2 * number / 64)
        assert found[2 * number] == pytest.approx(math.sin(5 * rate), abs=1e-5)
        assert found[2 * number + 1] == pytest.approx(math.cos(5 * rate), abs=1e-5)
        assert found[64 + 2 * number] == pytest.approx(math.sin(3 * rate), abs=1e-5)
        assert found[65 + 2 * number] == pytest.approx(math.cos(3 * rate), abs=1e-5)


def test_losses_on_examples_by_hand() -> None:
    likely, unlikely = torch.tensor([0.0, 2.0, -1.0]), torch.tensor([-0.25, -9.0, -1.5])
    # Other healthy ones are the one before, of the first the last: |0 + 1| - 0.25 + 1, |2 - 0| - 11 + 1, |-1 - 2| - 0.5 + 1.
    assert float(triplet(likely, unlikely)) == pytest.approx((1.75 + 0.0 + 3.5) / 3)
    assert float(ranking(likely, unlikely)) == pytest.approx((0.75 + 0.0 + 0.5) / 3)
    likely = torch.arange(21.0)  # the boundary that 5 % lie below is 1.0, a tenth of it 0.1
    unlikely = torch.cat([torch.tensor([1.5, 0.95]), torch.full((19,), -3.0)])
    # Of 0 and 1, which do not lie above it, the mean is 0.05 below it; 0.15 and 0.095 do not lie 0.1 below it.
    assert float(boundary_guided(likely, unlikely)) == pytest.approx(0.05 + (0.15 + 0.095) / 2)
    assert float(boundary_guided(likely, torch.full((4,), -3.0))) == pytest.approx(0.05)


def test_the_triplet_loss_is_torch_s_of_log_likelihoods_one_by_one() -> None:
    """The authors call torch's with vectors, and so take one norm over the batch; the paper's is of each sample."""
    likely, unlikely = torch.randn(2, 40, generator=torch.Generator().manual_seed(3)).unbind()
    columns = [values[:, None] for values in (likely, likely.roll(1), unlikely)]
    assert float(triplet(likely, unlikely)) == pytest.approx(float(torch.nn.functional.triplet_margin_loss(*columns)), abs=1e-5)


def test_the_likelihood_of_the_authors_code_goes_through_a_log_sigmoid() -> None:
    batch = Batch(torch.zeros(3, 42), torch.ones(3, dtype=torch.bool), torch.arange(3))
    found = torch.tensor([0.0, 1.0, -2.0])
    for preset, expected in (("code", -torch.nn.functional.logsigmoid(found).mean()), ("paper", -found.mean())):
        params = replace(SimpleSliceNetParams.preset(preset), loss="none")
        losses = SimpleSliceNet(params)._task([]).loss(lambda *given: (given[0], found), batch, BatchDraw(0, 0, 3, 3))  # type: ignore[arg-type]
        assert float(losses["loss"]) == pytest.approx(float(expected))


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_falls(name: str) -> None:
    torch.manual_seed(0)
    task = FlowTask(lambda: ConditionalFlow(8, 2, 1.9), name, 0.5)
    network, images = task.build(), torch.cat([2 * torch.randn(256, 8), torch.randint(0, 8, (256, 2)).float()], dim=1)
    batch = Batch(images, torch.ones(256, dtype=torch.bool), torch.arange(256))
    optimizer = torch.optim.Adam([weights for weights in network.parameters() if weights.requires_grad], 0.01)
    values = []
    for step in range(30):
        losses = task.loss(network, batch, BatchDraw(step, 0, 256, 256))
        assert set(losses) == {"loss", "likelihood"} | ({name} - {"none"})
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        values.append(float(losses["loss"].detach()))
    assert values[-1] < values[0] - 0.05


def volume(seed: int = 0) -> Volume:
    rng = np.random.default_rng(seed)
    return Volume(rng.random((32, 32, 6)).astype(np.float32), Grid((32, 32, 6), np.diag([2.0, 2.0, 2.0, 1.0])))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    for name in ("one", "two"):
        torch.save(network_class(BACKBONES["resnet18"])().state_dict(), folder / f"{name}.pth")
    return str(folder)


def small(weights: str, file: str = "one", **changes: object) -> SimpleSliceNet:
    settings = {"height": 64, "width": 64, "dimension": 16, "backbone": "resnet18", "blocks": 1, "backbone_file": f"{weights}/{file}.pth"}
    return SimpleSliceNet(SimpleSliceNetParams.from_dict(settings | changes))


QUICK = FlowTraining(steps=4, batch_size=64)


def test_slices_are_averaged_and_places_known(weights: str) -> None:
    detector, one = small(weights, aggregation=3), volume()
    cut = detector.cut(one)
    places, cells = detector._places(detector.features(), cut, 0, Progress())
    assert cells.shape == (2, 8, 8)
    each = detector.features()(torch.from_numpy(cut.images(range(6)))).numpy()
    assert places[:, :-2] == pytest.approx(np.stack([each[:3].mean(0), each[3:].mean(0)]).transpose(0, 2, 3, 1).reshape(-1, 16), abs=1e-4)
    assert places[:8, -2].tolist() == [0.0] * 8
    assert places[:8, -1].tolist() == list(range(8))
    single = small(weights, aggregation=1)
    assert single._places(single.features(), cut, 0, Progress())[1].shape == (6, 8, 8)


def test_the_score_is_the_negative_log_likelihood_and_the_papers_a_view_of_it(weights: str) -> None:
    detector = small(weights, smoothing_mm=0.0)
    detector.fit([volume(1), volume(2)], training=QUICK)
    cut = detector.cut(volume())
    places, cells = detector._places(detector.features(), cut, 0, Progress())
    likelihood = detector.network("flow")(torch.from_numpy(places))[1].numpy()
    raw = detector._place_scores(cut, 0, Progress())
    assert raw[cells] == pytest.approx(-likelihood, abs=1e-5)
    view = small(weights, smoothing_mm=0.0, score="paper")
    view.load_state(detector.state())
    assert view._place_scores(cut, 0, Progress())[cells] == pytest.approx(1 - np.exp(likelihood - likelihood.max()), abs=1e-5)
    scale = np.stack([detector._places(detector.features(), detector.cut(volume(seed)), 0, Progress())[0] for seed in (1, 2)]).reshape(
        -1, 18
    )
    assert detector.state()["flow.mean"] == pytest.approx(scale[:, :-2].mean(axis=0), rel=1e-2, abs=1e-3)
    assert detector.state()["flow.deviation"] == pytest.approx(scale[:, :-2].std(axis=0), rel=1e-2)


def test_brain_beyond_the_slices_has_the_lowest_score(weights: str) -> None:
    detector = small(weights, depth=2, aggregation=1)
    detector.fit([volume(1)], training=QUICK)
    found = detector.score(volume()).score
    assert np.ptp(found[:, :, 2:4]) > 0
    assert np.all(found[:, :, 0] == found.min())


def test_validation_scans_do_not_set_the_scale_and_training_is_resumed(weights: str, tmp_path: Path) -> None:
    bright = replace(volume(3), data=volume(3).data * np.float32(9))
    whole = small(weights)
    whole.fit([volume(1)], training=FlowTraining(steps=6, batch_size=64), session=TrainingSession(validation=(bright,)))
    stopped = small(weights)
    progress = Progress()
    session = TrainingSession(folder=tmp_path, validation=(bright,), report=lambda update: progress.cancel() if update.step >= 2 else None)
    training = FlowTraining(steps=6, batch_size=64, validate_every=1)
    with pytest.raises(Cancelled):
        stopped.fit([volume(1)], training=training, session=session, progress=progress)
    assert stopped.state() == {}
    stopped.fit([volume(1)], training=training, session=TrainingSession(folder=tmp_path, resume=True))
    assert all(np.array_equal(array, whole.state()[name]) for name, array in stopped.state().items())


def test_a_model_belongs_to_its_backbones_weights(weights: str) -> None:
    detector = small(weights)
    detector.fit([volume(1)], training=QUICK)
    with pytest.raises(ModelError, match="SHA-256"):
        small(weights, "two").load_state(detector.state())
    with pytest.raises(ModelError, match="something else"):
        small(weights).load_state(detector.state() | {"other": np.zeros(2, np.float32)})
    assert detector.shipped_state()["backbone"].dtype == np.uint8


def test_the_backbone_is_tuned_first_and_is_part_of_the_model(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    training = FlowTraining(steps=4, batch_size=64, encoder_steps=2, encoder_batch=2)
    detector, frozen = small(weights, edc=True), small(weights)
    detector.fit([volume(1), volume(2)], training=training)
    cut = detector.cut(volume())
    images = torch.from_numpy(cut.images(range(2)))
    # The flow's scale is that of the tuned features, not of those before.
    places = np.concatenate([detector._places(detector.features(), detector.cut(volume(seed)), 0, Progress())[0] for seed in (1, 2)])
    assert detector.state()["flow.mean"] == pytest.approx(places[:, :-2].mean(axis=0), rel=1e-2, abs=2e-3)
    assert not np.allclose(detector.features()(images).numpy(), frozen.features()(images).numpy(), atol=1e-2)
    again = small(weights, edc=True)
    monkeypatch.setattr("napari_brain_uad.detectors.backbones.load.read_weights", lambda _: pytest.fail("no file of weights is needed"))
    monkeypatch.setattr(load, "_WEIGHTS", Kept(most=1))
    again.load_state(detector.state())
    assert np.array_equal(again.score(volume()).score, detector.score(volume()).score)
    with pytest.raises(ModelError, match="arrays of something else"):
        small(weights).load_state(detector.state())


def test_the_backbone_is_tuned_as_edc_is_trained_and_training_is_resumed(weights: str, tmp_path: Path) -> None:
    training = FlowTraining(steps=2, batch_size=64, encoder_steps=2, encoder_batch=2, checkpoint_every=1, validate_every=1)
    whole, stopped, alone = small(weights, edc=True), small(weights, edc=True), EDC(EDCParams.from_dict(_of_edc(weights)))
    whole.fit([volume(1)], training=training)
    progress = Progress()
    session = TrainingSession(folder=tmp_path, report=lambda update: progress.cancel() if update.stage == "flow" else None)
    with pytest.raises(Cancelled):
        stopped.fit([volume(1)], training=training, session=session, progress=progress)
    stopped.fit([volume(1)], training=training, session=TrainingSession(folder=tmp_path, resume=True))
    assert all(np.array_equal(array, whole.state()[name]) for name, array in stopped.state().items())
    alone.fit([volume(1)], seed=1, training=EDCTraining(steps=2, batch_size=2, precision="32", checkpoint_every=1, validate_every=1))
    assert all(np.array_equal(array, whole.state()[f"edc.{name}"]) for name, array in alone.state().items())


def _of_edc(weights: str) -> dict[str, object]:
    return {"height": 64, "width": 64, "backbone": "resnet18", "backbone_file": f"{weights}/one.pth"}


def test_the_backbone_is_tuned_with_an_ensembles_settings_too() -> None:
    """A member of an ensemble is given its settings, which are of no method's own kind."""
    (stage,) = [one for one in SimpleSliceNet(SimpleSliceNetParams(edc=True)).stages() if isinstance(one, GradientStage) and one.training]
    own = stage.training(FlowTraining(steps=5, encoder_steps=7, encoder_batch=3, batch_size=99))
    assert (own.steps, own.batch_size) == (7, 3)
    others = stage.training(TrainingParams(steps=5, batch_size=99, checkpoint_every=4))
    assert (others.steps, others.batch_size, others.checkpoint_every) == (5, EDCTraining().batch_size, 4)
