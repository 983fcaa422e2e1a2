"""A small scan with a lesion, on disk, for the workflows and the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_heads import AFFINE, Case, brain, head, save


@pytest.fixture
def case(tmp_path: Path) -> Case:
    data, truth = head(0, lesion=True)
    return Case(
        save(data, tmp_path / "sub-01_FLAIR.nii.gz"),
        save(truth.astype(np.uint8), tmp_path / "sub-01_truth.nii.gz"),
        save(brain().astype(np.uint8), tmp_path / "sub-01_mask.nii.gz"),
        tmp_path,
        truth,
        AFFINE,
    )


@pytest.fixture
def healthy_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "healthy"
    folder.mkdir()
    for seed in range(1, 6):
        save(head(seed, lesion=False)[0], folder / f"sub-{seed:02d}_FLAIR.nii.gz")
    return folder
