"""StRegA as published: tissue classes, a compact context-encoding VAE on label images, the residual, Otsu and area opening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.detector import State
from ...core.params import Params as AnyParams
from ...core.progress import Progress
from ...core.threshold import ThresholdRule
from ...core.volume import Volume
from ...sampling.pool import Pool
from ...sampling.slices import Slices
from ..autoencoder.context import ContextDetector
from ..base.card import LEARNED
from ..base.stages import GradientStage, Stage
from .strega_params import StregaParams, StregaTraining
from .tissues import CARD, NEEDS_CLASSES, classes_of

if TYPE_CHECKING:
    from ..base.tasks import ContextTask
    from ..nets.context import ContextVAE, LabelVAE


class Strega(ContextDetector):
    """Tissue classes of a scan are compared with their reconstruction by a VAE that was trained on those of healthy brains.

    The classes come from a hidden Markov random field (FSL FAST in the paper); the label image is normalised by the mean and standard
    deviation of the training data, its slices are resized, and what the residual shows is cleaned slice by slice: Otsu's threshold, then
    what is smaller than an area. A scan that holds tissue classes already (the step `tissue_classes`) is taken as it is.
    """

    Params: ClassVar[type[AnyParams]] = StregaParams
    Training = StregaTraining
    INFO = replace(
        CARD,
        id="strega",
        name="StRegA",
        family="Autoencoder",
        summary="Tissue classes instead of intensities, a compact context-encoding VAE, its residual with Otsu and area opening.",
        paper="Chatterjee et al. 2022, StRegA: unsupervised anomaly detection in brain MRIs using a compact context-encoding "
        "variational autoencoder, Computers in Biology and Medicine, doi:10.1016/j.compbiomed.2022.106093",
        needs=NEEDS_CLASSES,
        score_unit="residual in tissue classes",
        default_threshold=ThresholdRule("value", 0.0),
        preset="clinical",
        seconds_per_megavoxel=1.0,
        presets="Paper and published code disagree. paper: maps 64,128,256; 256 latents, residual connections and batch normalisation, "
        "input - reconstruction, Otsu on each slice. code: maps 16,64,256,1024; 1024 latents, plain (812 million parameters), "
        "reconstruction - input, Otsu on the volume. Both: 256 x 256 pixels, area opening of 256 pixels. The default is the paper's "
        "pipeline on slices of 112 x 96 pixels of 2 mm, with a smaller network that can be shipped. z is its mean.",
    )
    params: StregaParams

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`: mean and deviation of the training labels become the network's own."""
        known: list[tuple[float, float]] = []

        def samples(volumes: Sequence[Volume], before: State, progress: Progress) -> Pool:
            pool = self._pool(volumes, before, progress)
            if not known:  # the first are those that are trained on, what is held out comes after them
                known.append(_moments(pool))
            return pool

        return (GradientStage("", lambda _: self._task_with(*(known[0] if known else (0.0, 1.0))), samples),)

    def reconstruct(self, volume: Volume, *, seed: int = 0, progress: Progress | None = None) -> dict[str, NDArray[np.float32]]:
        """See `BaseDetector.reconstruct`: tissue classes and their reconstruction, 1 CSF, 2 grey, 3 white matter."""
        self.network()
        masked = volume.with_mask(volume.brain)
        labels = self._prepare(masked)
        found = super().reconstruct(labels, seed=seed, progress=progress)
        return {"input": labels.data, "reconstruction": found["reconstruction"]}

    def _task(self) -> ContextTask:
        return self._task_with(0.0, 1.0)

    def _task_with(self, mean: float, deviation: float) -> ContextTask:
        from ..base.tasks import ContextTask

        p = self.params
        # Residuals are in classes: a loss in them is the paper's, of normalised labels, times the deviation, and so is its KL weight.
        return ContextTask(lambda: self._network(mean, deviation), p.convention, p.latent, p.kl_weight * deviation, p.context_weight)

    def _build(self) -> ContextVAE:
        return self._network(0.0, 1.0)

    def _network(self, mean: float, deviation: float) -> LabelVAE:
        from ..nets.context import LabelVAE

        p = self.params
        size = (p.height, p.width)
        return LabelVAE(1, size, p.maps, p.latent, blocks=p.blocks, activation="prelu", narrow=p.narrow, mean=mean, deviation=deviation)

    def _prepare(self, volume: Volume) -> Volume:
        """The label image."""
        return volume.with_data(classes_of(volume, self.params.sequence, self.INFO.name))

    def _finish(self, scores: NDArray[np.float32], slices: Slices) -> NDArray[np.float32]:
        """Otsu and area opening of the residual; in a slice where it is the same everywhere, nothing stands out."""
        if self.params.binarise == "none":
            return scores
        from skimage.morphology import remove_small_objects

        per_slice = self.params.binarise == "otsu-slice"
        common = -np.inf if per_slice else _otsu(scores[slices.mask])
        kept = np.zeros(scores.shape, np.bool_)
        for number, (score, brain) in enumerate(zip(scores, slices.mask, strict=True)):
            above = brain & (score > (_otsu(score[brain]) if per_slice else common))
            # The library drops what is as small as max_size or smaller.
            kept[number] = remove_small_objects(above, max_size=self.params.least_area_px - 1) if self.params.least_area_px else above
        return np.where(kept, scores, np.float32(0.0)).astype(np.float32)

    def _default_threshold(self) -> ThresholdRule:
        return LEARNED.default_threshold if self.params.binarise == "none" else self.INFO.default_threshold

    def _colour_limits(self) -> tuple[float, float] | None:
        return self.INFO.colour_limits


def _moments(pool: Pool) -> tuple[float, float]:
    """Mean and standard deviation over all pixels of the slices that the network is trained on."""
    total = squares = 0.0
    count = 1
    for number in range(len(pool)):
        image = pool.images([number]).astype(np.float64)
        total, squares, count = total + image.sum(), squares + np.square(image).sum(), (number + 1) * image.size
    mean = total / count
    return mean, float(np.sqrt(max(squares / count - mean**2, 1e-6)))


def _otsu(scores: NDArray[np.float32]) -> float:
    """Otsu's threshold; above everything where the scores do not differ."""
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(scores)) if scores.size and np.ptp(scores) > 0 else np.inf
