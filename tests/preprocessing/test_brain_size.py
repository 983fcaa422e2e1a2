"""A brain mask that is a lesion's, a box, or another scan's gives a warning; small brains on purpose do not."""

from __future__ import annotations

import numpy as np
import pytest

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.preprocessing.brain_size import given_mask_findings, with_mask_findings
from napari_brain_uad.preprocessing.pipeline import run_pipeline
from napari_brain_uad.preprocessing.presets import preset

SHAPE = (40, 46, 40)


def ball(share: float = 1.0, centre: tuple[float, float, float] = (20, 23, 20)) -> np.ndarray:
    """A brain, or as much of it along each axis."""
    radii = np.array((16.0, 19.0, 15.0)) * share
    return np.sum([((place - c) / r) ** 2 for place, c, r in zip(np.indices(SHAPE), centre, radii, strict=True)], axis=0) < 1


def brain(size_mm: float = 4.0) -> Volume:
    """1.2 litres at 4 mm, in empty space."""
    data = np.where(ball(), np.random.default_rng(0).normal(100, 10, SHAPE), 0).astype(np.float32)
    return Volume(data, Grid(SHAPE, np.diag([size_mm, size_mm, size_mm, 1.0])))


def codes(mask: np.ndarray, volume: Volume | None = None) -> list[str]:
    found = given_mask_findings(mask, volume or brain())
    assert all(finding.level == "warning" for finding in found)
    return [finding.code for finding in found]


def test_a_brain_is_a_brain_and_an_empty_mask_the_methods_to_refuse() -> None:
    assert codes(ball()) == []
    assert codes(ball(0.9)) == []
    assert codes(np.zeros(SHAPE, bool)) == []


def test_a_lesion_and_a_head_are_no_brain() -> None:
    (found,) = given_mask_findings(ball(0.2), brain())
    assert found.code == "mask-size"
    assert "has 9.28 ml; brains have 600 to 2300" in found.message
    head = brain().with_data(np.random.default_rng(1).normal(100, 10, SHAPE).astype(np.float32))
    assert codes(ball(1.3), head) == ["mask-size"]


def test_the_whole_box_is_no_brain() -> None:
    (found,) = given_mask_findings(np.ones(SHAPE, bool), brain())
    assert found.code == "mask-everything"
    assert "covers 100% of the image" in found.message
    assert codes(np.ones((30, 30, 1), bool), Volume(np.ones((30, 30, 1), np.float32), Grid((30, 30, 1), np.eye(4)))) == ["mask-everything"]


@pytest.mark.parametrize("background", [0.0, -1.7])
def test_a_mask_that_lies_where_the_scan_is_empty_is_anothers(background: float) -> None:
    volume = brain()
    volume = volume.with_data(np.where(ball(), volume.data, np.float32(background)))
    assert codes(np.roll(ball(), 6, axis=0), volume) == []  # some rim is no cause for concern
    (found,) = given_mask_findings(np.roll(ball(), 16, axis=0), volume)
    assert found.code == "mask-elsewhere"
    assert f"(its value is {background:g})" in found.message


def test_images_that_show_no_more_of_a_brain_are_as_large_as_they_are() -> None:
    assert codes(ball(0.9), brain(size_mm=0.3)) == []  # a mouse, or a phantom
    slab = brain().data[:, :, 17:23]
    assert codes(ball()[:, :, 17:23], Volume(slab, Grid(slab.shape, np.diag([4.0, 4.0, 4.0, 1.0])))) == []
    one = brain().data[:, :, 20:21]
    assert codes(ball(0.3)[:, :, 20:21], Volume(one, Grid(one.shape, np.diag([4.0, 4.0, 4.0, 1.0])))) == []


def test_what_is_found_is_said_once_whoever_asks() -> None:
    volume = with_mask_findings(brain().with_mask(ball(0.2)))
    assert [finding.code for finding in with_mask_findings(volume).findings] == ["mask-size"]
    for given in (volume, brain().with_mask(ball(0.2))):
        prepared, _ = run_pipeline(preset("native").pipeline[:3], given)
        assert [finding.code for finding in prepared.volume.findings] == ["mask-size"]
