"""One anatomy in two contrasts agrees; another one does not, nor the same one turned."""

from __future__ import annotations

import itertools
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from napari_brain_uad.preprocessing.same_brain import SAME_BRAIN, edge_agreement
from napari_brain_uad.workflows.scans.load import load
from tests.support.two_people import INSIDE, SPACING, moved, sequence


def test_the_contrast_does_not_count_and_the_person_does() -> None:
    for person in (1, 2):
        value = edge_agreement(sequence(person, "FLAIR"), sequence(person, "T2"), INSIDE, SPACING)
        assert value is not None
        assert value > 0.6
    value = edge_agreement(sequence(1, "FLAIR"), sequence(2, "T2"), INSIDE, SPACING)
    assert value is not None
    assert value < 0.45
    value = edge_agreement(sequence(1, "FLAIR"), moved(sequence(1, "T2")), INSIDE, SPACING)
    assert value is not None
    assert value < SAME_BRAIN


def test_too_little_to_tell_is_not_told() -> None:
    one, other = sequence(1, "FLAIR"), sequence(2, "T2")
    assert edge_agreement(one, other, np.zeros_like(INSIDE), SPACING) is None
    assert edge_agreement(one, other, INSIDE, (1.0, 1.0, 1.0)) is None
    assert edge_agreement(one[:, :, 30:31], other[:, :, 30:31], INSIDE[:, :, 30:31], SPACING) is None
    assert edge_agreement(np.ones_like(one), other, INSIDE, SPACING) is None
    huge = edge_agreement(one * np.float32(1e30), other, INSIDE, SPACING)
    assert huge == pytest.approx(edge_agreement(one, other, INSIDE, SPACING))


def test_real_people(shared_data: Path) -> None:
    """The figures that the bound was chosen by."""

    @cache
    def scan(person: str, name: str) -> np.ndarray:
        return load(shared_data / "mslub" / person / f"{name}.nii.gz").data

    def value(first: tuple[str, str], second: tuple[str, str]) -> float:
        one, other = scan(*first), scan(*second)
        found = edge_agreement(one, other, (one > 5) & (other > 5), (1.0, 1.0, 1.0))
        assert found is not None
        return found

    for pair in itertools.combinations(("FLAIR", "T1", "T2"), 2):
        assert value(("patient07", pair[0]), ("patient07", pair[1])) > SAME_BRAIN + 0.1
    assert value(("patient07", "FLAIR"), ("patient19", "T1")) < SAME_BRAIN - 0.05
