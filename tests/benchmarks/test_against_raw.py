"""The table of what methods add to intensity: both ways to average, and the brain alone."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks._healthy import Case, Subject
from benchmarks.against_raw import Pair, figures, lesions_of, markdown
from napari_brain_uad.core.volume import Grid, Volume


def test_scans_with_high_figures_count_most_in_one_column_alone() -> None:
    pairs = [
        Pair("T2", "glioma", "a", "one", (0.8, 0.9), (0.8, 0.6)),
        Pair("T2", "glioma", "a", "two", (0.4, 0.3), (0.1, 0.1)),
        Pair("T2", "multiple sclerosis", "a", "three", (0.2, 0.2), (0.1, 0.1)),
    ]
    rows = [line for line in markdown(pairs).splitlines() if line.startswith("| T2")]
    assert rows == [
        "| T2 | glioma | `a` | 2 | 0.600 / 0.600 | 0.450 / 0.350 | 1.33 / 1.71 | 2.50 / 2.25 |",
        "| T2 | multiple sclerosis | `a` | 1 | 0.200 / 0.200 | 0.100 / 0.100 | 2.00 / 2.00 | 2.00 / 2.00 |",
    ]


def test_what_lies_outside_the_brain_comes_last() -> None:
    shape = (2, 2, 2)
    brain, truth = np.ones(shape, bool), np.zeros(shape, bool)
    brain[0], truth[1, 1, 1] = False, True
    score = np.arange(8, dtype=np.float32).reshape(shape)
    score[0] = 99.0
    case = Case(Volume(score, Grid(shape, np.eye(4)), "one", brain, "T2"), brain & ~truth, truth)
    assert figures(score, case) == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize(("name", "lesions"), [("brats2021-01658-T2", "glioma"), ("isbi2015_ms-01-FLAIR", "multiple sclerosis")])
def test_data_sets_say_what_patients_have(name: str, lesions: str) -> None:
    assert lesions_of(Subject(name, "T2", "patient", "real", ())) == lesions
