"""The brain's own scale: its commonest tissue is 0, its interquartile range 1."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.detectors.intensity.robust_intensity import mode_and_spread

RANDOM = np.random.default_rng(4)
TISSUE = RANDOM.normal(150.0, 25.0, 40_000).astype(np.float32)


def test_the_mode_is_that_of_the_tissue() -> None:
    mode, spread = mode_and_spread(TISSUE)
    assert mode == pytest.approx(150.0, abs=5.0)
    assert spread == pytest.approx(1.349 * 25.0, rel=0.03)  # of a normal distribution


@pytest.mark.parametrize("dark", [np.zeros(8_000, np.float32), RANDOM.normal(20.0, 2.0, 8_000).astype(np.float32)])
def test_holes_of_the_mask_and_fluid_are_not_taken_for_the_tissue(dark: np.ndarray) -> None:
    """A sixth of the voxels in a narrow dark peak, which is higher than the tissue's: two of eight elderly brains at 1 mm had one."""
    mode, _ = mode_and_spread(np.concatenate([TISSUE, dark]))
    assert mode == pytest.approx(150.0, abs=5.0)


def test_bright_lesions_do_not_move_the_mode() -> None:
    lesion = RANDOM.normal(260.0, 3.0, 1_500).astype(np.float32)
    assert mode_and_spread(np.concatenate([TISSUE, lesion]))[0] == pytest.approx(150.0, abs=5.0)
