"""CutPaste's classifier. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses, Task
from ..backbones.catalogue import BACKBONES
from ..backbones.load import normalised
from .cut_paste import cut_paste, scar
from .features import stacked
from .tuning import TunedNetwork, encoder_of, with_first_weights

_HIDDEN, _KINDS = 512, 3


class PieceClassifier(TunedNetwork):
    """Which kind of slice it is, from the mean of the features of some levels of a backbone that is tuned.

    Parameters
    ----------
    encoder : torch.nn.Module
        A backbone's network.
    levels : tuple of int
        Of it.
    channels : int
        Features of them together.
    """

    def __init__(self, encoder: nn.Module, levels: tuple[int, ...], channels: int) -> None:
        super().__init__(encoder)
        self.levels = levels
        self.head = nn.Sequential(nn.Linear(channels, _HIDDEN, bias=False), nn.BatchNorm1d(_HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, _KINDS))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Of grey images (B, 1, H, W): shape (B, 3), higher where it is more likely: untouched, with a piece, with a scar."""
        found: torch.Tensor = self.head(stacked(self.encoder(normalised(images), self.levels)).mean(dim=(2, 3)))
        return found


class CutPasteTask(Task):
    """Three-way classification: slices, the same with a piece pasted, and with a scar.

    Li, Sohn, Yoon, Pfister 2021 (arXiv:2104.04015), equation 1 and section 2.2: cross-entropy, the mean over the three.

    Parameters
    ----------
    backbone, file : str
        As `backbones.load.backbone_weights` has them.
    levels : tuple of int
        Of it.
    """

    partial = True  # levels of the backbone that are not looked at

    def __init__(self, backbone: str, file: str, levels: tuple[int, ...]) -> None:
        self.backbone, self.file, self.levels = backbone, file, levels

    def build(self) -> nn.Module:
        """See `training.task.Task`: the encoder has the backbone's weights."""
        channels = sum(BACKBONES[self.backbone].channels[level - 1] for level in self.levels)
        return with_first_weights(PieceClassifier(encoder_of(self.backbone), self.levels, channels), self.backbone, self.file)

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        found = network(torch.cat([batch.images, cut_paste(batch, draw), scar(batch, draw)]))
        kinds = torch.arange(_KINDS, device=found.device).repeat_interleave(len(batch))
        right = (found.argmax(dim=1) == kinds).float().mean()
        return {"loss": functional.cross_entropy(found, kinds), "right": right}
