"""Number format and memory layout that a device is fast with."""

from __future__ import annotations

from typing import Any, cast

import torch

from .params import check_precision

_FABRIC = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}


def choose_precision(asked: str, device: str) -> tuple[str, str]:
    """The number format to compute in, and why, in words.

    Parameters
    ----------
    asked : str
        One of `training.params.PRECISIONS`.
    device : str
        "cpu", "cuda" or "mps".

    Returns
    -------
    precision, words : str
        "32", "bf16" or "16". "auto" is bf16 on GPUs that compute with it by themselves: emulated, it is slower than float32. CPUs compute
        in float32 unless asked otherwise, so that training and map are the same on all of them: on those with AMX, bf16 changed maps by up
        to 3 %, and one training of the contract suite broke down.

    Raises
    ------
    InputError
        As `params.check_precision`.
    """
    check_precision(asked, device)
    if asked != "auto":
        return asked, f"{asked} (as asked)"
    if device == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16", "bf16: this cuda is fast with it"
    return "32", f"float32: as on every {device}" if device == "cpu" else f"float32: this {device} is not faster with bf16"


def fabric_precision(precision: str) -> str:
    """The name Lightning Fabric has for it. Weights stay in float32."""
    return _FABRIC[precision]


def channels_last(network: torch.nn.Module) -> None:
    """Lay the weights of convolutions out with the channels last, in place: much faster on CPUs and on tensor cores."""
    for weight in network.parameters():
        layout = _layout(weight.dim())
        if layout is not None:
            weight.data = weight.data.contiguous(memory_format=layout)


class _NarrowInFloat32(torch.nn.Module):
    """A strided convolution that computes in float32 where its result is one pixel wide; see `guard_narrow`."""

    def _wide(self, images: torch.Tensor) -> bool:
        layer = cast(torch.nn.Conv2d, self)
        padding = layer.padding[-1]
        reach = layer.dilation[-1] * (layer.kernel_size[-1] - 1) + 1
        return isinstance(padding, str) or images.shape[-1] + 2 * padding - reach >= layer.stride[-1]

    def forward(self, images: torch.Tensor, *more: Any) -> torch.Tensor:
        if self._wide(images) or not torch.is_autocast_enabled("cpu"):
            return cast(torch.Tensor, super().forward(images, *more))
        with torch.autocast("cpu", enabled=False):
            return cast(torch.Tensor, super().forward(images.float(), *more))


class _TransposedInFloat32(_NarrowInFloat32):
    """A transposed one: its gradient is a strided convolution whose result is as wide as the images."""

    def _wide(self, images: torch.Tensor) -> bool:
        return images.shape[-1] > 1


class _Narrow2d(_NarrowInFloat32, torch.nn.Conv2d):
    pass


class _Narrow3d(_NarrowInFloat32, torch.nn.Conv3d):
    pass


class _Transposed2d(_TransposedInFloat32, torch.nn.ConvTranspose2d):
    pass


class _Transposed3d(_TransposedInFloat32, torch.nn.ConvTranspose3d):
    pass


_NARROW: dict[type[torch.nn.Module], type[torch.nn.Module]] = {
    torch.nn.Conv2d: _Narrow2d,
    torch.nn.Conv3d: _Narrow3d,
    torch.nn.ConvTranspose2d: _Transposed2d,
    torch.nn.ConvTranspose3d: _Transposed3d,
}


def guard_narrow(network: torch.nn.Module) -> None:
    """Keep a network that computes in bf16 on a CPU from what torch gets wrong there, in place.

    With AMX, convolutions with a stride whose result is one pixel wide read memory that nobody wrote (torch 2.13: NaN, or anything), and so
    do the gradients of transposed ones of images of that width. Images are that narrow behind the last level of a small network.
    """
    for layer in network.modules():
        if type(layer) in _NARROW and cast(torch.nn.Conv2d, layer).stride[-1] > 1:
            layer.__class__ = _NARROW[type(layer)]  # the same layer, which looks at its images first


def to_layout(batch: torch.Tensor) -> torch.Tensor:
    """A batch with its channels last; a copy only if it has to be."""
    layout = _layout(batch.dim())
    return batch if layout is None else batch.contiguous(memory_format=layout)


def laid_out_as(images: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Images (B, C, H, W) with their channels last if those of a convolution's weight are; a copy only if it has to be.

    An image of one channel is laid out both ways, and what a first convolution makes of it has its channels first. Where such maps are
    added to others, block after block, each convolution would lay them out anew: a third of the time in bf16.
    """
    last = weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
    return images.contiguous(memory_format=torch.channels_last) if last else images


def _layout(dimensions: int) -> torch.memory_format | None:
    return {4: torch.channels_last, 5: torch.channels_last_3d}.get(dimensions)
