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
