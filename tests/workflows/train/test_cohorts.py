"""Files of a recipe's real subjects: found below a folder, too, the upper of two first; names that a recipe leaves out."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.workflows.train import cohorts
from napari_brain_uad.workflows.train.cohorts import cohort, cohort_files
from napari_brain_uad.workflows.train.recipe import recipes


def test_files_lie_anywhere_below_and_the_upper_one_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cohorts, "cohort", lambda _: {"words": "two", "ending": ".jpg", "names": ["b", "a"]})
    for place in ("b.jpg", "one/two/a.jpg", "one/b.jpg", "one/a.png"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    assert cohort_files({}, tmp_path) == [tmp_path / "b.jpg", tmp_path / "one" / "two" / "a.jpg"]
    (tmp_path / "b.jpg").unlink()
    assert cohort_files({}, tmp_path)[0] == tmp_path / "one" / "b.jpg"
    (tmp_path / "one" / "b.jpg").unlink()
    with pytest.raises(InputError, match=r"1 of the recipe's 2 files \(two\) are not in it or below it, like b\.jpg"):
        cohort_files({}, tmp_path)


def test_links_to_folders_are_followed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recipe with two cohorts wants one folder: links join them."""
    monkeypatch.setattr(cohorts, "cohort", lambda _: {"words": "one", "ending": ".jpg", "names": ["a"]})
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "a.jpg").touch()
    joined = tmp_path / "joined"
    joined.mkdir()
    (joined / "link").symlink_to(tmp_path / "far", target_is_directory=True)
    (joined / "circle").symlink_to(joined, target_is_directory=True)
    assert cohort_files({}, joined) == [joined / "link" / "a.jpg"]


def test_a_recipe_may_leave_subjects_out() -> None:
    all_of_them = cohort({"cohort": "ixi"})["names"]
    fewer = cohort({"cohort": "ixi", "without": all_of_them[:2]})["names"]
    assert fewer == all_of_them[2:]


def test_what_recipes_leave_out_is_in_their_cohort() -> None:
    for own in recipes().values():
        real = own["scans"].get("real", {})
        assert set(real.get("without", ())) <= set(cohort({"cohort": real["cohort"]})["names"] if real else ())
