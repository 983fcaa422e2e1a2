"""The `threshold` method on six real scans gives the published figures of the baseline, through the code that users run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.volume import Volume
from napari_brain_uad.detectors.registry import create
from napari_brain_uad.evaluation.report import evaluate_map
from napari_brain_uad.io.nifti import read_mask, read_volume

# Scan, best Dice, AUPRC.
FIGURES = [
    ("mslub/patient19", 0.7489, 0.6502),
    ("mslub/patient07", 0.2419, 0.0792),
    ("brats2013/pat0001", 0.8527, 0.8859),
    ("brats2013/pat0002", 0.8074, 0.7287),
    ("brats2013/pat0005", 0.5258, 0.4078),
    ("brats2013/pat0006", 0.8785, 0.9145),
]


def load(folder: Path) -> tuple[Volume, np.ndarray]:
    volume = read_volume(folder / "FLAIR.nii.gz")
    if folder.parent.name == "mslub":
        return volume.with_mask(volume.data > 5), read_mask(folder / "lesions.nii.gz", volume, label="ground truth")
    brain = read_mask(folder / "brainmask.nii.gz", volume)
    return volume.with_mask(brain), read_mask(folder / "tumour.nii.gz", volume, label="ground truth")


@pytest.mark.parametrize(("scan", "dice", "auprc"), FIGURES)
def test_reference_figures(shared_data: Path, scan: str, dice: float, auprc: float) -> None:
    volume, truth = load(shared_data / scan)
    amap = create("threshold").score(volume)
    report = evaluate_map(amap.score, truth, amap.grid)
    assert report["best_dice"].value == pytest.approx(dice, abs=0.002)
    assert report["auprc"].value == pytest.approx(auprc, abs=0.002)
