"""Batches of arrays, for tests."""

from __future__ import annotations

import numpy as np
import torch

from napari_brain_uad.training.batch import Batch


def batch_of_images(images: np.ndarray | torch.Tensor, brain: np.ndarray | None = None) -> Batch:
    tensor = torch.as_tensor(images)
    where = torch.ones((len(tensor), *tensor.shape[2:]), dtype=torch.bool) if brain is None else torch.from_numpy(brain)
    return Batch(tensor, where, torch.arange(len(tensor)))
