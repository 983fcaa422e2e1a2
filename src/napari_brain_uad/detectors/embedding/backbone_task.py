"""A task with a frozen backbone beside its network. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

import torch

from ...training.task import Task
from ..backbones.load import Backbone, load_backbone


class BackboneTask(Task):
    """Base of the tasks with a frozen backbone, which stays outside the network that is trained and saved.

    Parameters
    ----------
    backbone, file : str
        As `backbones.load.backbone_weights` has them.
    """

    def __init__(self, backbone: str, file: str) -> None:
        self.backbone, self.file = backbone, file
        self._teacher: Backbone | None = None

    def features(self, images: torch.Tensor, levels: tuple[int, ...]) -> list[torch.Tensor]:
        """The backbone's features of images (B, 1, H, W), without gradient; it is loaded when it is first asked."""
        if self._teacher is None:
            self._teacher = load_backbone(self.backbone, self.file)
        self._teacher.network.to(images.device)
        return frozen_features(self._teacher, images, levels)


@torch.no_grad()
def frozen_features(backbone: Backbone, images: torch.Tensor, levels: tuple[int, ...]) -> list[torch.Tensor]:
    """A backbone's features of images (B, 1, H, W), without gradient."""
    return backbone.features(images, levels)
