"""Intensity and tissue evidence, pooled: by hand, and against the members' own maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
from tissue_phantom import phantom

from napari_brain_uad.detectors.intensity.robust_intensity import RobustIntensity
from napari_brain_uad.detectors.tissue import combined_evidence
from napari_brain_uad.detectors.tissue.combined_evidence import CombinedEvidence, CombinedEvidenceParams, OpinionPool, pools
from napari_brain_uad.detectors.tissue.tissue_ensemble import TissueEnsemble
from napari_brain_uad.io.json_files import read_json

TINY = {**CombinedEvidenceParams.PRESETS["tiny"], "sequence": "auto"}


def test_a_pool_is_a_weighted_geometric_mean_on_a_logarithmic_scale() -> None:
    pool = OpinionPool(centre=2.0, slope=0.5, intensity=0.25, floor=0.01)
    tissue, intensity = np.array([0.5, 0.5, 0.0, 1.0], np.float32), np.array([2.0, 3.0, 2.0, -50.0], np.float32)
    bright = [0.5, 1 / (1 + np.exp(-2)), 0.5, 1e-40]
    means = [one**0.25 * max(two, 0.01) ** 0.75 for one, two in zip(bright, tissue, strict=True)]
    expected = [1 + np.log10(mean) / 8 for mean in means[:3]] + [0.0]  # from 1e-8 to 1
    np.testing.assert_allclose(pool.pooled(tissue, intensity), expected, atol=1e-6)


def test_what_is_shipped_was_chosen_where_it_beats_tissue_alone() -> None:
    found = read_json(Path(combined_evidence.__file__).with_suffix(".json"), fix="")
    means = {sequence: {way: fmean(values.values()) for way, values in one.items()} for sequence, one in found["auprc"].items()}
    assert set(pools()) == {sequence for sequence, mean in means.items() if mean["pooled"] >= 1.05 * mean["tissue alone"]} == {"FLAIR"}
    assert all(0 <= pool.intensity < 1 and 0 < pool.floor < 1 and pool.slope > 0 for pool in pools().values())


@pytest.fixture(scope="module")
def trained() -> TissueEnsemble:
    detector = TissueEnsemble(TissueEnsemble.Params.from_dict(TINY))
    settings = TissueEnsemble.Training.from_dict(dict(TissueEnsemble.Training.PRESETS["tiny"]) | {"steps": 4})
    detector.fit([phantom(seed=seed) for seed in range(2)], training=settings)
    return detector


def _combined(trained: TissueEnsemble) -> CombinedEvidence:
    detector = CombinedEvidence(CombinedEvidenceParams.from_dict(TINY))
    detector.load_state(trained.state())
    return detector


def test_the_map_is_the_pool_of_what_its_members_give(trained: TissueEnsemble, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = OpinionPool(centre=1.0, slope=0.7, intensity=0.4, floor=0.05)
    monkeypatch.setattr(combined_evidence, "pools", lambda: {"T2": pool})
    scan = phantom("T2", seed=9, lesion=True)
    tissue, intensity = (detector.score(scan).score[scan.mask] for detector in (trained, RobustIntensity()))
    np.testing.assert_allclose(_combined(trained).score(scan).score[scan.mask], pool.pooled(tissue, intensity), atol=1e-6)


def test_a_sequence_without_a_pool_is_scored_by_tissue_alone(trained: TissueEnsemble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combined_evidence, "pools", dict)
    scan = phantom("T2", seed=9, lesion=True)
    np.testing.assert_array_equal(_combined(trained).score(scan).score, trained.score(scan).score)


def test_the_set_sequence_decides_and_not_the_scans(trained: TissueEnsemble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(combined_evidence, "pools", lambda: {"T2": OpinionPool(1.0, 0.7, 0.4, 0.05)})
    scan = phantom("T2", seed=9, lesion=True)
    told = CombinedEvidence(CombinedEvidenceParams.from_dict(TINY | {"sequence": "T2"}))
    told.load_state(trained.state())
    np.testing.assert_array_equal(told.score(replace(scan, sequence=None)).score, _combined(trained).score(scan).score)
