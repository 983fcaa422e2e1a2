"""Log-likelihoods by a trained flow, as the flow gives them but for rounding, with less to compute.

Imports torch, so methods import it only when they need it. What is left out or done once changes nothing of the result: the rotation
behind the last coupling, since a rotation keeps lengths; what a coupling's first layer makes of a place, which is the same in every slice;
the scale and offset in front of a rotation, which go into its matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from ...core.progress import Progress
from ...inference.convolutions import multiplies_bf16
from .conditional import ConditionalFlow, position, standard_normal

_PLACES = 1024
"""Places that go through a flow at once; what lies between its layers then stays near the processor."""


@dataclass(frozen=True, eq=False)
class _Product:
    """Multiplies rows (B, n) with a matrix and adds an offset, both float32.

    Parameters
    ----------
    weights : tensor, shape (n, m)
        In bf16 if the device multiplies that by itself, else in float32.
    rounded : bool
        Whether weights and rows are rounded to bf16; products are summed in float32.
    """

    weights: torch.Tensor
    rounded: bool

    @classmethod
    def of(cls, weights: torch.Tensor, precision: str) -> _Product:
        """In a number format of `names.PRECISIONS`."""
        if precision != "bf16":
            return cls(weights, rounded=False)
        # Emulated, products of bf16 are slower than those of float32: there the rounded numbers are multiplied in float32.
        native = weights.is_cuda or (weights.device.type == "cpu" and multiplies_bf16())
        half = weights.to(torch.bfloat16)
        return cls(half.contiguous() if native else half.float(), rounded=True)

    def __call__(self, rows: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        """Shape (B, m)."""
        if not self.rounded:
            return torch.addmm(offset, rows, self.weights)
        made = torch.mm(rows.to(torch.bfloat16).to(self.weights.dtype), self.weights)
        return made.to(torch.bfloat16).float().add_(offset)


@dataclass(frozen=True, eq=False)
class _Coupling:
    """One block of FrEIA (``AllInOneBlock``) in the order of its computation.

    Parameters
    ----------
    features, second : _Product, n1 to hidden and hidden to 2 n2
        Weights of its perceptron, of the n1 features that pass unchanged.
    of_places : tensor, shape (P, hidden)
        What the first layer makes of each place, with its bias.
    second_bias : tensor, shape (2 n2,)
    clamp : float
    rotation : _Product, D to D, or tensor, shape (D,)
        Scale and rotation in one; of the last block scale alone.
    offset : tensor, shape (D,)
        Turned with the rest.
    volume : tensor
        Logarithm of the volume that the scale changes.
    """

    features: _Product
    of_places: torch.Tensor
    second: _Product
    second_bias: torch.Tensor
    clamp: float
    rotation: _Product | torch.Tensor
    offset: torch.Tensor
    volume: torch.Tensor

    def __call__(self, latents: torch.Tensor, place: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of latents (B, D) and the numbers of their places (B,): what comes out, and the logarithms of the changes of volume (B,)."""
        inputs = len(self.features.weights)
        kept, changed = latents[:, :inputs], latents[:, inputs:]
        hidden = self.features(kept, self.of_places[place]).relu_()
        scale, shift = self.second(hidden, self.second_bias).chunk(2, dim=1)
        scale = scale.tanh().mul_(self.clamp)
        together = torch.cat([kept, torch.addcmul(shift, changed, scale.exp())], dim=1)
        if isinstance(self.rotation, _Product):
            out = self.rotation(together, self.offset)
        else:
            out = together.mul_(self.rotation).add_(self.offset)
        return out, scale.sum(dim=1) + self.volume


@torch.no_grad()
def log_likelihoods(
    flow: nn.Module, places: NDArray[np.float32], device: torch.device | str, progress: Progress, precision: str = "32"
) -> NDArray[np.float32]:
    """What a `ConditionalFlow` says of features with the row and column of their places (N, D + 2): shape (N,).

    With a `precision` of "bf16", matrices and what is multiplied with them are rounded to bf16.
    """
    assert isinstance(flow, ConditionalFlow)
    where, place = np.unique(places[:, flow.dimension :], axis=0, return_inverse=True)
    couplings = _couplings(flow, position(torch.from_numpy(where).to(device)), precision)
    number = torch.from_numpy(place.reshape(-1)).to(device)
    found = np.empty(len(places), np.float32)
    for start in range(0, len(places), _PLACES):
        progress.update(start / len(places), "Likelihoods")
        features = torch.from_numpy(places[start : start + _PLACES, : flow.dimension]).to(device)
        latents, volume = (features - flow.mean) / flow.deviation, torch.zeros(len(features), device=device)
        for coupling in couplings:
            latents, change = coupling(latents, number[start : start + _PLACES])
            volume = volume + change
        found[start : start + _PLACES] = standard_normal(latents, volume).cpu().numpy()
    return found


def _couplings(flow: ConditionalFlow, where: torch.Tensor, precision: str) -> list[_Coupling]:
    blocks: list[Any] = list(flow.blocks)
    return [_coupling(block, where, precision, last=block is blocks[-1]) for block in blocks]


def _coupling(block: Any, where: torch.Tensor, precision: str, *, last: bool) -> _Coupling:
    first, second = block.subnet[0], block.subnet[2]
    kept = block.splits[0]
    scale, offset = block.global_scale_activation(block.global_scale)[0], block.global_offset[0]
    rotation = block.w_perm
    return _Coupling(
        _Product.of(first.weight[:, :kept].T, precision),
        functional.linear(where, first.weight[:, kept:], first.bias),
        # FrEIA makes what the perceptron gives ten times smaller.
        _Product.of((0.1 * second.weight).T, precision),
        0.1 * second.bias,
        block.clamp,
        scale if last else _Product.of((rotation * scale).T, precision),
        offset if last else rotation @ offset,
        scale.log().sum(),
    )
