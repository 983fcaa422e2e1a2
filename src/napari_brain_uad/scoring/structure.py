"""Structural dissimilarity of slices and their reconstruction.

Wang, Bovik, Sheikh, Simoncelli: "Image quality assessment: from error visibility to structural similarity" (IEEE TIP 2004,
doi:10.1109/TIP.2003.819861), equation 13, with the constants of its section III-C. For its use as an anomaly score see Bercea et al.
and Meissen et al.: "Unsupervised anomaly localization with structural feature-autoencoders" (2022, arXiv:2208.10992).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .smooth import gaussian

if TYPE_CHECKING:
    from torch import Tensor

_C1, _C2 = 0.01**2, 0.03**2


def dissimilarity(images: Tensor, reconstruction: Tensor, sigma: float = 1.5) -> Tensor:
    """``(1 - SSIM) / 2`` at every pixel, 0 to 1, mean over channels.

    Parameters
    ----------
    images, reconstruction : tensor, shape (B, C, ..., H, W)
        On a scale from 0 to 1; of a stack, each slice by itself.
    sigma : float
        Of the Gaussian window, in pixels.

    Returns
    -------
    tensor, shape (B, ..., H, W)
    """
    mean_x, mean_r = gaussian(images, sigma), gaussian(reconstruction, sigma)
    var_x = (gaussian(images.square(), sigma) - mean_x.square()).clamp(min=0)
    var_r = (gaussian(reconstruction.square(), sigma) - mean_r.square()).clamp(min=0)
    covariance = gaussian(images * reconstruction, sigma) - mean_x * mean_r
    ssim = (2 * mean_x * mean_r + _C1) * (2 * covariance + _C2) / ((mean_x.square() + mean_r.square() + _C1) * (var_x + var_r + _C2))
    return ((1 - ssim.clamp(-1, 1)) / 2).mean(dim=1)


def ensemble(images: Tensor, reconstruction: Tensor, sigmas: tuple[float, ...] = (1.0, 1.5, 2.5, 4.0)) -> Tensor:
    """Mean of `dissimilarity` over windows of several sizes: lesions come in several sizes, too."""
    total = dissimilarity(images, reconstruction, sigmas[0])
    for sigma in sigmas[1:]:
        total = total + dissimilarity(images, reconstruction, sigma)
    return total / len(sigmas)
