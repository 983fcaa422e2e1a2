"""What a method tells the loop about its network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from .batch import Batch
from .draws import Draw
from .optimization import make_optimizer

if TYPE_CHECKING:
    from .params import TrainingParams

Losses = dict[str, torch.Tensor]
LossFunction = Callable[[torch.nn.Module, Batch, Draw], Losses]


class TrainingStep(ABC):
    """One training step, as `Task.step` works it."""

    number: int
    """Steps done before this one."""

    @abstractmethod
    def minimise(self, loss: LossFunction, optimizer: str = "", *, batch: int = 0) -> None:
        """Go down the gradient of a loss with one of the optimizers, once.

        The loop takes care of number format, clipping, several devices and batches that do not fit into memory.

        Parameters
        ----------
        loss : callable
            As `Task.loss`.
        optimizer : str
            A name of `Task.optimizers`.
        batch : int
            Which of the step's batches, from 0 to ``Task.batches - 1``.
        """


class Task(ABC):
    """A network, and what to minimise.

    Everything but `build` is given the network as Lightning Fabric has wrapped it: call it as ``network(images)``, not by its other
    methods or its parts, or precision and gradients over several devices are not seen to. Its results are float32. A loss that takes a
    gradient itself, as a gradient penalty does, is for float32 alone: its method's training offers no other ``precision``.
    """

    batches: int = 1
    """Batches a step."""
    partial: bool = False
    """Whether a loss of a step leaves weights out, as a critic's does those of a generator: several devices then look for them."""

    @abstractmethod
    def build(self) -> torch.nn.Module:
        """A new network. Torch's random numbers are seeded before, so the same seed gives the same weights."""

    @abstractmethod
    def loss(self, network: torch.nn.Module, batch: Batch, draw: Draw) -> Losses:
        """The parts of the loss, each a number.

        Parameters
        ----------
        network : torch.nn.Module
            In training mode, or in evaluation mode for a validation.
        batch : Batch
            This process's share of the batch.
        draw : Draw
            For everything random but dropout.

        Returns
        -------
        dict of str to tensor
            "loss" is minimised, and looked at in validations; the others are reported. Each is a mean over the rows, so that shares of
            a batch add up.
        """

    def preview(self, network: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Pictures that show how training goes, by what they show; each of shape (rows, ...), from 0 to 1. None by default."""
        return {}

    def optimizers(self, network: torch.nn.Module, training: TrainingParams) -> dict[str, torch.optim.Optimizer]:
        """The optimizers by name: by default one for all weights, called "".

        Their learning rates are set anew at every step, times the ``lr_factor`` of a parameter group that has one.

        Parameters
        ----------
        network : torch.nn.Module
            As it was built.
        """
        return {"": make_optimizer(network.parameters(), training)}

    def step(self, step: TrainingStep) -> None:
        """One step: by default the loss is minimised once."""
        step.minimise(self.loss)
