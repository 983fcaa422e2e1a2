"""Real tumours added to healthy scans (StRegA's equation 15)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tissue_phantom import SHAPE, phantom

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.simulation.superposed import superposed

TUMOUR = (slice(8, 13), slice(20, 26), slice(9, 12))


def patient() -> tuple[Volume, np.ndarray]:
    scan = phantom(seed=3)
    tumour = np.zeros(SHAPE, bool)
    tumour[TUMOUR] = True
    data = scan.data.copy()
    data[TUMOUR] = np.linspace(50.0, 200.0, 5)[:, None, None]
    return scan.with_data(data), tumour


def test_on_the_same_brain_it_is_the_sum_of_the_papers_equation() -> None:
    scan, tumour = patient()
    healthy = phantom(seed=9)
    healthy = healthy.with_mask(scan.mask)
    volume, truth = superposed(healthy, scan, tumour)
    expected = np.where(scan.mask, healthy.data.clip(min=0) / healthy.data[scan.mask].max(), 0) + np.where(tumour, scan.data / 200.0, 0)
    np.testing.assert_allclose(volume.data, expected, atol=1e-5)
    np.testing.assert_array_equal(truth, tumour)


def test_a_brain_of_another_size_gets_it_at_the_same_place_of_the_brain() -> None:
    """Left stays left: twice as many voxels, and the brain shifted in its field."""
    scan, tumour = patient()
    small = phantom(seed=9)
    shape = (2 * SHAPE[0] + 12, 2 * SHAPE[1], SHAPE[2])
    big = np.zeros(shape, np.float32)
    mask = np.zeros(shape, bool)
    big[12:] = np.repeat(np.repeat(small.data, 2, 0), 2, 1)
    mask[12:] = np.repeat(np.repeat(scan.mask, 2, 0), 2, 1)
    healthy = Volume(big, Grid(shape, np.diag([1.0, 1.0, 2.0, 1.0])), "big", mask, "T1")
    _, truth = superposed(healthy, scan, tumour)
    expected = np.zeros(shape, bool)
    expected[12:] = np.repeat(np.repeat(tumour, 2, 0), 2, 1)
    assert (truth & expected).sum() > 0.9 * expected.sum()
    assert truth.sum() < 1.1 * expected.sum()


@pytest.mark.parametrize("case", ["no mask", "empty", "another shape", "elsewhere", "negative"])
def test_what_cannot_be_added_is_refused(case: str) -> None:
    scan, tumour = patient()
    healthy = phantom(seed=9)
    if case == "no mask":
        healthy = replace(healthy, mask=None)
    elif case == "empty":
        tumour = np.zeros(SHAPE, bool)
    elif case == "another shape":
        tumour = tumour[1:]
    elif case == "elsewhere":
        tumour = np.zeros(SHAPE, bool)
        tumour[0, 0, 0] = True
    else:
        scan = scan.with_data(-np.abs(scan.data))
    with pytest.raises(InputError):
        superposed(healthy, scan, tumour)
