"""Text from outside is shown in the window and not obeyed."""

from __future__ import annotations

import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QTextDocument

from napari_brain_uad.core.checks import Finding
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.gui.detect.inputs import DetectInputs
from napari_brain_uad.gui.widgets.messages import MessageArea, wrapping_label

ATTACKS = [
    "<b>bold</b>",
    "<img src='http://example.org/x.png'>",
    "<a href='file:///etc/passwd'>click</a>",
    "a & b < c",
    "\u202eright",
    "one\ntwo",
]


def seen(label) -> str:
    """What a label of rich text shows."""
    document = QTextDocument()
    document.setHtml(label.text())
    return document.toPlainText()


@pytest.mark.parametrize("text", ATTACKS)
def test_labels_do_not_guess(qtbot, text):
    label = wrapping_label(text)
    qtbot.addWidget(label)
    assert label.textFormat() == Qt.TextFormat.PlainText


@pytest.mark.parametrize("text", ATTACKS)
def test_messages_show_what_they_are_given(qtbot, text):
    area = MessageArea()
    qtbot.addWidget(area)
    shown = text.replace("\u202e", r"\u202e").replace("\n", r"\n")
    for show in (
        lambda: area.show_message("warning", text, why=text, fix=text),
        lambda: area.show_findings([Finding("code", "warning", text, text)]),
        lambda: area.show_findings(Finding(code, "warning", f"{text} {code}", text) for code in "abcd"),
        lambda: area.show_error(InputError(text, why=text, fix=text), "Trying"),
        lambda: area.show_error(ValueError(text), "Trying"),
    ):
        show()
        assert shown.casefold() in seen(area._text).casefold()
        assert shown.casefold() in area.text.casefold()
        assert "<img" not in area._text.text()
        assert "<a " not in area._text.text()


def test_no_warning_hides_another(qtbot):
    area = MessageArea()
    qtbot.addWidget(area)
    told = [Finding(word, "warning", f"the {word} is odd", f"Mend the {word}") for word in ("mask", "scan", "truth", "mask")]
    area.show_findings([Finding("note", "info", "nothing"), *told])
    assert area.level == "warning"
    assert area.text == "Check: The mask is odd. Mend the mask. The scan is odd. Mend the scan. The truth is odd. Mend the truth."
    area.clear()
    area.show_findings([Finding("note", "info", "nothing")])
    assert area.level is None


def test_what_checks_found_is_shown_as_it_is(qtbot, make_napari_viewer):
    inputs = DetectInputs(make_napari_viewer())
    qtbot.addWidget(inputs)
    inputs.show_facts("<i>FLAIR</i>", tuple(ATTACKS[:4]))
    assert inputs.facts.textFormat() == Qt.TextFormat.PlainText
    assert seen(inputs.checks) == "\n".join(f"Check: {text}" for text in ATTACKS[:4])
    inputs.disconnect_viewer()
