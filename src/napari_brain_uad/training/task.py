"""What a method tells the loop about its network."""

from __future__ import annotations

from typing import Protocol

import torch

from .draws import Draw


class Task(Protocol):
    """A network, and what to minimise.

    `loss` and `pictures` are given the network as Lightning Fabric has wrapped it: call it as ``network(batch)``, not by its other
    methods or its parts, or precision and gradients over several devices are not seen to. Its results are float32.
    """

    def build(self) -> torch.nn.Module:
        """A new network. Torch's random numbers are seeded before, so the same seed gives the same weights."""
        ...

    def loss(self, network: torch.nn.Module, batch: torch.Tensor, draw: Draw) -> dict[str, torch.Tensor]:
        """The parts of the loss, each a number.

        Parameters
        ----------
        network : torch.nn.Module
            In training mode, or in evaluation mode for a validation.
        batch : tensor of float32, shape (rows, channels, ...)
            This process's share of the batch.
        draw : Draw
            For everything random but dropout.

        Returns
        -------
        dict of str to tensor
            "loss" is minimised, the others are reported. Each is a mean over the rows, so that shares of a batch add up.
        """
        ...

    def pictures(self, network: torch.nn.Module, batch: torch.Tensor) -> torch.Tensor:
        """Input, reconstruction and residual of a batch, shape (rows, 3, height, width)."""
        ...
