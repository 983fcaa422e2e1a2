"""The scans that methods are compared on: the shared real ones, and the synthetic held-out set."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_brain_uad.core.volume import Volume
from napari_brain_uad.io.nifti import read_mask, read_volume
from napari_brain_uad.preprocessing.geometry import grid_with_spacing, resample_mask, resample_volume
from napari_brain_uad.simulation.held_out import HeldOutCase, held_out_cases
from napari_brain_uad.simulation.superposed import superposed

# Data set, folder, subjects, sequences.
_SHARED = (
    ("MSLUB", "mslub", ("patient07", "patient19"), ("FLAIR", "T1", "T2")),
    ("BraTS 2013", "brats2013", ("pat0001", "pat0002", "pat0005", "pat0006"), ("FLAIR", "T1c")),
    ("BraTS 2021", "brats2021", ("01658", "01660", "TCIA_639"), ("T2", "FLAIR")),
    ("BraTS 2021", "brats2021", ("01658", "01660"), ("T1c",)),
)
_ADDED = (("pat0001", "IXI014"), ("pat0002", "IXI051"), ("pat0005", "IXI057"), ("pat0006", "IXI094"))
"""Tumours of T1c scans and the healthy T1 scans (2 mm) that they are added to: the first of those that benchmarks/healthy_split.json
holds back. No model and no reference is made of them."""


@dataclass(frozen=True)
class BenchCase:
    """One scan: which data set and sequence it counts for, and how to read it."""

    group: str
    name: str
    sequence: str
    folder: Path | None = None
    simulated: HeldOutCase | None = None
    healthy: Path | None = None

    def load(self, resolution_mm: float | None) -> tuple[Volume, NDArray[np.bool_]]:
        """Scan with its brain mask, and truth; resampled alike for all methods when a resolution is asked for."""
        volume, truth = _added(self) if self.healthy else _real(self) if self.simulated is None else _synthetic(self)
        if resolution_mm is None:
            return volume, truth
        target = grid_with_spacing(volume.grid, (resolution_mm,) * 3)
        return resample_volume(volume, target), resample_mask(truth, volume.grid, target)


def data_folder() -> Path | None:
    """The shared scans: ``BRAIN_UAD_DATA``, else beside the repository; None where there are none."""
    told = os.environ.get("BRAIN_UAD_DATA")
    folder = Path(told) if told else Path(__file__).resolve().parents[2] / "shared" / "data"
    return folder if (folder / "README.md").is_file() else None


def real_cases() -> list[BenchCase]:
    """MSLUB (FLAIR, T1, T2), BraTS 2013 (FLAIR, T1c) and BraTS 2021 (T2, FLAIR, T1c); none where the shared scans are not."""
    root = data_folder()
    if root is None:
        return []
    return [
        BenchCase(title, person, sequence, root / folder / person)
        for title, folder, subjects, sequences in _SHARED
        for sequence in sequences
        for person in subjects
    ]


def _real(case: BenchCase) -> tuple[Volume, NDArray[np.bool_]]:
    assert case.folder is not None
    volume = replace(read_volume(case.folder / f"{case.sequence}.nii.gz"), name=f"{case.name}_{case.sequence}", sequence=case.sequence)
    if case.group == "MSLUB":
        flair = volume if case.sequence == "FLAIR" else read_volume(case.folder / "FLAIR.nii.gz")
        return volume.with_mask(flair.data > 5), read_mask(case.folder / "lesions.nii.gz", volume, label="ground truth")
    if case.group == "BraTS 2021":
        t2 = volume if case.sequence == "T2" else read_volume(case.folder / "T2.nii.gz")
        return volume.with_mask(t2.data != 0), read_mask(case.folder / "seg.nii.gz", volume, label="ground truth")
    brain = read_mask(case.folder / "brainmask.nii.gz", volume)
    return volume.with_mask(brain), read_mask(case.folder / "tumour.nii.gz", volume, label="ground truth")


def synthetic_cases() -> list[BenchCase]:
    """The simulator's held-out set, a group for each kind of lesion, and real tumours added to real healthy scans as StRegA's paper does.

    None where the shared scans are not.
    """
    root = data_folder()
    if root is None or not (root / "labelmaps").is_dir():
        return []
    simulated = [
        BenchCase(f"Synthetic {case.params.lesions}", case.id, case.params.sequence, root / "labelmaps", case) for case in held_out_cases()
    ]
    healthy = root / "ixi_t1_2mm"
    added = [
        BenchCase(
            "Added tumours (2 mm)", f"{patient}-{person}", "T1", root / "brats2013" / patient, healthy=healthy / f"{person}_T1.nii.gz"
        )
        for patient, person in _ADDED
    ]
    return simulated + [case for case in added if case.healthy is not None and case.healthy.is_file()]


def _synthetic(case: BenchCase) -> tuple[Volume, NDArray[np.bool_]]:
    assert case.simulated is not None
    assert case.folder is not None
    made = case.simulated.make(case.folder)
    if made.truth is None:
        raise SystemExit(f"{case.name} has no lesion")
    return made.volume, made.truth


def _added(case: BenchCase) -> tuple[Volume, NDArray[np.bool_]]:
    assert case.folder is not None
    assert case.healthy is not None
    patient, tumour = _real(replace(case, sequence="T1c", group="BraTS 2013"))
    healthy = replace(read_volume(case.healthy), sequence="T1")
    volume, truth = superposed(healthy.with_mask(healthy.data > 0), patient, tumour)
    return replace(volume, name=case.name), truth
