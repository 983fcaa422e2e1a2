"""The voxel-wise Gaussian against numpy, and its principal components against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.statistical.covariance import Covariance, CovarianceParams

SHAPE = (10, 11, 9)
GRID = Grid(SHAPE, np.eye(4))


def scans(count: int, seed: int = 0) -> list[Volume]:
    rng = np.random.default_rng(seed)
    anatomy = rng.normal(100, 20, SHAPE)
    mode = rng.normal(0, 1, SHAPE)
    return [
        Volume((anatomy + 15 * rng.normal() * mode + rng.normal(0, 2, SHAPE)).astype(np.float32), GRID, name=f"h{n}") for n in range(count)
    ]


def standardised(volume: Volume) -> np.ndarray:
    return ((volume.data - volume.data.mean()) / volume.data.std()).ravel()


def fitted(params: CovarianceParams, count: int = 12) -> Covariance:
    detector = Covariance(params)
    detector.fit(scans(count), seed=0, progress=Progress())
    return detector


@pytest.mark.parametrize(
    ("tail", "expected"), [("both", np.abs), ("bright", lambda z: np.maximum(z, 0)), ("dark", lambda z: np.maximum(-z, 0))]
)
def test_without_components_the_score_is_the_z_score(tail: str, expected: object) -> None:
    detector = fitted(CovarianceParams(smoothing_mm=0.0, tail=tail, floor=0.001))
    patient = scans(1, seed=5)[0]
    healthy = np.stack([standardised(volume) for volume in scans(12)])
    z = (standardised(patient) - healthy.mean(axis=0)) / healthy.std(axis=0, ddof=1)
    got = detector.score(patient).score.ravel()
    assert np.allclose(got, expected(z), rtol=1e-3, atol=1e-3)  # type: ignore[operator]


def test_components_are_those_of_scikit_learn() -> None:
    detector = fitted(CovarianceParams(smoothing_mm=0.0, components=2, floor=0.001))
    healthy = np.stack([standardised(volume) for volume in scans(12)])
    oracle = PCA(n_components=2, svd_solver="full").fit(healthy)
    ours = detector.state()["components"]
    assert np.allclose(np.abs(np.sum(ours * oracle.components_, axis=1)), 1, atol=1e-3)
    patient = standardised(scans(1, seed=5)[0])[None]
    residual = patient - oracle.inverse_transform(oracle.transform(patient))
    spread = (healthy - oracle.inverse_transform(oracle.transform(healthy))).std(axis=0, ddof=1)
    got = detector.score(scans(1, seed=5)[0]).score.ravel()
    assert np.allclose(got, np.abs(residual[0]) / spread, rtol=1e-2, atol=1e-2)


def test_floor_tames_voxels_without_variance() -> None:
    volumes = scans(8)
    for volume in volumes:
        volume.data[5, 5, 5] = volume.data.mean()  # nearly the same value in every standardised scan
    detector = Covariance(CovarianceParams(smoothing_mm=0.0, floor=0.5))
    detector.fit(volumes, seed=0, progress=Progress())
    spread = np.median(detector.state()["deviation"])
    patient = scans(1, seed=5)[0]
    assert detector.score(patient).score[5, 5, 5] <= np.abs(standardised(patient)).max() / (0.5 * spread) + 20


def test_other_grid_is_refused() -> None:
    detector = fitted(CovarianceParams())
    moved = Volume(scans(1)[0].data, Grid(SHAPE, np.diag([1, 1, 1.2, 1])), name="moved")
    with pytest.raises(InputError, match="mm away"):
        detector.score(moved)


def test_too_few_scans_are_refused() -> None:
    with pytest.raises(InputError, match="at least 3"):
        Covariance().fit(scans(2), seed=0, progress=Progress())


def test_too_many_components_are_refused() -> None:
    with pytest.raises(InputError, match="At most 2"):
        Covariance(CovarianceParams(components=3)).fit(scans(4), seed=0, progress=Progress())
