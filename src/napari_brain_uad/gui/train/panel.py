"""What is seen of a training while it runs: figures, loss, and what the network makes of healthy slices."""

from __future__ import annotations

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
_CAPTIONS = ("Healthy slices, not trained on", "Reconstruction", "Difference (largest = brightest)")


class TrainPanel(QWidget):
    """Figures, plot and pictures of one training."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.figures = wrapping_label(rich=True)
        self.plot = LossPlot()
        self.pictures = PictureStrip("Input, reconstruction, difference")
        self.pictures.setToolTip("The same slices every time: the reconstruction should come to look like them, the difference to go dark")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for widget in (self.figures, self.plot, self.pictures):
            layout.addWidget(widget)
        layout.addStretch(1)
        self.start("", 0)

    def start(self, title: str, steps: int) -> None:
        """Show a training of which nothing is known yet."""
        self.figures.setText(title)
        self.plot.clear_losses()
        self.plot.setVisible(steps > 0)
        self.pictures.show_rows([])

    def show_update(self, update: TrainingUpdate) -> None:
        """Show what the training says."""
        self.plot.add(update.step, update.losses["loss"], update.validation)
        healthy = self.plot.validation[-1][1] if self.plot.validation else None
        kept_apart = "" if healthy is None else f", <span style='color: {VALIDATION_COLOUR}'>kept apart {healthy:.4g}</span>"
        self.figures.setText(
            f"Step {update.step:,} of {update.steps:,} after {time_words(update.seconds)}, {update.samples_per_second:.0f} slices/s<br>"
            f"Loss {update.losses['loss']:.4g}{kept_apart}{_parts(update.losses)}"
        )
        if update.pictures is not None:
            self.show_pictures(update.pictures)

    def show_pictures(self, pictures: NDArray[np.float32]) -> None:
        """Show input, reconstruction and difference of some slices, array of shape (n, 3, height, width), anterior last."""
        turned = remembered("convention") != "neurological"
        upright = pictures[-_COLUMNS:, :, ::-1, :: -1 if turned else 1]
        low, high = float(upright[:, 0].min()), float(upright[:, 0].max())
        grey = (upright[:, :2] - low) / max(high - low, 1e-12)
        difference = np.abs(upright[:, 2]) / max(float(np.abs(upright[:, 2]).max()), 1e-12)
        rows = [(_CAPTIONS[number], list(grey[:, number])) for number in range(2)]
        self.pictures.show_rows([*rows, (_CAPTIONS[2], list(difference))], hot=2)


def _parts(losses: dict[str, float]) -> str:
    parts = [f"{name} {value:.4g}" for name, value in losses.items() if name != "loss"]
    return f" ({', '.join(parts)})" if parts else ""
