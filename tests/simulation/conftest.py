"""The small head as fixtures."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray
from small_head import CENTRE, SHAPE, head_labels

from napari_brain_uad.core.volume import Grid, Volume


@pytest.fixture(scope="session")
def labels() -> NDArray[np.int16]:
    return head_labels()


@pytest.fixture(scope="session")
def head(labels: NDArray[np.int16]) -> Volume:
    affine = np.eye(4)
    affine[:3, 3] = -CENTRE
    return Volume(labels.astype(np.float32), Grid(SHAPE, affine), "head")


@pytest.fixture
def label_file(labels: NDArray[np.int16], tmp_path: Path) -> Path:
    (tmp_path / "maps").mkdir()
    path = tmp_path / "maps" / "person.nii.gz"
    nib.Nifti1Image(labels, np.diag([1.0, 1, 1, 1])).to_filename(path)
    return path
