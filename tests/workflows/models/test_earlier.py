"""Models of earlier versions: of the tissue methods when they were one, called `strega`, and of settings that were not there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tissue_phantom import phantom

from napari_brain_uad.core.errors import ModelError
from napari_brain_uad.detectors.tissue.hyperintensity_segmentation import HyperintensitySegmentation
from napari_brain_uad.detectors.tissue.tissue_ensemble import TissueEnsemble
from napari_brain_uad.io.checkpoint import save_checkpoint
from napari_brain_uad.workflows.detect.score import load_detector
from napari_brain_uad.workflows.models import models

OLD = {
    "corrupted_share": "painted",
    "inpainting_rounds": "healing",
    "segmentation_maps": "finder_maps",
    "segmentation_smoothing_mm": "finder_smoothing_mm",
    "augmentation_strength": "roughness",
    "restoration_weight": "deficit_weight",
    "restoration_weight_t1": "deficit_weight_t1",
}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TissueEnsemble:
    monkeypatch.setattr(models, "user_dir", lambda: tmp_path)
    detector = TissueEnsemble(TissueEnsemble.Params.preset("tiny"))
    detector.fit([phantom(seed=seed) for seed in range(2)], training=TissueEnsemble.Training.from_dict({"steps": 2, "batch_size": 4}))
    return detector


def write(path: Path, made: TissueEnsemble, **more: Any) -> None:
    """As version 0.1 wrote it."""
    params = {OLD.get(name, name): value for name, value in made.params.as_dict().items() if name != "white_lesion_share"}
    params |= {"tissue": "scale", "decoder": "tissues", "regions": True, "context_weight": 0.5, "convention": "mean"} | more
    parts = {"restoration": "restorer", "segmentation": "finder"}
    state = {
        f"{parts[part]}.{name}": array for (part, _, name), array in ((key.partition("."), value) for key, value in made.state().items())
    }
    if not params["regions"]:
        state = {name.removeprefix("restorer."): array for name, array in state.items() if name.startswith("restorer.")}
    save_checkpoint(path, method="strega", params=params, state=state, meta={"sequences": ["T1"]})


def test_it_is_listed_and_scores_as_the_ensemble_that_it_is(made: TissueEnsemble, tmp_path: Path) -> None:
    write(tmp_path / "mine", made)
    assert [(model.id, model.method) for model in models.user_models()] == [("mine", "tissue-ensemble")]
    scan = phantom(seed=9, lesion=True)
    np.testing.assert_array_equal(load_detector("tissue-ensemble", model="mine").score(scan).score, made.score(scan).score)
    with pytest.raises(ModelError, match="model of tissue-ensemble, not of strega"):
        load_detector("strega", model="mine")


def test_without_its_second_network_it_is_the_restoration(made: TissueEnsemble, tmp_path: Path) -> None:
    write(tmp_path / "mine", made, regions=False)
    assert [model.method for model in models.user_models()] == ["tissue-restoration"]
    scan = phantom(seed=9, lesion=True)
    expected = made.members["restoration"].score(scan).score
    np.testing.assert_array_equal(load_detector("tissue-restoration", model="mine").score(scan).score, expected)


@pytest.mark.parametrize("more", [{"decoder": "label-image"}, {"tissue": "classes"}])
def test_what_no_method_can_use_is_named(made: TissueEnsemble, tmp_path: Path, more: dict[str, str]) -> None:
    write(tmp_path / "mine", made, **more)
    assert not models.user_models()
    (problem,) = models.model_problems()
    assert "earlier version" in str(problem)
    assert "Train it again" in str(problem)


def test_brightness_does_not_count_with_a_model_of_the_time_when_it_did_not(tmp_path: Path) -> None:
    """Its healthy references are of the network alone."""
    detector = HyperintensitySegmentation(HyperintensitySegmentation.Params.preset("tiny"))
    detector.fit([phantom(seed=1)], training=HyperintensitySegmentation.Training.from_dict({"steps": 1, "batch_size": 2}))
    params = detector.params.as_dict()
    earlier = {name: value for name, value in params.items() if name != "intensity_weight"}
    for name, settings in (("earlier", earlier), ("now", params)):
        save_checkpoint(tmp_path / name, method="hyperintensity-segmentation", params=settings, state=detector.state(), meta={})
    found = {name: load_detector("hyperintensity-segmentation", model=tmp_path / name).params for name in ("earlier", "now")}
    assert found["earlier"] == replace(detector.params, intensity_weight=0.0)
    assert found["now"] == detector.params
