"""What was read is kept until a file changes, and no longer."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from napari_brain_uad.core.kept import Kept
from napari_brain_uad.workflows.models import models as model_files
from napari_brain_uad.workflows.models.models import shipped_models


class _Reading:
    """Counts how often it is asked."""

    def __init__(self, file: Path) -> None:
        self.file, self.times = file, 0

    def __call__(self) -> str:
        self.times += 1
        return self.file.read_text()


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as written at once."""
    monkeypatch.setattr(time, "time_ns", lambda: 2 * 10**18)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("other", [False, True])
def test_read_once_until_any_of_its_files_changes(tmp_path: Path, other: bool) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("one")
    kept, read = Kept[str](most=4), _Reading(first)
    assert [kept.get("a", (first, second), read) for _ in range(3)] == ["one"] * 3
    assert read.times == 1
    (second if other else first).write_text("two")  # the second one was missing
    assert kept.get("a", (first, second), read) == ("one" if other else "two")
    assert read.times == 2


@pytest.mark.usefixtures("settled")
def test_a_file_of_the_same_size_and_time_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    kept, read = Kept[str](most=4), _Reading(file)
    kept.get("a", (file,), read)
    before = file.stat()
    other = tmp_path / "other"
    other.write_text("two")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file)
    assert kept.get("a", (file,), read) == "two"


def test_what_was_just_written_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one")
    kept, read = Kept[str](most=4), _Reading(file)
    assert [kept.get("a", (file,), read) for _ in range(2)] == ["one", "one"]
    assert read.times == 2


@pytest.mark.usefixtures("settled")
def test_errors_are_not_kept_and_the_oldest_goes_first(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "abc"]
    kept, reads = Kept[str](most=2), [_Reading(file) for file in files]
    for file in files[1:]:
        file.write_text(file.name)
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            kept.get("a", (files[0],), reads[0])
    files[0].write_text("a")
    for file, read in zip(files, reads, strict=True):
        assert kept.get(file.name, (file,), read) == file.name
    for file, read in zip(files[1:], reads[1:], strict=True):
        kept.get(file.name, (file,), read)
    assert [read.times for read in reads] == [3, 1, 1]
    kept.get("a", (files[0],), reads[0])
    assert reads[0].times == 4


def test_lists_of_models_read_each_file_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = shipped_models()
    monkeypatch.setattr(model_files, "read_record", lambda _: pytest.fail("it is read again"))
    again = shipped_models()
    assert again == first
    # Whoever changes what he was given changes nobody else's.
    again[0].card.clear()
    assert shipped_models() == first
