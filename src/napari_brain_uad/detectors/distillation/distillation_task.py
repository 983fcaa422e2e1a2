"""A student that learns a frozen teacher's features. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import nn

from ..backbones.load import Backbone
from ..embedding.backbone_task import BackboneTask, frozen_features
from .pyramids import LEVELS, Pyramid, at_images, cosine_maps


class Distillation(BackboneTask):
    """Base of the tasks with a teacher, which stays outside the network that is trained and saved; see `BackboneTask`."""

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
        return self.features(images, LEVELS)

    @torch.no_grad()
    def scores(self, network: nn.Module, teacher: Backbone, combination: str, images: torch.Tensor) -> torch.Tensor:
        """1 - cosine between both at the pixels (B, H, W), the levels combined as one of `names.COMBINATIONS` says."""
        taught = frozen_features(teacher, images, LEVELS)
        return at_images(cosine_maps(taught, self.student(network, images, taught)), images.shape[-2:], combination)
