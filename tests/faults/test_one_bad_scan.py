"""One bad scan of many costs that scan: the others' results are there, it is named with the reason, and the exit code says so."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from parallel_work import figures_or_die
from small_heads import AFFINE, SHAPE, brain, head, save

from napari_brain_uad import cli
from napari_brain_uad.detectors.intensity.threshold import HistogramThreshold
from napari_brain_uad.workflows.cohort import cohort as cohort_workflow

GOOD = 4


def _rgb(path: Path) -> None:
    voxels = np.zeros(SHAPE, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    nib.Nifti1Image(voxels, AFFINE).to_filename(path)


def _constant_but_for_eight(path: Path) -> None:
    data = np.where(brain(), 100, 0).astype(np.float32)
    data[20:22, 22:24, 18:20] = 180
    save(data, path)


def _other(path: Path, ending: str) -> Path:
    return path.with_name(path.name.replace("_FLAIR.nii.gz", ending))


SPOILT: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-200]),
    "zero": lambda path: save(np.zeros(SHAPE, np.float32), path),
    "nan": lambda path: save(np.full(SHAPE, np.nan, np.float32), path),
    "flat": _constant_but_for_eight,
    "grid": lambda path: save(np.ones((9, 9, 9), np.uint8), _other(path, "_truth.nii.gz")),
    "empty": lambda path: save(np.zeros(SHAPE, np.uint8), _other(path, "_brainmask.nii.gz")),
    "rgb": _rgb,
    "four": lambda path: save(np.random.default_rng(0).normal(100, 10, (*SHAPE, 3)).astype(np.float32), path),
    "text": lambda path: path.write_text("no image at all"),
    "method": lambda path: None,
}
"""What becomes of each bad scan; of the last one a method makes what nobody foresaw."""


def cohort(folder: Path, bad: dict[str, Callable[[Path], object]]) -> Path:
    for number, name in enumerate([*bad, *(f"good{n}" for n in range(GOOD))]):
        data, lesion = head(number, lesion=True)
        path = save(data, folder / f"{name}_FLAIR.nii.gz")
        save(lesion.astype(np.uint8), _other(path, "_truth.nii.gz"))
        save(brain().astype(np.uint8), _other(path, "_brainmask.nii.gz"))
        bad.get(name, lambda _: None)(path)
    return folder


def test_ten_bad_scans_leave_the_good_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    score = HistogramThreshold._score

    def failing(self: HistogramThreshold, volume, *given, **named):
        return {}["no such key"] if volume.name.startswith("method") else score(self, volume, *given, **named)

    monkeypatch.setattr(HistogramThreshold, "_score", failing)
    (tmp_path / "in").mkdir()
    folder = cohort(tmp_path / "in", SPOILT)
    words = ["evaluate", folder, "--methods", "threshold", "--no-cache", "--quiet", "--out", tmp_path / "out"]
    assert cli.main([str(word) for word in words]) == 2
    _, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "cohort.csv").read_text())))
    done = {row["scan"] for row in rows}
    assert {f"good{n}" for n in range(GOOD)} <= done
    # Of a scan of which no region is left the figures are true, and it is said.
    said = err.splitlines()
    lines = [line for line in said if "the clean-up removed all of the" not in line]
    assert [line.split(":")[1].strip() for line in said if line not in lines] == ["flat"] * ("flat" in done)
    failed = [name for name in SPOILT if any(name in line.split(":")[1] for line in lines)]
    assert len(lines) == len(failed)
    # Each is in the table or named; what is so odd is in the table with figures that are true.
    assert done.isdisjoint(failed)
    assert done | set(failed) == set(SPOILT) | {f"good{n}" for n in range(GOOD)}
    assert set(failed) >= set(SPOILT) - {"flat"}
    assert "Traceback" not in err
    sentence = "Internal error: KeyError: 'no such key'. Please report it; brain-uad --debug shows the traceback."
    assert f"brain-uad: method: {sentence}" in lines
    # Scripts that read the JSON see it by the exit code, too.
    assert cli.main([*(str(word) for word in words), "--json", "--overwrite"]) == 2
    assert json.loads(capsys.readouterr().out)["failures"]


def test_a_killed_process_costs_its_scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cohort_workflow, "scan_figures", figures_or_die)
    (tmp_path / "in").mkdir()
    folder = cohort(tmp_path / "in", {"killed": lambda path: None})
    for file in folder.glob("good[1-9]*"):
        file.unlink()
    words = ["evaluate", folder, "--methods", "threshold,thresh-raw", "--jobs", 2, "--no-cache", "--quiet", "--out", tmp_path / "out"]
    assert cli.main([str(word) for word in words]) == 2
    _, err = capsys.readouterr()
    assert len(err.splitlines()) == 1
    assert err.startswith("brain-uad: killed: ")
    assert "memory" in err
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "cohort.csv").read_text())))
    assert [row["scan"] for row in rows] == ["good0", "good0"]
