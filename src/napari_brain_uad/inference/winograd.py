"""Wide 3 x 3 convolutions on the CPU with a fifth of the multiplications, by what PyTorch brings for it (NNPACK).

Winograd's minimal filtering F(6x6, 3x3) (Lavin, Gray 2016, arXiv:1509.09308): 36 pixels of the result take 64 multiplications for each pair
of channels instead of 324. oneDNN, which PyTorch uses otherwise, has it for other processors only.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial

import torch
from torch import nn

NAME = "Winograd F(6x6, 3x3)"
"""As provenance has it."""

_FEWEST_CHANNELS, _FEWEST_PIXELS = 64, 24 * 24
"""In, out, and of an image: with fewer, the transforms cost more than the multiplications that they save."""
_TOLERANCE = 1e-4
"""Of the trial, relative; float32 gives about 1e-6."""


class WinogradConv2d(nn.Conv2d):
    """A `Conv2d` that is computed so where it pays; see `winograd_where_it_pays`.

    Which way is taken depends on the size of an image and never on the size of the batch: a map would depend on that, too.
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Shape (B, outputs, H, W) for images (B, inputs, H, W)."""
        plain = images.dtype == torch.float32 and images.is_cpu and not images.requires_grad and not torch.is_autocast_enabled("cpu")
        if not plain or not len(images) or images.shape[-2] * images.shape[-1] < _FEWEST_PIXELS:
            return super().forward(images)
        bias = torch.zeros(self.out_channels) if self.bias is None else self.bias
        convolve = partial(_convolve, weight=self.weight.detach(), bias=bias.detach())
        # One image at a time: a batch in one call takes longer. What cores a worker has get an image each.
        one_by_one, cores = images.contiguous()[:, None].unbind(), min(len(images), torch.get_num_threads())
        if cores == 1:
            return torch.cat([convolve(image) for image in one_by_one])
        with ThreadPoolExecutor(cores, thread_name_prefix="images") as pool:
            return torch.cat(list(pool.map(convolve, one_by_one)))


def winograd_where_it_pays(network: nn.Module, device: str) -> None:
    """Let wide convolutions of a network that scores use `WinogradConv2d` on a CPU, and only there, in place.

    It pays where a processor has AVX2 and not AVX-512, with which it has not been measured. Results differ by rounding, about 1e-5 of the
    largest value after the 60 convolutions of the largest diffusion model.
    """
    wanted = device == "cpu" and available()
    before, after = (nn.Conv2d, WinogradConv2d) if wanted else (WinogradConv2d, nn.Conv2d)
    for layer in network.modules():
        if type(layer) is before and _suits(layer):
            # The same layer, with its hooks and its name; only how it computes is another.
            layer.__class__ = after
            layout = torch.contiguous_format if wanted else torch.channels_last
            layer.weight.data = layer.weight.data.contiguous(memory_format=layout)


def uses_winograd(network: nn.Module) -> bool:
    """Whether any layer of the network computes so."""
    return any(isinstance(layer, WinogradConv2d) for layer in network.modules())


@cache
def available() -> bool:
    """Whether this PyTorch and this processor do it, rightly and faster.

    The trial is the first use in this process, and then it is decided for good how many threads NNPACK has: by a thread that counts as the
    only one, as cores get images of their own, and threads of NNPACK's would spin while they wait for each other.
    """
    if torch.backends.cpu.get_cpu_capability() != "AVX2" or not hasattr(torch, "_nnpack_spatial_convolution"):
        return False
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(_trial()), name="trial of NNPACK")
    thread.start()
    thread.join()
    return found == [True]


def _trial() -> bool:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if not torch.backends.nnpack.is_available():  # type: ignore[no-untyped-call]
            return False
        images, weight = (torch.linspace(-1, 1, 16 * size * size).sin().reshape(1, -1, size, size) for size in (24, 12))
        weight = weight.reshape(16, 16, 3, 3)
        expected = torch.conv2d(images, weight, padding=1)
        error = (_convolve(images, weight, torch.zeros(16)) - expected).abs().max()
        return bool(error < _TOLERANCE * expected.abs().max())
    except RuntimeError:
        return False
    finally:
        torch.set_num_threads(before)


def is_plain(layer: nn.Conv2d) -> bool:
    """Whether it is a 3 x 3 convolution that keeps the size of an image."""
    ones, kernel = (layer.stride, layer.dilation, (layer.groups, layer.groups)), (layer.kernel_size, layer.padding, layer.padding_mode)
    return kernel == ((3, 3), (1, 1), "zeros") and all(one == (1, 1) for one in ones)


def _suits(layer: nn.Conv2d) -> bool:
    return is_plain(layer) and min(layer.in_channels, layer.out_channels) >= _FEWEST_CHANNELS


def _convolve(image: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = torch._nnpack_spatial_convolution(image, weight, bias, padding=1)
    return found
