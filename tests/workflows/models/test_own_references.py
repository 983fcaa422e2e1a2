"""The user's own healthy references: counted before those of the package, and the way back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_heads import head, save

from napari_brain_uad import cli
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.workflows.cohort.calibrate import calibrate
from napari_brain_uad.workflows.detect.detect import detect
from napari_brain_uad.workflows.models.method_spec import MethodSpec
from napari_brain_uad.workflows.models.own_references import forget_references, own_references
from napari_brain_uad.workflows.train.train import train

METHOD = "robust-intensity"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BRAIN_UAD_MODELS", str(tmp_path / "models"))
    folder = tmp_path / "package"
    monkeypatch.setattr("napari_brain_uad.workflows.models.references.shipped_dir", lambda: folder)
    return folder


def people(folder: Path, seeds: range) -> Path:
    folder.mkdir()
    for seed in seeds:
        save(head(seed, lesion=False)[0], folder / f"sub-{seed:02d}_FLAIR.nii.gz")
    return folder


def test_calibrate_says_what_steps_back_and_forget_brings_it_back(
    package: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    calibrate(METHOD, people(tmp_path / "five", range(5)), title="theirs", out=package)
    scan = save(head(20, lesion=True)[0], tmp_path / "sub-99_FLAIR.nii.gz")
    before = detect(scan, METHOD)
    three = people(tmp_path / "three", range(11, 14))

    assert cli.main(["calibrate", METHOD, "--healthy", str(three), "--title", "mine", "--quiet"]) == 0
    said = capsys.readouterr().out
    assert "counts before the reference that comes with the package (5 healthy brains: theirs)" in said
    assert f"The way back: brain-uad calibrate {METHOD} --sequence FLAIR --forget" in said
    assert "so few others allow no p-value below 0.33, so none can be called unusual at p = 0.05" in said
    assert "no scan can be called unusual at p = 0.05, which takes 19 brains" in said
    assert "0 would be called" not in said
    assert detect(scan, METHOD).verdict.healthy == 3

    with pytest.raises(InputError, match="no healthy reference of your own for robust-intensity and T2"):
        forget_references(MethodSpec(METHOD), "T2")
    assert list(own_references(MethodSpec(METHOD))) == ["FLAIR"]
    assert cli.main(["calibrate", METHOD, "--forget"]) == 0
    assert f"Your healthy reference of {METHOD} for FLAIR was deleted; that of the package counts again: theirs" in capsys.readouterr().out
    assert detect(scan, METHOD).verdict == before.verdict
    assert own_references(MethodSpec(METHOD)) == {}
    assert not list((tmp_path / "models").glob("*.reference.*"))
    assert cli.main(["calibrate", METHOD, "--forget"]) == InputError.exit_code


def test_a_reference_for_other_settings_makes_none_step_back(package: Path, tmp_path: Path) -> None:
    folder = people(tmp_path / "three", range(3))
    calibrate(METHOD, folder, title="theirs", out=package)
    (other,), _ = calibrate(f"{METHOD}@smoothing_mm=2", folder)
    assert other.steps_back == ""
    (elsewhere,), _ = calibrate(METHOD, folder, out=tmp_path / "elsewhere")
    assert elsewhere.steps_back == ""


def test_so_does_one_of_the_package_of_the_same_weights_under_another_name(package: Path, tmp_path: Path) -> None:
    package.mkdir()
    mine = tmp_path / "models"
    mine.mkdir()
    folder = people(tmp_path / "three", range(3))
    train("covariance", folder, out=package / "theirs.safetensors")
    others = people(tmp_path / "others", range(11, 14))
    calibrate(f"covariance:{package / 'theirs.safetensors'}", others, title="theirs", out=package)
    for name in ("copy", "another"):
        for suffix in (".safetensors", ".json"):
            shutil.copy(package / f"theirs{suffix}", mine / f"{name}{suffix}")
    (one,), _ = calibrate("covariance:copy", others, title="mine")
    assert "before the reference that comes with the package (3 healthy brains: theirs)" in one.steps_back
    assert forget_references(MethodSpec("covariance", model="copy")) == {"FLAIR": "theirs"}
