"""The losses against other ways to compute them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from batches import batch_of_images
from torch.distributions import Normal, kl_divergence

from napari_brain_uad.detectors.base.tasks import AutoencoderTask, ContextTask, VariationalTask, masked_squares
from napari_brain_uad.detectors.nets.baur import VariationalAutoencoder
from napari_brain_uad.detectors.nets.output import Output, VariationalNetwork
from napari_brain_uad.inference.reconstruction import total_variation
from napari_brain_uad.training.draws import BatchDraw

LATENT = 5


class Fixed(VariationalNetwork):
    """Reconstructs 0 whatever it sees, with a distribution known in advance."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[torch.Tensor] = []

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.seen.append(images)
        row = torch.arange(LATENT, dtype=torch.float32)
        return (0.3 * row).expand(len(images), -1), (0.2 * row - 0.5).expand(len(images), -1)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return torch.zeros(len(latents), 1, 16, 16)


def draw(rows: int, seed: int = 0) -> BatchDraw:
    return BatchDraw(seed, 0, rows, rows)


def divergence() -> float:
    row = torch.arange(LATENT, dtype=torch.float32)
    posterior = Normal(0.3 * row, torch.exp((0.2 * row - 0.5) / 2))
    return float(kl_divergence(posterior, Normal(0.0, 1.0)).sum())


@pytest.mark.parametrize(("convention", "pixels", "latents"), [("sum", 256.0, 1.0), ("mean", 1.0, 1.0 / LATENT), ("mixed", 1.0, 1.0)])
def test_the_three_ways_to_add_up(convention: str, pixels: float, latents: float) -> None:
    batch = torch.full((3, 1, 16, 16), 0.5)
    losses = VariationalTask(Fixed, convention, LATENT, 0.7).loss(Fixed(), batch_of_images(batch), draw(3))
    assert float(losses["l1"]) == pytest.approx(0.5 * pixels)
    assert float(losses["kl"]) == pytest.approx(divergence() * latents, rel=1e-5)
    assert float(losses["loss"]) == pytest.approx(float(losses["l1"]) + 0.7 * float(losses["kl"]))


@pytest.mark.parametrize("convention", ["sum", "mean", "mixed"])
def test_the_elbo_as_an_energy_is_proportional_to_the_loss(convention: str) -> None:
    task = VariationalTask(Fixed, convention, LATENT, 0.7)
    losses = [float(task.loss(Fixed(), batch_of_images(torch.full((2, 1, 16, 16), grey)), draw(2))["loss"]) for grey in (0.1, 0.9)]
    energies = [float(task.elbo(Fixed(), torch.full((2, 1, 16, 16), grey)).mean()) for grey in (0.1, 0.9)]
    assert energies[1] / energies[0] == pytest.approx(losses[1] / losses[0], rel=1e-5)
    assert energies[1] - energies[0] == pytest.approx(0.8 * 256, rel=1e-5)


def test_an_autoencoder_minimises_absolute_differences() -> None:
    class Zero(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> Output:
            return Output(torch.zeros_like(images))

    batch = torch.rand(4, 1, 8, 8)
    assert float(AutoencoderTask(Zero, "mean").loss(Zero(), batch_of_images(batch), draw(4))["loss"]) == pytest.approx(
        float(batch.mean()), rel=1e-5
    )
    shown = AutoencoderTask(Zero).preview(Zero(), batch_of_images(batch))
    assert [values.shape for values in shown.values()] == [(4, 8, 8)] * 3
    assert torch.equal(shown["input"], shown["difference"])


def test_context_loss_mixes_the_two_parts_by_its_weight() -> None:
    network, batch = Fixed(), torch.rand(6, 1, 16, 16)
    losses = ContextTask(Fixed, "mean", LATENT, 0.01, 0.25).loss(network, batch_of_images(batch), draw(6))
    assert float(losses["loss"]) == pytest.approx(
        0.75 * (float(losses["l1"]) + 0.01 * float(losses["kl"])) + 0.25 * float(losses["context"])
    )
    (seen,) = network.seen  # one pass, so that gradients over several devices are seen to
    assert torch.equal(seen[:6], batch)
    assert not torch.equal(seen[6:], batch)
    assert float(losses["context"]) == pytest.approx(float(batch.mean()), rel=1e-5)  # compared with the slice, not with the painted one


def test_painted_squares_are_what_the_paper_says() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(400, 1, 24, 32, generator=generator) * 0.5 + 0.25
    painted = masked_squares(images, draw(400))
    changed = (painted != images)[:, 0].numpy()
    share = changed.mean(axis=(1, 2))
    assert (share == 0).mean() == pytest.approx(1 / 3, abs=0.12)  # 0, 1 or 2 squares; the smallest show no pixel
    greys = [np.unique(after[was]) for after, was in zip(painted[:, 0].numpy(), changed, strict=True)]
    assert max(len(grey) for grey in greys) == 2
    for one in (was for was, grey in zip(changed, greys, strict=True) if len(grey) == 1):
        rows, columns = one.any(axis=1).sum(), one.any(axis=0).sum()
        assert one.sum() == rows * columns
        assert max(rows, columns) <= 16
    assert painted.min() >= images.min()
    assert painted.max() <= images.max()


def test_painting_depends_on_the_draw_alone() -> None:
    images = torch.rand(8, 1, 32, 32)
    assert torch.equal(masked_squares(images, draw(8, 3)), masked_squares(images, draw(8, 3)))
    assert not torch.equal(masked_squares(images, draw(8, 3)), masked_squares(images, draw(8, 4)))
    halves = [masked_squares(images[rows], BatchDraw(3, rows.start, rows.stop, 8)) for rows in (slice(0, 4), slice(4, 8))]
    assert torch.equal(torch.cat(halves), masked_squares(images, draw(8, 3)))


def test_total_variation_of_a_step() -> None:
    image = torch.zeros(1, 1, 6, 9)
    image[..., 4:] = 0.5
    assert float(total_variation(image)) == pytest.approx(6 * 0.5)


def test_the_loss_reaches_every_weight() -> None:
    network = VariationalAutoencoder(1, (16, 16), 0.0, LATENT)
    task, batch = VariationalTask(lambda: network, "sum", LATENT, 1.0), batch_of_images(torch.rand(4, 1, 16, 16))
    task.loss(network, batch, draw(4))["loss"].backward()  # type: ignore[no-untyped-call]
    assert all(value.grad is not None and torch.isfinite(value.grad).all() for value in network.parameters())
