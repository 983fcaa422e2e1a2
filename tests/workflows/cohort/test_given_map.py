"""`brain-uad evaluate` with files in each other's place says so; each of them gave figures before."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_brain_uad import cli

SPHERE = sum(axis**2 for axis in np.meshgrid(*(np.linspace(-1, 1, 24),) * 3, indexing="ij")) < 0.7


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = np.where(SPHERE, np.random.default_rng(0).normal(100, 10, SPHERE.shape), 0)
    lesion = np.zeros(SPHERE.shape, np.uint8)
    lesion[10:14, 10:14, 10:14] = 1
    lesion[4:7, 10:14, 10:14] = 4
    data[lesion > 0] += 90
    score = np.where(SPHERE, data / data.max(), 0).astype(np.float32)
    images = {
        "sub-1_FLAIR": data.astype(np.float32),
        "sub-1_FLAIR_brainmask": SPHERE.astype(np.uint8),
        "sub-1_FLAIR_truth": (lesion > 0).astype(np.uint8),
        "sub-1_seg": lesion,
        "head": data.astype(np.float32),
        "head_truth": lesion,
        "result": score,
        "run_anomalymap": score,
        "run_mask": (score > 0.7).astype(np.uint8),
    }
    for name, values in images.items():
        nib.Nifti1Image(values, np.diag([5.0, 5, 5, 1])).to_filename(tmp_path / f"{name}.nii.gz")
    return tmp_path


def evaluated(folder: Path, *names: str, mask: str = "", capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    files = [str(folder / f"{name}.nii.gz") for name in names]
    code = cli.main(["evaluate", *files, "--json", *(["--mask", str(folder / f"{mask}.nii.gz")] if mask else [])])
    return code, *capsys.readouterr()


@pytest.mark.parametrize(
    ("given", "truth", "mask", "told"),
    [
        (
            "sub-1_seg",
            "run_anomalymap",
            "",
            "sub-1_seg.nii.gz: it holds 3 values in patches, as a map of labels does, and is no",
        ),
        ("sub-1_FLAIR_truth", "run_anomalymap", "", "run_anomalymap.nii.gz FOLDER/sub-1_FLAIR_truth.nii.gz."),
        ("sub-1_FLAIR_truth", "sub-1_FLAIR_truth", "", "as a mask does, and is no anomaly map. Give the *_anomalymap.nii.gz"),
        ("sub-1_FLAIR", "sub-1_seg", "", "sub-1_FLAIR.nii.gz: it is a scan by its name"),
        ("sub-1_FLAIR", "run_anomalymap", "", "The map comes first, then the ground truth"),
        ("head", "head_truth", "", "head.nii.gz: it is a scan by its name"),
        ("run_anomalymap", "sub-1_FLAIR", "", "sub-1_FLAIR.nii.gz: it holds grey values"),
        ("run_anomalymap", "run_anomalymap", "", "run_anomalymap.nii.gz is no ground truth: it is an anomaly map by its name"),
        ("run_anomalymap", "sub-1_FLAIR_brainmask", "", "it covers the brain, and is a brain mask by its name"),
        ("run_anomalymap", "sub-1_seg", "run_anomalymap", "run_anomalymap.nii.gz is no mask: it is an anomaly map by its name"),
        ("run_anomalymap", "sub-1_seg", "sub-1_seg", "every voxel of the brain mask is ground truth"),
    ],
)
def test_what_is_in_another_s_place_is_refused(
    folder: Path, given: str, truth: str, mask: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = evaluated(folder, given, truth, mask=mask, capsys=capsys)
    assert (code, out) == (2, "")
    assert told.replace("FOLDER", str(folder)) in err


def test_the_mask_that_a_detection_wrote_beside_its_map_is_no_ground_truth(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another program's may lie under such names with the truth that belongs to it."""
    assert evaluated(folder, "run_anomalymap", "run_mask", capsys=capsys)[0] == 0
    words = ["--method", "threshold", "--mask", str(folder / "sub-1_FLAIR_brainmask.nii.gz"), "--quiet", "--out", str(folder)]
    assert cli.main(["detect", str(folder / "sub-1_FLAIR.nii.gz"), *words]) == 0
    run = "sub-1_FLAIR_threshold"
    capsys.readouterr()
    code, _, err = evaluated(folder, f"{run}_anomalymap", f"{run}_mask", capsys=capsys)
    assert code == 2
    assert f"the detection that wrote {run}_anomalymap.nii.gz wrote it, too" in err
    assert evaluated(folder, f"{run}_anomalymap", "sub-1_FLAIR_truth", capsys=capsys)[0] == 0


@pytest.mark.parametrize(("given", "codes"), [("result", ["unknown-map"]), ("run_anomalymap", [])])
def test_a_map_of_which_nothing_is_known_is_taken_with_a_warning(
    folder: Path, given: str, codes: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = evaluated(folder, given, "sub-1_seg", capsys=capsys)
    assert code == 0
    assert [finding["code"] for finding in json.loads(out)["findings"]] == codes
    assert ("its values are taken for anomaly scores" in err) == bool(codes)
