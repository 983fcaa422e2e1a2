"""Folders of 2-D pictures: each a subject, ill or healthy by the names of folders where those are clear."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_brain_uad.datasets.registry import find_layout


def _touched(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_labels_come_from_the_last_folder_that_says_something(tmp_path: Path) -> None:
    root = _touched(tmp_path / "set", "no/a.png", "yes/b.JPG", "yes/site 1/c_T2.jpeg", "yes/healthy/d.png", "other/e.png", "f.png")
    found = find_layout(root)
    assert found.id == "pictures"
    ill = {one.id: (one.ill, *one.sequences) for one in found.subjects(root)}
    assert ill == {
        "f": (None, "unknown"),
        "no/a": (False, "unknown"),
        "other/e": (None, "unknown"),
        "yes/b": (True, "unknown"),
        "yes/healthy/d": (False, "unknown"),
        "yes/site 1/c_T2": (True, "T2"),
    }


def test_the_root_says_something_too_and_names_stay_apart(tmp_path: Path) -> None:
    root = _touched(tmp_path / "tumour", "a.png", "a.jpg")
    subjects = find_layout(root).subjects(root)
    assert [(one.id, one.ill) for one in subjects] == [("a.jpg", True), ("a.png", True)]


def test_masks_beside_pictures_are_no_slices(tmp_path: Path) -> None:
    """Catches a mask that is scored like a scan. A disease in a name makes no mask: no picture is called like the rest of it."""
    root = _touched(tmp_path / "set", "a.png", "a_seg.png", "b.png", "b_mask.png", "brain_tumor_3.png", "lone_mask.png")
    subjects = {one.id: (one.truth, one.extra) for one in find_layout(root).subjects(root)}
    nothing = (None, ())
    assert subjects == {
        "a": (root / "a_seg.png", ()),
        "b": (None, (root / "b_mask.png",)),
        "brain_tumor_3": nothing,
        "lone_mask": nothing,
    }


def test_figures_of_results_are_no_slices(tmp_path: Path) -> None:
    root = _touched(tmp_path / "set", "a.png", "out/a/a_vae_figure.png", "out/a/b.png", "out/curves.png")
    for manifest, listed in (("out/a/a_vae_manifest.json", "a_vae_figure.png"), ("out/cohort_manifest.json", "curves.png")):
        (root / manifest).write_text(json.dumps({"files": {listed: ""}, "input": {"name": "a"}}))
    assert [one.id for one in find_layout(root).subjects(root)] == ["a", "out/a/b"]


def test_scans_come_before_pictures_of_them(tmp_path: Path) -> None:
    assert find_layout(_touched(tmp_path, "a.png", "sub1_T1.nii.gz")).id == "plain"


@pytest.mark.parametrize(("folder", "ill"), [("no", False), ("yes", True), ("pred", None)])
def test_br35h_says_who_is_ill(tmp_path: Path, folder: str, ill: bool | None) -> None:
    name = {"no": "no12", "yes": "y0", "pred": "pred3"}[folder]
    found = find_layout(_touched(tmp_path, f"{folder}/{name}.jpg"))
    assert found.id == "br35h"
    assert [one.ill for one in found.subjects(tmp_path)] == [ill]
