"""Number formats: what torch gets wrong in one is kept from the networks."""

from __future__ import annotations

import pytest
import torch

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.training.params import PRECISIONS
from napari_brain_uad.training.precision import choose_precision, guard_narrow


def test_what_a_cpu_computes_in() -> None:
    """Lightning takes float16 there for bf16, with no more than a warning."""
    assert [choose_precision(asked, "cpu")[0] for asked in PRECISIONS if asked != "16"] == ["32", "32", "bf16"]
    assert choose_precision("16", "cuda")[0] == "16"
    with pytest.raises(InputError, match="no training in float16 on a CPU"):
        choose_precision("16", "cpu")


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_convolution_whose_result_is_one_pixel_wide_is_that_of_float32(dimensions: int, width: int) -> None:
    """On processors with AMX torch reads memory there that nobody wrote; what lies in it is made NaN."""
    torch.manual_seed(0)
    kind = torch.nn.Conv2d if dimensions == 2 else torch.nn.Conv3d
    network = torch.nn.Sequential(kind(64, 128, 5, 2, 2), torch.nn.ReLU(), kind(128, 128, 3, 1, 1))
    images = torch.randn(4, 64, *(16,) * (dimensions - 1), width)
    with torch.no_grad():
        exact = network(images)
        guard_narrow(network)
        torch.testing.assert_close(network(images), exact)
        for _ in range(3):
            junk = [torch.full((1 << 16,), float("nan"), dtype=torch.bfloat16) for _ in range(20)]
            junk.clear()
            with torch.autocast("cpu", torch.bfloat16):
                found = network(images)
            assert (found.float() - exact).abs().max() < 0.03 * exact.abs().max()
    assert [type(layer).__name__.startswith("_Narrow") for layer in network] == [True, False, False]


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("width", [1, 2])
def test_the_gradient_of_a_transposed_convolution_of_images_one_pixel_wide_is_that_of_float32(dimensions: int, width: int) -> None:
    """The gradient is a strided convolution whose result is one pixel wide: a training in bf16 became NaN by it, now and then."""
    torch.manual_seed(0)
    kind = torch.nn.ConvTranspose2d if dimensions == 2 else torch.nn.ConvTranspose3d
    network = torch.nn.Sequential(kind(128, 64, 5, 2, 2, output_padding=1))
    images = torch.randn(4, 128, *(2,) * (dimensions - 1), width, requires_grad=True)
    (exact,) = torch.autograd.grad(network(images).square().sum(), images)
    guard_narrow(network)
    for _ in range(3):
        junk = [torch.full((size,), float("nan"), dtype=torch.bfloat16) for size in (1 << 10, 1 << 12, 1 << 14, 1 << 16) for _ in range(20)]
        with torch.autocast("cpu", torch.bfloat16):
            made = network(images)
        junk.clear()
        (found,) = torch.autograd.grad(made.float().square().sum(), images)
        assert (found - exact).abs().max() < 0.05 * exact.abs().max()
    assert made.dtype == (torch.float32 if width == 1 else torch.bfloat16)
