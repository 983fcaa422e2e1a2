"""Slices that are averaged before they are scored."""

from __future__ import annotations

import pytest
import torch

from napari_brain_uad.detectors.embedding.features import aggregated


@pytest.mark.parametrize(("count", "depth"), [(9, 3), (10, 4), (7, 7), (5, 1)])
def test_slices_are_aggregated_as_adaptive_pooling_does(count: int, depth: int) -> None:
    slices = torch.rand(count, 2, 3, 4)
    wanted = torch.nn.functional.adaptive_avg_pool1d(slices.flatten(1).T[None], depth)[0].T.reshape(depth, 2, 3, 4)
    torch.testing.assert_close(aggregated(slices, depth), wanted)
