"""StRegA as published: tissue classes, a compact context-encoding VAE on label images, the residual, Otsu and area opening."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.detector import MethodInfo, State
from ...core.errors import ModelError
from ...core.params import Params as AnyParams
from ...core.progress import Progress
from ...core.threshold import ThresholdRule
from ...core.volume import Volume
from ...sampling.slices import Slices
from ..autoencoder.cce_vae import build_cce_vae
from ..autoencoder.common import THRESHOLD
from ..autoencoder.context import ContextDetector
from ..base.stages import EstimateStage, Fitting, GradientStage, Stage, of_stage
from .strega_params import StregaParams, StregaTraining
from .tissues import classes_of

if TYPE_CHECKING:
    import torch

    from ..nets.context import ContextVAE
    from .strega_task import StregaTask

_STATISTICS, _NETWORK = "statistics", "network"


class Strega(ContextDetector):
    """Tissue classes of a scan are compared with their reconstruction by a VAE that was trained on those of healthy brains.

    The classes come from a hidden Markov random field (FSL FAST in the paper); the label image is normalised by the mean and standard
    deviation of the training data, its slices are resized, and what the residual shows is cleaned slice by slice: Otsu's threshold, then
    what is smaller than an area. A scan that holds tissue classes already (the step `tissue_classes`) is taken as it is.
    """

    Params: ClassVar[type[AnyParams]] = StregaParams
    Training = StregaTraining
    INFO = MethodInfo(
        id="strega",
        name="StRegA",
        family="Autoencoder",
        summary="Tissue classes instead of intensities, a compact context-encoding VAE, its residual with Otsu and area opening.",
        paper="Chatterjee et al. 2022, StRegA: unsupervised anomaly detection in brain MRIs using a compact context-encoding "
        "variational autoencoder, Computers in Biology and Medicine, doi:10.1016/j.compbiomed.2022.106093",
        licence="BSD-3-Clause; weights: see the model's card",
        needs="A brain mask (or a skull-stripped scan), bias corrected, and a known sequence: T1, T1c, T2, PD or FLAIR",
        sequences=("T2", "T1c", "T1", "FLAIR"),
        trainable=True,
        score_unit="residual in standard deviations of the training labels",
        default_threshold=ThresholdRule("value", 0.0),
        preset="clinical",
        devices=("cpu", "cuda", "mps"),
        seconds_per_megavoxel=1.0,
        bytes_per_voxel=60.0,
        presets="Paper and published code disagree. paper: maps 64,128,256; 256 latents, residual connections and batch normalisation, "
        "input - reconstruction, Otsu on each slice. code: maps 16,64,256,1024; 1024 latents, plain (812 million parameters), "
        "reconstruction - input, Otsu on the volume. Both: 256 x 256 pixels, area opening of 256 pixels. The default is the paper's "
        "pipeline on slices of 128 x 128 pixels of 2 mm, with a smaller network that can be shipped. z is its mean.",
        colour_limits=(0.0, 2.0),
    )
    params: StregaParams

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`: mean and spread of the training labels, then the network."""
        return EstimateStage(_STATISTICS, self._estimated), GradientStage(_NETWORK, self._task_after, self._pool)

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a trained model, float32 or float16; see `core.detector.Detector`."""
        own = of_stage(_STATISTICS, state)
        if state and (set(own) != {"mean", "deviation"} or not all(one.shape == () for one in own.values()) or not own["deviation"] > 0):
            raise ModelError(f"Model of {self.INFO.id}", why="it lacks the mean and spread of its training labels", fix="Train it again")
        super().load_state(state)

    def network(self, stage: str = _NETWORK) -> torch.nn.Module:
        """See `NetworkDetector.network`."""
        return super().network(stage)

    def reconstruct(self, volume: Volume, *, seed: int = 0, progress: Progress | None = None) -> dict[str, NDArray[np.float32]]:
        """See `BaseDetector.reconstruct`: the tissue classes, their reconstruction (1 CSF, 2 grey, 3 white matter), and the residual."""
        self.network()
        masked = volume if volume.mask is not None else volume.with_mask(np.ones(volume.data.shape, np.bool_))
        held = masked.with_data(classes_of(masked, self.params.sequence, self.INFO.name))
        found = super().reconstruct(held, seed=seed, progress=progress)
        mean, deviation = self._statistics(self._state)
        labels, made = held.data, found["reconstruction"] * np.float32(deviation) + np.float32(mean)
        assert masked.mask is not None
        return {"tissue classes": labels, "reconstruction": np.where(masked.mask, made, np.float32(0.0)).astype(np.float32)}

    def _build(self) -> ContextVAE:
        return build_cce_vae(self.params, self.CHANNELS)

    def _task(self) -> StregaTask:
        return self._task_after(self._state)

    def _task_after(self, before: State) -> StregaTask:
        from .strega_task import StregaTask

        p = self.params
        return StregaTask(self._build, p.convention, p.latent, p.kl_weight, p.context_weight, *self._statistics(before))

    def _statistics(self, state: State) -> tuple[float, float]:
        """Mean and standard deviation of the training labels; 0 and 1 before there are any."""
        own = of_stage(_STATISTICS, state)
        return (float(own["mean"]), float(own["deviation"])) if own else (0.0, 1.0)

    def _estimated(self, volumes: Sequence[Volume], how: Fitting) -> State:
        """Mean and standard deviation over all pixels of the slices that the network is trained on."""
        pool = self._pool(volumes, how.progress)
        total, squares, count = 0.0, 0.0, 0
        for number in range(len(pool)):
            image = pool.images([number]).astype(np.float64)
            total, squares, count = total + image.sum(), squares + np.square(image).sum(), count + image.size
        mean = total / max(count, 1)
        deviation = float(np.sqrt(max(squares / max(count, 1) - mean**2, 1e-12)))
        return {"mean": np.array(mean, np.float32), "deviation": np.array(deviation, np.float32)}

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
        return THRESHOLD if self.params.binarise == "none" else self.INFO.default_threshold

    def _colour_limits(self) -> tuple[float, float] | None:
        return self.INFO.colour_limits


def _otsu(scores: NDArray[np.float32]) -> float:
    """Otsu's threshold; above everything where the scores do not differ."""
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(scores)) if scores.size and np.ptp(scores) > 0 else np.inf
