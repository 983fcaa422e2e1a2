"""Trainings with known anomalies: which scans, what is kept of them, what is refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_heads import Case, head, save

from napari_brain_uad.cli import main
from napari_brain_uad.core.errors import InputError, ModelError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.statistical.covariance import Covariance
from napari_brain_uad.io.checkpoint import load_checkpoint
from napari_brain_uad.workflows.scans.load import as_mask, load
from napari_brain_uad.workflows.train import train_estimate
from napari_brain_uad.workflows.train.known_anomalies import open_anomalies
from napari_brain_uad.workflows.train.train import train
from napari_brain_uad.workflows.train.train_estimate import estimate_training
from napari_brain_uad.workflows.train.training_data import TrainingData

SPEC = "bgad@tiny@blocks=1@levels=1"
STEP = {"steps": 1, "batch_size": 16}


@pytest.fixture
def known_folder(tmp_path: Path) -> Path:
    """Two scans with their truths, and a healthy one."""
    folder = tmp_path / "known"
    folder.mkdir()
    for number in (11, 12):
        data, truth = head(number, lesion=True)
        save(data, folder / f"sub-{number}_FLAIR.nii.gz")
        save(truth.astype(np.uint8), folder / f"sub-{number}_seg.nii.gz")
    save(head(13, lesion=False)[0], folder / "sub-13_FLAIR.nii.gz")
    return folder


def _truth(folder: Path, number: int) -> np.ndarray:
    scan = load(folder / f"sub-{number}_FLAIR.nii.gz")
    return as_mask(folder / f"sub-{number}_seg.nii.gz", scan, label="truth")


def test_scans_with_a_truth_are_found_in_a_folder(known_folder: Path) -> None:
    found = open_anomalies(known_folder, "bgad", ("FLAIR",), "", Progress())
    assert len(found) == 2
    assert found.seen() == []
    for number, scan in zip((11, 12), found, strict=True):
        assert np.array_equal(scan.truth, _truth(known_folder, number))
        assert scan.volume.mask is not None
    assert [one["name"][:6] for one in found.seen()] == ["sub-11", "sub-12"]
    assert len(found[1:]) == 1
    with pytest.raises(InputError, match=r"healthy scans are T2, those with anomalies FLAIR"):
        open_anomalies(known_folder, "bgad", ("T2",), "", Progress())


def test_the_truth_is_that_of_the_sequence(known_folder: Path) -> None:
    """Each sequence has its own, on its own grid; the first of them is not taken for all."""
    for number in (11, 12):
        data, truth = head(number, lesion=True)
        save(data[:, :, ::-1].copy(), known_folder / f"sub-{number}_T1.nii.gz")
        (known_folder / f"sub-{number}_seg.nii.gz").rename(known_folder / f"sub-{number}_FLAIR_seg.nii.gz")
        save(truth[:, :, ::-1].astype(np.uint8), known_folder / f"sub-{number}_T1_seg.nii.gz")
    for sequence in ("FLAIR", "T1"):
        first = next(iter(open_anomalies(known_folder, "bgad", (sequence,), "", Progress())))
        file = known_folder / f"sub-11_{sequence}_seg.nii.gz"
        assert np.array_equal(first.truth, as_mask(file, load(known_folder / f"sub-11_{sequence}.nii.gz"), label="truth"))


def test_none_are_given_and_none_are_there(healthy_folder: Path) -> None:
    assert len(open_anomalies(None, "covariance", (), "", Progress())) == 0
    with pytest.raises(InputError, match="holds no known anomaly"):
        open_anomalies(healthy_folder, "bgad", (), "", Progress())


def test_the_model_says_what_it_learned_from(healthy_folder: Path, known_folder: Path, tmp_path: Path) -> None:
    out, scans = tmp_path / "model", sorted(healthy_folder.iterdir())[:2]
    train(SPEC, scans, training=STEP, out=out, anomalies=known_folder)
    meta = load_checkpoint(out).meta
    assert [one["name"][:6] for one in meta["known_anomalies"]] == ["sub-11", "sub-12"]
    assert meta["data"].endswith("; known anomalies of 2 scans")
    assert len(meta["scans"]) == 1
    with pytest.raises(ModelError, match="anomalies"):
        train(SPEC, scans, training=STEP, out=out, resume=True)


def test_pairs_of_scan_and_truth(healthy_folder: Path, case: Case) -> None:
    with pytest.raises(InputError, match="2x2x2 voxels"):
        train(SPEC, sorted(healthy_folder.iterdir())[:2], training=STEP, anomalies=[(case.scan, np.ones((2, 2, 2), bool))])
    (found,) = open_anomalies([(case.scan, case.truth)], "bgad", (), "", Progress())
    assert found.truth.sum() == case.lesion.sum()


def test_other_methods_take_none(healthy_folder: Path, known_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", "covariance", str(healthy_folder), "--anomalies", str(known_folder), "--out", str(tmp_path / "model")]
    assert main(words) == InputError.exit_code
    assert "learns from healthy scans alone" in capsys.readouterr().err
    assert not (tmp_path / "model.safetensors").exists()


def test_the_estimate_counts_them(healthy_folder: Path, known_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", SPEC, str(healthy_folder), "--estimate", "--quiet", "--train", "steps=1", "--train", "batch_size=16"]
    assert main(words) == 0
    assert "known anomalies" not in capsys.readouterr().out
    assert main([*words, "--anomalies", str(known_folder)]) == 0
    assert "2 scans with known anomalies among them, whose features are not counted in the memory" in capsys.readouterr().out
    assert main([*words, "--anomalies", str(healthy_folder)]) == InputError.exit_code
    assert "holds no known anomaly" in capsys.readouterr().err


def test_they_are_read_like_the_healthy_ones(healthy_folder: Path, known_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By seven scans in place of five: a method trained in one go takes nothing but their reading."""
    monkeypatch.setattr(Covariance, "LEARNS_ANOMALIES", True)
    monkeypatch.setattr(train_estimate, "time", SimpleNamespace(perf_counter=iter([0.0, 10.0] * 2).__next__))
    data = TrainingData("folder", str(healthy_folder))
    alone, both = (estimate_training("covariance", data, anomalies=given).seconds for given in (None, known_folder))
    assert (alone, both) == (50.0, 70.0)


def test_a_truth_that_marks_nothing_of_the_brain_is_named(known_folder: Path) -> None:
    truth = np.zeros_like(head(11, lesion=True)[1], np.uint8)
    truth[0, 0, 0] = 1  # air
    save(truth, known_folder / "sub-11_seg.nii.gz")
    found = open_anomalies(known_folder, "bgad", ("FLAIR",), "", Progress())
    with pytest.raises(InputError, match=r"sub-11.*marks no voxel of the brain"):
        found[0]
    assert found[1].truth.any()
