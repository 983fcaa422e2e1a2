"""The two stages: a critic that is held to slopes of 1 and goes ahead of the generator, and an encoder that leaves both as they are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from batches import batch_of_images

from napari_brain_uad.core.detector import State
from napari_brain_uad.detectors.adversarial.f_anogan import FAnoGAN, FAnoGANParams
from napari_brain_uad.detectors.adversarial.tasks import EncoderTask, WassersteinTask, gradient_penalty
from napari_brain_uad.detectors.base.stages import prefixed
from napari_brain_uad.detectors.nets.output import Output
from napari_brain_uad.detectors.nets.residual_gan import Adversaries, LatentEncoder
from napari_brain_uad.training.draws import BatchDraw
from napari_brain_uad.training.params import TrainingParams
from napari_brain_uad.training.task import LossFunction, TrainingStep

LATENT, SIZE, MAPS = 6, (32, 16), 2


def draw(rows: int, seed: int = 0) -> BatchDraw:
    return BatchDraw(seed, 0, rows, rows)


def adversaries() -> Adversaries:
    torch.manual_seed(0)
    return Adversaries(LATENT, SIZE, MAPS)


def encoder() -> LatentEncoder:
    torch.manual_seed(1)
    return LatentEncoder(LATENT, SIZE, MAPS, 1, adversaries())


class Level(torch.nn.Module):
    """Makes black images; a critic of the mean."""

    def forward(self, given: torch.Tensor, judge: bool = False) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        return (given.flatten(1).mean(dim=1), given.flatten(1)) if judge else torch.full((len(given), 1, 4, 4), -1.0)


def test_the_penalty_of_a_linear_critic_is_known_and_so_is_its_gradient() -> None:
    weights = torch.tensor([3.0, 0.0, 4.0, 0.0], requires_grad=True)
    real, fake = torch.rand(5, 1, 2, 2), torch.rand(5, 1, 2, 2)
    penalty = gradient_penalty(lambda images: images.flatten(1) @ weights, real, fake, draw(5))
    assert float(penalty.detach()) == pytest.approx((5.0 - 1.0) ** 2)
    penalty.backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(weights.grad, 2 * (5.0 - 1.0) * weights.detach() / 5.0)


def test_the_penalty_is_taken_between_real_and_fake_one_place_an_image() -> None:
    """A critic |x|^2 / 2 has the slope x."""
    real, fake = torch.full((64, 1, 1, 1), 3.0), torch.full((64, 1, 1, 1), 1.0)
    share = draw(64).uniform((64, 1, 1, 1))
    penalty = gradient_penalty(lambda images: images.square().flatten(1).sum(dim=1) / 2, real, fake, draw(64))
    assert float(penalty.detach()) == pytest.approx(float((2 * share).square().mean()), rel=1e-5)


def test_the_critic_lowers_its_loss_by_telling_real_from_fake_and_the_generator_by_fooling_it() -> None:
    task = WassersteinTask(adversaries, LATENT, 5, 10.0)
    white, network = batch_of_images(torch.ones(3, 1, 4, 4)), Level()
    losses = task.critic_loss(network, white, draw(3))
    assert float(losses["distance"]) == pytest.approx(2.0)  # the images lie from -1 to 1
    assert float(losses["penalty"]) == pytest.approx((0.25 - 1) ** 2)
    assert float(losses["loss"]) == pytest.approx(10 * 0.75**2 - 2.0)
    assert float(task.generator_loss(network, white, draw(3))["loss"]) == pytest.approx(1.0)
    assert float(task.loss(network, white, draw(3))["loss"]) == pytest.approx(2.0)


class Told(TrainingStep):
    number = 0

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []

    def minimise(self, loss: LossFunction, optimizer: str = "", *, batch: int = 0) -> None:
        self.calls.append((optimizer, batch))


@pytest.mark.parametrize("steps", [1, 5])
def test_the_critic_goes_ahead_with_a_batch_of_its_own_each_time(steps: int) -> None:
    task, told = FAnoGAN(FAnoGANParams(critic_steps=steps))._gan(), Told()
    task.step(told)
    assert told.calls == [*(("critic", number) for number in range(steps)), ("generator", 0)]
    assert task.batches == steps


def test_each_weight_has_one_of_the_two_optimizers_and_a_gradient_of_its_loss() -> None:
    task, network = WassersteinTask(adversaries, LATENT, 1, 10.0), adversaries()
    batch = batch_of_images(torch.rand(4, 1, *SIZE))
    groups = {
        name: {id(weight) for group in optimizer.param_groups for weight in group["params"]}
        for name, optimizer in task.optimizers(network, TrainingParams()).items()
    }
    assert groups["critic"] | groups["generator"] == {id(weight) for weight in network.parameters()}
    for name, loss in (("critic", task.critic_loss), ("generator", task.generator_loss)):
        network.zero_grad()
        loss(network, batch, draw(4))["loss"].backward()  # type: ignore[no-untyped-call]
        reached = {id(weight) for weight in network.parameters() if weight.grad is not None}
        assert groups[name] <= reached
        assert name == "generator" or not reached & groups["generator"]


def test_the_critics_value_of_an_image_does_not_depend_on_the_others() -> None:
    network, images = adversaries().train(), torch.rand(4, 1, *SIZE)
    alone = torch.cat([network(images[row : row + 1], True)[0] for row in range(4)])
    torch.testing.assert_close(network(images, True)[0], alone, rtol=1e-4, atol=1e-5)


def test_the_encoder_minimises_pixels_from_minus_one_to_one_and_features() -> None:
    class Half(torch.nn.Module):
        def forward(self, images: torch.Tensor, judge: bool) -> tuple[Output, torch.Tensor, torch.Tensor]:
            return Output(images - 0.5), torch.full((len(images), 2), 3.0), torch.zeros(len(images), 2)

    losses = EncoderTask(Half, 0.1).loss(Half(), batch_of_images(torch.rand(3, 1, 8, 8)), draw(3))
    assert float(losses["image"]) == pytest.approx(1.0)
    assert float(losses["features"]) == pytest.approx(9.0)
    assert float(losses["loss"]) == pytest.approx(1.9)


def test_training_the_encoder_leaves_generator_and_critic_as_they_are() -> None:
    network = encoder().train()
    (held,) = network.adversaries._held  # type: ignore[union-attr]
    before = {name: value.clone() for name, value in held.state_dict().items()}
    optimizer = EncoderTask(encoder, 1.0).optimizers(network, TrainingParams(learning_rate=0.1))[""]
    first = {name: value.detach().clone() for name, value in network.named_parameters()}
    EncoderTask(encoder, 1.0).loss(network, batch_of_images(torch.rand(4, 1, *SIZE)), draw(4))["loss"].backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    # Its running statistics, too.
    assert all(torch.equal(value, before[name]) for name, value in held.state_dict().items())
    assert all(not torch.equal(value, first[name]) for name, value in network.named_parameters())
    assert all(name.startswith("encoder.") for name in network.state_dict())


def test_what_is_frozen_moves_with_the_network() -> None:
    network = encoder().to(torch.float64).eval()
    assert network(torch.rand(2, 1, *SIZE, dtype=torch.float64)).reconstruction.dtype == torch.float64


def random_state(detector: FAnoGAN) -> State:
    torch.manual_seed(2)
    state: State = {}
    for stage in detector.stages():
        network = stage.task({}).build()  # type: ignore[union-attr]
        state |= prefixed(stage.name, {name: value.numpy() for name, value in network.state_dict().items()})
    return state


def test_the_encoder_reconstructs_with_the_generator_of_the_first_stage() -> None:
    detector = FAnoGAN(FAnoGANParams.preset("tiny"))
    state, found = random_state(detector), []
    images = torch.rand(2, 1, 32, 32)
    for shift in (0.0, 0.5):
        name = next(name for name in state if name.startswith("gan.generator") and state[name].shape == (1,))  # the last bias
        detector.load_state({**state, name: state[name] + np.float32(shift)})
        with torch.no_grad():
            found.append(torch.atanh(2 * detector.network()(images).reconstruction - 1))
    torch.testing.assert_close(found[1] - found[0], torch.full_like(found[0], 0.5), rtol=1e-2, atol=1e-2)


def convolution(before: int, after: int, side: int, bias: bool = True) -> int:
    return before * after * side**2 + bias * after


def block(before: int, after: int, middle: int) -> int:
    norms = 2 * before + 2 * middle
    return norms + convolution(before, middle, 3, False) + convolution(middle, after, 3) + convolution(before, after, 1)


def test_networks_have_the_sizes_of_the_paper() -> None:
    """By the layers of Gulrajani's table, with 64 maps, for 128 x 128 pixels and 128 latents."""
    down, flat = [64, 128, 256, 512, 512], 512 * 8 * 8
    trunk = convolution(1, 64, 3) + sum(block(one, two, one) for one, two in pairwise(down))
    up = down[::-1]
    generator = 129 * flat + sum(block(one, two, two) for one, two in pairwise(up)) + 2 * 64 + convolution(64, 1, 3)
    critic, encoding = trunk + flat + 1, trunk + 128 * flat + 128
    with torch.device("meta"):
        network = Adversaries(128, (128, 128), 64)
        assert sum(value.numel() for value in network.generator.parameters()) == generator
    assert sum(value.numel() for value in network.parameters()) == generator + critic
    assert FAnoGAN().parameter_count() == generator + critic + encoding == 30_901_826
