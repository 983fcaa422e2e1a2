"""A network that trains in milliseconds, with everything in it that could make a resumed training differ: batch norm, dropout, draws."""

from __future__ import annotations

import numpy as np
import torch

from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import Draw
from napari_brain_uad.training.loop import ArraySource, Task
from napari_brain_uad.training.params import TrainingParams

PARAMS = TrainingParams(steps=24, batch_size=6, learning_rate=1e-2, precision="32", validate_every=5, checkpoint_every=4)


def samples(count: int, seed: int, size: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).random((count, 1, size, size), np.float32)


def source(seed: int = 0) -> ArraySource:
    return ArraySource(samples(20, 1), samples(7, 2), seed)


class TinyTask(Task):
    """A small autoencoder of noisy pictures."""

    def __init__(self, *, norm: bool = True, dropout: float = 0.1) -> None:
        self.norm, self.dropout = norm, dropout

    def build(self) -> torch.nn.Module:
        nn = torch.nn
        norm = nn.BatchNorm2d(4) if self.norm else nn.Identity()
        return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), norm, nn.ReLU(), nn.Dropout(self.dropout), nn.Conv2d(4, 1, 3, padding=1))

    def loss(self, network: torch.nn.Module, batch: Batch, draw: Draw) -> dict[str, torch.Tensor]:
        images = batch.images
        reconstruction = network(images + 0.1 * draw.normal(images.shape))
        return {"loss": ((reconstruction - images) ** 2).mean(), "l1": (reconstruction - images).abs().mean()}

    def preview(self, network: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        image, reconstruction = batch.images[:, 0], network(batch.images)[:, 0]
        return {"input": image, "reconstruction": reconstruction, "difference": image - reconstruction}
