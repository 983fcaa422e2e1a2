"""What is given in place of a ground truth is refused, by every command that takes one."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_brain_uad import cli
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.workflows.scans.load import load, load_mask
from napari_brain_uad.workflows.scans.truth import as_truth, check_brain_left


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    axes = np.meshgrid(*(np.linspace(-1, 1, 24),) * 3, indexing="ij")
    brain = sum(axis**2 for axis in axes) < 0.7
    data = np.where(brain, rng.normal(100, 10, brain.shape), 0)
    lesion = np.zeros(brain.shape, bool)
    lesion[10:14, 10:14, 10:14] = True
    data[lesion] += 90
    images = {"sub_FLAIR": data, "sub_FLAIR_brainmask": brain, "sub_FLAIR_truth": lesion, "sub_anomalymap": data / data.max()}
    for name, values in images.items():
        kind = np.uint8 if values.dtype == bool else np.float32
        nib.Nifti1Image(values.astype(kind), np.diag([5.0, 5, 5, 1])).to_filename(tmp_path / f"{name}.nii.gz")
    return tmp_path


@pytest.mark.parametrize(
    ("mask", "truth", "why"),
    [
        ("sub_FLAIR_brainmask", "sub_anomalymap", "sub_anomalymap.nii.gz is no ground truth: it is an anomaly map"),
        ("sub_anomalymap", "sub_FLAIR_truth", "sub_anomalymap.nii.gz is no brain mask: it is an anomaly map"),
        ("sub_FLAIR_brainmask", "sub_FLAIR", "sub_FLAIR.nii.gz: it holds grey values, as a scan or a map does, and is no ground truth"),
        ("sub_FLAIR_truth", "sub_FLAIR_brainmask", "the two may be swapped"),
    ],
)
@pytest.mark.parametrize("command", [["detect", "--method", "threshold"], ["compare", "--methods", "threshold,thresh-raw"]])
def test_swapped_masks_are_refused(
    folder: Path, command: list[str], mask: str, truth: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """They would give figures, and wrong ones, without a word."""
    files = [str(folder / f"{name}.nii.gz") for name in ("sub_FLAIR", mask, truth)]
    words = [command[0], files[0], *command[1:], "--mask", files[1], "--truth", files[2], "--quiet", "--out", str(folder / "out")]
    assert cli.main(words) == 2
    assert why in capsys.readouterr().err
    assert not (folder / "out").exists()


def test_grey_values_are_neither_a_ground_truth_nor_a_brain_mask(folder: Path) -> None:
    scan = load(folder / "sub_FLAIR.nii.gz")
    with pytest.raises(InputError, match="The ground truth: it holds grey values"):
        as_truth(scan.data, scan)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="as a scan does, and is no brain mask"):
        load_mask(folder / "sub_FLAIR.nii.gz", scan)
    assert as_truth(folder / "sub_FLAIR_truth.nii.gz", scan).sum() == 64


def test_some_of_the_brain_has_to_be_healthy() -> None:
    brain = np.zeros((4, 4, 4), bool)
    brain[1:3, 1:3, 1:3] = True
    check_brain_left(np.zeros_like(brain), np.zeros_like(brain))
    check_brain_left(np.roll(brain, 1, axis=0), brain)
    with pytest.raises(InputError, match="every voxel of the brain mask is ground truth"):
        check_brain_left(np.ones_like(brain), brain)


def test_a_map_is_no_scan(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scored as one it gave figures and verdicts, also among healthy scans."""
    scan, amap, out = (str(folder / name) for name in ("sub_FLAIR.nii.gz", "sub_anomalymap.nii.gz", "out"))
    with pytest.raises(InputError, match=r"^sub_anomalymap\.nii\.gz is no scan: it is an anomaly map by its name"):
        load(amap)
    for words in (
        ["detect", amap, "--method", "threshold"],
        ["compare", scan, "--methods", "robust-intensity", "--healthy", amap],
    ):
        assert cli.main([*words, "--out", out, "--quiet"]) == InputError.exit_code
        assert "sub_anomalymap.nii.gz is no scan" in capsys.readouterr().err
