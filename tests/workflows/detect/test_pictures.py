"""What a method compares: asked for by one word, on the scan's grid, kept, written, and refused before any work where there is none."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from napari_brain_uad import cli
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.detectors.autoencoder.vae import VAE
from napari_brain_uad.detectors.registry import method_class, method_ids
from napari_brain_uad.workflows.detect.detect import Detection, detect
from napari_brain_uad.workflows.detect.pictures import makes_pictures
from napari_brain_uad.workflows.detect.save import save_detection
from napari_brain_uad.workflows.detect.score import load_detector


def _run(case: Any, **more: Any) -> Detection:
    """By the model that comes with the package, in slices far apart: a second of work."""
    return detect(case.scan, "vae", mask=case.mask, params={"step_mm": 8.0}, model="vae", reconstruct=True, **more)


def test_methods_that_reconstruct_are_known_by_their_class() -> None:
    able = {method for method in method_ids() if makes_pictures(method)}
    assert {"vae", "ce-vae", "cce-vae", "strega", "tissue-restoration", "tissue-ensemble"} <= able
    assert able.isdisjoint({"threshold", "thresh-raw", "covariance", "anomaly-segmentation", "csf-class"})
    assert all(hasattr(method_class(method), "reconstruct") for method in able)


def test_it_is_refused_before_the_scan_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"threshold reconstructs nothing.*vae"):
        detect(tmp_path / "there-is-none.nii.gz", "threshold", reconstruct=True)
    words = [
        "detect",
        str(tmp_path / "there-is-none.nii.gz"),
        "--method",
        "covariance",
        "--save-reconstruction",
        "--out",
        str(tmp_path / "out"),
    ]
    assert cli.main(words) == 2


def test_pictures_are_those_of_the_detector_kept_and_written(case: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    found = _run(case, use_cache=True)
    own = load_detector("vae", params={"step_mm": 8.0}, model="vae").reconstruct(found.volume)  # type: ignore[attr-defined]
    assert list(found.pictures) == list(own) == ["input", "reconstruction"]
    for name, picture in own.items():
        np.testing.assert_array_equal(found.pictures[name], picture)
        assert picture.shape == found.map.grid.shape
    assert found.pictures["input"].std() > 0.1  # it is a picture, and the two differ
    assert np.abs(found.pictures["input"] - found.pictures["reconstruction"])[found.map.mask].mean() > 0.01

    def never(*_: object, **__: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr(VAE, "reconstruct", never)
    again = _run(case, use_cache=True)
    assert again.cached
    np.testing.assert_array_equal(again.pictures["reconstruction"], found.pictures["reconstruction"])

    files = save_detection(found, tmp_path / "out")
    stored = nib.load(files["picture:reconstruction"])
    assert files["picture:reconstruction"].name == "sub-01_FLAIR_vae_picture-reconstruction.nii.gz"
    np.testing.assert_allclose(stored.affine, nib.load(case.scan).affine)
    assert stored.shape == nib.load(case.scan).shape
    assert sorted(np.unique(stored.get_fdata(dtype=np.float32))) == sorted(np.unique(found.pictures["reconstruction"]))
    record = json.loads(files["provenance"].read_text(encoding="utf-8"))
    assert record["pictures"] == {name: files[f"picture:{name}"].name for name in own}
    assert "--save-reconstruction" in shlex.split(record["command"])
    assert files["picture:input"].name in json.loads(files["manifest"].read_text(encoding="utf-8"))["files"]


def test_without_being_asked_for_there_are_none_and_those_of_an_earlier_run_go(case: Any, tmp_path: Path) -> None:
    words = ["detect", str(case.scan), "--mask", str(case.mask), "--method", "vae", "--model", "vae", "--set", "step_mm=8", "--quiet"]
    assert cli.main([*words, "--save-reconstruction", "--out", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").glob("*_picture-*"))) == 2
    assert cli.main([*words, "--out", str(tmp_path / "out")]) == 0
    assert list((tmp_path / "out").glob("*_picture-*")) == []
