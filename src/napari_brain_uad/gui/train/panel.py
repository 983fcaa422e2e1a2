"""What is seen of a training while it runs: figures, loss, and what the network makes of healthy slices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from qtpy.QtWidgets import QVBoxLayout, QWidget

from ..app.settings import remembered
from ..widgets.messages import wrapping_label
from ..widgets.picture_strip import PictureStrip
from ..widgets.run_bar import time_words
from .loss_plot import VALIDATION_COLOUR, LossPlot

if TYPE_CHECKING:
    from ...training.session import TrainingUpdate

_COLUMNS = 4
DIFFERENCE = "difference"
_CAPTIONS = {"input": "Healthy samples, not trained on", DIFFERENCE: "Difference (largest = brightest)"}


class TrainPanel(QWidget):
    """Figures, plot and pictures of one training."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.figures = wrapping_label(rich=True)
        self.plot = LossPlot()
        self.pictures = PictureStrip("What the network makes of healthy samples")
        self.pictures.setToolTip("The same samples every time: the reconstruction should come to look like them, the difference to go dark")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.figures, self.plot, self.pictures):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.start("", 0)

    def start(self, title: str, steps: int) -> None:
        """Show a training of which nothing is known yet."""
        self._stage = ""
        self.figures.setText(title)
        self.plot.clear_losses()
        self.plot.setVisible(steps > 0)
        self.pictures.show_rows([])

    def show_update(self, update: TrainingUpdate) -> None:
        """Show what the training says."""
        if update.stage != self._stage:
            self._stage = update.stage
            self.plot.clear_losses()
        self.plot.add(update.step, update.losses["loss"], update.validation)
        healthy = self.plot.validation[-1][1] if self.plot.validation else None
        kept_apart = "" if healthy is None else f", <span style='color: {VALIDATION_COLOUR}'>kept apart {healthy:.4g}</span>"
        stage = f"Stage {update.stage}: " if update.stage else ""
        self.figures.setText(
            f"{stage}Step {update.step:,} of {update.steps:,} after {time_words(update.seconds)}, "
            f"{update.samples_per_second:.0f} samples/s<br>"
            f"Loss {update.losses['loss']:.4g}{kept_apart}{_parts(update.losses)}"
        )
        if update.pictures is not None:
            self.show_pictures(update.pictures)

    def show_pictures(self, pictures: Mapping[str, NDArray[np.float32]]) -> None:
        """Show what a task previews of some samples, by what it shows: each of shape (n, height, width), anterior last, or with more axes.

        The first kind's range of grey holds for all but differences, which are shown by their size.
        """
        turned = remembered("convention") != "neurological"
        flat = {name: _flat(values)[-_COLUMNS:, ::-1, :: -1 if turned else 1] for name, values in pictures.items()}
        first = next(iter(flat.values()), np.zeros(1, np.float32))
        low, high = float(first.min()), float(first.max())
        rows, hot = [], None
        for number, (name, values) in enumerate(flat.items()):
            if name == DIFFERENCE:
                hot = number
            zero, span = (0.0, float(np.abs(values).max())) if number == hot else (low, high - low)
            grey = (np.abs(values) if number == hot else values - zero) / max(span, 1e-12)
            rows.append((_CAPTIONS.get(name, name.capitalize()), list(grey)))
        self.pictures.show_rows(rows, hot=hot)


def _flat(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of samples with more than two axes the middle along the others."""
    while values.ndim > 3:
        values = values[:, values.shape[1] // 2]
    return values


def _parts(losses: dict[str, float]) -> str:
    parts = [f"{name} {value:.4g}" for name, value in losses.items() if name != "loss"]
    return f" ({', '.join(parts)})" if parts else ""
