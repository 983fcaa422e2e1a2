"""Healthy maps that the user gave are asked whether they fit, as a reference is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from napari_brain_uad.calibration.build import HealthyMap, build_reference
from napari_brain_uad.calibration.reference import HealthyReference
from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.checks import Finding
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.threshold import ThresholdRule
from napari_brain_uad.core.volume import Grid
from napari_brain_uad.detectors.registry import method_class
from napari_brain_uad.postprocessing.params import PostParams
from napari_brain_uad.workflows.detect.detect import judged

POST = PostParams(opening=0, min_voxels=4)
SHAPE = (26, 24, 22)


def brain(seed: int, *, spacing: float = 2.0, sequence: str | None = "T1", weights: str = "a", smoothing: int = 1, of: float = 1.0) -> Any:
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 1.2)
    grid = Grid(SHAPE, np.diag([spacing] * 3 + [1.0]))
    record = {"method": {"params": {"smoothing": smoothing}, "weights_sha256": weights}, "input": {"sequence": sequence}}
    rule = ThresholdRule("percentile", 95.0)
    score = (of * noise / noise.std()).astype(np.float32)
    return AnomalyMap(score, grid, np.ones(SHAPE, bool), "", "toy", f"brain-{seed}", rule, provenance=record)


def given(**how: Any) -> HealthyReference:
    maps = [HealthyMap(brain(seed, **how)) for seed in range(9)]
    return build_reference(maps, POST, title="9 healthy maps given", sequence=how.get("sequence", "T1") or "")


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"smoothing": 2}, "another smoothing"),
        ({"sequence": "T2"}, "is for T2, and this scan is T1"),
        ({"spacing": 0.9}, "this scan's 8 mm"),
        ({"of": 0.1}, "scores unlike any healthy brain"),
    ],
)
def test_maps_that_do_not_fit_set_no_threshold_and_give_no_verdict(how: dict[str, Any], why: str) -> None:
    found = judged(brain(50), POST, healthy=given(**how))
    assert why in found.verdict.why_not
    assert (found.reference, str(found.result.threshold.rule)) == (None, "percentile:95")
    for rule in ("healthy-ml:1", "healthy-fpr:0.01", "fdr:0.5"):
        with pytest.raises(InputError, match=why):
            judged(brain(50), replace(POST, threshold=rule), healthy=given(**how))


@pytest.mark.parametrize(
    ("method", "sequence", "short"),
    [
        ("threshold", "T1", "the method 'threshold' can have no healthy reference. Use robust-intensity or a trained method"),
        ("thresh-raw", "T1", "the method 'thresh-raw' can have no healthy reference. Use robust-intensity or a trained method"),
        ("toy", "T1", "there is no healthy reference for the method 'toy'. Make a reference (brain-uad calibrate)"),
        ("toy", "T1+T2", "there is no healthy reference for several sequences together (T1+T2)"),
    ],
)
def test_without_a_reference_the_verdict_says_why_and_what_helps(method: str, sequence: str, short: str) -> None:
    """Catches the advice to make a reference where none can be made."""
    amap = replace(brain(50, sequence=sequence), method=method)
    found = judged(amap, POST).verdict
    assert found.short == f"No verdict: {short}"
    assert found.line == found.short.split(". ")[0]
    assert found.advice == found.short.partition(". ")[2]
    why = method_class(method).INFO.incomparable if method != "toy" else ""
    assert found.details.lower() == why.lower()
    with pytest.raises(InputError) as refused:
        judged(amap, replace(POST, threshold="healthy-ml:1"))
    assert ("brain-uad calibrate" in refused.value.fix) == (not why)
    assert refused.value.fix.endswith("give healthy scans (--healthy), or choose another rule")


def test_maps_of_another_model_are_refused_whatever_the_rule() -> None:
    for rule in ("auto", "2.5", "healthy-ml:1"):
        with pytest.raises(InputError, match=r"healthy brains given are refused: another model made their maps"):
            judged(brain(50), replace(POST, threshold=rule), healthy=given(weights="b"))


@pytest.mark.parametrize(("of_scan", "of_maps"), [("T1", "T1"), (None, None), ("T1", None), (None, "T1")])
def test_a_sequence_that_is_not_known_is_no_other_one(of_scan: str | None, of_maps: str | None) -> None:
    found = judged(brain(50, sequence=of_scan), POST, healthy=given(sequence=of_maps))
    assert found.verdict.applies
    assert str(found.result.threshold.rule) == "healthy-ml:3"


def test_a_part_of_them_fits(tmp_path: Path) -> None:
    """Two of eleven are too coarse to be compared with."""
    maps = [HealthyMap(brain(seed, spacing=5.0 if seed > 8 else 2.0)) for seed in range(11)]
    healthy = build_reference(maps, POST, title="11 healthy maps given", sequence="T1")
    assert judged(brain(50), POST, healthy=healthy).verdict.healthy == 9


def test_a_scan_that_looks_like_another_sequence_gets_no_verdict() -> None:
    """A T1 that is called FLAIR is compared with FLAIR scans: that it shows less than they do says nothing. Nor does a mask of lesions."""
    amap = brain(50)
    said = [Finding("no-codes", "warning", "it has no codes").as_dict(), Finding("sequence-image", "warning", "it looks like T1").as_dict()]
    about = amap.provenance["input"]
    assert judged(amap, POST, healthy=given()).verdict.applies
    small = [Finding("mask-size", "warning", "the brain mask given has 50 ml").as_dict()]
    for findings, why in ((said, "it looks like T1"), (small, "the brain mask given has 50 ml"), (said[:1], ""), ("anything", "")):
        one = replace(amap, provenance={**amap.provenance, "input": {**about, "findings": findings}})
        assert judged(one, POST, healthy=given()).verdict.why_not == why
