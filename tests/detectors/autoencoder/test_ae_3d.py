"""The autoencoder of volumes: its size by hand, that it sees across slices, and brains apart from each other."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.detectors.autoencoder.ae_3d import VolumeAE, VolumeAEParams
from napari_brain_uad.detectors.nets.volume import VolumeAutoencoder


def test_the_paper_preset_is_as_large_as_the_papers() -> None:
    widths, latent, flat = (1, 64, 128, 256, 512, 1024), 663, 1024 * 3 * 6 * 6
    convolutions = sum(4**3 * one * two for one, two in pairwise(widths))
    norms = 2 * (sum(widths[1:]) + sum(widths[1:-1]))
    counted = 2 * convolutions + norms + 1 + 2 * flat * latent + flat + latent
    found = VolumeAE(VolumeAEParams.preset("paper")).parameter_count()
    assert found == counted
    assert found / 1e6 == pytest.approx(235.82, abs=0.1)  # table 3 of Zhang, Mohsenzadeh 2025


@torch.no_grad()
def test_each_slice_depends_on_all_and_each_brain_on_itself_alone() -> None:
    torch.manual_seed(0)
    network = VolumeAutoencoder(1, (8, 16, 12), (4, 6), 5).eval()
    brains = torch.rand(2, 1, 8, 16, 12)
    other = brains.clone()
    other[0, :, 2] = 1 - other[0, :, 2]
    found = network(brains).reconstruction
    assert found.shape == brains.shape
    changed = (network(other).reconstruction - found).abs().amax(dim=(1, 3, 4))
    assert (changed[0] > 1e-5).all()
    assert changed[1].max() == 0
    torch.testing.assert_close(network(brains[1:]).reconstruction, found[1:], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["depth", "height", "width"])
def test_sides_have_to_be_halved_as_often_as_there_are_widths(name: str) -> None:
    VolumeAE(VolumeAEParams(height=16, width=16, depth=8, widths=(8, 8, 8)))
    with pytest.raises(InputError, match=name):
        VolumeAE(VolumeAEParams(**{"height": 16, "width": 16, "depth": 8, name: 12}, widths=(8, 8, 8)))  # type: ignore[arg-type]
