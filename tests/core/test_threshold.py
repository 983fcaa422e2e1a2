"""Threshold rules in and out of text, and what a threshold flags."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import RULES, Threshold, ThresholdRule


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        ("0.9", "value", 0.9),
        ("-3", "value", -3.0),
        ("1e-3", "value", 0.001),
        ("value:0.5", "value", 0.5),
        ("otsu", "otsu", None),
        ("otsu-slice", "otsu-slice", None),
        ("best-dice", "best-dice", None),
        ("percentile:98", "percentile", 98.0),
        ("percentile:0", "percentile", 0.0),
        ("healthy-fpr:0.01", "healthy-fpr", 0.01),
    ],
)
def test_parse(text: str, kind: str, number: float | None) -> None:
    rule = ThresholdRule.parse(text)
    assert (rule.kind, rule.number) == (kind, number)
    assert ThresholdRule.parse(str(rule)) == rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "otso",
        "nan",
        "inf",
        "value",
        "percentile",
        "percentile:",
        "percentile:101",
        "percentile:-1",
        "percentile:x",
        "healthy-fpr:2",
        "0,5",
        "98:percentile",
        "otsu:3",
        "auto:1",
        "healthy-ml",
        "healthy-ml:-1",
        "healthy-ml:nan",
        "fdr:2",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(InputError):
        ThresholdRule.parse(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("percentile:0.98", "For the percentile 98 write percentile:98"),
        ("percentile:0.995", "write percentile:99.5"),
        ("percentile:1e-3", "write percentile:0.1"),
        ("healthy-fpr:1", "For 1 % write healthy-fpr:0.01"),
        ("healthy-fpr:0.5e1", "write healthy-fpr:0.05"),
        ("fdr:5", "For 5 % write fdr:0.05"),
        ("fdr:1", "For 1 % write fdr:0.01"),
        ("98%", "For a percentile write percentile:98"),
        ("percentile:98%", "For a percentile write percentile:98"),
    ],
)
def test_a_fraction_for_a_percentile_and_the_like_say_what_was_meant(text: str, meant: str) -> None:
    """Taken as they are written they would flag nearly everything without a word."""
    with pytest.raises(InputError) as refused:
        ThresholdRule.parse(text)
    assert meant in refused.value.fix


@given(st.floats(-1e6, 1e6))
def test_values_survive_being_written(number: float) -> None:
    rule = ThresholdRule("value", number)
    assert ThresholdRule.parse(str(rule)).number == number


def test_every_rule_is_known() -> None:
    numbers = {"value": 0.5, "percentile": 50.0, "healthy-ml": 3.0, "healthy-fpr": 0.5, "fdr": 0.1}
    assert [ThresholdRule(kind, numbers.get(kind)).kind for kind in RULES] == list(RULES)
    with pytest.raises(InputError, match="one of: auto, a number, otsu"):
        ThresholdRule("median")
    with pytest.raises(InputError, match="Did you mean percentile"):
        ThresholdRule.parse("precentile:98")


def test_rules_are_said_in_words_and_say_what_they_need() -> None:
    texts = ["auto", "0.7", "percentile:98", "otsu", "otsu-slice", "healthy-fpr:0.01", "best-dice", "healthy-ml:2.5", "fdr:0.1"]
    rules = [ThresholdRule.parse(text) for text in texts]
    assert {rule.kind for rule in rules} == set(RULES)
    for rule in rules:
        assert rule.number is None or f"{rule.number:g}" in rule.words
        assert rule.needs_healthy == rule.kind.startswith(("healthy", "fdr"))
        assert rule.needs_truth == (rule.kind == "best-dice")
    assert len({rule.words for rule in rules}) == len(rules)


def test_flagging_is_strict() -> None:
    score = np.array([[[0.1, 0.5, 0.6]]], np.float32)
    threshold = Threshold(0.5, ThresholdRule("value", 0.5), "set by hand")
    np.testing.assert_array_equal(threshold.flag(score), [[[False, False, True]]])


def test_a_threshold_equal_to_a_float32_score_flags_nothing_of_it() -> None:
    """0.1 is not a float32; the comparison happens in the map's own type."""
    score = np.full((1, 1, 1), 0.1, np.float32)
    assert not Threshold(0.1, ThresholdRule("value", 0.1), "").flag(score).any()
    assert not Threshold(float(score[0, 0, 0]), ThresholdRule("value", 0.1), "").flag(score).any()


def test_one_threshold_a_slice() -> None:
    score = np.ones((2, 2, 3), np.float32)
    threshold = Threshold(1.0, ThresholdRule("otsu-slice"), "Otsu on each slice", np.array([0.5, 1.0, 2.0]))
    np.testing.assert_array_equal(threshold.flag(score).any(axis=(0, 1)), [True, False, False])
    record = threshold.as_dict()
    assert json.loads(json.dumps(record)) == {
        "value": 1.0,
        "rule": "otsu-slice",
        "origin": "Otsu on each slice",
        "per_slice": [0.5, 1.0, 2.0],
    }
