"""The steps of a preparation: list, picture, and the chosen step's settings with "Redo from this step"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLabel, QPushButton, QVBoxLayout, QWidget

from ..widgets.editors import ComboBox
from ..widgets.forms import ParamsForm
from ..widgets.messages import wrapping_label
from .job import Answer, StepNews, step_words
from .preview import Preview
from .preview_picture import Picture
from .step_list import StepList

if TYPE_CHECKING:
    from ...preprocessing.step import Step

_FROM_CACHE = "From the cache: redo a step to see what each one does"


class StepPanel(QWidget):
    """Shows a pipeline, follows its run, and edits its steps.

    Attributes
    ----------
    redo : Signal
        Emitted with the number of the step from which to run again.
    changed : Signal
        Emitted after a setting was changed.
    """

    redo = Signal(int)
    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.sequence = ComboBox()
        self.list = StepList()
        self.preview = Preview()
        self.title = QLabel()
        self.summary = wrapping_label()
        self.form: ParamsForm | None = None
        self.button = QPushButton("Redo from this step")
        self._steps: list[Step] = []
        self._news: dict[tuple[str, int], StepNews] = {}
        self._results: dict[str, Picture] = {}
        self._answer: Answer | None = None
        self._running: tuple[str, int] | None = None
        self._lay_out()
        self.list.chosen.connect(self._show_step)
        self.sequence.currentIndexChanged.connect(lambda _index: self._show_sequence())
        self.button.clicked.connect(lambda: self.redo.emit(self.list.currentRow()))

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps with their settings as they stand."""
        return tuple(self._steps)

    def pipeline(self) -> list[dict[str, Any]]:
        """The steps as plain data."""
        return [{"step": step.ID, "params": step.as_dict()} for step in self._steps]

    def set_steps(self, steps: Sequence[Step]) -> None:
        """Show a pipeline that was not run yet."""
        self._steps = list(steps)
        self.forget()

    def forget(self) -> None:
        """Drop what is known of a run; the settings stay."""
        self._news, self._results, self._answer, self._running = {}, {}, None, None
        self.sequence.clear()
        self.sequence.hide()
        self.preview.show_picture(None)
        self.list.set_steps([step.TITLE for step in self._steps])
        self._show_step(-1)

    def start(self, sequences: Sequence[str], first: int) -> None:
        """A run begins at step `first` of each of these sequences (in the order of the work)."""
        self._news = {key: news for key, news in self._news.items() if key[1] < first}
        self._results = {}
        self._answer = None
        self.sequence.blockSignals(True)
        self.sequence.clear()
        self.sequence.addItems(list(sequences))
        self.sequence.blockSignals(False)
        self.sequence.setVisible(len(sequences) > 1)
        self._running = (sequences[0], first)
        self._show_sequence()
        self._enable()

    def take(self, news: StepNews) -> None:
        """A step is done: show what it gave."""
        self._news[news.sequence, news.number] = news
        last = news.number == len(self._steps) - 1
        names = [self.sequence.itemText(row) for row in range(self.sequence.count())]
        place = names.index(news.sequence)
        if not last:
            self._running = (news.sequence, news.number + 1)
        else:
            self._running = (names[place + 1], 0) if place + 1 < len(names) else None
        if self.sequence.currentText() != news.sequence:
            self.sequence.setCurrentText(news.sequence)
        else:
            self._show_sequence()
        self.list.choose(news.number)

    def finish(self, answer: Answer) -> None:
        """The run is over: what came from the cache is shown as its record tells."""
        self._answer, self._running = answer, None
        self._results = dict(answer.pictures)
        self._show_sequence()
        self._show_step(self.list.currentRow())

    def fail(self) -> None:
        """The run broke off at the step that was running."""
        failed, self._running = self._running, None
        self._show_sequence()
        if failed is not None and self.sequence.currentText() == failed[0]:
            self.list.set_state(failed[1], "failed")
        self._enable()

    def set_editable(self, editable: bool) -> None:
        """Settings are not changed under a run."""
        self._settings.setEnabled(editable)
        self._enable()

    def _show_sequence(self) -> None:
        name = self.sequence.currentText()
        record = self._recorded(name)
        for number in range(self.list.count()):
            news = self._news.get((name, number))
            if news is not None:
                self.list.set_state(number, "done", news.told)
            elif self._running == (name, number):
                self.list.set_state(number, "running")
            elif record is not None:
                self.list.set_state(number, "kept", step_words(record[number]["said"]))
            else:
                self.list.set_state(number, "waiting")
        self._show_picture(self.list.currentRow())

    def _recorded(self, name: str) -> Sequence[Mapping[str, Any]] | None:
        """The record of a sequence whose result came from the cache."""
        found = None if self._answer is None else self._answer.session.sequences.get(name)
        return None if found is None or found.runs else found.prepared.record

    def _show_step(self, number: int) -> None:
        if self.form is not None:
            self._box.removeWidget(self.form)
            self.form.hide()
            self.form.deleteLater()
            self.form = None
        known = 0 <= number < len(self._steps)
        self._settings.setVisible(known)
        self._show_picture(number)
        if not known:
            return
        step = self._steps[number]
        self.title.setText(f"<b>{step.TITLE}</b>")
        has_settings = bool(step.describe())
        self.summary.setText(_first_sentence(step) if has_settings else f"{_first_sentence(step)} It has no settings.")
        if has_settings:
            self.form = ParamsForm(type(step))
            self.form.set_value(step)
            self.form.changed.connect(lambda: self._edited(number))
            self._box.insertWidget(2, self.form)
        self._enable()

    def _edited(self, number: int) -> None:
        if self.form is not None:
            value = self.form.value()
            self._steps[number] = type(self._steps[number]).from_dict(value.as_dict())
            self.changed.emit()

    def _show_picture(self, number: int) -> None:
        name = self.sequence.currentText()
        news = self._news.get((name, number))
        self.preview.show_picture(self._results.get(name) if news is None else news.picture)

    def _enable(self) -> None:
        self.button.setEnabled(self._answer is not None and self._settings.isEnabled())
        cached = self._answer is not None and self._answer.session.cached
        self.button.setToolTip(_FROM_CACHE if cached else "Keep the steps before this one, run it and the rest with the settings above")

    def _lay_out(self) -> None:
        self.sequence.setAccessibleName("Sequence")
        self._settings = QWidget()
        self._box = QVBoxLayout(self._settings)
        self._box.setContentsMargins(0, 0, 0, 0)
        rows: tuple[QWidget, ...] = (self.title, self.summary, self.button)
        for row in rows:
            self._box.addWidget(row)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 4, 0)
        for widget in (self.sequence, self.list, self.preview, self._settings):
            layout.addWidget(widget)
        self._settings.hide()


def _first_sentence(step: Step) -> str:
    return (type(step).__doc__ or "").strip().partition("\n")[0].replace("`", "")
