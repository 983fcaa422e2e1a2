"""What IterMask learns, and how it reconstructs. Imports torch, so the method imports it only when it needs it.

Liang, Guo, Noble, Kamnitsas: "IterMask2: iterative unsupervised anomaly segmentation via spatial and frequency masking for brain
lesions in MRI" (2024, arXiv:2406.02422).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from ...core.progress import Progress
from ...scoring.registry import Evidence
from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses, Task
from ..base.tasks import compared

SPAN, HALF = 6.0, 3.0
"""Intensities from 0 to 1 are seen as -3 to 3."""

_SQUARES = 32
_SIDES = (4 / 240, 16 / 240)
"""Squares of a random mask, and their shortest and longest sides as shares of a slice; 4 to 16 of 240 pixels in the authors' code."""
_SPREAD = (0.01, 0.13)
"""Least and greatest standard deviation of the Gaussian they lie about, as shares of a slice; 0.006 to 0.13 in the authors' code."""
_REACH = 5.0
"""Standard deviations that the ellipse of a random mask extends to at most."""


class FirstTask(Task):
    """Slices are restored from their high frequencies alone; squared differences.

    Parameters
    ----------
    build : callable
        The network, a `nets.diffusion_unet.DiffusionUNet` that is always told time step 0.
    radius : int
        See `high_frequencies`.
    """

    def __init__(self, build: Callable[[], nn.Module], radius: int) -> None:
        self._build = build
        self.radius = radius

    def build(self) -> nn.Module:
        """See `training.task.Task`."""
        return self._build()

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        return {"loss": (SPAN * (self.restored(network, batch, draw) - batch.images)).square().mean()}

    def restored(self, network: nn.Module, batch: Batch, draw: Draw) -> torch.Tensor:
        """Slices (B, 1, H, W) as the network restores them."""
        return first_guess(network, batch.images, self.radius)

    @torch.no_grad()
    def preview(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """See `training.task.Task`."""
        return compared(batch.images.clamp(0, 1), first_guess(network, batch.images, self.radius).clamp(0, 1))


class SecondTask(FirstTask):
    """Slices are restored from their high frequencies and what is not masked of them; noise stands in a random mask of the brain."""

    def restored(self, network: nn.Module, batch: Batch, draw: Draw) -> torch.Tensor:
        """See `FirstTask.restored`."""
        where = random_masks(batch.brain, draw)[:, None]
        return behind_masks(network, batch.images, where, draw.normal(batch.images.shape), self.radius)

    @torch.no_grad()
    def preview(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """With half of the brain masked; see `training.task.Task`."""
        where = batch.brain[:, None].clone()
        where[..., where.shape[-1] // 2 :] = False
        made = behind_masks(network, batch.images, where, torch.zeros_like(batch.images), self.radius)
        return compared(batch.images.clamp(0, 1), made.clamp(0, 1))

    @torch.no_grad()
    def errors(self, network: nn.Module, batch: Batch, draw: Draw) -> torch.Tensor:
        """Squared differences behind random masks, shape (B, H, W); -1 where nothing was masked."""
        where = random_masks(batch.brain, draw)
        made = behind_masks(network, batch.images, where[:, None], draw.normal(batch.images.shape), self.radius)
        return torch.where(where, (made - batch.images).square()[:, 0], -1.0)


@dataclass(frozen=True, eq=False)
class ShrinkingMask:
    """A mask that begins as the brain and loses what a network restores well, again and again (IterMask2, section 2).

    What remains masked is the reconstruction's; elsewhere it is the slice.

    Parameters
    ----------
    first : nn.Module
        Restores slices from their high frequencies alone: what of the brain it restores best leaves the mask first.
    radius : int
        See `high_frequencies`.
    kept : float
        Share of the brain, that with the greatest errors, which stays masked then.
    error : float
        Squared difference below which a pixel leaves the mask.
    least : float
        The mask of a slice is final when it shrinks by a smaller share.
    most : int
        Iterations at most.
    """

    first: nn.Module
    radius: int
    kept: float
    error: float
    least: float
    most: int

    def __call__(self, network: nn.Module, batch: Batch, draw: Draw, progress: Progress) -> Evidence:
        """See `inference.reconstruction.Inference`."""
        return Evidence(batch.images, self.found(network, batch, draw, progress)[0])

    @torch.no_grad()
    def found(self, network: nn.Module, batch: Batch, draw: Draw, progress: Progress) -> tuple[torch.Tensor, torch.Tensor]:
        """Reconstruction and mask, each of shape (B, 1, H, W)."""
        images = batch.images
        error = (first_guess(self.first, images, self.radius) - images).square()[:, 0]
        where = batch.brain & (error >= self._limits(error, batch.brain))
        made, going = images.clone(), torch.ones(len(images), dtype=torch.bool, device=images.device)
        for _ in range(self.most):
            progress.check()
            restored = behind_masks(network, images, where[:, None], draw.normal(images.shape), self.radius)
            made = torch.where(going[:, None, None, None], torch.where(where[:, None], restored, images), made)
            smaller = where & ((restored - images).square()[:, 0] > self.error)
            before, after = (mask.flatten(1).sum(dim=1) for mask in (where, smaller))
            going &= before - after >= self.least * before.clamp(min=1)
            if not going.any():
                break
            where = torch.where(going[:, None, None], smaller, where)
        # After the last iteration that is allowed the mask may have shrunk once more.
        return torch.where(where[:, None], made, images), where[:, None]

    def _limits(self, error: torch.Tensor, brain: torch.Tensor) -> torch.Tensor:
        """The error of each slice from which on a share of its brain lies, shape (B, 1, 1)."""
        inside = torch.where(brain, error, torch.nan).flatten(1)
        return torch.nanquantile(inside, 1.0 - self.kept, dim=1)[:, None, None].nan_to_num()


def first_guess(network: nn.Module, images: torch.Tensor, radius: int) -> torch.Tensor:
    """Slices (B, 1, H, W), from 0 to 1, restored from their high frequencies alone."""
    return _asked(network, high_frequencies(SPAN * images - HALF, radius))


def behind_masks(network: nn.Module, images: torch.Tensor, where: torch.Tensor, noise: torch.Tensor, radius: int) -> torch.Tensor:
    """Slices (B, 1, H, W), from 0 to 1, restored from their high frequencies and from what is not masked.

    Parameters
    ----------
    where : tensor of bool, shape (B, 1, H, W)
        What is masked, and replaced by the noise, of the same shape.
    """
    seen = SPAN * images - HALF
    return _asked(network, torch.cat([torch.where(where, noise, seen), high_frequencies(seen, radius)], dim=1))


def high_frequencies(images: torch.Tensor, radius: int) -> torch.Tensor:
    """Images (..., H, W) whose Fourier coefficients nearer than `radius` to that of the mean have modulus 1; phases stay.

    Numbers and the modulus of 1 are those of the authors' code.
    """
    spectrum = torch.fft.fft2(images.float())
    rows, columns = (torch.fft.fftfreq(size, 1 / size, device=images.device) for size in images.shape[-2:])
    low = (rows[:, None] ** 2 + columns**2).sqrt() < radius
    found: torch.Tensor = torch.fft.ifft2(torch.where(low, torch.polar(torch.ones_like(spectrum.real), spectrum.angle()), spectrum)).real
    return found


def random_masks(brain: torch.Tensor, draw: Draw) -> torch.Tensor:
    """A random part of each brain, bool, shape (B, H, W): an ellipse somewhere in it, with squares about.

    The authors draw hundreds of squares about a Gaussian, whose middle they fill; an ellipse of a random number of standard deviations
    stands for these here.
    """
    count, height, width = brain.shape
    place, spreads, reach = draw.uniform((count,)), draw.uniform((count, 2), *_SPREAD), draw.uniform((count, 2))
    angle = reach[:, 1] * torch.pi
    # A pixel of the brain, each with the same chance.
    inside = brain.flatten(1).cumsum(dim=1)
    wanted = (place * inside[:, -1]).long()[:, None] + 1
    middle = torch.searchsorted(inside, wanted).clamp(max=height * width - 1)[:, 0]
    centre = torch.stack([middle // width, middle % width], dim=1).float()
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).reshape(-1, 2, 2)
    sizes = spreads * torch.tensor([height, width], device=brain.device)
    at = torch.stack(torch.meshgrid(*(torch.arange(size, device=brain.device) for size in (height, width)), indexing="ij"), dim=-1)
    away = (at.flatten(0, 1) - centre[:, None]) @ turn / sizes[:, None]
    ellipse = (away.square().sum(dim=2).sqrt() < _REACH * reach[:, :1]).reshape(brain.shape)
    corners = centre[:, None] + (draw.normal((count, _SQUARES, 2)) * sizes[:, None]) @ turn.transpose(1, 2)
    sides = draw.uniform((count, _SQUARES), *_SIDES)
    across = [
        (axis >= corners[..., number, None]) & (axis < corners[..., number, None] + size * sides[..., None])
        for number, (axis, size) in enumerate((torch.arange(size, device=brain.device), size) for size in (height, width))
    ]
    squares = across[0].float().transpose(1, 2) @ across[1].float() > 0
    return torch.logical_and(brain, ellipse | squares)


def _asked(network: nn.Module, seen: torch.Tensor) -> torch.Tensor:
    made: torch.Tensor = network(seen, torch.zeros(len(seen), dtype=torch.int64, device=seen.device)).float()
    return (made + HALF) / SPAN
