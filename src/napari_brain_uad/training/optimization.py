"""Optimizers, the course of the learning rate, and the moving average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from .params import TrainingParams


def make_optimizer(parameters: Iterable[torch.nn.Parameter] | Iterable[dict[str, Any]], training: TrainingParams) -> torch.optim.Optimizer:
    """The optimizer of these settings for weights, or for groups of them; its learning rate is set anew at every step.

    A group is what torch takes for one, with its ``lr_factor`` (see `set_learning_rate`).
    """
    weights: list[Any] = [one for one in parameters if isinstance(one, dict) or one.requires_grad]
    betas = (training.beta1, training.beta2)
    if training.optimizer == "sgd":
        return torch.optim.SGD(weights, training.learning_rate, momentum=training.beta1, weight_decay=training.weight_decay)
    kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam
    amsgrad = training.optimizer == "adam-amsgrad"
    return kind(weights, training.learning_rate, betas=betas, weight_decay=training.weight_decay, amsgrad=amsgrad)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all groups, times the ``lr_factor`` that a group may have."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_factor", 1.0)


def learning_rate(step: int, training: TrainingParams) -> float:
    """The learning rate of a step, counted from 0.

    It rises linearly over the warm-up; then it stays ("constant"), or falls along half a cosine to 0 ("cosine"). "one-cycle" rises
    over the first three tenths from 1/25 of the highest and falls to nearly 0, both along cosines (Smith and Topin 2018,
    arXiv:1708.07120), and has no other warm-up.
    """
    highest, steps = training.learning_rate, training.steps
    if training.schedule == "one-cycle":
        top = max(1.0, 0.3 * steps)
        if step < top:
            return _cosine(highest / 25, highest, step / top)
        return _cosine(highest, highest * 4e-6, (step - top) / max(1.0, steps - top))
    if step < training.warmup_steps:
        return highest * (step + 1) / training.warmup_steps
    if training.schedule == "constant":
        return highest
    return _cosine(highest, 0.0, (step - training.warmup_steps) / max(1, steps - training.warmup_steps))


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, fraction)))


class MovingAverage:
    """An exponential moving average of a network's weights and running statistics; counts are taken as they are.

    Parameters
    ----------
    network : torch.nn.Module
        Its weights at this moment are where the average starts.
    decay : float
        Share of the old average that is kept at each step. Early on it is less, ``(1 + step) / (10 + step)``, so that the first
        weights are soon forgotten.
    """

    def __init__(self, network: torch.nn.Module, decay: float) -> None:
        self._decay = decay
        self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: torch.nn.Module, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        share = 1.0 - min(self._decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, share)
            else:
                self.weights[name].copy_(value)

    @contextmanager
    def in_use(self, network: torch.nn.Module) -> Iterator[None]:
        """The network with the average for its weights, for as long as the context lasts."""
        own = {name: value.detach().clone() for name, value in network.state_dict().items()}
        network.load_state_dict(self.weights)
        try:
            yield
        finally:
            network.load_state_dict(own)
