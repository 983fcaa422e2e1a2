"""A few voxels far beyond all others are found, and ordinary scans are left alone."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.extremes import FAR, apart, robust_range, without_extremes
from napari_brain_uad.core.volume import Grid, Volume


def head(seed: int = 0, background: float = 0.0) -> np.ndarray:
    """A brain of some 20,000 voxels in a constant background."""
    rng = np.random.default_rng(seed)
    data = np.full((40, 44, 36), background, np.float32)
    data[8:32, 8:36, 4:32] = background + rng.normal(100.0, 20.0, (24, 28, 28)).clip(5.0, 300.0)
    return data


def volume(data: np.ndarray) -> Volume:
    return Volume(data, Grid(data.shape, np.eye(4)))


@pytest.mark.parametrize("background", [0.0, -3.0, 1e4])
@pytest.mark.parametrize("values", [[1e5], [-1e6], [np.finfo(np.float32).max], [3e38, -3e38], [10.0**n for n in range(5, 25)]])
def test_extremes_count_as_the_largest_of_the_others(values: list[float], background: float) -> None:
    data = head(background=background)
    low, high = float(data.min()), float(data.max())
    places = tuple(np.argwhere(data != background)[:: 19_000 // len(values)][: len(values)].T)
    spiked = data.copy()
    spiked[places] = values
    found = without_extremes(volume(spiked))
    others = np.ones(data.shape, bool)
    others[places] = False
    np.testing.assert_array_equal(found.data[others], data[others])
    assert found.data[places] == pytest.approx([high if value > 0 else low for value in values], rel=0.2)
    (finding,) = found.findings
    assert (finding.code, finding.level) == ("extreme-voxels", "warning")
    assert finding.message.startswith(f"{sum(v > 0 for v in values) or sum(v < 0 for v in values)} voxel")
    assert without_extremes(found) is found


def test_bright_lesions_and_noise_are_not_touched() -> None:
    data = head()
    data[10:12, 10:12, 10:12] = 5.0 * float(data.max())
    for scan in (volume(data), volume(np.random.default_rng(1).normal(0.0, 1.0, (30, 30, 30)).astype(np.float32)), volume(head(2) * 1e-20)):
        assert without_extremes(scan) is scan


@pytest.mark.parametrize("factor", [0.9, 1.2])
def test_the_reach_is_what_it_says(factor: float) -> None:
    """The range is that of all but 1 % of the brain and the background; beyond `FAR` times it voxels are extreme."""
    data = np.zeros((30, 30, 30), np.float32)
    data[5:25, 5:25, 5:25] = np.linspace(50.0, 150.0, 8000).reshape(20, 20, 20)
    data[15, 15, 15] = 149.0 + factor * FAR * 149.0
    assert bool(without_extremes(volume(data)).findings) == (factor > 1.0)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([3.0], (3.0, 3.0)),
        ([1.0, 1.0, 1.0], (1.0, 1.0)),
        ([0.0, 1.0], (0.0, 1.0)),
        ([0.0, 0.0, 5.0], (0.0, 5.0)),
        ([1, 2, 3, 4, 1e9], (1, 4)),
    ],
)
def test_few_values(values: list[float], wanted: tuple[float, float]) -> None:
    assert robust_range(np.array(values, np.float32)) == wanted


@pytest.mark.parametrize("value", [0.0, 7.0, -3e38, 3e38, 1e-30])
def test_limits_are_apart(value: float) -> None:
    low, high = apart(value, value)
    assert low == value
    assert high > low
    assert apart(1.0, 2.0) == (1.0, 2.0)
