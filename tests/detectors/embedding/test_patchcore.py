"""PatchCore's parts against calculations by other means, and what its model is tied to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from napari_brain_uad.core.errors import Cancelled, InputError, ModelError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.backbones.catalogue import BACKBONES
from napari_brain_uad.detectors.backbones.load import Backbone, network_class
from napari_brain_uad.detectors.embedding import coreset
from napari_brain_uad.detectors.embedding.coreset import greedy_coreset, nearest_distance
from napari_brain_uad.detectors.embedding.features import PatchFeatures, at_pixels, brain_cells
from napari_brain_uad.detectors.embedding.patchcore import PatchCore, PatchCoreParams


class _Pyramid(torch.nn.Module):
    """Levels that are known: the image's mean over squares, and that times -1, 2 channels each."""

    def forward(self, images: torch.Tensor, levels: tuple[int, ...]) -> list[torch.Tensor]:
        pooled = [torch.nn.functional.avg_pool2d(images[:, :1], 2 ** (level + 1)) for level in levels]
        return [torch.cat([level, -level], dim=1) for level in pooled]


def test_patch_features_are_the_papers() -> None:
    """Of each place the 3 x 3 neighbours of all channels in a row, averaged in groups of equal size; levels after that."""
    images = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    extract = PatchFeatures(Backbone(BACKBONES["resnet18"], _Pyramid(), ""), (1, 2), 3, 6)
    found = extract(images)
    assert found.shape == (2, 6, 8, 8)
    first = _Pyramid()((images - 0.485) / 0.229, (1,))[0].numpy()
    padded = np.pad(first, ((0, 0), (0, 0), (1, 1), (1, 1)))
    around = padded[1, :, 3:6, 4:7].reshape(-1)  # place (3, 4) of the second image
    groups = around.reshape(6, 3).mean(axis=1)
    # Both levels in a row are 12 numbers, of which two each make one: the first half is the first level's.
    assert found[1, :3, 3, 4].numpy() == pytest.approx(groups.reshape(3, 2).mean(axis=1), abs=1e-5)


def test_the_coreset_is_greedy() -> None:
    """The next is the farthest from all chosen; by the distances of all pairs."""
    points = np.random.default_rng(0).normal(size=(300, 5)).astype(np.float32)
    chosen = greedy_coreset(torch.from_numpy(points), 40, seed=1, progress=Progress()).numpy()
    assert len(set(chosen)) == 40
    pairs = np.linalg.norm(points[:, None] - points[None], axis=2)
    for number in range(1, 40):
        to_chosen = pairs[:, chosen[:number]].min(axis=1)
        assert to_chosen[chosen[number]] == pytest.approx(to_chosen.max(), rel=1e-4)
    assert greedy_coreset(torch.from_numpy(points), 40, seed=1, progress=Progress()).tolist() == chosen.tolist()


def test_many_dimensions_are_projected_and_all_can_be_chosen() -> None:
    points = torch.zeros(6, 400)  # all alike: nothing tells them apart but that each is chosen once
    points[3:] += 1
    assert sorted(greedy_coreset(points, 6, seed=0, progress=Progress()).tolist()) == list(range(6))


def test_the_nearest_are_scikit_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coreset, "_BANK", 70)
    monkeypatch.setattr(coreset, "_QUERIES", 33)
    rng = np.random.default_rng(0)
    queries, bank = rng.normal(size=(100, 8)).astype(np.float32), rng.normal(size=(200, 8)).astype(np.float32)
    queries[5] = bank[7]
    found = nearest_distance(torch.from_numpy(queries), torch.from_numpy(bank), Progress()).numpy()
    expected = NearestNeighbors(n_neighbors=1).fit(bank).kneighbors(queries)[0][:, 0]
    assert found == pytest.approx(expected, abs=2e-3)


def test_scores_between_places_come_from_places_in_the_brain() -> None:
    scores, brain = torch.full((1, 4, 4), 100.0), torch.zeros(1, 16, 16, dtype=torch.bool)
    brain[:, 4:12, 4:12] = True
    cells = brain_cells(brain, (1, 4, 4))
    assert cells[0].tolist() == [[False] * 4, [False, True, True, False], [False, True, True, False], [False] * 4]
    scores[0, 1:3, 1:3] = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    found = at_pixels(scores, cells, (1, 16, 16))[0]
    assert float(found[4, 4]) == pytest.approx(1.0)
    assert float(found[brain[0]].max()) <= 4.0
    assert float(found[7:9, 7:9].mean()) == pytest.approx(2.5)


def volume(seed: int = 0) -> Volume:
    rng = np.random.default_rng(seed)
    return Volume(rng.random((32, 32, 6)).astype(np.float32), Grid((32, 32, 6), np.diag([2.0, 2.0, 2.0, 1.0])))


def small(**changes: object) -> PatchCore:
    settings = {"height": 64, "width": 64, "dimension": 16, "backbone": "resnet18"} | changes
    return PatchCore(PatchCoreParams.from_dict(settings))


@pytest.fixture
def weights(tmp_path: Path) -> str:
    torch.manual_seed(0)
    torch.save(network_class(BACKBONES["resnet18"])().state_dict(), tmp_path / "one.pth")
    torch.save(network_class(BACKBONES["resnet18"])().state_dict(), tmp_path / "two.pth")
    return str(tmp_path)


def test_places_without_brain_are_not_searched_for(weights: str) -> None:
    scan, seen = volume(), []
    mask = np.zeros(scan.data.shape, bool)
    mask[8:20, 10:28, 2:5] = True
    detector = small(backbone_file=f"{weights}/one.pth")
    cut = detector.cut(scan.with_mask(mask))
    cells = brain_cells(torch.from_numpy(cut.slices.mask), (len(cut), 8, 8)).numpy()

    def scored(places: torch.Tensor) -> torch.Tensor:
        seen.append(len(places))
        return places[:, 0].abs() + 1.0

    found = detector._each_place(cut, scored, 0, Progress())
    assert 0 < cells.sum() < cells.size
    assert sum(seen) == cells.sum()
    assert np.array_equal(found > 0, cells)


def test_a_model_belongs_to_its_backbones_weights(weights: str) -> None:
    detector = small(backbone_file=f"{weights}/one.pth", coreset=5.0)
    detector.fit([volume()])
    state = detector.state()
    assert set(state) == {"bank", "backbone"}
    cells = 6 * 8 * 8
    assert state["bank"].shape == (round(cells * 0.05), 16)
    small(backbone_file=f"{weights}/one.pth").load_state(state)
    with pytest.raises(ModelError, match="SHA-256"):
        small(backbone_file=f"{weights}/two.pth").load_state(state)
    with pytest.raises(ModelError, match="dimensions"):
        small(backbone_file=f"{weights}/one.pth", dimension=8).load_state(state)
    with pytest.raises(InputError, match="backbone_file"):
        small().load_state(state)


def test_the_bank_holds_features_of_all_scans(weights: str) -> None:
    """With a limit each feature has the same chance, whichever scan it is of."""
    detector = small(backbone_file=f"{weights}/one.pth", coreset=100.0, most_features=300)
    scans = [volume(0), replace(volume(1), data=volume(1).data * np.float32(2)), volume(2)]
    detector.fit(scans)
    bank = detector.state()["bank"]
    assert len(bank) == 300
    of = []
    for scan in scans:
        alone = small(backbone_file=f"{weights}/one.pth", coreset=100.0, most_features=0)
        alone.fit([scan])
        near = NearestNeighbors(n_neighbors=1).fit(alone.state()["bank"]).kneighbors(bank)[0][:, 0]
        of.append(int((near < 1e-5).sum()))
    assert sum(of) == 300
    assert min(of) > 60


def test_the_choice_is_cancelled(weights: str) -> None:
    detector = small(backbone_file=f"{weights}/one.pth", coreset=100.0)
    progress = Progress(lambda fraction, message: progress.cancel() if "memory bank" in message else None)
    with pytest.raises(Cancelled):
        detector.fit([volume()], progress=progress)
    assert detector.state() == {}


@pytest.mark.parametrize(("changes", "message"), [({"levels": (3, 2)}, "ascend"), ({"neighbourhood": 4}, "odd")])
def test_senseless_settings_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        small(**changes)


def test_weights_that_are_not_there_are_not_a_scans_fault() -> None:
    """A training leaves out the scan at which an error came up."""

    class Untouched(list[Volume]):
        def __iter__(self) -> Iterator[Volume]:
            raise AssertionError("a scan was looked at")

    with pytest.raises(InputError, match="backbone_file"):
        small().fit(Untouched([volume()]))
