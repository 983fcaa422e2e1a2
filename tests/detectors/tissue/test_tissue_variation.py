"""What makes healthy training slices as uneven as real scans."""

import pytest
import torch

from napari_brain_uad.detectors.tissue.tissue_variation import vary_tissue
from napari_brain_uad.preprocessing.tissue_scale import BRIGHTEST, DARKEST, GREY, WHITE
from napari_brain_uad.training.draws import BatchDraw

COUNT, SIZE = 24, 48


@pytest.fixture
def stack() -> torch.Tensor:
    """A disc of grey matter around white matter, in three slices."""
    axis = torch.arange(SIZE) - SIZE / 2
    radius = torch.hypot(axis[:, None], axis[None, :])
    slices = torch.where(radius < 20, torch.where(radius < 14, WHITE, GREY), 0.0)
    return slices[None, None].repeat(COUNT, 3, 1, 1)


def varied(stack: torch.Tensor, roughness: float, seed: int = 1) -> torch.Tensor:
    return vary_tissue(stack, BatchDraw(seed, 0, COUNT, COUNT), roughness)


def test_nothing_changes_without_roughness(stack):
    torch.testing.assert_close(varied(stack, 0.0), stack, atol=1e-5, rtol=0)


def test_the_brain_keeps_its_outline_and_range(stack):
    result = varied(stack, 1.0)
    assert torch.equal(result > 0, stack > 0)
    assert result[stack > 0].min() >= DARKEST
    assert result.max() <= BRIGHTEST


def test_white_matter_becomes_more_uneven_with_roughness(stack):
    inner = (stack == WHITE).all(dim=0)[0]
    spreads = [varied(stack, roughness)[:, 1][:, inner].std(dim=1).median() for roughness in (0.25, 0.5, 1.0)]
    assert spreads[0] < spreads[1] < spreads[2]


def test_deep_white_matter_comes_nearer_to_grey(stack):
    ring = torch.hypot(*torch.meshgrid(*[torch.arange(SIZE) - SIZE / 2] * 2, indexing="ij"))
    results = torch.cat([varied(stack, 1.0, seed)[:, 1] for seed in range(20)])
    centre, edge = (results[:, part].mean(dim=1) for part in (ring < 6, (ring > 10) & (ring < 13)))
    assert (centre - edge).median() < -0.02


def test_only_the_rim_holds_what_is_no_brain(stack):
    result = varied(stack, 1.0)[:, 1]
    outside = (stack[:, 1:2] == 0).to(torch.float32)
    near = torch.nn.functional.max_pool2d(outside, 7, 1, 3)[:, 0] > 0
    rim = near & (stack[:, 1] > 0)
    far = (stack[:, 1] > 0) & ~near
    assert (result[rim] > WHITE + 1).any()
    assert not (result[far & (stack[:, 1] == GREY)] > WHITE + 1).any()


def test_rows_are_those_of_a_whole_batch(stack):
    """A training on several devices sees the same slices as one on a single device."""
    whole = varied(stack, 1.0)
    half = vary_tissue(stack[: COUNT // 2], BatchDraw(1, 0, COUNT // 2, COUNT), 1.0)
    torch.testing.assert_close(half, whole[: COUNT // 2])
