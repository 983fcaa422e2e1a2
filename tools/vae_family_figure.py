"""Draw docs/images/vae_family.png: what the autoencoders make of one real T1 slice with lesions.

``python -m tools.vae_family_figure``; BRAIN_UAD_DATA names the folder of the shared scans, BRAIN_UAD_MODELS that of the models that do
not come with the package.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks._cases import BenchCase, real_cases
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.detectors.base.reconstruction import ReconstructionDetector
from napari_brain_uad.detectors.registry import create, method_class
from napari_brain_uad.evaluation.curves import Curves
from napari_brain_uad.io.atomic import atomic_path
from napari_brain_uad.io.checkpoint import load_checkpoint
from napari_brain_uad.sampling.slices import to_slices
from napari_brain_uad.workflows.models.models import default_model

_OUT = Path(__file__).resolve().parent.parent / "docs" / "images" / "vae_family.png"
_WHO, _SEQUENCE = "patient19", "T1"
_METHODS = ("vae", "ce-vae", "ae-spatial", "cce-vae")
_MARGIN = 3
_PIXELS = ("image", "reconstruction", "score", "truth")


@dataclass(frozen=True)
class Seen:
    """A slice as one method sees it: input, reconstruction and score, rows to anterior, columns to the right."""

    title: str
    image: NDArray[np.float32]
    reconstruction: NDArray[np.float32]
    score: NDArray[np.float32]
    truth: NDArray[np.bool_]


def main() -> None:
    """Make the picture."""
    case = next((one for one in real_cases() if (one.name, one.sequence) == (_WHO, _SEQUENCE)), None)
    if case is None:
        raise SystemExit("no scan: set BRAIN_UAD_DATA to the shared scans' folder")
    with atomic_path(_OUT) as temporary:
        draw([seen(method, case) for method in _METHODS]).savefig(
            temporary, dpi=110, facecolor="black", metadata={"Software": "napari-brain-uad"}
        )


def seen(method: str, case: BenchCase) -> Seen:
    """The slice with most lesion, through one method."""
    import torch

    volume, truth = case.load(None)
    model = default_model(method, case.sequence)
    if model is None:
        raise SystemExit(f"no model of {method}: train one (brain-uad train --recipe) and set BRAIN_UAD_MODELS to its folder")
    checkpoint = load_checkpoint(model.path)
    detector = create(method, method_class(method).Params.from_dict(checkpoint.params))
    assert isinstance(detector, ReconstructionDetector)
    detector.load_state(checkpoint.state)
    slices = detector._slices(volume)
    network = detector._network
    assert network is not None
    score = detector.score(volume).score
    lesions = _cut(detector, volume, truth.astype(np.float32))
    k = int((lesions >= 0.5).sum(axis=(1, 2)).argmax())
    with torch.no_grad():
        reconstruction = network(torch.from_numpy(detector._channels(slices)[k : k + 1])).reconstruction[0, 0].numpy()
    assert volume.mask is not None
    best = Curves(score, truth, volume.mask).best_dice()
    dice = "" if best is None else f"\n⌈Dice⌉ {best[0]:.3f} in the whole scan"
    shown = np.where(slices.mask[k], reconstruction, 0.0)
    return Seen(
        f"{method}, score {detector.params.score}{dice}", slices.data[k], shown, _cut(detector, volume, score)[k], lesions[k] >= 0.5
    )


def _cut(detector: ReconstructionDetector, volume: Volume, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A map on the scan's grid, as the slices of a method."""
    return to_slices(volume.with_data(values), detector.params.grid).data


def draw(found: list[Seen]) -> Figure:
    """A row of reconstructions over one of scores, the input with its truth in front."""
    figure = Figure(figsize=(2.3 * (len(found) + 1), 5.8), facecolor="black")
    axes = figure.subplots(2, len(found) + 1)
    first = found[0]
    rows, columns = (np.flatnonzero((first.image > 0).any(axis=axis)) for axis in (1, 0))
    part = (slice(rows[0] - _MARGIN, rows[-1] + _MARGIN + 1), slice(columns[0] - _MARGIN, columns[-1] + _MARGIN + 1))
    found = [replace(one, **{name: getattr(one, name)[part] for name in _PIXELS}) for one in found]
    first = found[0]
    _show(axes[0, 0], first.image, f"input: MSLUB {_WHO}, {_SEQUENCE}")
    _show(axes[1, 0], first.image, "truth outlined", first.truth)
    for column, one in enumerate(found, 1):
        _show(axes[0, column], one.reconstruction, f"{one.title.split(',')[0]}: reconstruction")
        top = float(np.percentile(one.score[one.image > 0], 99.5))
        _show(axes[1, column], one.score / top, one.title, one.truth, "inferno")
    figure.tight_layout(pad=0.4)
    return figure


def _show(axis: Axes, pixels: NDArray[np.float32], title: str, truth: NDArray[np.bool_] | None = None, colours: str = "gray") -> None:
    axis.imshow(pixels, cmap=colours, origin="lower", vmin=0, vmax=1)
    if truth is not None:
        axis.contour(truth, levels=[0.5], colors="#40ff60" if colours != "gray" else "#ff4040", linewidths=0.7)
    axis.set_title(title, color="white", fontsize=8)
    axis.axis("off")


if __name__ == "__main__":
    main()
