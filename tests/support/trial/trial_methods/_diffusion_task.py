from __future__ import annotations

import torch
from torch import nn

from napari_brain_uad.detectors.base.tasks import compared
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import Draw
from napari_brain_uad.training.task import Losses, Task


class Denoiser(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 8, 7, padding=3), nn.SiLU(), nn.Conv2d(8, 1, 7, padding=3))
        # As a schedule of noise has: computed, and not saved.
        self.register_buffer("schedule", torch.linspace(0, 1, 10), persistent=False)
        self.register_buffer("used", torch.zeros(4, dtype=torch.int64))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.used += 1
        found: torch.Tensor = self.layers(images) * self.schedule[-1]
        return found.clamp(0, 1.2)


class DenoisingTask(Task):
    def __init__(self, noise: float) -> None:
        self.noise = noise

    def build(self) -> nn.Module:
        return Denoiser()

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        images = batch.images
        error = (network(images + self.noise * draw.normal(images.shape)) - images).abs()
        # Of the brain alone, which the sample knows.
        return {"loss": (error * batch.brain[:, None]).mean()}

    @torch.no_grad()
    def preview(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        return compared(batch.images, network(batch.images))
