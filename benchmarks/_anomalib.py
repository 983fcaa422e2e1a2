"""anomalib where it is installed: it asks for torchvision, of which there is no compiled part for every torch."""

from __future__ import annotations

import importlib.util
from typing import Any

_declared: list[object] = []
"""What is declared goes with its owner."""


def available() -> bool:
    """Whether anomalib is installed."""
    return importlib.util.find_spec("anomalib") is not None


def declare_operators() -> None:
    """Name the operators that torchvision's Python code asks for when it is imported, where its compiled part is not there.

    Nothing is computed with them: they are of object detection.
    """
    import torch

    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]  # torch's own
    for name in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, name):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
