from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks import methods
from benchmarks._cases import BenchCase, real_cases, synthetic_cases
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.preprocessing.template import MNI_GRID
from napari_brain_uad.simulation.held_out import held_out_cases


def record(method: str, volume: str, dice: float, sequence: str = "T1") -> dict[str, object]:
    figures = {"best_dice": dice, "best_dice_voxels": dice / 2, "auprc": dice / 4, "auroc": 0.9, "pro": None}
    own = {"data": "MSLUB", "volume": volume, "sequence": sequence, "method": method, **figures}
    return {**own, "seconds": 2.0, "memory_mb": None, "model": ""}


def test_means_and_their_ratio_to_the_floor() -> None:
    given = [record("thresh-raw", "a", 0.1), record("thresh-raw", "b", 0.2), record("vae", "a", 0.5), record("vae", "b", 0.7)]
    given += [record("half", "b", 0.3), record("vae", "a", 0.9, "T2")]
    found = {(one["method"], one["sequence"]): one for one in methods.means(given)}
    assert found["vae", "T1"]["best_dice"] == pytest.approx(0.6)
    assert found["vae", "T1"]["best_dice_ratio"] == pytest.approx(0.6 / 0.15)
    assert found["half", "T1"]["best_dice_ratio"] == pytest.approx(0.3 / 0.2)  # against the floor on the scans it has
    assert found["vae", "T2"]["best_dice_ratio"] is None
    assert found["thresh-raw", "T1"]["auprc_ratio"] == 1.0
    assert found["vae", "T1"]["memory_mb"] is None


def test_the_table_is_written_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    axes = np.meshgrid(*(np.linspace(-1, 1, 24),) * 3, indexing="ij")
    brain = sum(axis**2 for axis in axes) < 0.8
    truth = np.zeros(brain.shape, bool)
    truth[8:13, 8:13, 8:13] = True
    data = np.where(brain, rng.normal(100, 10, brain.shape) + 25 * truth, 0).astype(np.float32)
    case = BenchCase("Toy", "toy", "FLAIR")
    monkeypatch.setattr(methods, "real_cases", lambda: [case])
    monkeypatch.setattr(methods, "synthetic_cases", list)
    volume = Volume(data, Grid(data.shape, np.diag([2.0, 2, 2, 1])), "toy", brain, "FLAIR")
    monkeypatch.setattr(BenchCase, "load", lambda self, resolution: (volume, truth))
    monkeypatch.setenv("BRAIN_UAD_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "results"
    methods.main(["--methods", "threshold,thresh-raw", "covariance:nowhere.safetensors", "--median", "3", "--out", str(out)])
    assert sorted(path.name for path in out.iterdir()) == [f"methods-median3.{ending}" for ending in ("csv", "json", "md")]
    found = json.loads((out / "methods-median3.json").read_text())
    assert [one["method"] for one in found["volumes"]] == ["threshold", "thresh-raw"]
    assert "nowhere" in next(iter(found["failures"].values()))
    assert {"date", "versions", "machine", "settings", "definitions", "means"} <= set(found)
    page = (out / "methods-median3.md").read_text(encoding="utf-8")
    for words in ("Toy, FLAIR (1 volumes)", "x floor", "median filter of 3", "Not in the table", "Research use only"):
        assert words in page
    assert str(tmp_path) not in page
    methods.main(["--methods", "thresh-raw", "threshold@bins=64", "--median", "3", "--update", "--out", str(out)])
    found = json.loads((out / "methods-median3.json").read_text())
    assert [one["method"] for one in found["volumes"]] == ["threshold", "thresh-raw", "threshold@bins=64"]
    assert list(found["failures"]) == ["covariance:nowhere.safetensors on toy FLAIR"]


def test_cases_are_the_shared_scans(shared_data: Path) -> None:
    cases = real_cases()
    assert len([case for case in cases if case.group == "MSLUB"]) == 6
    assert len([case for case in cases if case.group == "BraTS 2013"]) == 8
    volume, truth = cases[1].load(4.0)
    assert volume.sequence == "FLAIR"
    assert volume.grid.spacing == pytest.approx((4, 4, 4))
    assert volume.mask is not None
    assert truth.shape == volume.mask.shape == volume.data.shape
    full, all_truth = cases[1].load(None)
    assert truth.sum() * 64 == pytest.approx(all_truth.sum(), rel=0.25)
    assert full.mask is not None
    assert volume.mask.sum() * 64 == pytest.approx(full.mask.sum(), rel=0.05)
    assert {case.sequence for case in synthetic_cases()} <= {"T1", "T2", "FLAIR"}


def test_methods_that_know_the_template_alone_get_registered_real_scans() -> None:
    other = Grid((9, 9, 9), np.eye(4))
    methods_ = ["thresh-raw", "covariance@tail=bright", "vae"]
    real, simulated = BenchCase("BraTS 2013", "a", "T1c"), BenchCase("Synthetic ms", "a", "T1", simulated=held_out_cases()[0])
    assert methods._ways(methods_, real, MNI_GRID) == [(methods_, "auto")]
    assert methods._ways(methods_, real, other) == [(["thresh-raw", "vae"], "auto"), (["covariance@tail=bright"], "clinical")]
    assert methods._ways(methods_, simulated, other) == [(methods_, "auto")]
    assert methods._ways(["covariance"], real, other) == [(["covariance"], "clinical")]


def test_the_page_names_the_weights_behind_the_figures() -> None:
    given = [record("vae", "a", 0.1) | {"model": "abc"}, record("vae", "b", 0.2) | {"model": "abc"}, record("threshold", "a", 0.3)]
    given += [record("covariance", "a", 0.3, "T2") | {"model": "def", "prepared": "clinical"}]
    found = methods._models(given)
    assert found[-2:] == ["* vae: weights abc on MSLUB T1", "* covariance: weights def on MSLUB T2, registered first (clinical)"]
    assert methods._models([record("threshold", "a", 0.3)]) == []
