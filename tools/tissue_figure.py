"""Draw docs/images/tissue_limits.png: what the tissue methods find, what they miss, and what they take for a lesion.

``python -m tools.tissue_figure``; BRAIN_UAD_DATA names the folder of the shared scans.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks._cases import BenchCase, real_cases, synthetic_cases
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.evaluation.curves import Curves
from napari_brain_uad.io.atomic import atomic_path
from napari_brain_uad.workflows.detect.score import load_detector, score_with

_OUT = Path(__file__).resolve().parent.parent / "docs" / "images" / "tissue_limits.png"
_CASES = (
    ("strega-T1-15-7103", "T1", "blobs superimposed on T1: found"),
    ("strega-T1-15-7104", "T1", "as grey as the cortex around it: missed"),
    ("patient07", "T2", "a real T2: small lesions are not found"),
)
_COLUMNS = {"tissue-restoration": "missing white matter", "tissue-ensemble": "and segmented anomalies"}


def main() -> None:
    """Make the picture."""
    cases = {(case.name, case.sequence): case for case in (*real_cases(), *synthetic_cases())}
    if not cases:
        raise SystemExit("no scan: set BRAIN_UAD_DATA to the shared scans' folder")
    figure = Figure(figsize=(8.4, 9.6), facecolor="black")
    axes = figure.subplots(len(_CASES), 1 + len(_COLUMNS))
    for row, (name, sequence, words) in zip(axes, _CASES, strict=True):
        volume, truth, scores = scored(cases[name, sequence])
        assert volume.mask is not None
        k = int(truth.sum(axis=(0, 1)).argmax())
        rows, columns = (np.flatnonzero(volume.mask[:, :, k].any(axis=axis)) for axis in (0, 1))
        part = (slice(columns[0], columns[-1] + 1), slice(rows[0], rows[-1] + 1), k)
        top = float(np.percentile(volume.data[volume.mask], 99.5))
        _show(row[0], volume.data[part] / top, f"{name}\n{words}", truth[part], "gray")
        for axis, score, title in zip(row[1:], scores, _COLUMNS.values(), strict=True):
            best = Curves(score, truth, volume.mask).best_dice()
            assert best is not None
            _show(axis, score[part], f"{title}\n⌈Dice⌉ {best[0]:.2f} in the whole scan", truth[part], "inferno")
    figure.tight_layout(pad=0.4)
    with atomic_path(_OUT) as temporary:
        figure.savefig(temporary, dpi=100, facecolor="black", metadata={"Software": "napari-brain-uad"})


def scored(case: BenchCase) -> tuple[Volume, NDArray[np.bool_], list[NDArray[np.float32]]]:
    """Scan, truth, and the scores of both methods."""
    volume, truth = case.load(None)
    detectors = [load_detector(method, sequence=case.sequence) for method in _COLUMNS]
    return volume, truth, [score_with(detector, volume, device="cpu").score for detector in detectors]


def _show(axis: Axes, pixels: NDArray[np.float32], title: str, truth: NDArray[np.bool_], colours: str) -> None:
    axis.imshow(pixels.T, cmap=colours, origin="lower", vmin=0, vmax=1)
    if truth.any():
        axis.contour(truth.T, levels=[0.5], colors="#40ff60" if colours != "gray" else "#ff4040", linewidths=0.7)
    axis.set_title(title, color="white", fontsize=8)
    axis.axis("off")


if __name__ == "__main__":
    main()
