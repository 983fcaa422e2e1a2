"""The best weights of a training so far, by its validations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from .checkpoints import Snapshot, Weights
from .params import TrainingParams


class Best:
    """The weights of the lowest validation, and for how many validations there was no lower one.

    Nothing is kept unless the settings ask for it: a training that goes on without ends with its last weights.

    Parameters
    ----------
    training : TrainingParams
        Its ``patience`` and ``keep_best`` ask for it.

    Attributes
    ----------
    weights : dict of tensor
        Empty before the first validation, and where nothing is kept.
    """

    def __init__(self, training: TrainingParams) -> None:
        self.asked = training.keep_best or training.patience > 0
        self._patience = training.patience
        self.weights: Weights = {}
        self._loss = math.inf
        self._waited = 0

    @property
    def waited_enough(self) -> bool:
        """Whether the training's patience is at its end."""
        return self._patience > 0 and self._waited >= self._patience

    def look_at(self, loss: float | None, weights: Mapping[str, torch.Tensor]) -> None:
        """Take in a validation, and the weights it was done with."""
        if loss is None or not self.asked:
            return
        if loss < self._loss:
            self._loss, self._waited = loss, 0
            self.weights = {name: value.detach().clone() for name, value in weights.items()}
        else:
            self._waited += 1

    def counts(self) -> dict[str, Any]:
        """What a checkpoint keeps beside the weights, as JSON data."""
        return {"best_loss": self._loss if math.isfinite(self._loss) else None, "waited": self._waited}

    def take_over(self, snapshot: Snapshot, device: torch.device) -> None:
        """Go on from a checkpoint; what it kept is let go where it is not asked for any more."""
        if self.asked and snapshot.best:
            self.weights = {name: value.to(device) for name, value in snapshot.best.items()}
            self._loss, self._waited = snapshot.counts["best_loss"], snapshot.counts["waited"]
