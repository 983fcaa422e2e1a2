"""Any terminal, any file name, and arguments that are empty."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from small_heads import brain, head, save

from napari_brain_uad import cli
from napari_brain_uad.core.shell import split

HOSTILE = b"sub-M\xfcller \x1b[31m$\\x_^$ <b>\xe6\x82\xa3=1_FLAIR"
"""Latin-1 beside UTF-8, an escape, a broken formula, markup."""


@pytest.fixture
def named(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Scan, truth and brain mask under a name that nobody should give a file."""
    data, truth = head(0, lesion=True)
    files = []
    for ending, array in (("", data), ("_truth", truth.astype(np.uint8)), ("_mask", brain().astype(np.uint8))):
        plain = save(array, tmp_path / "plain.nii.gz")
        files.append(tmp_path / (os.fsdecode(HOSTILE) + f"{ending}.nii.gz"))
        shutil.move(plain, files[-1])
    return files[0], files[1], files[2]


def run(encoding: str, monkeypatch: pytest.MonkeyPatch, *words: object) -> tuple[int, str, str]:
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    for name, stream in zip(("stdout", "stderr"), streams, strict=True):
        monkeypatch.setattr(sys, name, stream)
    code = cli.main([str(word) for word in words])
    said = []
    for stream in streams:
        stream.flush()
        said.append(stream.buffer.getvalue().decode(encoding))  # type: ignore[attr-defined]  # the BytesIO it was given
    monkeypatch.undo()
    return code, said[0], said[1]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_every_command_on_every_terminal(
    encoding: str, named: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan, truth, mask = named
    out = tmp_path / "out"
    code, said, complaint = run(
        encoding, monkeypatch, "detect", scan, "--method", "threshold", "--truth", truth, "--mask", mask, "--out", out
    )
    assert (code, complaint) == (0, "")
    assert ("\u2308Dice\u2309" if encoding == "utf-8" else "[Dice]") in said
    assert r"sub-M\xfcller \x1b[31m$\x_^$ <b>" in said
    amap = next(out.glob("*_anomalymap.nii.gz"))
    for words in (
        ("compare", scan, "--methods", "threshold,thresh-raw", "--truth", truth, "--out", tmp_path / "compared"),
        ("evaluate", amap, truth),
        ("evaluate", amap, truth, "--json"),
        ("prepare", scan, "--preset", "native", "--out", tmp_path / "prepared", "--no-cache"),
        ("methods",),
        ("models",),
        ("datasets", tmp_path),
        ("datasets", tmp_path, "--json"),
    ):
        code, said, complaint = run(encoding, monkeypatch, *words)
        assert (code, complaint) == (0, ""), words
        assert "\x1b" not in said
        if "--json" in words:
            json.loads(said)
    code, _, complaint = run(encoding, monkeypatch, "detect", "missing \x1b[2J\u202e\n\u60a3.nii.gz", "--out", out)
    assert code == 2
    assert complaint.count("\n") == 1
    assert r"\x1b[2J\u202e\n" in complaint


def test_the_bytes_of_a_name_stay_in_files_and_records_are_plain_text(
    named: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan, truth, mask = named
    assert (
        run("ascii", monkeypatch, "detect", scan, "--method", "threshold", "--truth", truth, "--mask", mask, "--out", tmp_path / "out")[0]
        == 0
    )
    files = [os.fsencode(path.name) for path in (tmp_path / "out").iterdir()]
    assert len(files) == 12
    assert all(re.match(rb"sub-M\xfcller-31m-x_-b-\xe6\x82\xa3-1_FLAIR-[0-9a-f]{6}_threshold_", name) for name in files)
    record = json.loads(next((tmp_path / "out").glob("*provenance.json")).read_text("utf-8"))
    assert record["input"]["name"].startswith(r"sub-M\xfcller")
    assert record["command"].isprintable()
    assert split(record["command"])[2] == scan.name
    # Another run replaces the first one whole: the names in its manifest are the files'.
    assert run("ascii", monkeypatch, "detect", scan, "--method", "threshold", "--mask", mask, "--out", tmp_path / "out")[0] == 0
    assert len(list((tmp_path / "out").iterdir())) == 11


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_recorded_command_pasted_into_a_shell_gives_the_same_map(
    named: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan, truth, mask = named
    assert (
        run("utf-8", monkeypatch, "detect", scan, "--method", "threshold", "--truth", truth, "--mask", mask, "--out", tmp_path / "first")[0]
        == 0
    )
    record = json.loads(next((tmp_path / "first").glob("*provenance.json")).read_text("utf-8"))
    command = record["command"].replace("brain-uad", f"{sys.executable} -m napari_brain_uad.cli", 1)
    # A C locale in which even the names that are UTF-8 are bytes.
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert b"[Dice]" in done.stdout
    for ending in ("anomalymap.nii.gz", "mask.nii.gz", "brainmask.nii.gz", "regions.tsv", "metrics.json"):
        first, second = (next((tmp_path / name).glob(f"*_threshold_{ending}")) for name in ("first", "OUT"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        ["detect", "", "--out", "x"],
        ["detect", "a.nii", "--out", ""],
        ["detect", "a.nii", "--out="],
        ["detect", "a.nii", "--out", "x", "--mask", " "],
        ["detect", "a.nii", "--out", "x", "--method", ""],
        ["compare", "a.nii", "--methods", "threshold", "--truth", "", "--out", "x"],
        ["evaluate", "a.nii", "", "--json"],
        ["prepare", "", "--out", "x"],
        ["train", "vae", "", "--out", "x"],
        ["simulate", "maps", "--out", ""],
        ["models", "export", "vae", ""],
        ["datasets", ""],
    ],
)
def test_empty_arguments_are_refused_and_nothing_is_written(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    assert "is empty" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_nan_background_a_spike_and_an_empty_truth_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All in one scan: three lines on standard error, figures undefined, and code 0."""
    data, _ = head(0, lesion=True)
    data = np.where(brain(), data, np.nan).astype(np.float32)
    data[tuple(np.argwhere(brain())[500])] = 3e38
    scan = save(data, tmp_path / "a_FLAIR.nii.gz")
    truth = save(np.zeros(data.shape, np.uint8), tmp_path / "a_truth.nii.gz")
    code, said, complaint = run("ascii", monkeypatch, "detect", scan, "--method", "threshold", "--truth", truth, "--out", tmp_path / "out")
    assert code == 0
    assert [line.split(": ")[1] for line in complaint.splitlines()] == ["warning"] * 3
    assert "are NaN" in complaint
    assert "far above all others" in complaint
    assert "the ground truth is empty" in complaint
    assert "undefined" in said
    score = np.asarray(nibabel.load(next((tmp_path / "out").glob("*_anomalymap.nii.gz"))).dataobj)
    assert (score[~brain()] == 0).all()
    assert len(np.unique(score)) > 200
    code, _, complaint = run("ascii", monkeypatch, "compare", scan, "--methods", "threshold", "--truth", truth, "--out", tmp_path / "two")
    assert (code, complaint.count("\n")) == (0, 3)
    amap = next((tmp_path / "out").glob("*_anomalymap.nii.gz"))
    code, _, complaint = run("ascii", monkeypatch, "evaluate", amap, truth)
    assert code == 0
    assert "the ground truth is empty" in complaint
