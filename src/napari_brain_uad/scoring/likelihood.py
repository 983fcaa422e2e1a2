"""Where slices differ from reconstructions in their intensity and in their structure.

Bercea et al. multiply residuals with a perceptual distance: in "Mask, stitch, and re-sample" (2023, arXiv:2305.19643) and "Diffusion
models with implicit guidance" (2024, arXiv:2403.08464). Theirs is LPIPS, the distance of features of a SqueezeNet that was trained on
photographs; here it is the structural dissimilarity, which needs no weights, has a fixed scale from 0 to 1 and like LPIPS looks at
what is around a pixel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import residual, structure
from .smooth import gaussian

if TYPE_CHECKING:
    from torch import Tensor

_SMOOTHING = 2.0
"""Sigma in pixels of the smoothing of the perceptual distance (the authors' code of 2024)."""
_LEAST = 1e-8


def likelihood(images: Tensor, reconstruction: Tensor, *, brighter: bool = False) -> Tensor:
    """``|x - r|`` times the smoothed structural dissimilarity of x and r, shape (B, H, W), 0 to 1.

    Parameters
    ----------
    images, reconstruction : tensor, shape (B, C, H, W)
        On a scale from 0 to 1.
    brighter : bool
        ``max(x - r, 0)`` instead: only what is brighter than its reconstruction, like lesions on FLAIR and T2.
    """
    difference = (residual.brighter if brighter else residual.absolute)(images, reconstruction)
    return difference * gaussian(structure.dissimilarity(images, reconstruction), _SMOOTHING)


def harmonic(images: Tensor, samples: Tensor, *, brighter: bool = False) -> Tensor:
    """The harmonic mean of `likelihood` over several reconstructions, shape (B, H, W): high where all of them differ.

    Parameters
    ----------
    images : tensor, shape (B, C, H, W)
    samples : tensor, shape (N, B, C, H, W)
    brighter : bool
        See `likelihood`.
    """
    import torch

    maps = torch.stack([likelihood(images, sample, brighter=brighter) for sample in samples])
    found: Tensor = 1.0 / (1.0 / maps.clamp(min=_LEAST)).mean(dim=0)
    return found
