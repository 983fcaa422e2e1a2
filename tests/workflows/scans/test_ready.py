"""A raw head is prepared first, and its map comes back to the scan's own grid."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_brain_uad.cli import main
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.detect.save import save_detection
from napari_brain_uad.workflows.scans.load import as_mask
from napari_brain_uad.workflows.scans.ready import make_ready


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))


def noise() -> Volume:
    data = np.random.default_rng(0).rayleigh(10, (20, 20, 20)).astype(np.float32)
    return Volume(data, Grid(data.shape, np.diag([5.0, 5.0, 5.0, 1.0])))


def test_a_mask_makes_a_scan_ready() -> None:
    mask = np.zeros((20, 20, 20), bool)
    mask[5:15, 5:15, 5:15] = True
    ready = make_ready(noise(), mask, preset_id="clinical")
    assert ready.prepared is None
    assert ready.scored is ready.scan
    assert np.array_equal(ready.scan.mask, mask)


def test_a_mask_that_is_no_brain_is_said_wherever_warnings_go(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A lesion mask given as the brain: the terminal, the record, the detection in Python, with and without a preset."""
    data = np.random.default_rng(0).normal(100, 10, (40, 40, 40)).astype(np.float32)
    mask = np.zeros(data.shape, np.uint8)
    mask[15:20, 15:20, 15:20] = 1
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    for name, values in (("FLAIR", data), ("lesion", mask)):
        nib.save(nib.Nifti1Image(values, affine), tmp_path / f"{name}.nii.gz")
    words = ["--mask", str(tmp_path / "lesion.nii.gz"), "--method", "thresh-raw", "--out", str(tmp_path / "out"), "--quiet"]
    assert main(["detect", str(tmp_path / "FLAIR.nii.gz"), *words]) == 0
    assert "warning: the brain mask given has 8 ml; brains have 600 to 2300" in capsys.readouterr().err
    (record,) = (tmp_path / "out").glob("*_provenance.json")
    assert "mask-size" in [finding["code"] for finding in json.loads(record.read_text())["input"]["findings"]]
    volume = Volume(data, Grid(data.shape, affine))
    for given in ({"mask": mask > 0}, {"mask": mask > 0, "prepare_with": "native"}):
        assert [finding.code for finding in detect(volume, "thresh-raw", **given).warnings].count("mask-size") == 1
    assert "mask-size" in [finding.code for finding in make_ready(volume.with_mask(mask > 0), preset_id="native").scan.findings]


def test_an_array_is_a_mask_as_a_file_is() -> None:
    """What API and file take is decided alike: fractions above a half, labels above 0, and no scan."""
    scan, fractions = noise(), np.random.default_rng(1).random((20, 20, 20)).astype(np.float32)
    assert np.array_equal(as_mask(fractions, scan, label="brain mask"), fractions > 0.5)
    labels = np.repeat(np.arange(20), 400).reshape(20, 20, 20)
    assert np.array_equal(as_mask(labels, scan, label="brain mask"), labels > 0)
    for label in ("brain mask", "ground truth"):
        with pytest.raises(InputError, match=f"The {label}: it holds (7,.*|grey) values, as a scan"):
            as_mask(scan.data, scan, label=label)
    with pytest.raises(InputError, match="no ground truth"):
        detect(scan, "thresh-raw", mask=np.ones((20, 20, 20), bool), truth=scan.data)


def test_never_scores_the_head_as_it_is_and_warns() -> None:
    ready = make_ready(noise(), preset_id="native", prepare_with="never")
    assert ready.prepared is None
    assert [finding.code for finding in ready.scan.findings] == ["skull"]


def test_a_preset_asked_for_runs_on_any_scan() -> None:
    data = np.zeros((40, 40, 40), np.float32)
    data[10:30, 10:30, 10:30] = np.random.default_rng(0).uniform(50, 100, (20, 20, 20))
    detection = detect(Volume(data, Grid(data.shape, np.diag([4.0, 4.0, 4.0, 1.0]))), "thresh-raw", prepare_with="native")
    steps = [step["step"] for step in detection.map.provenance["preprocessing"]]
    assert steps == ["reorient", "coregister", "brain_extraction", "n4"]
    assert "--prepare native" in detection.command
    assert any(finding.code == "prepared" for finding in detection.volume.findings)


@pytest.mark.slow
def test_raw_flair_prepared_or_detected_at_once_is_the_same_map(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the command line in two steps, and in one: the same map, on the scan's own grid with its own affine."""
    scan = shared_data / "raw" / "TCGA-FG-6692" / "FLAIR.nii.gz"
    native = nib.load(scan)
    detection = detect(scan)
    # The tumour that is plain to see right frontal, not something the bias correction or the opening left of it.
    strongest = detection.result.regions[0]
    assert strongest.volume_ml > 10
    assert np.linalg.norm(np.subtract(strongest.centroid_mm, (54, 42, 32))) < 15
    files = save_detection(detection, tmp_path / "once")
    once = nib.load(files["map"])
    assert once.shape == native.shape
    assert np.abs(once.affine - native.affine).max() <= 1e-5
    assert json.loads(files["provenance"].read_text())["preprocessing"]

    steps = [
        ["prepare", scan, "--preset", "native", "--out", tmp_path / "prepared", "--no-figures", "--quiet"],
        [
            *("detect", tmp_path / "prepared" / "FLAIR_native_prepared.nii.gz", "--out", tmp_path / "twice", "--quiet"),
            *("--mask", tmp_path / "prepared" / "FLAIR_native_scan_brainmask.nii.gz"),
        ],
    ]
    for words in steps:
        assert main([str(word) for word in words]) == 0, capsys.readouterr().err
    twice = nib.load(tmp_path / "twice" / "FLAIR_native_prepared_robust-intensity_anomalymap.nii.gz")
    assert np.array_equal(once.get_fdata(), twice.get_fdata())
    brain = nib.load(shared_data / "raw" / "TCGA-FG-6692" / "FLAIR_hdbet_mask.nii.gz").get_fdata() > 0
    ours = nib.load(files["brainmask"]).get_fdata() > 0
    assert 2 * (brain & ours).sum() / (brain.sum() + ours.sum()) >= 0.95


@pytest.mark.parametrize("mask", [None, np.ones((20, 20, 20), bool)])
def test_a_label_map_is_refused(mask: np.ndarray | None) -> None:
    """With a brain mask, too: its numbers are names."""
    labels = np.zeros((20, 20, 20), np.float32)
    labels[4:16, 4:10, 4:16], labels[4:16, 10:16, 4:16], labels[4:8, 4:8, 4:8] = 1, 4, 2
    with pytest.raises(InputError, match=r"it holds 4 values in patches, as a map of labels does, and is no scan\. Give the scan"):
        make_ready(noise().with_data(labels), mask, preset_id="clinical")
