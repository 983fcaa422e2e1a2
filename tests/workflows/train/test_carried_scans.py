"""Real T1 scans with the contrast of another sequence: tissues where they belong, texture kept, errors that say what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from small_head import head_labels

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.io.nifti import write_volume
from napari_brain_uad.simulation.params import SimulationParams
from napari_brain_uad.simulation.population import Population, Simulated
from napari_brain_uad.workflows.train.carried_scans import carried, carried_makers
from napari_brain_uad.workflows.train.cohorts import cohort
from napari_brain_uad.workflows.train.recipe import card, recipes
from napari_brain_uad.workflows.train.recipe_scans import training_scans, validation_scans

SETTINGS = SimulationParams(sequence="T1", noise=0.01, bias=0.0, texture=0.05, spacing_mm=2.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two T1 brains, as if they were real."""
    place = tmp_path_factory.mktemp("healthy")
    nib.Nifti1Image(head_labels(), np.eye(4)).to_filename(place / "labels.nii.gz")
    people = Population([place / "labels.nii.gz"], SETTINGS, seed=1)
    for number in range(2):
        write_volume(place / f"P{number}.nii.gz", people[number].volume)
    return place


@pytest.fixture(scope="module")
def first(folder: Path) -> Simulated:
    return Population([folder / "labels.nii.gz"], SETTINGS, seed=1)[0]


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    who = {"words": "two people", "licence": "Scans: free", "weights": "as free", "ending": ".nii.gz", "names": ["P0", "P1"]}
    for user in ("cohorts", "recipe_scans", "recipe"):
        monkeypatch.setattr(f"napari_brain_uad.workflows.train.{user}.cohort", lambda _: who)
    return {"cohort": "two", "contrasts": ["T1", "T2"]}


def medians(volume: Volume, tissue: np.ndarray[Any, Any]) -> list[float]:
    return [float(np.median(volume.data[tissue == one])) for one in (1, 2, 3)]


def test_tissues_get_the_brightness_of_the_other_sequence(folder: Path, first: Simulated) -> None:
    csf, grey, white = medians(carried(folder / "P0.nii.gz", "T2", (0,)), first.tissue)
    assert csf > 1.5 * grey > 1.5 * white > 0
    csf, grey, white = medians(carried(folder / "P0.nii.gz", "FLAIR", (0,)), first.tissue)
    assert grey > white > 2 * csf
    csf, grey, white = medians(carried(folder / "P0.nii.gz", "T1", (0,)), first.tissue)
    assert white > grey > csf


def test_texture_grid_and_brain_stay(folder: Path, first: Simulated) -> None:
    """Within white matter, what is darker on T1 is brighter on T2."""
    t1, t2 = (carried(folder / "P0.nii.gz", contrast, (0,)) for contrast in ("T1", "T2"))
    assert not t1.grid.compare(t2.grid, "T2")
    np.testing.assert_array_equal(t1.mask, t2.mask)
    assert t2.sequence == "T2"
    assert t2.mask is not None
    assert (t2.data[~t2.mask] == 0).all()
    white = first.tissue == 3
    assert np.corrcoef(t1.data[white], t2.data[white])[0, 1] < -0.9


def test_contrast_differs_between_scans_and_is_repeatable(folder: Path) -> None:
    once, again, other = (carried(folder / "P0.nii.gz", "T2", (0, number)).data for number in (1, 1, 2))
    np.testing.assert_array_equal(once, again)
    assert np.abs(once - other).max() > 1.0


def test_recipes_take_real_scans_once_in_each_contrast(folder: Path, real: dict[str, Any]) -> None:
    scans = {"contrasts": {"T1": 1}, "kinds": [{"pose": "template", "rims_mm": [1.0]}], "real": real}
    maps = [folder / "labels.nii.gz"]
    found = training_scans(scans, maps, 0, folder)
    assert [one.name.split(" as ")[0] for one in found] == ["simulated-001", "P0", "P1", "P0", "P1"]
    assert [one.sequence for one in found] == ["T1", "T1", "T1", "T2", "T2"]
    assert len(validation_scans(scans, maps, 0)) == 1
    with pytest.raises(InputError, match=r"two people.*--healthy"):
        training_scans(scans, maps, 0)
    (folder / "half").mkdir()
    (folder / "half" / "P0.nii.gz").touch()
    with pytest.raises(InputError, match=r"1 of the recipe's 2 files \(two people\) are not in it or below it, like P1\.nii\.gz"):
        carried_makers(real, folder / "half", 0)


def test_a_card_says_who_was_trained_on(real: dict[str, Any]) -> None:
    scans = {"contrasts": {"T2": 1}, "kinds": [{"rims_mm": [1.0]}]}
    own = {"title": "t", "sequences": ["T2"], "seed": 1, "scans": {**scans, "real": real}}
    told = card(own, {"seconds": 1.0}, "m")
    assert "no real image" not in told["data"]
    assert "real T1 scans of 2 healthy adults (two people), as T1, T2" in told["data"]
    assert told["licences"] == "Label maps: Apache-2.0. Scans: free. Weights: as free"
    assert "no real image" in card({**own, "scans": scans}, {"seconds": 1.0}, "m")["data"]


def test_nobody_in_a_recipe_is_kept_apart_for_references() -> None:
    """`benchmarks/healthy_split.json`: who calibrates or checks a reference was never trained on."""
    from benchmarks._healthy import split

    apart = {place.split("/")[-1] for people in split()["real"]["T1"].values() for place in people}
    assert len(apart) == 30
    assert not apart & set(cohort({"cohort": "ixi"})["names"])


def test_models_of_t1_never_saw_the_brains_that_tumours_are_added_to() -> None:
    """The set of StRegA's paper (`benchmarks/_cases.py`), T1."""
    from benchmarks._cases import _ADDED

    added = {f"{person}_T1" for _, person in _ADDED}
    for own in recipes().values():
        for stage in (own, *own.get("stages", {}).values()):
            found = stage.get("scans", {}).get("real")
            # A model for FLAIR alone may learn its anatomy from them: it never scores a T1 scan.
            if found is not None and {"T1", "T1c"} & set(found["contrasts"]) & set(own["sequences"]):
                assert not added & set(cohort(found)["names"]), own["title"]
