"""How the convolutions of a network that scores are computed on a CPU: as PyTorch chooses, by Winograd's filtering, or in bf16."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, cast, runtime_checkable

import torch
from torch import nn
from torch.nn import functional

from .winograd import NAME, is_plain, uses_winograd, winograd_where_it_pays

BF16 = "bf16"
"""As provenance has it."""

_FEWEST_CHANNELS = 16
"""In and out: the first and last convolutions of a network have one channel; they cost little, and their rounding is seen at once."""


@runtime_checkable
class HasInner(Protocol):
    """A block of a network with convolutions whose results it can take in bf16 as in float32."""

    def inner_convolutions(self) -> Iterable[nn.Module]:
        """These convolutions."""


class Bf16Conv2d(nn.Conv2d):
    """A `Conv2d` whose images, weights and results are rounded to bf16. See `choose_convolutions`.

    It takes float32 or bf16, and gives float32, or bf16 where `inner`. Products are summed in float32. A processor without bf16 computes
    from the same rounded numbers in float32, which saves no time.
    """

    rounded: tuple[torch.Tensor, torch.Tensor | None]
    """Weight and bias, rounded once."""
    inner: bool = False
    """Whether what it gives stays in bf16: whoever comes next has to take that."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Shape (B, outputs, H, W) for images (B, inputs, H, W)."""
        if images.dtype not in (torch.float32, torch.bfloat16) or not images.is_cpu or not len(images):
            return super().forward(images)
        weight, bias = self.rounded
        seen = images.to(torch.bfloat16, memory_format=torch.channels_last).to(weight.dtype)
        # One image at a time takes no longer, and sums whose order depends on the batch would be rounded otherwise.
        made = [functional.conv2d(seen[at : at + 1], weight, bias, padding=self.padding).bfloat16() for at in range(len(seen))]
        found = made[0] if len(made) == 1 else torch.cat(made)
        return found if self.inner else found.float()


def choose_convolutions(network: nn.Module, device: str, precision: str) -> None:
    """Let convolutions of a network be computed as a device is fast with, in place.

    Parameters
    ----------
    network : Module
        Which scores, in float32.
    device : str
        "cpu", "cuda" or "mps": nothing is changed but on a CPU.
    precision : str
        "bf16": wide convolutions of 3 x 3 and of 1 x 1 are `Bf16Conv2d`. Those of 1 x 1, which carry on all that a residual network has
        seen, took an eighth of the time in float32 and add a twentieth to the error. Else by Winograd's filtering where that pays.
    """
    for layer in network.modules():
        if isinstance(layer, Bf16Conv2d):
            layer.__class__ = nn.Conv2d  # type: ignore[assignment]  # the same layer, which computes otherwise
            del layer.rounded
            layer.__dict__.pop("inner", None)
    half = device == "cpu" and precision == "bf16"
    winograd_where_it_pays(network, "" if half else device)
    for layer in network.modules() if half else ():
        if type(layer) is nn.Conv2d and _suits(layer):
            layer.__class__ = Bf16Conv2d
            cast(Bf16Conv2d, layer).rounded = _rounded(layer)
    for block in network.modules() if half else ():
        for layer in block.inner_convolutions() if isinstance(block, HasInner) else ():
            if isinstance(layer, Bf16Conv2d):
                layer.inner = True


def multiplies_bf16() -> bool:
    """Whether this CPU multiplies bf16 by itself; a build of torch may lack oneDNN, which knows."""
    return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())  # type: ignore[no-untyped-call]


def _suits(layer: nn.Conv2d) -> bool:
    plain = is_plain(layer) or (layer.kernel_size == layer.stride == (1, 1) and layer.padding == (0, 0) and layer.groups == 1)
    return plain and min(layer.in_channels, layer.out_channels) >= _FEWEST_CHANNELS


def _rounded(layer: nn.Conv2d) -> tuple[torch.Tensor, torch.Tensor | None]:
    kind = torch.bfloat16 if multiplies_bf16() else torch.float32
    weight = layer.weight.detach().to(torch.bfloat16, memory_format=torch.channels_last).to(kind)
    return weight, None if layer.bias is None else layer.bias.detach().bfloat16().to(kind)


def ways_of(networks: Iterable[nn.Module]) -> str:
    """How convolutions of networks are computed, as provenance has it; nothing where PyTorch chooses all of them."""
    known = list(networks)
    if any(isinstance(layer, Bf16Conv2d) for network in known for layer in network.modules()):
        return BF16
    return NAME if any(map(uses_winograd, known)) else ""
