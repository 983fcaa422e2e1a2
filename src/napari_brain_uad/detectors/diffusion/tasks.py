"""What diffusion models minimise, and how they reconstruct. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ...core.progress import Progress
from ...inference.reconstruction import Inference, Scorer
from ...scoring.registry import Evidence, Score
from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses, Task
from .names import STEPS
from .noise import noise_fields
from .passes import SEEDS, fields_of, half_precision, parts
from .patches import PatchGrid
from .process import Denoiser, Process


@dataclass(frozen=True, eq=False)
class DiffusionTask(Task):
    """Images behind noise of a random time step, in one patch of a slice or in all of it.

    Parameters
    ----------
    make : callable
        The network.
    process : Process
        How noise is added.
    kind : str
        One of `names.KINDS`.
    grids : sequence of PatchGrid
        Patches to choose from, with the same chance for each size.
    sampling : {"grid", "random"}
        One cell of the grid, or a patch anywhere.
    everywhere : bool
        The loss is that of the whole slice (L_rec in Behrendt 2023), not of the patch alone (L_p).
    squared : bool
        Squared differences instead of absolute ones.
    shown : int
        Time step of the pictures.
    told : callable
        How the network is asked about clean images (B, 1, H, W): by default of no more than the noisy ones and the time step.
    """

    make: Callable[[], nn.Module]
    process: Process
    kind: str
    grids: Sequence[PatchGrid]
    sampling: str = "grid"
    everywhere: bool = False
    squared: bool = False
    shown: int = 500
    told: Callable[[nn.Module, torch.Tensor], Denoiser] = lambda network, images: network

    def build(self) -> nn.Module:
        """See `training.task.Task`."""
        return self.make()

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        images, count = 2 * batch.images - 1, len(batch)
        steps = draw.integers((count,), 1, STEPS + 1)
        where = self._patches(draw, images)
        noise = noise_fields(self.kind, draw.integers((count,), 0, SEEDS).tolist(), *images.shape[2:]).to(images.device)
        seen = torch.where(where, self.process.noised(images, steps, noise), images)
        error = self.told(network, images)(seen, steps - 1) - (images if self.process.prediction == "image" else noise)
        error = error.square() if self.squared else error.abs()
        counted = torch.ones_like(where) if self.everywhere else where
        return {"loss": ((error * counted).sum(dim=(1, 2, 3)) / counted.sum(dim=(1, 2, 3))).mean()}

    @torch.no_grad()
    def preview(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """The slice, with noise in a patch in its middle, what becomes of it, and the difference; see `training.task.Task`."""
        images, count = 2 * batch.images - 1, len(batch)
        height, width = images.shape[2:]
        grid = self.grids[0]
        middle = torch.tensor([[(height - grid.size[0]) // 2, (width - grid.size[1]) // 2]]).repeat(count, 1)
        where = grid.where(middle).to(images.device)
        noise = noise_fields(self.kind, range(count), height, width).to(images.device)
        steps = torch.full((count,), self.shown, device=images.device)
        seen = torch.where(where, self.process.noised(images, steps, noise), images)
        made = torch.where(where, self.process.predicted(self.told(network, images), seen, steps), images)
        pictures = {"input": images, "noised": seen, "reconstruction": made}
        shown = {name: ((picture[:, 0] + 1) / 2).clamp(0, 1) for name, picture in pictures.items()}
        return {**shown, "difference": (shown["input"] - shown["reconstruction"]).abs()}

    def _patches(self, draw: Draw, images: torch.Tensor) -> torch.Tensor:
        """One patch of each slice, bool, shape (B, 1, H, W)."""
        count = len(images)
        chosen = draw.integers((count,), 0, len(self.grids)).tolist()
        places = draw.uniform((count, 2)).cpu()
        found = [self.grids[which].chosen(place, self.sampling) for which, place in zip(chosen, places, strict=True)]
        return torch.cat(found).to(images.device)


@dataclass(frozen=True, eq=False)
class PatchReconstruction:
    """Every patch of a slice is noised and denoised in its clean surroundings; where patches overlap, their mean counts.

    Patches without brain stay as they are and cost nothing.

    Parameters
    ----------
    process, kind : Process, str
        As of `DiffusionTask`.
    grid : PatchGrid
        The patches.
    start, count : int
        See `Process.denoised`.
    passes : int
        Reconstructions, each with noise of its own. Their mean is the reconstruction, and all are `Evidence.samples`.
    told : callable
        As of `DiffusionTask`.
    """

    process: Process
    kind: str
    grid: PatchGrid
    start: int
    count: int = 1
    passes: int = 1
    told: Callable[[nn.Module, torch.Tensor], Denoiser] = lambda network, images: network

    @torch.no_grad()
    def __call__(self, network: nn.Module, batch: Batch, draw: Draw, progress: Progress) -> Evidence:
        """See `inference.reconstruction.Inference`."""
        corners = self.grid.corners()
        seeds = draw.integers((len(batch), self.passes, len(corners), self.count), 0, SEEDS).cpu()
        work = [(row, cell) for row, brain in enumerate(self.grid.cut(batch.brain[:, None])) for cell in _with_brain(brain)]
        found = [self._once(network, batch, seeds[:, number], work, progress) for number in range(self.passes)]
        samples = torch.stack(found)
        return Evidence(batch.images, samples.mean(dim=0), samples=samples)

    def _once(
        self, network: nn.Module, batch: Batch, seeds: torch.Tensor, work: Sequence[tuple[int, int]], progress: Progress
    ) -> torch.Tensor:
        """One reconstruction of the slices, with the seeds (B, patches, count)."""
        patches = self.grid.cut(batch.images)
        device = batch.images.device.type
        corners = torch.tensor(self.grid.corners())
        for some in parts(work, device, network):
            rows, cells = map(list, zip(*some, strict=True))
            images, where = 2 * batch.images[rows] - 1, self.grid.where(corners[cells]).to(batch.images.device)
            noise = fields_of(self.kind, seeds[rows, cells], images, progress)
            with half_precision(device):
                made = self.process.denoised(self.told(network, images), images, where, noise, start=self.start, count=self.count)
            for image, row, cell in zip((made + 1) / 2, rows, cells, strict=True):
                patches[row, cell] = self.grid.cut(image[None], cell)[0, 0]
        return self.grid.stitched(patches)


@dataclass(frozen=True, eq=False)
class Mean:
    """The mean of what several ways to reconstruct give.

    Parameters
    ----------
    members : sequence of Inference
    """

    members: Sequence[Inference]

    def __call__(self, network: nn.Module, batch: Batch, draw: Draw, progress: Progress) -> Evidence:
        """See `inference.reconstruction.Inference`."""
        found = [member(network, batch, draw, progress).reconstruction for member in self.members]
        return Evidence(batch.images, torch.stack(found).mean(dim=0))


def mean_score(score: Score, members: Sequence[Inference]) -> Scorer:
    """The mean of a score over several ways to reconstruct (Behrendt 2023's ensembles over patch sizes and noise levels)."""

    def scores(network: nn.Module, batch: Batch, draw: Draw, progress: Progress) -> torch.Tensor:
        return torch.stack([score.compute(member(network, batch, draw, progress)) for member in members]).mean(dim=0)

    return scores


def _with_brain(patches: torch.Tensor) -> list[int]:
    """Which patches, (P, 1, h, w), show brain."""
    shown: list[int] = patches.flatten(1).any(dim=1).nonzero()[:, 0].tolist()
    return shown
