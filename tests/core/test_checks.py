"""One defect, one check."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_brain_uad.core.checks import (
    Finding,
    check_finite,
    check_mask_not_empty,
    check_not_constant,
    check_same_affine,
    check_three_dimensional,
    raise_errors,
)
from napari_brain_uad.core.errors import InputError


def test_first_error_is_raised_and_the_rest_returned() -> None:
    info, warning, error = (Finding(level, level, f"an {level}", "mend it") for level in ("info", "warning", "error"))
    assert raise_errors("a.nii", [info, None, warning]) == (info, warning)
    with pytest.raises(InputError) as caught:
        raise_errors("a.nii", [info, error, warning])
    assert (caught.value.what, caught.value.why, caught.value.fix) == ("a.nii", "an error", "mend it")
    assert info.as_dict() == {"code": "info", "level": "info", "message": "an info", "fix": "mend it"}


@pytest.mark.parametrize(("data", "count"), [(np.array([1.0, np.nan, np.inf]), "2 of 3"), (np.array([1 + 1j, np.nan]), "1 of 2")])
def test_not_finite(data: NDArray, count: str) -> None:
    finding = check_finite(data)
    assert finding is not None
    assert finding.code == "not-finite"
    assert count in finding.message


@pytest.mark.parametrize("data", [np.zeros(3, np.float32), np.zeros(3, int), np.zeros(3, bool), np.zeros(0)])
def test_finite(data: NDArray) -> None:
    assert check_finite(data) is None


@pytest.mark.parametrize(
    ("data", "code"), [(np.zeros((2, 2)), "constant"), (np.full(3, 7), "constant"), (np.zeros(0), "empty"), (np.arange(3), None)]
)
def test_constant(data: NDArray, code: str | None) -> None:
    finding = check_not_constant(data)
    assert (finding.code if finding else None) == code


@pytest.mark.parametrize(("shape", "fine"), [((2, 2, 2), True), ((2, 2), False), ((2, 2, 2, 2), False), ((), False)])
def test_dimensions(shape: tuple[int, ...], fine: bool) -> None:
    assert (check_three_dimensional(np.zeros(shape)) is None) == fine


def test_empty_mask() -> None:
    finding = check_mask_not_empty(np.zeros((2, 2, 2), bool), "ground truth")
    assert finding is not None
    assert "ground truth" in finding.message
    assert check_mask_not_empty(np.ones((2, 2, 2), bool)) is None


def test_affine_tolerance_is_in_millimetres_at_the_corners() -> None:
    turned = np.eye(4)
    turned[0, 1] = 0.001  # 0.2 mm at the far end of 200 voxels, nothing at the origin
    assert check_same_affine(np.eye(4), turned, (200, 201, 200), "mask") is not None
    assert check_same_affine(np.eye(4), turned, (50, 50, 50), "mask") is None
    assert check_same_affine(np.eye(4), turned, (200, 201, 200), "mask", tolerance_mm=0.3) is None
