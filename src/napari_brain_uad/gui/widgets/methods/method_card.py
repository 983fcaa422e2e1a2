"""A method's card: what it is, what it needs, where it comes from, and how well it did on named data."""

from __future__ import annotations

import html

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFrame, QVBoxLayout, QWidget

from ....core.detector import MethodInfo, cited
from ..messages import wrapping_label
from ..theme import LINK_COLOUR

LINK = f"color: {LINK_COLOUR}"
"""In a label that `wrapping_label` makes, readable on napari's dark and light themes; the palette's own blue is not."""


class MethodCard(QFrame):
    """Unfolds under the method box."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("method_card")
        self.setStyleSheet("#method_card { border: 1px solid rgba(127, 127, 127, 120); border-radius: 4px; }")
        self.label = wrapping_label(rich=True)
        self.label.setOpenExternalLinks(True)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.TextBrowserInteraction)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.addWidget(self.label)
        self.hide()

    def show_method(self, info: MethodInfo) -> None:
        """Fill the card; whether it is visible stays as it was."""
        self.label.setText(card_html(info))


def card_html(info: MethodInfo) -> str:
    """The card as rich text. Figures appear only when somebody measured them."""
    rows = [
        ("Family", html.escape(info.family)),
        ("Needs", html.escape(info.needs)),
        ("Made for", html.escape(", ".join(info.sequences) or "any sequence")),
        ("Score", html.escape(info.score_unit)),
        ("Threshold", f"{info.default_threshold.words} by default"),
        ("Runs on", html.escape(", ".join(name.upper() for name in info.devices))),
        ("Paper", linked(info.paper)),
        ("Licence", html.escape(info.licence)),
        ("Measured", "<br>".join(_figure(m.metric, m.value, m.data, m.source) for m in info.measured) or "no figures yet"),
    ]
    body = "".join(f"<br><b>{name}:</b> {value}" for name, value in rows)
    return f"<b>{html.escape(info.name)}</b><br>{html.escape(info.summary)}{body}"


def linked(citation: str) -> str:
    """A citation as HTML with its arXiv number or DOI as a link."""
    text = html.escape(citation)
    found = cited(text)
    return text.replace(found[0], f"<a href='{found[1]}' style='{LINK}'>{found[0]}</a>") if found else text


def _figure(metric: str, value: float, data: str, source: str) -> str:
    return html.escape(f"{metric} {value:.3f} on {data} ({source})")
