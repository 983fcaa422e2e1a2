"""The contract every registered method keeps. A new method is picked up by its line in the registry, without a change here.

Five trial methods of another package keep it too (tests/support/trial): each is of a kind that the framework has to carry.
"""

from __future__ import annotations

import importlib.metadata
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from promptness import assert_within

from napari_brain_uad.core.checks import Finding
from napari_brain_uad.core.detector import Detector
from napari_brain_uad.core.errors import Cancelled, InputError, ModelError
from napari_brain_uad.core.params import INTS, value_text
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors import registry
from napari_brain_uad.detectors.base.ensemble import Ensemble
from napari_brain_uad.detectors.base.reconstruction import ReconstructionDetector
from napari_brain_uad.detectors.registry import GROUP, METHODS, cards, create, method_class, method_ids
from napari_brain_uad.inference import samples

SHAPE = (24, 28, 20)
GRID = Grid(SHAPE, np.diag([1.5, 1.0, 2.0, 1.0]))
LESION = (slice(9, 13), slice(11, 15), slice(8, 12))
TRIAL = Path(__file__).parents[1] / "support" / "trial"
TRIALS = tuple(
    entry.name for found in importlib.metadata.distributions(path=[str(TRIAL)]) for entry in found.entry_points if entry.group == GROUP
)
ALL = (*method_ids(), *TRIALS)
methods = pytest.mark.parametrize("method", ALL)


@pytest.fixture(autouse=True, scope="module")
def _trial_package() -> Iterator[None]:
    """The package with the trial methods is installed for this file alone."""
    sys.path.insert(0, str(TRIAL))
    registry._of_others.cache_clear()
    yield
    sys.path.remove(str(TRIAL))
    registry._of_others.cache_clear()


def brain() -> np.ndarray:
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    return (i**2 + j**2 + k**2) < 0.8


def healthy(seed: int) -> Volume:
    """A smooth "brain" with structure common to all seeds and noise of its own."""
    rng = np.random.default_rng(seed)
    i, j, k = np.meshgrid(*(np.linspace(0, np.pi, n) for n in SHAPE), indexing="ij")
    anatomy = 100 + 30 * np.sin(2 * i) * np.sin(3 * j) * np.sin(k)
    data = np.where(brain(), anatomy + rng.normal(0, 3, SHAPE), 0).astype(np.float32)
    return Volume(data, GRID, name=f"healthy-{seed}", mask=brain())


def with_lesion(seed: int = 99) -> Volume:
    volume = healthy(seed)
    data = volume.data.copy()
    data[LESION] += 120
    return replace(volume, data=data, name="patient")


@pytest.fixture(scope="module", params=ALL)
def trained(request: pytest.FixtureRequest) -> Detector:
    detector = small(request.param)
    if detector.INFO.trainable:
        fit(detector, Progress())
    return detector


def small(method: str) -> Detector:
    """The method with its settings for trying out, if it has some."""
    kind = method_class(method).Params
    return create(method, kind.preset("tiny") if "tiny" in kind.PRESETS else None)


def fit(detector: Detector, progress: Progress) -> None:
    training = method_class(detector.INFO.id).Training
    quick = None if training is None or "tiny" not in training.PRESETS else training.preset("tiny")
    detector.fit([healthy(seed) for seed in range(6)], seed=0, progress=progress, training=quick)


def score(detector: Detector, volume: Volume) -> np.ndarray:
    return detector.score(volume, seed=0, progress=Progress()).score


def test_map_lies_on_the_scans_grid(trained: Detector) -> None:
    volume = with_lesion()
    amap = trained.score(volume, seed=0, progress=Progress())
    assert amap.score.shape == volume.data.shape
    assert amap.score.dtype == np.float32
    assert np.array_equal(amap.grid.affine, volume.grid.affine)
    assert np.isfinite(amap.score).all()
    assert amap.method == trained.INFO.id
    assert amap.unit == trained.INFO.score_unit


def test_higher_means_more_abnormal(trained: Detector) -> None:
    scores = score(trained, with_lesion())
    inside = np.zeros(SHAPE, bool)
    inside[LESION] = True
    # A class is there or not: with two values, most of the healthy brain has the lower one.
    share = 95 if np.unique(scores).size > 2 else 50
    assert np.median(scores[inside]) > np.percentile(scores[brain() & ~inside], share)


def test_nothing_outside_the_brain_ranks_above_the_brain(trained: Detector) -> None:
    scores = score(trained, with_lesion())
    assert scores[~brain()].max() <= scores[brain()].min()


def test_same_seed_same_map(trained: Detector) -> None:
    first, second = score(trained, with_lesion()), score(trained, with_lesion())
    assert np.array_equal(first, second)


@pytest.mark.parametrize("size", [1, 5])
def test_the_map_does_not_depend_on_how_many_samples_are_scored_at_once(
    trained: Detector, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = score(trained, with_lesion())
    monkeypatch.setattr(samples, "BATCH", size)
    # Gradient steps in half precision round a little differently with more samples: a few voxels differ. Random numbers by batch would
    # change the map by half its range.
    difference, most = np.abs(score(trained, with_lesion()) - whole), float(np.abs(whole).max())
    assert difference.mean() < 1e-4 * most
    assert difference.max() < 0.05 * most


def test_a_lesion_on_one_side_is_found_on_that_side(trained: Detector) -> None:
    """Phantoms that are alike on both sides hide a map that was not flipped back."""
    volume, place = healthy(5), (slice(4, 8), slice(14, 18), slice(8, 12))
    data = volume.data.copy()
    data[place] += 120
    gained = score(trained, replace(volume, data=data)) - score(trained, volume)
    # Of a map that is not flipped back it is less than 1; the smallest that is right, `edc`'s, is 1.19 to 1.2, as processors round.
    assert gained[place].mean() > 1.1 * np.abs(gained[::-1][place]).mean()
    assert gained[place].mean() > 1.1 * np.abs(gained[:, ::-1][place]).mean()


def test_a_reconstruction_lies_on_the_scans_grid(trained: Detector) -> None:
    if not _reconstructs(trained):
        with pytest.raises(InputError, match="reconstructs nothing"):
            trained.reconstruct(with_lesion())  # type: ignore[attr-defined]
        return
    found = trained.reconstruct(with_lesion())
    assert set(found) == {"input", "reconstruction"}
    assert all(picture.shape == SHAPE and np.isfinite(picture).all() for picture in found.values())


def _reconstructs(detector: Detector) -> bool:
    parts = detector.members.values() if isinstance(detector, Ensemble) else (detector,)
    return any(isinstance(part, ReconstructionDetector) for part in parts)


def test_the_shipped_state_gives_nearly_the_same_map(trained: Detector) -> None:
    other = create(trained.INFO.id, trained.params)
    shipped = trained.shipped_state()  # type: ignore[attr-defined]
    other.load_state(shipped)
    one, two = score(other, with_lesion())[brain()], score(trained, with_lesion())[brain()]
    assert np.corrcoef(one, two)[0, 1] > 0.99
    assert {name: array.dtype for name, array in shipped.items() if array.dtype.kind in "iu"} == {
        name: array.dtype for name, array in trained.state().items() if array.dtype.kind in "iu"
    }


def test_cancelling_a_second_training_keeps_the_first(trained: Detector) -> None:
    if not trained.INFO.trainable:
        pytest.skip("the method learns nothing")
    detector = create(trained.INFO.id, trained.params)
    detector.load_state(trained.state())
    progress = Progress(lambda fraction, message: progress.cancel() if fraction > 0.3 else None)
    with pytest.raises(Cancelled):
        fit(detector, progress)
    assert np.array_equal(score(detector, with_lesion()), score(trained, with_lesion()))


def test_input_is_left_alone(trained: Detector) -> None:
    volume = with_lesion()
    before = volume.data.copy()
    score(trained, volume)
    assert np.array_equal(volume.data, before)


def test_state_round_trip_gives_the_same_map(trained: Detector) -> None:
    other = create(trained.INFO.id, trained.params)
    other.load_state(trained.state())
    assert np.array_equal(score(other, with_lesion()), score(trained, with_lesion()))
    assert bool(trained.state()) == trained.INFO.trainable


def test_state_of_another_method_is_refused(trained: Detector) -> None:
    with pytest.raises(ModelError, match=trained.INFO.id):
        create(trained.INFO.id).load_state({"weights": np.zeros(3, np.float32)})


def test_state_with_nan_is_refused(trained: Detector) -> None:
    state = {name: array.copy() for name, array in trained.state().items()}
    numbers = [array for array in state.values() if array.dtype.kind == "f" and array.size]
    if not numbers:
        pytest.skip("the method has no state")
    numbers[0].flat[0] = np.nan
    with pytest.raises(ModelError, match="NaN"):
        create(trained.INFO.id, trained.params).load_state(state)


def test_provenance_says_how_the_map_was_made(trained: Detector) -> None:
    record = trained.score(with_lesion(), seed=7, progress=Progress()).provenance
    assert record["method"]["id"] == trained.INFO.id
    assert record["method"]["params"] == trained.params.as_dict()
    assert record["seed"] == 7
    assert bool(record["method"]["weights_sha256"]) == trained.INFO.trainable
    assert record["input"]["voxels_sha256"]
    if "backbone" in trained.state():
        assert bytes.fromhex(record["method"]["backbone_sha256"]) == trained.state()["backbone"].tobytes()


def test_provenance_keeps_the_findings(trained: Detector) -> None:
    volume = replace(with_lesion(), findings=(Finding("units", "warning", "the units are unknown"),))
    assert trained.score(volume, seed=0, progress=Progress()).provenance["input"]["findings"][0]["code"] == "units"


def test_cancel_before_the_start(trained: Detector) -> None:
    progress = Progress()
    progress.cancel()
    with pytest.raises(Cancelled):
        trained.score(with_lesion(), seed=0, progress=progress)


def test_cancel_while_running_takes_effect_within_two_seconds(trained: Detector) -> None:
    """Cancels at the first report of progress, from another thread, as the window does."""
    cancelled_at = []

    def listen(fraction: float, message: str) -> None:
        if not cancelled_at:
            thread = threading.Thread(target=progress.cancel)
            thread.start()
            thread.join()
            cancelled_at.append(time.monotonic())

    progress = Progress(listen)
    with pytest.raises(Cancelled):
        trained.score(with_lesion(), seed=0, progress=progress)
    assert_within(time.monotonic() - cancelled_at[0], 2.0)


def test_cancelled_training_leaves_the_detector_as_it_was(trained: Detector) -> None:
    if not trained.INFO.trainable:
        pytest.skip("the method learns nothing")
    detector = small(trained.INFO.id)
    progress = Progress(lambda fraction, message: progress.cancel())
    with pytest.raises(Cancelled):
        fit(detector, progress)
    assert detector.state() == {}


@methods
def test_untrained_method_says_so(method: str) -> None:
    if not method_class(method).INFO.trainable:
        with pytest.raises(InputError, match="learns nothing"):
            create(method).fit([healthy(0)], seed=0, progress=Progress())
        return
    with pytest.raises(ModelError, match=r"fitted|trained"):
        create(method).score(with_lesion(), seed=0, progress=Progress())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: replace(v, mask=np.zeros(SHAPE, bool)), "empty"),
        (lambda v: replace(v, data=np.zeros(SHAPE, np.float32)), "every voxel"),
        (lambda v: replace(v, data=np.full(SHAPE, 7, np.float32)), "every voxel"),
    ],
)
def test_hopeless_input_is_refused(trained: Detector, change: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        trained.score(change(with_lesion()), seed=0, progress=Progress())  # type: ignore[operator]


def test_extreme_intensities_stay_finite(trained: Detector) -> None:
    for factor in (1e-20, 1e20):
        volume = with_lesion()
        scores = score(trained, replace(volume, data=(volume.data * np.float32(factor))))
        assert np.isfinite(scores).all()


def test_one_slice_is_enough(trained: Detector) -> None:
    volume = with_lesion()
    thin = Volume(volume.data[:, :, 10:11].copy(), Grid((24, 28, 1), GRID.affine), mask=brain()[:, :, 10:11])
    # A trained method may ask for the grid it was trained on, if it says so.
    with suppress(InputError) if trained.INFO.trainable else nullcontext():
        assert score(trained, thin).shape == (24, 28, 1)


@methods
def test_a_training_runs_in_every_number_format_that_it_offers(method: str) -> None:
    """On a CPU that is bf16 beside float32; one step shows whether the format can be had at all."""
    training = method_class(method).Training
    if training is None or "bf16" not in next((info.choices or () for name, _, info in training.describe() if name == "precision"), ()):
        pytest.skip("it offers no other")
    detector, quick = small(method), training.preset("tiny") if "tiny" in training.PRESETS else training()
    detector.fit([healthy(seed) for seed in range(2)], seed=0, training=replace(quick, steps=1, batch_size=2, precision="bf16"))
    assert detector.state()


@methods
def test_parameters_of_another_method_are_refused(method: str) -> None:
    foreign = next(name for name in METHODS if name != method)
    with pytest.raises(InputError, match="own parameters"):
        create(method, method_class(foreign).Params())


@methods
def test_card_is_complete(method: str) -> None:
    info = method_class(method).INFO
    assert info.id == method
    for text in (info.name, info.family, info.summary, info.paper, info.licence, info.needs, info.score_unit):
        assert text.strip()
    assert any(mark in info.paper for mark in ("arXiv", "doi"))
    assert info.seconds_per_megavoxel > 0
    assert info.bytes_per_voxel > 0


@methods
def test_every_setting_has_help_and_a_default_in_range(method: str) -> None:
    kind = method_class(method).Params
    for name, type_, info in kind.describe():
        assert info.help, name
        assert type_ in (bool, int, float, str, INTS)
    assert kind.from_dict(kind().as_dict()) == kind()
    assert kind.from_strings({name: value_text(value) for name, value in kind().as_dict().items()}) == kind()
    for preset in kind.PRESETS:
        assert kind.from_dict(kind.preset(preset).as_dict()) == kind.preset(preset)


def test_unknown_method_names_the_closest() -> None:
    with pytest.raises(InputError, match="thresh-raw"):
        create("tresh_raw")


def test_cards_come_in_the_order_of_the_list() -> None:
    assert [card.id for card in cards()] == [*METHODS, *TRIALS]
