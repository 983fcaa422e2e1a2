"""A Gaussian density of features. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.detector import State

_RIDGE = 0.01
"""Of the mean variance, added to each: features that hardly vary are not to decide alone."""


def fit_gaussian(features: NDArray[np.floating]) -> State:
    """Mean (D,) and whitening (D, D) of features (N, D); the whitening W of a covariance S is lower triangular with ``W' W = S^-1``."""
    mean = features.mean(axis=0, dtype=np.float64)
    away = features - mean
    covariance = away.T @ away / max(1, len(features) - 1)
    covariance += max(_RIDGE * float(np.trace(covariance)) / len(mean), 1e-12) * np.eye(len(mean))
    whitening = np.linalg.inv(np.linalg.cholesky(covariance))
    return {"mean": mean.astype(np.float32), "whitening": whitening.astype(np.float32)}


def mahalanobis_distance(features: torch.Tensor, mean: torch.Tensor, whitening: torch.Tensor) -> torch.Tensor:
    """Mahalanobis distance of features (N, D) over the root of D, shape (N,): about 1 for healthy ones."""
    found: torch.Tensor = ((features - mean) @ whitening.T).norm(dim=1) / math.sqrt(features.shape[1])
    return found


def fit_mixture(features: NDArray[np.floating], components: int, seed: int) -> State:
    """A Gaussian mixture of features (N, D) by scikit-learn, as arrays.

    Parameters
    ----------
    features : array, shape (N, D)
    components : int
        K, as many as there are features at most.
    seed : int
        Of the first means.

    Returns
    -------
    dict of str to array
        "weights" (K,), "means" (K, D) and "factors" (K, D, D): of component k the inverse covariance is ``F F'``.
    """
    from sklearn.mixture import GaussianMixture

    floor = max(_RIDGE * float(features.var(axis=0).mean()), 1e-12)
    mixture = GaussianMixture(min(components, len(features)), reg_covar=floor, random_state=seed).fit(features)
    found = {"weights": mixture.weights_, "means": mixture.means_, "factors": mixture.precisions_cholesky_}
    return {name: np.asarray(array, np.float32) for name, array in found.items()}


def mixture_log_density(features: torch.Tensor, weights: torch.Tensor, means: torch.Tensor, factors: torch.Tensor) -> torch.Tensor:
    """Logarithm of the density of a mixture, as `fit_mixture` gives it, at features (N, D); shape (N,)."""
    away = torch.einsum("nkd,kde->nke", features[:, None] - means, factors)
    volume = factors.diagonal(dim1=1, dim2=2).log().sum(dim=1)
    constant = 0.5 * features.shape[1] * math.log(2.0 * math.pi)
    return torch.logsumexp(weights.log() + volume - constant - 0.5 * away.square().sum(dim=2), dim=1)
