"""Known anomalies among the places of a backbone's features. Imports torch, so methods import it only when they need it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ...sampling.slices import SliceGrid, to_slices
from ...training.session import LabelledScan
from ...training.sources import Samples
from .names import LESION_SHARE


class PairedPlaces:
    """Samples of healthy places, each with a known anomaly behind it, shape (N, 2 (D + 2)).

    Anomalies come one after the other along the healthy ones, so that each is as frequent as the others; batches are shuffled.

    Parameters
    ----------
    healthy : Samples
        Features of places with row and column, (N, D + 2).
    abnormal : array, shape (M, D + 2)
        The same of known anomalies.
    """

    def __init__(self, healthy: Samples, abnormal: NDArray[np.floating]) -> None:
        self._healthy, self._abnormal = healthy, abnormal

    def __len__(self) -> int:
        """See `training.sources.Samples`."""
        return len(self._healthy)

    def images(self, numbers: Any, /) -> NDArray[Any]:
        """See `training.sources.Samples`."""
        return np.concatenate([self._healthy.images(numbers), self._abnormal[np.asarray(numbers) % len(self._abnormal)]], axis=1)

    def brain(self, numbers: Any, /) -> NDArray[np.bool_]:
        """See `training.sources.Samples`."""
        return self._healthy.brain(numbers)


def share_of_lesion(scan: LabelledScan, grid: SliceGrid) -> NDArray[np.float32]:
    """How much of each pixel of a scan's slices is a known anomaly, shape (S, H, W)."""
    return to_slices(scan.volume.with_data(scan.truth.astype(np.float32)), grid).data


def lesion_places(share: NDArray[np.float32], shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Places (S', h, w) as `shape` says of which at least a tenth is lesion, of shares of pixels (S, H, W)."""
    found: NDArray[np.bool_] = functional.adaptive_avg_pool3d(torch.from_numpy(share)[None, None], shape)[0, 0].numpy() >= LESION_SHARE
    return found
