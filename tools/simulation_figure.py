"""Draw docs/images/simulation.png: simulated scans beside the real ones of the sample data.

``python tools/simulation_figure.py LABELMAPS``, the folder of SynthSeg's training maps 01 to 16.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from napari_brain_uad.io.atomic import atomic_path
from napari_brain_uad.io.nifti import read_mask, read_volume
from napari_brain_uad.simulation.params import SimulationParams
from napari_brain_uad.simulation.population import Population
from napari_brain_uad.workflows.scans.samples import sample

_OUT = Path(__file__).resolve().parent.parent / "docs" / "images" / "simulation.png"
_SEED = 11


@dataclass(frozen=True)
class Panel:
    """One slice: pixels (right, anterior), outline of the truth or None, title."""

    pixels: NDArray[np.float32]
    truth: NDArray[np.bool_] | None
    title: str
    real: bool = False


def real_panel(sample_id: str, title: str) -> Panel:
    """The slice of a real sample with most lesion, or through the middle of its brain."""
    entry = sample(sample_id)
    volume = read_volume(entry.scan)
    assert entry.mask is not None
    mask = read_mask(entry.mask, volume)
    truth = None if entry.truth is None else read_mask(entry.truth, volume, label="ground truth")
    return _panel(volume.data, mask, truth, title, real=True)


def simulated_panel(label_map: Path, title: str, **settings: str | float | bool) -> Panel:
    """A slice of scan 0 made from one label map."""
    made = Population([label_map], SimulationParams.from_dict(settings), _SEED)[0]
    assert made.volume.mask is not None
    return _panel(made.volume.data, made.volume.mask, made.truth, title)


def _panel(data: NDArray[np.float32], mask: NDArray[np.bool_], truth: NDArray[np.bool_] | None, title: str, *, real: bool = False) -> Panel:
    inside = np.flatnonzero(mask.any(axis=(0, 1)))
    k = int(inside[0] + 0.6 * (inside[-1] - inside[0])) if truth is None else int(truth.sum(axis=(0, 1)).argmax())
    i, j = (np.flatnonzero((data[:, :, k] > 0).any(axis=axis)) for axis in (1, 0))
    part = (slice(i[0], i[-1] + 1), slice(j[0], j[-1] + 1))
    top = float(np.percentile(data[mask], 99.5))
    return Panel(np.clip(data[:, :, k][part] / top, 0, 1), None if truth is None else truth[:, :, k][part], title, real)


def draw(rows: list[list[Panel]]) -> Figure:
    """All panels on black; real ones have their title in yellow."""
    figure = Figure(figsize=(2.1 * len(rows[0]), 2.75 * len(rows)), facecolor="black")
    axes = figure.subplots(len(rows), len(rows[0]), squeeze=False)
    for row, panels in zip(axes, rows, strict=True):
        for axis, panel in zip(row, panels, strict=True):
            axis.imshow(panel.pixels.T, cmap="gray", origin="lower", vmin=0, vmax=1)
            if panel.truth is not None:
                axis.contour(panel.truth.T, levels=[0.5], colors="#ff4040", linewidths=0.8)
            axis.set_title(panel.title, color="#ffd040" if panel.real else "white", fontsize=8)
            axis.axis("off")
    figure.tight_layout(pad=0.4)
    return figure


def main(label_maps: Path) -> None:
    """Make the picture."""
    subjects = sorted(label_maps.glob("*.nii.gz"))
    rows = [
        [
            real_panel("healthy-t1", "REAL T1"),
            simulated_panel(subjects[2], "simulated T1", sequence="T1"),
            simulated_panel(subjects[6], "simulated T2", sequence="T2"),
            simulated_panel(subjects[2], "simulated FLAIR", sequence="FLAIR"),
            simulated_panel(subjects[8], "simulated PD, with skull", sequence="PD", with_skull=True),
            simulated_panel(subjects[11], "simulated, random contrast", sequence="random"),
        ],
        [
            real_panel("tumour-t1c", "REAL T1c, tumour"),
            simulated_panel(subjects[3], "tumour, T1c", sequence="T1c", lesions="tumour"),
            simulated_panel(subjects[5], "MS, FLAIR", sequence="FLAIR", lesions="ms"),
            simulated_panel(subjects[6], "stroke, T2", sequence="T2", lesions="stroke"),
            simulated_panel(subjects[7], "StRegA's blobs, T1", sequence="T1", lesions="strega"),
            simulated_panel(subjects[12], "change of shape alone, T1", sequence="T1", lesions="structural"),
        ],
    ]
    with atomic_path(_OUT) as temporary:
        draw(rows).savefig(temporary, dpi=110, facecolor="black", metadata={"Software": "napari-brain-uad"})


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
