"""The one-class machine against scikit-learn's own decisions, and which models are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import OneClassSVM as Machine

from napari_brain_uad.core.detector import State
from napari_brain_uad.core.errors import Cancelled, ModelError
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.base.stages import EstimateStage, Fitting
from napari_brain_uad.detectors.embedding.kernel import kernel_mean
from napari_brain_uad.detectors.embedding.oc_svm import OneClassSVM, OneClassSVMParams
from napari_brain_uad.training.params import TrainingParams
from napari_brain_uad.training.session import TrainingSession

FEATURES = (3.0 * np.random.default_rng(0).normal(size=(400, 16)) ** 3 + 5.0).astype(np.float16)


class _Known(OneClassSVM):
    """With features that are known, in place of those of scans."""

    def _sampled(self, volumes: object, how: Fitting, most: int) -> np.ndarray:
        return FEATURES


def _fitted(**settings: float | bool) -> State:
    (stage,) = _Known(OneClassSVMParams(dimension=16, **settings)).stages()  # type: ignore[arg-type]
    assert isinstance(stage, EstimateStage)
    return stage.fit((), Fitting({}, 0, TrainingParams(), TrainingSession(), Progress()))


def _outside(state: State, places: np.ndarray) -> np.ndarray:
    offset, gamma = state["machine"].tolist()
    vectors, weights = torch.from_numpy(state["vectors"]), torch.from_numpy(state["weights"])
    scaled = torch.from_numpy((places - state["scale"][0]) / state["scale"][1]).float()
    return offset - kernel_mean(scaled, vectors, weights, gamma, Progress()).numpy()


@pytest.mark.parametrize(("standardise", "kernel"), [(True, 1.0), (False, 4.0)])
def test_the_score_is_the_decision_of_scikit_learn(standardise: bool, kernel: float) -> None:
    """Divided by the sum of the dual coefficients, nu N, and negative: higher is more abnormal."""
    state = _fitted(outliers=10.0, standardise=standardise, kernel=kernel)
    seen = FEATURES.astype(np.float64)
    mean, deviation = (seen.mean(axis=0), seen.std(axis=0)) if standardise else (0.0, 1.0)
    healthy = (seen - mean) / deviation
    oracle = Machine(nu=0.1, gamma=1.0 / (kernel * 16 * healthy.var())).fit(healthy)
    tested = np.concatenate([seen[:100], seen[:100] + 20.0])
    expected = -oracle.decision_function((tested - mean) / deviation) / (0.1 * len(seen))
    np.testing.assert_allclose(_outside(state, tested), expected, atol=1e-5)
    assert state["weights"].sum() == pytest.approx(1.0, abs=1e-5)


def test_the_share_outside_is_the_one_that_was_asked_for() -> None:
    state = _fitted(outliers=20.0)
    assert (_outside(state, FEATURES.astype(np.float64)) > 0).mean() == pytest.approx(0.2, abs=0.03)


def test_the_kernel_is_that_of_scikit_learn_whatever_the_blocks() -> None:
    rng = np.random.default_rng(1)
    queries, vectors, weights = rng.normal(size=(2500, 6)), rng.normal(size=(30, 6)), rng.random(30)
    found = kernel_mean(*(torch.from_numpy(array).float() for array in (queries, vectors, weights)), 0.3, Progress())
    np.testing.assert_allclose(found, rbf_kernel(queries, vectors, gamma=0.3) @ weights, rtol=1e-4)
    stopped = Progress()
    stopped.cancel()
    with pytest.raises(Cancelled):
        kernel_mean(*(torch.from_numpy(array).float() for array in (queries, vectors, weights)), 0.3, stopped)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("vectors", np.ones((3, 15), np.float32)),
        ("weights", np.ones(3, np.float32)),
        ("machine", np.array([0.1, -1.0], np.float32)),
        ("scale", np.zeros((2, 16), np.float32)),
    ],
)
def test_a_state_that_is_no_machine_is_refused(name: str, wrong: np.ndarray) -> None:
    detector, state = OneClassSVM(OneClassSVMParams(dimension=16)), _fitted()
    detector.load_state(state)
    with pytest.raises(ModelError, match="settings"):
        detector.load_state({**state, name: wrong})
