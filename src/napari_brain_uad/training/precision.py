"""Number format and memory layout that a device is fast with."""

from __future__ import annotations

import platform

import torch

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
        "32", "bf16" or "16". "auto" is bf16 where the device computes with it by itself: emulated, it is slower than float32.
    """
    if asked != "auto":
        return asked, f"{asked} (as asked)"
    fast = {"cuda": _cuda_has_bf16, "cpu": _cpu_has_bf16}.get(device, lambda: False)()
    return ("bf16", f"bf16: this {device} is fast with it") if fast else ("32", f"float32: this {device} is not faster with bf16")


def _cuda_has_bf16() -> bool:
    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def _cpu_has_bf16() -> bool:
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return False
    if platform.machine().lower() in ("arm64", "aarch64"):
        return True
    # Asked for by name: torch before 2.5 does not know them, and then float32 is the safe answer.
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, check, lambda: False)() for check in checks)


def fabric_precision(precision: str) -> str:
    """The name Lightning Fabric has for it. Weights stay in float32."""
    return _FABRIC[precision]


def channels_last(network: torch.nn.Module) -> None:
    """Lay the weights of convolutions out with the channels last, in place: much faster on CPUs and on tensor cores."""
    for weight in network.parameters():
        layout = _layout(weight.dim())
        if layout is not None:
            weight.data = weight.data.contiguous(memory_format=layout)


def to_layout(batch: torch.Tensor) -> torch.Tensor:
    """A batch with its channels last; a copy only if it has to be."""
    layout = _layout(batch.dim())
    return batch if layout is None else batch.contiguous(memory_format=layout)


def _layout(dimensions: int) -> torch.memory_format | None:
    return {4: torch.channels_last, 5: torch.channels_last_3d}.get(dimensions)
