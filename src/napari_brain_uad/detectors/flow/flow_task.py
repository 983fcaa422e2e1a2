"""What normalising flows of features minimise. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses, Task
from .names import BOUNDARY_SCALE, BOUNDARY_SHARE, BOUNDARY_WIDTH, MARGIN

Contrast = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Of the log-likelihoods (B,), divided by the number of features, of healthy features and of noisy (or known abnormal) ones."""


@dataclass(frozen=True, eq=False)
class FlowTask(Task):
    """Likelihood of healthy features, and that of noisy ones, or of known anomalies, pushed away from it.

    Parameters
    ----------
    make : callable
        The flow.
    loss_name : str
        One of `names.LOSSES`.
    noise : float
        Standard deviation of what is added to features to make abnormal ones of them.
    bounded : bool
        The negative logarithm of the sigmoid of the log-likelihood, instead of its negative: features that are likely already count
        little.
    known : bool
        Samples are pairs: behind the features, row and column of a healthy place are those of a known anomaly, which is pushed away in
        place of noisy features.
    """

    make: Callable[[], nn.Module]
    loss_name: str
    noise: float
    bounded: bool = False
    known: bool = False

    def build(self) -> nn.Module:
        """See `training.task.Task`."""
        return self.make()

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        contrast, count = CONTRASTS[self.loss_name], len(batch)
        if contrast is None:
            likelihood = self._unlikely(network(batch.images)[1])
            return {"loss": likelihood, "likelihood": likelihood}
        _, found = network(*(self._pairs(batch.images) if self.known else self._with_noise(batch.images, draw)))
        likelihood, apart = self._unlikely(found[:count]), contrast(found[:count], found[count:])
        return {"loss": likelihood + apart, "likelihood": likelihood, self.loss_name: apart}

    @staticmethod
    def _pairs(images: torch.Tensor) -> tuple[torch.Tensor]:
        return (torch.cat(images.chunk(2, dim=1)),)

    def _with_noise(self, images: torch.Tensor, draw: Draw) -> tuple[torch.Tensor, torch.Tensor]:
        noise = self.noise * draw.normal((len(images), images.shape[1] - 2))
        return torch.cat([images, images]), torch.cat([torch.zeros_like(noise), noise])

    def _unlikely(self, found: torch.Tensor) -> torch.Tensor:
        return -(functional.logsigmoid(found) if self.bounded else found).mean()


def triplet(likely: torch.Tensor, unlikely: torch.Tensor) -> torch.Tensor:
    """Triplet loss of log-likelihoods: a healthy feature's lies nearer to another healthy one's than to its noisy one's, by a margin of 1.

    Of each sample; the authors' code takes one norm over the batch. The other one is the next of the batch, whose places are drawn.
    """
    return functional.relu((likely - likely.roll(1)).abs() - (likely - unlikely).abs() + MARGIN).mean()


def ranking(likely: torch.Tensor, unlikely: torch.Tensor) -> torch.Tensor:
    """Ranking loss: a healthy feature is more likely than its noisy one, by a margin of 1."""
    return functional.relu(MARGIN - (likely - unlikely)).mean()


def boundary_guided(likely: torch.Tensor, unlikely: torch.Tensor) -> torch.Tensor:
    """Boundary-guided semi-push-pull loss.

    Yao et al. 2023, Explicit boundary guided semi-push-pull contrastive learning for supervised anomaly detection, arXiv:2207.01463:
    the boundary is the log-likelihood that 5 % of the healthy features do not reach; they are pulled above it, and noisy ones (known
    anomalies in the paper) pushed below it by 0.1. As in the authors' code log-likelihoods count a tenth here, and each half is a mean
    over those on the wrong side alone.
    """
    healthy, other = likely / BOUNDARY_SCALE, unlikely / BOUNDARY_SCALE
    boundary = healthy.detach().kthvalue(int(BOUNDARY_SHARE * len(healthy)) + 1).values
    return _mean_of(boundary - healthy) + _mean_of(other - boundary + BOUNDARY_WIDTH)


def _mean_of(beyond: torch.Tensor) -> torch.Tensor:
    """The mean of what is not negative; 0 where nothing is."""
    wrong = (beyond >= 0).to(beyond.dtype)
    return (beyond * wrong).sum() / wrong.sum().clamp(min=1.0)


CONTRASTS: Mapping[str, Contrast | None] = {"triplet": triplet, "ranking": ranking, "boundary-guided": boundary_guided, "none": None}
