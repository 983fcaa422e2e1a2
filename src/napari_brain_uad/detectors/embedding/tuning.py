"""Backbones that are tuned and become part of the model. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

from typing import Self

import torch
from torch import nn

from ..backbones.catalogue import BACKBONES
from ..backbones.load import Backbone, backbone_weights, network_class


class TunedNetwork(nn.Module):
    """Base of the networks around a backbone that is tuned, its `encoder`.

    Parameters
    ----------
    encoder : torch.nn.Module
        A backbone's network.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def train(self, mode: bool = True) -> Self:
        """The encoder's running statistics stay those of its first training."""
        super().train(mode)
        self.encoder.eval()
        return self


def with_first_weights(network: TunedNetwork, backbone: str, file: str) -> TunedNetwork:
    """The network with the backbone's weights in its encoder, unless there is no memory behind them (torch's "meta").

    Raises
    ------
    InputError, ModelError
        As `backbones.load.backbone_weights` has them.
    """
    if not next(network.encoder.parameters()).is_meta:
        state = backbone_weights(backbone, file).state
        network.encoder.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    return network


def encoder_of(backbone: str) -> nn.Module:
    """A backbone's network with weights by chance, which `with_first_weights` or a state replaces."""
    return network_class(BACKBONES[backbone])()


def tuned_backbone(backbone: str, network: nn.Module) -> Backbone:
    """The encoder of a tuned network as a backbone; no file of weights is needed."""
    assert isinstance(network, TunedNetwork)
    return Backbone(BACKBONES[backbone], network.encoder, "")
