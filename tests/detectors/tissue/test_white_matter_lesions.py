"""Lesions of white matter in healthy slices of tissue."""

import pytest
import torch

from napari_brain_uad.detectors.tissue.segmentation_task import LesionShare, SegmentationTask
from napari_brain_uad.detectors.tissue.white_matter_lesions import with_white_matter_lesions
from napari_brain_uad.preprocessing.tissue_scale import CSF, GREY, WHITE
from napari_brain_uad.training.draws import BatchDraw

COUNT, SIZE = 48, 80


@pytest.fixture
def stack() -> torch.Tensor:
    """White matter with a ventricle in it, grey matter around: five slices of pixels of 2 mm."""
    axis = torch.arange(SIZE) - SIZE / 2
    radius = torch.hypot(axis[:, None], axis[None, :])
    tissue = torch.where(radius < 6, CSF, torch.where(radius < 28, WHITE, GREY))
    return torch.where(radius < 36, tissue, 0.0)[None, None].repeat(COUNT, 5, 1, 1)


def drawn(seed: int = 1, count: int = COUNT) -> BatchDraw:
    return BatchDraw(seed, 0, count, count)


def radius_of(where: torch.Tensor) -> torch.Tensor:
    axis = torch.arange(SIZE) - SIZE / 2
    return torch.hypot(axis[:, None], axis[None, :]).expand_as(where)


def test_lesions_lie_below_healthy_tissue_where_it_says_and_outside_the_brain_nothing_does(stack: torch.Tensor) -> None:
    changed, where = with_white_matter_lesions(stack, drawn(), 2.0, 2.0)
    middle, healthy = changed[:, 2], stack[:, 2]
    assert (changed <= stack).all()
    assert (changed[stack == 0] == 0).all()
    assert (changed[stack > 0] > 0).all()
    assert 0.005 < float(where[healthy > 0].mean()) < 0.3
    assert float((healthy - middle)[where > 0].min()) > 0.25
    assert float((healthy - middle)[where == 0].max()) < 1.3  # half of what a lesion as dark as fluid takes from white matter


def test_lesions_lie_in_white_matter_and_most_near_the_ventricle(stack: torch.Tensor) -> None:
    where = with_white_matter_lesions(stack, drawn(), 2.0, 2.0)[1] > 0
    assert not where[stack[:, 2] == CSF].any()
    white, grey = (float(where[stack[:, 2] == tissue].float().mean()) for tissue in (WHITE, GREY))
    assert white > 4 * grey
    radius = radius_of(where)
    near, far = (float(where[(radius > low) & (radius < high)].float().mean()) for low, high in ((7, 11), (20, 27)))
    assert near > 1.5 * far


def test_slices_have_few_lesions_or_many(stack: torch.Tensor) -> None:
    shares = with_white_matter_lesions(stack, drawn(), 2.0, 2.0)[1].mean(dim=(1, 2))
    assert float(shares.quantile(0.1)) < 0.1 * float(shares.quantile(0.9))


def test_neighbours_differ_more_the_farther_apart_slices_are(stack: torch.Tensor) -> None:
    beside = []
    for step_mm in (0.5, 2.0, 8.0):
        below = stack - with_white_matter_lesions(stack, drawn(), 2.0, step_mm)[0]
        beside.append(float((below[:, 1] - below[:, 2]).abs().mean()))
    assert beside[0] < 0.6 * beside[1] < 0.6 * beside[2]


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_task_has_them_in_their_share_of_the_slices_and_any_anomalies_in_the_others(stack: torch.Tensor, share: float) -> None:
    task = SegmentationTask(2, (8, 8), 0.0, LesionShare(share))
    where = task.corrupted(stack, drawn(3))[1]
    others = SegmentationTask(2, (8, 8), 0.0).corrupted(stack, drawn(3))[1]
    same = float((where == others).flatten(1).all(dim=1).float().mean())
    assert same < 0.2 if share == 1.0 else 0.5 < same < 0.95


def test_rows_of_a_batch_are_changed_alike_by_any_process(stack: torch.Tensor) -> None:
    task = SegmentationTask(2, (8, 8), 0.35, LesionShare(0.5))
    whole = task.corrupted(stack, drawn(5))
    part = task.corrupted(stack[16:32], BatchDraw(5, 16, 32, COUNT))
    for one, other in zip(whole, part, strict=True):
        torch.testing.assert_close(one[16:32], other)
