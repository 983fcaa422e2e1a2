"""The dock's own place for messages: what happened, why, what to do; details to unfold and copy. Never a dialog over the scan."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable

from qtpy.QtCore import Qt
from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFrame, QHBoxLayout, QLabel, QPlainTextEdit, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from ...core.checks import Finding, Level
from ...core.errors import BrainUADError, InternalError
from ...core.provenance import versions
from ...core.text import html_text, readable
from .theme import RichLabel

_LOG = logging.getLogger(__name__)

_LOOK: dict[str, tuple[str, str]] = {"info": ("Note", "#4c9be8"), "warning": ("Check", "#e0a030"), "error": ("Error", "#e0605a")}
"""A word besides the colour: a message must be told apart without seeing the colour."""


class MessageArea(QFrame):
    """Shows one message, or nothing and takes no room."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("messages")
        self.level: Level | None = None
        self._text = wrapping_label(rich=True)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        self._text.setOpenExternalLinks(True)
        self._unfold = _tool("Details", "Show what the developers need to see")
        self._unfold.setCheckable(True)
        self._copy = _tool("Copy", "Copy the message with its details")
        dismiss = _tool("Dismiss", "Hide this message")
        self._details = QPlainTextEdit()
        self._details.setReadOnly(True)
        self._details.setFixedHeight(110)
        self._unfold.toggled.connect(self._details.setVisible)
        self._copy.clicked.connect(self._copy_all)
        dismiss.clicked.connect(self.clear)
        row = QHBoxLayout()
        row.addWidget(self._unfold)
        row.addWidget(self._copy)
        row.addStretch()
        row.addWidget(dismiss)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 6, 6)
        layout.addWidget(self._text)
        layout.addLayout(row)
        layout.addWidget(self._details)
        self.clear()

    @property
    def text(self) -> str:
        """The message without its markup; empty when none is shown."""
        return "" if self.level is None else self._plain

    @property
    def details(self) -> str:
        """What "Details" unfolds."""
        return self._details.toPlainText()

    def clear(self) -> None:
        """Show nothing."""
        self.level = None
        self._plain = ""
        self._unfold.setChecked(False)
        self._details.clear()
        self._details.hide()
        self.hide()

    def show_message(self, level: Level, what: str, *, why: str = "", fix: str = "", details: str = "") -> None:
        """Show one message in place of the last.

        Parameters
        ----------
        level : {"info", "warning", "error"}
            How bad it is.
        what, why, fix : str
            What happened, the cause, and what the user can do; the last two may be empty.
        details : str
            To be unfolded and copied; the button is hidden when empty.
        """
        self.clear()
        word, colour = _LOOK[level]
        self.level = level
        parts = [readable(part).rstrip(".") + "." for part in (what, why, fix) if part]
        self._plain = " ".join([f"{word}:", *parts])
        lines = [f"<b>{word}:</b> {html_text(parts[0])}", *(html_text(part) for part in parts[1:])]
        self._text.setText("<br>".join(lines))
        self._details.setPlainText(details)
        self._unfold.setVisible(bool(details))
        self._copy.setVisible(bool(details))
        self.setStyleSheet(f"#messages {{ border: 0; border-left: 4px solid {colour}; background: rgba(127, 127, 127, 40); }}")
        self.show()

    def show_findings(self, findings: Iterable[Finding]) -> None:
        """Show what checks saw, all of it in one message, each once; nothing is shown for what is worth no warning."""
        told = list(dict.fromkeys(finding for finding in findings if finding.level != "info"))
        if len(told) == 1:
            (one,) = told
            self.show_message(one.level, one.message[:1].upper() + one.message[1:], fix=one.fix)
        elif told:
            level: Level = "error" if any(one.level == "error" for one in told) else "warning"
            first, *others = (one.sentence for one in told)
            self.show_message(level, first, why=others[0], fix=" ".join(others[1:]))

    def show_error(self, error: Exception, doing: str) -> None:
        """Show an exception; one that nobody foresaw is logged too.

        Parameters
        ----------
        error : Exception
            A `BrainUADError` says itself what to do.
        doing : str
            What was going on, for unexpected errors: "Detecting anomalies".
        """
        trace, why = "".join(traceback.format_exception(error)), f"{type(error).__name__}: {error}"
        if isinstance(error, InternalError):
            trace, why = error.details or trace, error.why
        elif isinstance(error, BrainUADError):
            self.show_message("error", error.what, why=error.why[:1].upper() + error.why[1:], fix=error.fix, details=_report(trace))
            return
        _LOG.error("%s failed unexpectedly", doing, exc_info=error)
        self.show_message(
            "error",
            f"{doing} failed unexpectedly",
            why=why,
            fix="Copy the details and report them to the developers",
            details=_report(trace),
        )

    def _copy_all(self) -> None:
        clipboard = QGuiApplication.clipboard()
        if clipboard is not None:
            clipboard.setText(f"{self._plain}\n\n{self.details}")


def wrapping_label(text: str = "", *, rich: bool = False) -> QLabel:
    """A label that wraps instead of widening its dock.

    It shows its text as it is. Only with `rich` it understands HTML; what comes from outside then has to go through
    `core.text.html_text`. (Qt would guess, and a file's name can be written so that it guesses wrong.)
    """
    label = RichLabel(text) if rich else QLabel(text)
    _wrap(label, rich)
    return label


class ChecksLabel(QLabel):
    """What is to be looked at before going on, a line each, with a bar beside it; hidden while there is nothing."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        _wrap(self, rich=True)
        self.setObjectName("checks")
        self.setStyleSheet(f"#checks {{ border-left: 4px solid {_LOOK['warning'][1]}; padding-left: 6px; }}")
        self.hide()

    def show_checks(self, *checks: str) -> None:
        """Show these, in place of those before."""
        word = _LOOK["warning"][0]
        self.setText("<br>".join(f"<b>{word}:</b> {html_text(check)}" for check in checks))
        self.setVisible(bool(checks))


def _wrap(label: QLabel, rich: bool) -> None:
    label.setTextFormat(Qt.TextFormat.RichText if rich else Qt.TextFormat.PlainText)
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)


def _report(trace: str) -> str:
    known = "\n".join(f"{name} {version}" for name, version in versions().items())
    return f"{trace.rstrip()}\n\n{known}"


def _tool(text: str, tip: str) -> QToolButton:
    button = QToolButton()
    button.setText(text)
    button.setToolTip(tip)
    button.setAutoRaise(True)
    return button
