"""Unsupervised anomaly detection in brain MRI, in napari and headless. Research use only, not for diagnosis.

The Python API, imported on first use so that ``import napari_brain_uad`` stays cheap:

>>> from napari_brain_uad import load, detect, evaluate
>>> scan = load("flair.nii.gz")                            # doctest: +SKIP
>>> detection = detect(scan, method="threshold")           # doctest: +SKIP
>>> evaluate(detection.map, load_mask("truth.nii.gz"))    # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .core.provenance import package_version

_API = {
    "load": "workflows.scans.load",
    "load_mask": "workflows.scans.load",
    "detect": "workflows.detect.detect",
    "save_detection": "workflows.detect.save",
    "evaluate": "workflows.cohort.evaluate",
    "train": "workflows.train.train",
}

__version__ = package_version()
__all__ = ["__version__", *_API]


def __getattr__(name: str) -> Any:
    if name in _API:
        return getattr(import_module(f".{_API[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
