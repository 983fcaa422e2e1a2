"""A student that learns a frozen teacher's features. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

from abc import abstractmethod
from typing import cast

import torch
from torch import nn

from ...training.task import Task
from ..backbones.load import Backbone, load_backbone
from .pyramids import LEVELS, Pyramid, at_images, cosine_maps


class Distillation(Task):
    """Base of the tasks with a teacher, which stays outside the network that is trained and saved.

    Parameters
    ----------
    backbone, file : str
        The teacher, as `backbones.load.backbone_weights` has them.
    """

    def __init__(self, backbone: str, file: str) -> None:
        self.backbone, self.file = backbone, file
        self._teacher: Backbone | None = None

    @abstractmethod
    def student(self, network: nn.Module, images: torch.Tensor, taught: Pyramid) -> Pyramid:
        """The student's features of the levels 1 to 3.

        Parameters
        ----------
        network : torch.nn.Module
            The student.
        images : tensor, shape (B, 1, H, W)
            Grey, from 0 to 1.
        taught : sequence of tensor
            The teacher's features of them.
        """

    def taught(self, images: torch.Tensor) -> Pyramid:
        """The teacher's features of images (B, 1, H, W), levels 1 to 3, without gradient."""
        if self._teacher is None:
            self._teacher = load_backbone(self.backbone, self.file)
        self._teacher.network.to(images.device)
        return pyramid(self._teacher, images)

    @torch.no_grad()
    def scores(self, network: nn.Module, teacher: Backbone, combination: str, images: torch.Tensor) -> torch.Tensor:
        """1 - cosine between both at the pixels (B, H, W), the levels combined as one of `names.COMBINATIONS` says."""
        taught = pyramid(teacher, images)
        return at_images(cosine_maps(taught, self.student(network, images, taught)), images.shape[-2:], combination)


def pyramid(teacher: Backbone, images: torch.Tensor) -> Pyramid:
    """A teacher's features of the levels 1 to 3, without gradient."""
    with torch.no_grad():
        return cast(Pyramid, teacher.features(images, LEVELS))
