"""Folders that are linked together: found once, under the names they have here, however the links run."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from promptness import assert_within

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.io.nifti import read_volume
from napari_brain_uad.io.walk import Missed, files_in, walk, walk_files, walk_folders


def _put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def _names(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in walk_files(root)]


def test_linked_folders_are_entered_and_keep_the_names_of_the_links(tmp_path: Path) -> None:
    _put(tmp_path / "archive" / "4711" / "flair.nii.gz")
    root = tmp_path / "study"
    _put(root / "sub-01" / "t1.nii.gz")
    (root / "sub-02").symlink_to(tmp_path / "archive" / "4711")
    assert _names(root) == ["sub-01/t1.nii.gz", "sub-02/flair.nii.gz"]
    assert [path.relative_to(root).as_posix() for path in walk_folders(root)] == [".", "sub-01", "sub-02"]
    (tmp_path / "linked").symlink_to(root)
    assert _names(tmp_path / "linked") == ["sub-01/t1.nii.gz", "sub-02/flair.nii.gz"]


@pytest.mark.parametrize("to", ["..", "../..", ".", "../b"])
def test_links_in_a_circle_end(to: str, tmp_path: Path) -> None:
    root = tmp_path / "root"
    _put(root / "a" / "scan.nii")
    _put(root / "b" / "other.nii")
    (root / "a" / "again").symlink_to(to)
    (root / "b" / "again").symlink_to("../a")
    (root / "itself").symlink_to("itself")
    missed = Missed()
    files = [path.relative_to(root).as_posix() for path in walk_files(root, missed)]
    assert files == ["a/scan.nii", "b/other.nii"]
    assert [path.name for path in missed.dangling] == ["itself"]


def test_a_link_beside_what_it_points_to_doubles_nothing(tmp_path: Path) -> None:
    _put(tmp_path / "ses-2" / "flair.nii")
    (tmp_path / "current").symlink_to("ses-2")  # comes first by its name, and yet is not the one that is kept
    assert _names(tmp_path) == ["ses-2/flair.nii"]


def test_ways_that_fork_again_and_again_are_not_counted_out(tmp_path: Path) -> None:
    """Two links to the next folder in each of 40 folders are 2^40 ways."""
    store = tmp_path / "store"
    for n in range(40):
        _put(store / str(n) / "scan.nii")
        for name in ("x", "y"):
            (store / str(n) / name).symlink_to(f"../{n + 1}")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "in").symlink_to(store / "0")
    started = time.monotonic()
    assert len(walk_files(tmp_path / "root")) == 40
    assert_within(time.monotonic() - started, 2.0)


def test_hidden_files_and_folders_are_left_out(tmp_path: Path) -> None:
    for name in (".git/annex/objects/a.nii", "a/.hidden/b.nii", "a/._c.nii", "a/c.nii"):
        _put(tmp_path / name)
    assert _names(tmp_path) == ["a/c.nii"]


def test_links_to_nothing_are_counted_and_named(tmp_path: Path) -> None:
    _put(tmp_path / "a" / "here.nii")
    for name in ("c", "b"):
        (tmp_path / "a" / f"{name}.nii").symlink_to("../.git/annex/objects/gone")
    missed = Missed()
    assert [path.name for path in walk(tmp_path, missed) if path.suffix] == ["here.nii"]
    assert missed.words(tmp_path) == ("2 links lead nowhere, like a/b.nii",)
    assert Missed().words(tmp_path) == ()


def test_a_folder_that_may_not_be_listed_is_told(tmp_path: Path) -> None:
    closed = _put(tmp_path / "closed" / "scan.nii").parent
    closed.chmod(0)
    try:
        if os.access(closed, os.R_OK):
            pytest.skip("this user may read everything")
        missed = Missed()
        assert walk_files(tmp_path, missed) == []
        assert missed.words(tmp_path) == ("1 folder cannot be read, like closed",)
    finally:
        closed.chmod(0o700)


def test_special_files_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.nii")
    assert walk_files(tmp_path) == []


def test_one_folder_alone(tmp_path: Path) -> None:
    _put(tmp_path / "store" / "MD5E-s1--0a.nii.gz")
    maps = tmp_path / "maps"
    for name in ("b.NII", "._b.nii", "deeper/c.nii", "notes.txt"):
        _put(maps / name)
    (maps / "a.nii.gz").symlink_to("../store/MD5E-s1--0a.nii.gz")
    (maps / "folder.nii").mkdir()
    assert [path.name for path in files_in(maps, (".nii", ".nii.gz"))] == ["a.nii.gz", "b.NII"]
    (maps / "gone.nii").symlink_to("nothing")
    with pytest.raises(InputError, match=r"gone\.nii: it is a link that leads nowhere\. Get what the link points to"):
        files_in(maps, (".nii", ".nii.gz"))


def test_a_scan_that_is_a_link_to_nothing(tmp_path: Path) -> None:
    (tmp_path / "scan.nii").symlink_to("nothing")
    with pytest.raises(InputError, match="is a link that leads nowhere"):
        read_volume(tmp_path / "scan.nii")
