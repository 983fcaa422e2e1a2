"""PatchCore, CFLOW-AD, reverse distillation and PRO against anomalib's on the same features.

Its numbers are kept in ``tests/support/anomalib.json``, made with anomalib 2.1.0; where anomalib is installed they are made anew and
compared. See `anomalib_oracle`. What differs by design is not compared: the paper's weighting of whole images' scores, projections by
chance, and how maps become larger (anomalib aligns corners, here places keep their distance).
"""

from __future__ import annotations

import warnings
from typing import Any

import anomalib_oracle as oracle
import numpy as np
import pytest
import torch

from benchmarks._anomalib import available, declare_operators
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.backbones.catalogue import BACKBONES
from napari_brain_uad.detectors.backbones.load import Backbone
from napari_brain_uad.detectors.distillation.pyramids import at_images, cosine_maps, cosine_of_images
from napari_brain_uad.detectors.embedding.coreset import greedy_coreset, nearest_distance
from napari_brain_uad.detectors.embedding.features import PatchFeatures, stacked
from napari_brain_uad.detectors.flow.conditional import ConditionalFlow, position, unlikeliness
from napari_brain_uad.detectors.flow.likelihood import log_likelihoods
from napari_brain_uad.evaluation.pro import per_region_overlap

CLOSE = 1e-4
"""A tenth of what is promised."""


@pytest.fixture(scope="module")
def anomalib() -> dict[str, Any]:
    """anomalib's numbers."""
    return oracle.kept()


def test_the_kept_numbers_are_anomalibs(anomalib: dict[str, Any]) -> None:
    if not available():
        pytest.skip("anomalib is not installed: it asks for torchvision, so the tests cannot; its kept numbers are compared with")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the packages that it imports
        declare_operators()
        found = oracle.answers()
    assert found.keys() == anomalib.keys()
    for name in found.keys() - {"anomalib"}:
        _close(found[name], anomalib[name])


def _close(found: Any, expected: Any, tolerance: float = CLOSE) -> None:
    np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=0, atol=tolerance)


def test_patchcore(anomalib: dict[str, Any]) -> None:
    bank, queries = (torch.from_numpy(one) for one in oracle.bank_and_queries())
    found = nearest_distance(queries, bank, Progress())
    _close(found, anomalib["distances"])
    _close(found.reshape(2, 30).amax(dim=1), anomalib["image_scores"])
    chosen = greedy_coreset(bank, oracle.CHOSEN + 1, seed=1, progress=Progress()).tolist()
    # anomalib leaves out the feature that the search starts from.
    assert chosen[0] == oracle.START
    assert chosen[1:] == anomalib["chosen"]


class _Known(torch.nn.Module):
    def forward(self, images: torch.Tensor, levels: tuple[int, ...]) -> list[torch.Tensor]:
        return [torch.from_numpy(oracle.pyramids()[0][0])]


def test_patch_features(anomalib: dict[str, Any]) -> None:
    """With as many features as a level has, each is the mean of a neighbourhood; deeper levels come to the places of the first."""
    extract = PatchFeatures(Backbone(BACKBONES["resnet18"], _Known(), ""), (1,), 3, oracle.LEVELS[0][0])
    _close(extract(torch.zeros(2, 1, 64, 48))[0], anomalib["pooled"])
    taught = [torch.from_numpy(one) for one in oracle.pyramids()[0]]
    _close(stacked(taught[:2])[0, -1], anomalib["stacked"])


def test_cflow(anomalib: dict[str, Any]) -> None:
    cells = np.stack(np.mgrid[: oracle.SIDES[0], : oracle.SIDES[1]], axis=-1).reshape(-1, 2).astype(np.float32)
    where = position(torch.from_numpy(cells)).T.reshape(128, *oracle.SIDES)
    _close(where, anomalib["position"])
    total = np.zeros((2, *oracle.SIDES), np.float32)
    for level, features in enumerate(oracle.flow_features()):
        flow = ConditionalFlow(oracle.CHANNELS[level], oracle.BLOCKS, oracle.CLAMP, widening=2)
        weights = {f"blocks.{name}": torch.from_numpy(one) for name, one in oracle.flow_weights(level).items()}
        flow.load_state_dict(weights | {"mean": flow.mean, "deviation": flow.deviation})
        rows = features.transpose(0, 2, 3, 1).reshape(-1, oracle.CHANNELS[level])
        likely = log_likelihoods(flow, np.concatenate([rows, np.tile(cells, (2, 1))], axis=1), "cpu", Progress())
        assert likely.std() > 0.1
        _close(likely, anomalib[f"likely{level}"])
        total += unlikeliness(likely, "paper").reshape(total.shape)
    # anomalib's map is the largest sum of the likelihoods minus the sum: it begins at 0.
    _close(total - total.min(), anomalib["cflow_map"])


def test_reverse_distillation(anomalib: dict[str, Any]) -> None:
    taught, student = ([torch.from_numpy(one) for one in levels] for levels in oracle.pyramids())
    _close((1.0 - cosine_of_images(taught, student)).sum(dim=0).mean(), anomalib["distillation"])
    maps = cosine_maps(taught, student)
    for number, one in enumerate(maps):
        _close(one, anomalib[f"sum{number}"])
    two = cosine_maps([taught[0], taught[0].flip(0)], [student[0], student[0].flip(1)])
    size = oracle.LEVELS[0][1:]
    _close(2.0 * at_images(two, size, "mean"), anomalib["sum_of_two"])
    _close(at_images(two, size, "product"), anomalib["product_of_two"])


def test_pro(anomalib: dict[str, Any]) -> None:
    scores, truth = oracle.regions()
    # Images lie apart in a volume: what lies between them does not count.
    apart = [np.zeros((*scores.shape[1:], 2 * len(scores)), kind) for kind in (np.float32, bool, bool)]
    for whole, images in zip(apart, (scores, truth, np.ones_like(truth)), strict=True):
        whole[:, :, ::2] = images.transpose(1, 2, 0)
    found = per_region_overlap(*apart, limit=0.3)
    # anomalib takes each lesion's curve at as many places as the common one has.
    assert found == pytest.approx(anomalib["pro"], abs=1e-3)
    assert found is not None
    assert 0.2 < found < 0.9
