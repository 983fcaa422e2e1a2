from __future__ import annotations

import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.evaluation.operating import ThresholdMode


@pytest.mark.parametrize(
    "text", ["auto", "0.7", "percentile:98", "otsu", "otsu-slice", "healthy-fpr:0.01", "best-dice", "healthy-ml:2", "fdr:0.1"]
)
def test_modes_are_said_in_words(text: str) -> None:
    mode = ThresholdMode(text)
    assert mode.words
    assert mode.needs_healthy == text.startswith(("healthy", "fdr"))


@pytest.mark.parametrize("text", ["high", "healthy-ml", "healthy-ml:-1", "healthy-ml:nan", "percentile:101", "fdr:2"])
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        ThresholdMode(text)
