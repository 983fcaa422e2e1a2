"""The recipes behind the models: what they say fits the methods, and simulated people lie as registered scans do."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_brain_uad.detectors.registry import method_class
from napari_brain_uad.io.checkpoint import load_checkpoint
from napari_brain_uad.preprocessing.template import MNI_GRID, template
from napari_brain_uad.workflows.models.models import shipped_models
from tools import train_weights


@pytest.fixture(scope="module")
def recipes(repository: Path) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads((repository / "tools" / "weights.json").read_text(encoding="utf-8"))
    return found


def test_recipes_are_settings_of_their_methods(recipes: dict[str, dict[str, object]]) -> None:
    for recipe in recipes.values():
        found = method_class(recipe["method"])  # type: ignore[arg-type]
        found(found.Params.from_dict(recipe["params"]))  # type: ignore[arg-type]
        assert (found.Training is None) == ("training" not in recipe)
        if found.Training is not None:
            found.Training.from_dict(recipe["training"])  # type: ignore[arg-type]


def test_shipped_models_have_the_settings_of_their_recipes(recipes: dict[str, dict[str, object]]) -> None:
    for model in shipped_models():
        made = load_checkpoint(model.path)
        recipe = recipes[model.id]
        found = method_class(made.method)
        assert found.Params.from_dict(made.params) == found.Params.from_dict(recipe["params"]), model.id  # type: ignore[arg-type]
        assert made.meta["steps"] == recipe["training"]["steps"], model.id  # type: ignore[index]
        stages = recipe.get("finder", {}).get("stages", [])  # type: ignore[attr-defined]
        settings = [found.Training.from_dict(stage).as_dict() for stage in stages]  # type: ignore[union-attr]
        assert [stage["training"] for stage in made.meta.get("finder", {}).get("stages", [])] == settings


def _small_head(folder: Path) -> Path:
    where = Path(__file__).parent.parent / "simulation" / "conftest.py"
    spec = importlib.util.spec_from_file_location("small_head_of_tools", where)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    path = folder / "anna.nii.gz"
    nib.Nifti1Image(module.head_labels(), np.eye(4)).to_filename(path)
    return path


def test_the_second_network_is_trained_in_stages(tmp_path: Path) -> None:
    """Each begins with the weights of the one before, and resumes from its own folder."""
    from napari_brain_uad.detectors.strega import Strega

    maps = [_small_head(tmp_path)] * (train_weights.VALIDATED + 1)
    params = dict(Strega.Params.PRESETS["tiny"]) | {"pixel_mm": 3.0}
    alone = Strega(Strega.Params.from_dict(params | {"regions": False}))
    people = train_weights.simulated(maps[:1], {"T1": 1}, 3, (0.0,), "template")
    alone.fit(people, seed=3, training=Strega.Training.from_dict({"steps": 1, "batch_size": 4}))
    stage = {"steps": 2, "batch_size": 4, "warmup_steps": 0, "schedule": "constant"}
    scan = {"pose": "template", "rim_mm": 1.0}
    finder = {"contrasts": {"T1": 1}, "simulation": {"spacing_mm": 2.0}, "scans": [scan], "seed": 5, "stages": [stage, stage]}
    recipe = {"params": params, "finder": finder}
    both, done = train_weights.with_finder(alone, "small", recipe, maps, tmp_path, "cpu")
    assert [one["seed"] for one in done["stages"]] == [5, 6]
    assert done["scans"]
    one = {"params": params, "finder": finder | {"stages": [stage]}}
    first, _ = train_weights.with_finder(alone, "small", one, maps, tmp_path, "cpu")
    again, _ = train_weights.with_finder(alone, "small", recipe, maps, tmp_path, "cpu")
    last = "finder.last.weight"
    np.testing.assert_array_equal(again.state()[last], both.state()[last])
    assert 0 < np.abs(both.state()[last] - first.state()[last]).max() < 0.01


def test_people_of_an_atlas_fill_the_template(tmp_path: Path) -> None:
    people = train_weights.simulated([_small_head(tmp_path)], {"T1": 2}, 3, (0.0,), "template", spacing_mm=1.0, scaling=0.0)
    volume, brain = train_weights._registered(people, 1), template()
    assert volume.grid == MNI_GRID or not volume.grid.compare(MNI_GRID, "template")
    assert volume.mask is not None
    assert brain.mask is not None
    assert np.abs(train_weights._corners(volume.mask) - train_weights._corners(brain.mask)).max() <= 2.0
    assert people[1].grid.shape != MNI_GRID.shape
