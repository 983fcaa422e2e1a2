"""A scan in one word, read and written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.sequence import USER
from napari_brain_uad.core.volume import Grid, Source, Volume
from napari_brain_uad.workflows.detect.save import without_folders
from napari_brain_uad.workflows.scans.scan_word import ScanWord


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a.nii.gz", "T1=b.nii.gz", "c.nii.gz:2", "-d.nii.gz"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "name", "sequence", "index"),
    [
        ("a.nii.gz", "a.nii.gz", None, None),
        ("flair=a.nii.gz", "a.nii.gz", "FLAIR", None),
        ("a.nii.gz:3", "a.nii.gz", None, 3),
        ("t1ce=a.nii.gz:0", "a.nii.gz", "T1c", 0),
        # What is called so as a whole comes first.
        ("T1=b.nii.gz", "T1=b.nii.gz", None, None),
        ("T2=T1=b.nii.gz", "T1=b.nii.gz", "T2", None),
        ("c.nii.gz:2", "c.nii.gz:2", None, None),
        ("c.nii.gz:2:1", "c.nii.gz:2", None, 1),
        ("./-d.nii.gz", "-d.nii.gz", None, None),
    ],
)
def test_words_are_read_and_written(folder: Path, text: str, name: str, sequence: str | None, index: int | None) -> None:
    found = ScanWord.parse(text)
    assert (found.path, found.sequence, found.index) == (Path(name), sequence, index)
    assert ScanWord.parse(found.text) == found
    whole = ScanWord(folder / name, sequence, index)
    assert ScanWord.parse(whole.text) == whole
    # A record names no folder, and keeps what is said of the file.
    assert without_folders(f"brain-uad detect x --with '{whole.text}'").endswith(found.text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("none.nii.gz", r"^none\.nii\.gz: there is no such file"),
        ("FLAIR=none.nii.gz:1", r"^none\.nii\.gz: there is no such file"),
        ("FLAR=a.nii.gz", r"'FLAR' is no sequence.*with one of FLAIR, T1"),
        ("FLAR=a.nii.gz:1", "'FLAR' is no sequence"),
        ("a.nii.gz:x", r"^a\.nii\.gz:x: 'x' is no number of a volume.*FILE:0"),
        ("FLAIR=a.nii.gz:-1", "'-1' is no number of a volume"),
        ("FLAIR=", "no file is named"),
        ("", "The scan: no file is named"),
    ],
)
def test_what_is_no_scan_is_told(folder: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        ScanWord.parse(text)


def test_of_a_scan_in_memory_what_its_user_said() -> None:
    volume = Volume(np.zeros((2, 2, 2), np.float32), Grid((2, 2, 2), np.eye(4)), "s", sequence="T2", sequence_origin="name 't2'")
    assert ScanWord.of(volume) is None
    read = replace(volume, source=Source(volume.grid, Path("x.nii"), volume_index=4))
    assert ScanWord.of(read) == ScanWord(Path("x.nii"), None, 4)
    assert ScanWord.of(read.with_sequence("PD", USER)) == ScanWord(Path("x.nii"), "PD", 4)


def test_options_keep_their_names_without_folders() -> None:
    command = "brain-uad stress s.nii.gz --mask=/data/Anna/m.nii.gz --model vae=/data/Anna/v.safetensors --out /data/Anna/out"
    assert without_folders(command) == "brain-uad stress s.nii.gz --mask=m.nii.gz --model vae=v.safetensors --out out"
