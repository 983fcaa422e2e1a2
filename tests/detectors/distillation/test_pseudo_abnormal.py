"""Where noise is put, and that it belongs to the draw."""

from __future__ import annotations

import torch

from napari_brain_uad.detectors.distillation.pseudo_abnormal import with_simplex_noise
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import BatchDraw


def batch(count: int = 3) -> Batch:
    brain = torch.zeros(count, 64, 128, dtype=torch.bool)
    brain[:, 20:40, 100:] = True  # at an edge: the rectangle has to stay within the slice
    return Batch(torch.full((count, 1, 64, 128), 0.5), brain, torch.arange(count))


def test_a_rectangle_of_each_slice_is_changed_around_its_brain() -> None:
    for seed in range(10):
        changed = (with_simplex_noise(batch(), BatchDraw(seed, 0, 3, 3)) != 0.5)[:, 0]
        for one, brain in zip(changed, batch().brain, strict=True):
            rows, columns = one.any(dim=1).nonzero()[:, 0], one.any(dim=0).nonzero()[:, 0]
            # 4 to 12.5 % of each side; noise may be exactly 0 at single pixels.
            assert 1 <= len(rows) <= 8
            assert 3 <= len(columns) <= 16
            assert one[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].float().mean() > 0.8
            assert (one & brain).any()


def test_noise_belongs_to_the_draw_and_is_as_strong_as_said() -> None:
    one, again, other = (with_simplex_noise(batch(), BatchDraw(seed, 0, 3, 3)) for seed in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(with_simplex_noise(batch()[1:], BatchDraw(0, 1, 3, 3)), one[1:])  # a share of a batch over several devices
    added = torch.cat([with_simplex_noise(batch(), BatchDraw(seed, 0, 3, 3)) - 0.5 for seed in range(20)])
    assert 0.02 < float(added[added != 0].std()) < 0.2
    assert not torch.equal(added[0], added[1])


def test_slices_without_brain_and_what_was_given_stay_as_they_are() -> None:
    given = Batch(torch.full((2, 1, 32, 32), 0.5), torch.zeros(2, 32, 32, dtype=torch.bool), torch.arange(2))
    assert torch.equal(with_simplex_noise(given, BatchDraw(0, 0, 2, 2)), given.images)
    whole = batch()
    with_simplex_noise(whole, BatchDraw(0, 0, 3, 3))
    assert (whole.images == 0.5).all()
