"""Unsupervised anomaly detection in brain MRI, in napari and headless. Research use only, not for diagnosis.

The Python API, imported on first use so that ``import napari_brain_uad`` stays cheap:

>>> from napari_brain_uad import detect, evaluate, load, load_mask, save_detection
>>> scan = load("flair.nii.gz")
>>> scan.sequence, scan.data.shape, scan.data.dtype
('FLAIR', (40, 44, 30), dtype('float32'))
>>> detection = detect(scan, "threshold@bins=64", mask="brain.nii.gz")
>>> detection.map.method, len(detection.result.regions)
('threshold', 2)
>>> truth = load_mask("lesions.nii.gz", scan, label="ground truth")
>>> evaluate(detection.map, truth)["auprc"].text
'0.8301'
>>> sorted(save_detection(detection, "results"))[:3]
['brainmask', 'figure', 'labels']
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` alone takes longer to import than all of this: signals during it would find no handler
if TYPE_CHECKING:
    # What a type checker sees; a name that is not here is then an error.
    from .workflows.cohort.evaluate import evaluate as evaluate
    from .workflows.compare.compare import compare as compare
    from .workflows.detect.detect import detect as detect
    from .workflows.detect.save import save_detection as save_detection
    from .workflows.detect.several import detect_several as detect_several
    from .workflows.scans.load import load as load
    from .workflows.scans.load import load_mask as load_mask
    from .workflows.train.train import train as train

__version__: str
__all__ = ["__version__", "compare", "detect", "detect_several", "evaluate", "load", "load_mask", "save_detection", "train"]

_API = {
    "load": "workflows.scans.load",
    "load_mask": "workflows.scans.load",
    "detect": "workflows.detect.detect",
    "detect_several": "workflows.detect.several",
    "compare": "workflows.compare.compare",
    "save_detection": "workflows.detect.save",
    "evaluate": "workflows.cohort.evaluate",
    "train": "workflows.train.train",
}

if not TYPE_CHECKING:

    def __dir__() -> list[str]:
        # What is imported on first use is listed, too: for completion and `dir`.
        return sorted({*globals(), *__all__})

    def __getattr__(name: str) -> object:
        from importlib import import_module

        if name == "__version__":
            return import_module(".core.provenance", __name__).package_version()
        if name in _API:
            return getattr(import_module(f".{_API[name]}", __name__), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
