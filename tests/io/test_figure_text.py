"""What a figure is given as text is drawn as text, without a warning (warnings are errors here)."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from napari_brain_uad.io.figure_text import figure_text


def drawn(text: str) -> np.ndarray:
    figure = Figure(figsize=(6, 1))
    canvas = FigureCanvasAgg(figure)
    figure.text(0.01, 0.5, text)
    figure.savefig(io.BytesIO(), format="png")
    return np.asarray(canvas.buffer_rgba()).copy()


@pytest.mark.parametrize(
    "text",
    [
        r"$\frac{1}$",
        "$x$",
        "$$",
        "one $ only",
        r"a\$b$c",
        r"\undefined{",
        "患者 7",
        "\x1b[31m",
        "a\nb",
        "\udcff",
        "pa_ti^ent{",
        "\U0001f600",
    ],
)
def test_any_text_can_be_drawn(text: str) -> None:
    assert (drawn(figure_text(text)) != 255).any()


def test_dollars_are_seen() -> None:
    """As many letters as there are: a formula would lose its dollar signs and its spaces."""
    plain, priced = drawn(figure_text("a b")), drawn(figure_text("$a b$"))
    assert (priced != 255).sum() > (plain != 255).sum()


def test_umlauts_stay_and_what_the_font_lacks_is_written_out() -> None:
    assert figure_text("Müller ⌈Dice⌉") == "Müller ⌈Dice⌉"
    assert figure_text("患") == r"\u60a3"
