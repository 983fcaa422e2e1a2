"""``brain-uad bids`` as a BIDS App is called."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from small_heads import head, save

from napari_brain_uad import cli


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    for name in ("01", "02"):
        folder = tmp_path / "study" / f"sub-{name}" / "anat"
        folder.mkdir(parents=True)
        save(head(int(name), lesion=False)[0], folder / f"sub-{name}_T2w.nii.gz")
    (tmp_path / "study" / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz").symlink_to("../nowhere")
    return tmp_path / "study"


def test_the_convention_of_bids_apps(
    raw: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = [
        str(raw),
        str(out),
        "participant",
        "--participant_label",
        "sub-02",
        "--method",
        "threshold",
        "--skip-bids-validation",
        "--quiet",
    ]
    monkeypatch.setattr(sys, "argv", ["brain-uad-bids", *words])
    # As the program does it, which takes the words of its own command line.
    assert cli.bids_main() == 0
    said = capsys.readouterr()
    assert "Left out: sub-02_FLAIR.nii.gz: it is a link that leads nowhere" in said.out
    assert "2 images of 1 participant: 1 done, 1 left out" in said.out
    assert "Research use only" in said.out
    assert not list(out.glob("sub-01*"))
    assert cli.main(["bids", str(raw), str(out), "participant", "--method", "threshold", "--quiet"]) == 0
    assert "3 images of 2 participants: 1 done, 1 kept, 1 left out" in capsys.readouterr().out
    assert cli.main(["bids", str(raw), str(out), "group"]) == 0
    assert "3 images of 2 participants: 2 done, 1 left out" in capsys.readouterr().out
    assert len((out / "group_anomalies.tsv").read_text().splitlines()) == 4


def test_labels_add_up_however_they_are_given(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    labels = ["--participant-label", "01", "--participant_label", "sub-02", "--suffix", "T2w"]
    assert cli.main(["bids", str(raw), str(tmp_path / "out"), "participant", *labels, "--method", "threshold", "--quiet"]) == 0
    assert "2 images of 2 participants: 2 done" in capsys.readouterr().out


def test_one_damaged_scan_costs_that_scan_and_the_exit_code(raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (raw / "sub-01" / "anat" / "sub-01_T2w.nii.gz").write_bytes(b"no image")
    assert cli.main(["bids", str(raw), str(tmp_path / "out"), "participant", "--method", "threshold", "--quiet"]) == 2
    said = capsys.readouterr()
    assert "sub-01_T2w.nii.gz" in said.err
    assert "1 done, 1 failed, 1 left out" in said.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["participant", "--participant-label", "3"], "no sub-3"),
        (["participant", "--model", "x"], "--model without --method"),
        (["participant", "--method", "strga"], "Did you mean"),
        (["group"], "level participant first"),
    ],
)
def test_wrong_words_are_told_before_anything_is_written(
    raw: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    assert cli.main(["bids", str(raw), str(tmp_path / "out"), *words, "--quiet"]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
