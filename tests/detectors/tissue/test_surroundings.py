"""What lies around the pixels of slices."""

import torch
from torch.nn import functional

from napari_brain_uad.detectors.tissue.surroundings import depth_of, mean_around, odd, widened


def test_squares_are_those_of_pooling() -> None:
    image = (torch.rand((2, 3, 20, 17), generator=torch.Generator().manual_seed(1)) > 0.8).float()
    for pixels in (1.0, 3.4, 9.0):
        size = odd(pixels)
        torch.testing.assert_close(mean_around(image, pixels), functional.avg_pool2d(image, size, 1, size // 2))
        assert torch.equal(widened(image, pixels), functional.max_pool2d(image, size, 1, size // 2))
    assert [odd(pixels) for pixels in (0.3, 1.0, 2.9, 4.5, 9.0)] == [1, 1, 3, 5, 9]


def test_the_middle_of_wide_tissue_is_deep_and_its_border_is_not() -> None:
    image = torch.zeros((1, 1, 60, 60))
    image[..., 10:50, 10:50] = 1.0
    depth = depth_of(image, 1.0)[0, 0]
    assert depth[30, 30] == 1.0
    assert 0.3 < float(depth[30, 10]) < 0.7
    assert depth[30, 30 - 15] > depth_of(image, 0.5)[0, 0, 30, 30 - 15]  # the same pixels, half as far from the border
