"""The context-encoding VAEs learn: they do not fall back on one picture for every slice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_head import head_labels

from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.autoencoder.ce_vae import CeVAE, CeVAEParams
from napari_brain_uad.detectors.nets.context import ContextVAE
from napari_brain_uad.simulation.params import SimulationParams
from napari_brain_uad.simulation.population import Population
from napari_brain_uad.training.loop import ArraySource, run_training
from napari_brain_uad.training.session import TrainingSession, TrainingUpdate


@pytest.fixture(scope="module")
def slices() -> tuple[np.ndarray, np.ndarray, CeVAE]:
    """Slices of simulated subjects to train on, those of another, and the untrained method they were cut for."""
    labels = head_labels()
    head = Volume(labels.astype(np.float32), Grid(labels.shape, np.eye(4)), "head")
    detector = CeVAE(CeVAEParams(height=48, width=48, pixel_mm=2.0, step_mm=2.0, maps=(16, 32, 64, 64), latent=64))
    cut = []
    for numbers in (range(6), (6,)):
        scans = [
            Population([head], SimulationParams(sequence=sequence, spacing_mm=2.0), seed=1)[number].volume
            for sequence in ("T1", "T2")
            for number in numbers
        ]
        pool = detector._pool(scans, {}, Progress())
        cut.append(pool.images(range(len(pool))).astype(np.float32))
    return cut[0], cut[1], detector


def reconstructed(detector: CeVAE, slices: np.ndarray) -> np.ndarray:
    network = detector.network()
    with torch.no_grad():
        return np.asarray(network(torch.from_numpy(slices)).reconstruction)


def test_a_short_training_reconstructs_better_than_one_picture_for_all(slices: tuple[np.ndarray, np.ndarray, CeVAE]) -> None:
    """The posterior collapsed once: a divergence of nothing, and the same picture whatever was shown."""
    train, other, detector = slices
    told: list[TrainingUpdate] = []
    training = replace(CeVAE.Training.preset("tiny"), steps=120)
    source = ArraySource(train.astype(np.float16), other[:0].astype(np.float16), 0)
    session = TrainingSession(report=told.append)
    detector.load_state(run_training(detector._task(), source, training=training, seed=0, session=session, progress=Progress()))
    found = reconstructed(detector, other)
    error = np.abs(found - other).mean()
    one_picture = min(np.abs(picture - other).mean() for picture in (train.mean(axis=0), np.median(train, axis=0)))
    assert error < 0.7 * one_picture
    assert found.std(axis=0).mean() > 0.5 * other.std(axis=0).mean()
    assert told[-1].losses["kl"] > 0.1


@pytest.mark.parametrize("latent", [16, 256])
def test_plain_stages_start_without_silencing_the_slices(latent: int) -> None:
    torch.manual_seed(0)
    network = ContextVAE(1, (64, 64), (16, 32, 64), latent, blocks="plain", activation="leaky-relu")
    images = torch.rand(8, 1, 64, 64)
    mean, log_variance = network.encode(images)
    image = network.decode(torch.randn(8, latent))
    loudness = [float(part.detach().square().mean().sqrt()) for part in (images, mean, image)]
    assert loudness[1] > 0.3 * loudness[0]
    assert loudness[2] > 0.3
    assert float(log_variance.detach().abs().mean()) < 1.5
