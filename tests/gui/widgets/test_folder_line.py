"""A line for a folder: what is typed, chosen and dropped."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtWidgets import QFileDialog

from napari_brain_uad.gui.app.settings import last_folder
from napari_brain_uad.gui.widgets.folder_line import FolderLine


@pytest.fixture
def line(qtbot: QtBot) -> FolderLine:
    made = FolderLine("Scans", "Where they lie")
    qtbot.addWidget(made)
    return made


@pytest.mark.parametrize(("given", "taken"), [("folder", "folder"), ("folder/list.csv", "folder/list.csv"), ("folder/a.nii.gz", "folder")])
def test_a_folder_or_the_list_of_a_data_set_is_taken(line: FolderLine, tmp_path: Path, given: str, taken: str) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("list.csv", "a.nii.gz"):
        (tmp_path / "folder" / name).touch()
    line.take(tmp_path / given)
    assert line.path == str(tmp_path / taken)
    assert last_folder() == tmp_path / "folder"


def test_the_button_asks_where_the_line_is(line: FolderLine, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    answers = iter([str(tmp_path), ""])
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda _, *words: (asked.append(words), next(answers))[1])
    line.line.setText(f" {tmp_path.parent} ")
    with qtbot.waitSignal(line.changed):
        line.button.click()
    assert line.path == str(tmp_path)
    line.button.click()
    assert line.path == str(tmp_path)
    assert asked == [("Scans", str(tmp_path.parent)), ("Scans", str(tmp_path))]
