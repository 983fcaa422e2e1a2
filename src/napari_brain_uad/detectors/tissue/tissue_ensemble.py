"""StRegA: tissue classes, a compact context-encoding VAE, and what is left over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...core.detector import MethodInfo
from ...core.errors import InputError, ModelError
from ...core.progress import Progress
from ...core.volume import Volume
from ...preprocessing.tissue_scale import BRIGHTEST, CSF, DARKEST, WHITE, fit_tissue_scale
from ...sampling.pool import Pool
from ...sampling.slices import Slices, to_slices
from ...sampling.windows import Cut, Windows
from ...scoring.registry import SCORES, Evidence
from ..autoencoder.cce_vae import build_cce_vae
from ..autoencoder.common import THRESHOLD
from ..autoencoder.context import ContextDetector
from ..base.reconstruction import ReconstructionParams, pool_of
from ..base.smoothing import smoothed
from ..base.stages import GradientStage, Stage, of_stage
from .scan import SHIFTED, TissueScan

if TYPE_CHECKING:
    import torch

    from ...training.batch import Batch
    from ...training.draws import Draw
    from ..base.tasks import VariationalTask
    from ..nets.context import ContextVAE
    from .segmentation_task import FinderTask

from .params import TISSUE, StregaParams, StregaTraining

RESTORER, FINDER = "restorer", "finder"
"""The stages; a model with the first alone calls it by no name."""
_NEIGHBOURS = 2


class Strega(ContextDetector):
    """Tissues of a slice are compared with those a healthy brain would have there.

    The paper segments a scan into CSF, grey and white matter, so that one model serves every sequence and scanner, trains a compact
    context-encoding VAE on these label images, and takes the residual. The default differs in four things, each a setting: a scale of
    tissue instead of hard classes, probabilities of the tissues instead of a label image as the decoder's output, a score of those, and
    a second network that says where healthy slices were painted over (`regions`). The presets `paper` and `code` have none of them.
    A scan that holds tissue labels already (0 to 3, in whole numbers) is taken as it is.
    """

    Params = StregaParams
    Training = StregaTraining
    INFO = MethodInfo(
        id="strega",
        name="StRegA",
        family="Autoencoder",
        summary="Tissue instead of intensities, a compact context-encoding VAE, what it would restore, and what looks painted over.",
        paper="Chatterjee et al. 2022, StRegA: unsupervised anomaly detection in brain MRIs using a compact context-encoding "
        "variational autoencoder, Computers in Biology and Medicine, doi:10.1016/j.compbiomed.2022.106093",
        licence="BSD-3-Clause; weights: see the model's card",
        needs="A brain mask (or a skull-stripped scan) and a known sequence: T1, T1c, T2, FLAIR, or PD with a model of your own",
        sequences=("T2", "T1c", "T1", "FLAIR"),
        trainable=True,
        score_unit="evidence from 0 to 1",
        default_threshold=THRESHOLD,
        preset="native",
        devices=("cpu", "cuda", "mps"),
        seconds_per_megavoxel=2.0,
        bytes_per_voxel=60.0,
        presets="Paper and published code disagree. paper: hard classes, maps 64-128-256, 256 latents, residual connections and batch "
        "normalisation, 256 x 256 pixels, input - reconstruction with negatives set to 0. code: maps 16-64-256-1024, 1024 latents, plain, "
        "reconstruction - input; both threshold by Otsu (--threshold otsu). The default keeps the idea, changes tissue scale, decoder "
        "and score, and adds a network that finds painted-over regions.",
        colour_limits=(0.0, 1.0),
    )
    params: StregaParams

    def __init__(self, params: ReconstructionParams | None = None) -> None:
        super().__init__(params)
        if SCORES[self.params.score].tissues and self.params.decoder != "tissues":
            raise InputError(
                self.params.called("score"),
                why=f"{self.params.score} needs the decoder 'tissues'",
                fix="Choose that decoder, or another score",
            )
        if self.params.regions and self.params.decoder != "tissues":
            raise InputError(
                self.params.called("regions"), why="regions need the decoder 'tissues'", fix="Choose that decoder, or no regions"
            )

    def stages(self) -> tuple[Stage, ...]:
        """See `BaseDetector.stages`: the network that restores tissues; with `regions` a second one, which finds what was painted over."""
        if not self.params.regions:
            return super().stages()
        windows, shape = Windows(neighbours=_NEIGHBOURS), (2 * _NEIGHBOURS + 1, self.params.height, self.params.width)

        def whole(volume: Volume) -> Cut:
            slices, scale, _ = self._tissues(volume)
            return Cut([slices.with_data(_whole_scale(slices, scale))], windows)

        def stacks(volumes: Sequence[Volume], progress: Progress) -> Pool:
            return pool_of(volumes, whole, progress, shape)

        return (GradientStage(RESTORER, lambda _: self._task(), self._pool), GradientStage(FINDER, lambda _: self._finder_task(), stacks))

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a trained model, float32 or float16; without its finder where `regions` is off. See `core.detector.Detector`."""
        restorer = of_stage(RESTORER, state)
        if state and self.params.regions and not restorer:
            why = "it has no network that finds painted-over regions"
            raise ModelError(f"Model of {self.INFO.id}", why=why, fix="Train it again, or switch the setting regions off")
        super().load_state(state if self.params.regions or not restorer else restorer)

    def _build(self) -> ContextVAE:
        return build_cce_vae(self.params, self.CHANNELS, 4 if self.params.decoder == "tissues" else None)

    def _task(self) -> VariationalTask:  # type: ignore[override]
        if self.params.decoder == "label-image":
            return super()._task()
        from .restoration_task import TissueTask

        p = self.params
        return TissueTask(self._build, p.latent, p.kl_weight, painted=p.painted, mirror=p.mirror)

    def _finder_task(self) -> FinderTask:
        from .segmentation_task import FinderTask

        return FinderTask(_NEIGHBOURS, self.params.finder_counts, self.params.roughness)

    def network(self, stage: str = "") -> torch.nn.Module:
        """See `NetworkDetector.network`; the one that restores, by default."""
        return super().network(stage or (RESTORER if self.params.regions else ""))

    @property
    def _pixels_mm(self) -> tuple[float, float, float]:
        return self.params.step_mm, self.params.pixel_mm, self.params.pixel_mm

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        if self.params.decoder == "label-image":
            return super()._score(volume, mask, seed=seed, progress=progress)
        self.network()  # before work that is for nothing without it
        passes = (SHIFTED if self.params.shift_pixels else 1) * (1 + self.params.healing)
        first, last = progress.part(0.0, 0.9), progress.part(0.9, 1.0)
        scan = self._scan(volume.with_mask(mask), passes, seed, first if self.params.regions else progress)
        scores = self._compared(volume.with_mask(mask), scan, scan.healed(self.params.healing))
        if not self.params.regions:
            return scores
        whole = scan.slices.with_data(_whole_scale(scan.slices, scan.scale))
        found = scan.slices.back(self._found(whole, seed, last))
        width = self.params.finder_smoothing_mm
        found = smoothed(found, mask, volume.grid.spacing, width) if width > 0 else found
        on_t1 = self._sequence(volume) in ("T1", "T1c")
        missing = np.float32(self.params.deficit_weight_t1 if on_t1 else self.params.deficit_weight) * scores
        return np.asarray(missing + (1.0 - missing.clip(0.0, 1.0)) * found, np.float32)

    def _found(self, slices: Slices, seed: int, progress: Progress) -> NDArray[np.float32]:
        """How probably a pixel was painted over, shape (S, H, W): from the mean log odds of the slices and of their mirror images."""
        import torch

        network, cut = self.network(FINDER), Cut([slices], Windows(neighbours=_NEIGHBOURS))

        def probability(batch: Batch, draw: Draw) -> torch.Tensor:
            with torch.no_grad():
                logits = (network(batch.images) + network(batch.images.flip(-1)).flip(-1)) / 2.0
            found: torch.Tensor = logits.float().sigmoid()
            return found

        return self._over(cut, probability, cut.shape[1:], seed, progress)

    def _scan(self, volume: Volume, passes: int, seed: int, progress: Progress) -> TissueScan:
        """A scan that tells how many of so many passes through the network are done."""
        parts = (progress.part(number / passes, (number + 1) / passes) for number in range(passes))
        slices, scale, tissue = self._tissues(volume)
        return TissueScan(
            slices, scale, tissue, self._pixels_mm, lambda seen: self._expected(seen, seed, next(parts)), shift=self.params.shift_pixels
        )

    def _compared(self, volume: Volume, scan: TissueScan, expected: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of the scan's voxels beside the tissues expected there, or of slices where a score needs a pixel's neighbours."""
        import torch

        from .restoration_task import expected_tissue

        score, slices, brain = SCORES[self.params.score], scan.slices, volume.mask
        assert brain is not None
        if not score.tissues:
            tissues = torch.from_numpy(np.pad(expected, ((0, 0), (1, 0), (0, 0), (0, 0))))
            evidence = Evidence(torch.from_numpy(slices.data[:, None]) / WHITE, expected_tissue(tissues), probabilities=tissues)
            return slices.back(self._finish(score.compute(evidence).numpy(), slices))
        there = torch.from_numpy(np.stack([np.zeros(np.count_nonzero(brain)), *(slices.back(expected[:, k])[brain] for k in range(3))]))
        tissues, seen = there.float()[None, :, None], torch.from_numpy(scan.tissue[brain])[None, None, None]
        scores = np.zeros(brain.shape, np.float32)
        scores[brain] = score.compute(Evidence(seen / WHITE, expected_tissue(tissues), probabilities=tissues)).numpy().ravel()
        width = self.params.smoothing_mm
        return smoothed(scores, brain, volume.grid.spacing, width) if width > 0 else scores

    def _expected(self, slices: Slices, seed: int, progress: Progress) -> NDArray[np.float32]:
        """Probabilities of CSF, grey and white matter, shape (S, 3, H, W), each pixel's adding up to 1."""
        network, cut, infer = self.network(), Cut([slices]), self._inference()

        def tissues(batch: Batch, draw: Draw) -> torch.Tensor:
            probabilities = infer(network, batch, draw, progress).probabilities
            assert probabilities is not None
            return probabilities[:, 1:]

        found = self._over(cut, tissues, (3, *cut.shape[1:]), seed, progress)
        found /= found.sum(axis=1, keepdims=True).clip(min=1e-3)
        return found

    def _slices(self, volume: Volume) -> Slices:
        """Slices of tissue, from 0 to 4; between 0 and 1 for the label image."""
        slices = self._tissues(volume)[0]
        return slices.with_data(slices.data / np.float32(WHITE)) if self.params.decoder == "label-image" else slices

    def _sequence(self, volume: Volume) -> str | None:
        return volume.sequence if self.params.sequence == "auto" else self.params.sequence

    def _tissues(self, volume: Volume) -> tuple[Slices, NDArray[np.float32], NDArray[np.float32]]:
        """Slices of tissue, from 0 to 4, the scale that they were cut off from, and the tissue of the scan's own voxels."""
        sequence = self._sequence(volume)
        if sequence == TISSUE or _holds_labels(volume):
            slices = to_slices(volume, self.params.grid)
            tissue = np.where(slices.mask, slices.data.clip(CSF, WHITE), np.float32(0.0))
            return slices.with_data(tissue), tissue, volume.data.clip(CSF, WHITE)
        if sequence is None:
            raise InputError(
                f"{volume.name} cannot be scored by StRegA",
                why="its sequence is not known, and with it which tissue is dark and which bright",
                fix="Set the method's setting sequence to T1, T2, PD or FLAIR",
            )
        if self.params.tissue == "classes":
            classes = _classified(volume, sequence)
            slices = to_slices(classes, self.params.grid, interpolation="nearest")
            return slices, slices.data, classes.data
        slices = to_slices(volume, self.params.grid)
        scale = fit_tissue_scale(slices.data[slices.mask], sequence)
        tissue = np.where(slices.mask, scale(slices.data), np.float32(0.0))
        return slices.with_data(_filled(tissue, slices.mask)), scale.unbounded(slices.data), scale(volume.data)

    def _finish(self, scores: NDArray[np.float32], slices: Slices) -> NDArray[np.float32]:
        width = self.params.smoothing_mm
        return smoothed(scores, slices.mask, self._pixels_mm, width) if width > 0 else scores


def _whole_scale(slices: Slices, scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scale beyond healthy tissue as far as it tells anything; filled holes of the mask as they are; 0 outside."""
    return np.where(slices.mask, scale.clip(DARKEST, BRIGHTEST), slices.data).astype(np.float32)


def _holds_labels(volume: Volume) -> bool:
    """Whether the scan is a map of tissue classes already."""
    inside = volume.data if volume.mask is None else volume.data[volume.mask]
    found = np.unique(inside[:: max(1, inside.size // 10_000)])
    return found.size <= 4 and bool(np.isin(np.unique(inside), (0.0, 1.0, 2.0, 3.0)).all())


def _classified(volume: Volume, sequence: str) -> Volume:
    from ...preprocessing.step import Context
    from ...preprocessing.steps.tissue_classes import TissueClasses

    named = Volume(volume.data, volume.grid, volume.name, volume.mask, sequence)
    return TissueClasses().apply(named, Context()).volume


def _filled(tissue: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Holes of the mask as CSF: masks made with a threshold leave out ventricles, which a network has never seen black."""
    from scipy.ndimage import binary_fill_holes

    for image, brain in zip(tissue, mask, strict=True):
        image[binary_fill_holes(brain) & ~brain] = CSF
    return tissue
