"""SimpleNet's discriminator, and what it minimises. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from ...training.batch import Batch
from ...training.draws import Draw
from ...training.optimization import make_optimizer
from ...training.task import Losses, Task
from .names import ADAPTER_RATE, DISCRIMINATOR_MARGIN

if TYPE_CHECKING:
    from ...training.params import TrainingParams

_SLOPE = 0.2


class AdaptedDiscriminator(nn.Module):
    """A linear adapter of features, and a perceptron that says how normal they are.

    Parameters
    ----------
    dimension : int
        D, features of a place.
    hidden : int
        Of the perceptron.
    mean, deviation : tensor, shape (D,), optional
        Features are brought to mean 0 and deviation 1 with them; left as they are when None.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, dimension: int, hidden: int, mean: torch.Tensor | None = None, deviation: torch.Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dimension) if mean is None else mean)
        self.register_buffer("deviation", torch.ones(dimension) if deviation is None else deviation)
        self.adapter = nn.Linear(dimension, dimension)
        self.discriminator = nn.Sequential(
            nn.Linear(dimension, hidden), nn.BatchNorm1d(hidden), nn.LeakyReLU(_SLOPE), nn.Linear(hidden, 1, bias=False)
        )

    def forward(self, places: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """How normal features (B, D) are, shape (B,); with `noise` (B, D) those and the same with the noise added, shape (2 B,).

        The noise is added to what the adapter gives.
        """
        adapted = self.adapter((places - self.mean) / self.deviation)
        if noise is not None:
            adapted = torch.cat([adapted, adapted + noise])
        found: torch.Tensor = self.discriminator(adapted)[:, 0]
        return found


@dataclass(frozen=True, eq=False)
class SimpleNetTask(Task):
    """Healthy features above a margin, noisy ones below its negative.

    Parameters
    ----------
    make : callable
        The network.
    noise : float
        Standard deviation of what is added to adapted features.
    """

    make: Callable[[], nn.Module]
    noise: float

    def build(self) -> nn.Module:
        """See `training.task.Task`."""
        return self.make()

    def optimizers(self, network: nn.Module, training: TrainingParams) -> dict[str, torch.optim.Optimizer]:
        """See `training.task.Task`: the adapter learns half as fast."""
        assert isinstance(network, AdaptedDiscriminator)
        groups: list[dict[str, Any]] = [
            {"params": list(network.adapter.parameters()), "lr_factor": ADAPTER_RATE},
            {"params": list(network.discriminator.parameters())},
        ]
        return {"": make_optimizer(groups, training)}

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        count = len(batch)
        found = network(batch.images, self.noise * draw.normal(tuple(batch.images.shape)))
        return {"loss": truncated_l1(found[:count], found[count:])}


def truncated_l1(healthy: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
    """Liu et al. 2023 (arXiv:2303.15140), equation 6, of what the discriminator gives (B,) for both: the mean of what either lacks."""
    return functional.relu(DISCRIMINATOR_MARGIN - healthy).mean() + functional.relu(DISCRIMINATOR_MARGIN + noisy).mean()
