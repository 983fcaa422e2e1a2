"""Each half from the other alone, and both by the same rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.detectors.autoencoder.symmetry_ae import SymmetryAE, SymmetryAEParams
from napari_brain_uad.detectors.nets.baur import SpatialAutoencoder
from napari_brain_uad.detectors.nets.mirrored import MirroredHalves
from napari_brain_uad.detectors.nets.output import Output


class _Same(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> Output:
        return Output(images)


def test_a_network_that_copies_gives_the_mirror_image() -> None:
    images = torch.rand(3, 1, 4, 10)
    np.testing.assert_array_equal(MirroredHalves(_Same())(images).reconstruction, images.flip(3))


def test_a_half_is_predicted_from_the_other_one_alone() -> None:
    torch.manual_seed(0)
    network = MirroredHalves(SpatialAutoencoder(1, 0.0)).eval()
    images = torch.rand(2, 1, 32, 64, requires_grad=True)
    made = network(images).reconstruction
    assert made.shape == images.shape
    (slope,) = torch.autograd.grad(made[0, :, :, :32].abs().sum(), images)
    assert (slope[0, :, :, :32] == 0).all()
    assert slope[0, :, :, 32:].abs().mean() > 0
    assert (slope[1] == 0).all()
    mirrored = network(images.flip(3)).reconstruction
    np.testing.assert_allclose(mirrored.detach(), made.flip(3).detach(), atol=1e-6)


def test_a_half_has_to_be_halved_four_times() -> None:
    with pytest.raises(InputError, match="width"):
        SymmetryAE(SymmetryAEParams(height=64, width=48))
