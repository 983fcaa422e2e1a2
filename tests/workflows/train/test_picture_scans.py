"""Real 2-D slices in a recipe: each a scan of one slice with the head as its mask, and said on the card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.workflows.train.picture_scans import picture_makers
from napari_brain_uad.workflows.train.recipe import card, recipe
from napari_brain_uad.workflows.train.recipe_scans import training_scans, validation_scans

SCANS: dict[str, Any] = {"contrasts": {"T1": 0}, "kinds": [{"pose": "template", "rims_mm": [1.0]}], "pictures": {"cohort": "slices"}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    who = {"words": "two slices", "licence": "Slices: free", "ending": ".png", "names": ["s0", "s1"]}
    for user in ("cohorts", "recipe_scans", "recipe"):
        monkeypatch.setattr(f"napari_brain_uad.workflows.train.{user}.cohort", lambda _: who)
    rows, columns = np.mgrid[-1:1:64j, -1:1:64j]
    head = (rows**2 + columns**2 < 0.5) * 180.0
    (tmp_path / "no").mkdir()
    for number in range(2):
        noise = gaussian_filter(np.random.default_rng(number).normal(0, 60, head.shape), 2.0)
        Image.fromarray((head + noise * (head > 0)).clip(0, 255).astype(np.uint8)).save(tmp_path / "no" / f"s{number}.png")
    return tmp_path


def test_pictures_are_scans_of_one_slice_with_the_head_as_mask(folder: Path) -> None:
    found = training_scans(SCANS, [folder], 0, folder)
    assert [one.name for one in found] == ["s0", "s1"]
    for one in found:
        assert sorted(one.data.shape)[0] == 1
        assert one.mask is not None
        assert 0.3 < one.mask.mean() < 0.5  # the disc is pi / 8 of the picture
    assert len(validation_scans(SCANS | {"validation": {"count": 0}}, [folder], 0)) == 0


def test_their_folder_has_to_be_named_and_hold_them(folder: Path) -> None:
    with pytest.raises(InputError, match=r"2 real scans too \(two slices\), like s0\.png.*--healthy"):
        training_scans(SCANS, [folder], 0)
    (folder / "no" / "s1.png").unlink()
    with pytest.raises(InputError, match=r"like s1\.png"):
        picture_makers(SCANS["pictures"], folder)


def test_the_card_names_them(folder: Path) -> None:
    scans = {**SCANS, "contrasts": {"T1": 1}}
    told = card({"title": "t", "sequences": ["T1"], "seed": 1, "scans": scans}, {"seconds": 1.0}, "m")
    assert "no real image" not in told["data"]
    assert told["data"].endswith("; 2 real slices (two slices)")
    assert told["licences"] == "Label maps: Apache-2.0. Slices: free. Weights: BSD-3-Clause"


def test_slices_that_the_benchmark_scores_are_not_trained_on() -> None:
    """Whether a slice has a tumour is asked of others than those of the recipe (`benchmarks/br35h.py`)."""
    from benchmarks import br35h
    from benchmarks._cases import data_folder
    from napari_brain_uad.workflows.train.cohorts import cohort

    root = data_folder()
    if root is None:
        pytest.skip("the shared scans are not here")
    split = br35h.make_split(root / "br35h", br35h.options([]))
    names = set(cohort(recipe("brain-encoder")["scans"]["pictures"])["names"])
    assert len(names) > 1000
    assert names <= {path.stem for path in split.train}
