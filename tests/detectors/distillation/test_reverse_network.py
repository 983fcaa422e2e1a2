"""The student of reverse distillation: its shapes, and what each part sees."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from napari_brain_uad.detectors.backbones.catalogue import BACKBONES
from napari_brain_uad.detectors.distillation.reverse_network import ReverseStudent, projection

CHANNELS = (8, 12, 16, 20)


def levels(seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.randn(2, channels, *size, generator=generator) for channels, size in zip(CHANNELS, ((25, 17), (13, 9), (7, 5)), strict=False)
    ]


def test_it_gives_the_levels_again_from_what_the_bottleneck_lets_through() -> None:
    torch.manual_seed(0)
    network = ReverseStudent(CHANNELS).eval()
    decoded, projected, abnormal = network(levels(), levels(1))
    for found in (decoded, projected, abnormal):
        assert [level.shape for level in found] == [level.shape for level in levels()]
    assert network.bottleneck(levels()).shape == (2, 20, 4, 3)
    assert torch.equal(network(levels())[0][0], decoded[0])  # abnormal features change nothing in the student's
    assert network(levels())[2] == []


@pytest.mark.parametrize("level", [0, 1, 2])
def test_every_level_reaches_the_bottleneck(level: int) -> None:
    torch.manual_seed(0)
    network, changed = ReverseStudent(CHANNELS).eval(), levels()
    changed[level] = levels(1)[level]
    assert not torch.allclose(network(changed)[0][0], network(levels())[0][0])


def test_projections_have_the_papers_weights() -> None:
    """Of Wide ResNet-50-2: half, a quarter, half and all of the channels; and each image by itself, in training too."""
    with torch.device("meta"):
        student = ReverseStudent(BACKBONES["wide-resnet50"].channels)
    for project, channels in zip(student.projections, (256, 512, 1024), strict=True):
        widths = (channels, channels // 2, channels // 4, channels // 2, channels)
        expected = sum(9 * one * two + two for one, two in pairwise(widths))
        assert sum(weights.numel() for weights in project.parameters()) == expected
    made, features = projection(8).train(), torch.randn(3, 8, 6, 6)
    assert made(features).shape == features.shape
    assert torch.allclose(made(features)[1:2], made(features[1:2]), atol=1e-5)
