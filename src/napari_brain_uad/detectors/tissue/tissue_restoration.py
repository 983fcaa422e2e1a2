"""Tissue restoration: what white matter a healthy brain would have where a scan shows less."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ...core.params import Params as AnyParams
from ...core.progress import Progress
from ...core.volume import Volume
from ...preprocessing.tissue_scale import WHITE
from ...sampling.slices import Slices
from ...sampling.windows import Cut
from ...scoring.registry import SCORES, Evidence
from ..base.reconstruction import ReconstructionDetector
from ..base.smoothing import smoothed
from ..base.stages import of_stage
from .params import RESTORATION, TissueRestorationParams, TissueTraining
from .scan import SHIFTED, TissueScan
from .tissues import CARD, Tissues, tissues_of

if TYPE_CHECKING:
    import torch

    from ...training.batch import Batch
    from ...training.draws import Draw
    from ..nets.context import ContextVAE
    from .restoration_task import TissueTask

_TISSUES = np.arange(1, 4, dtype=np.float32).reshape(1, 3, 1, 1)


class TissueRestoration(ReconstructionDetector):
    """The tissues of a scan are compared with those a healthy brain would have there.

    A method of this project, which grew from StRegA: a scale of tissue, so that one model serves every sequence, and a context-encoding
    VAE whose decoder gives probabilities of the tissues. Missing white matter is the score, after the scan has been restored in several
    rounds (iterative inpainting). A scan that holds tissue classes already is taken as it is.
    """

    Params: ClassVar[type[AnyParams]] = TissueRestorationParams
    Training = TissueTraining
    INFO = replace(
        CARD,
        id="tissue-restoration",
        name="Tissue restoration",
        family="Autoencoder",
        summary="Tissue instead of intensities, restored by a context-encoding VAE; the score is the white matter that is missing.",
        paper="A method of this project, after Chatterjee et al. 2022 (StRegA), doi:10.1016/j.compbiomed.2022.106093, and Zimmerer et al. "
        "2018 (context-encoding VAE), arXiv:1812.05941",
        seconds_per_megavoxel=1.6,
        models_of=("tissue-ensemble",),
    )
    params: TissueRestorationParams

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over a model of its own, or the part of an ensemble's that is its own; see `core.detector.Detector`."""
        super().load_state(of_stage(RESTORATION, state) or state)

    def _stride(self) -> int:
        return 1 << len(self.params.maps)

    def _build(self) -> ContextVAE:
        from ..nets.context import ContextVAE

        p = self.params
        return ContextVAE(1, (p.height, p.width), p.maps, p.latent, blocks=p.blocks, activation="prelu", outputs=4, narrow=p.narrow)

    def _task(self) -> TissueTask:
        from .restoration_task import TissueTask

        p = self.params
        return TissueTask(self._build, p.latent, p.kl_weight, corrupted=p.corrupted_share, mirror=p.mirror)

    def reconstruct(self, volume: Volume, *, seed: int = 0, progress: Progress | None = None) -> dict[str, NDArray[np.float32]]:
        """See `BaseDetector.reconstruct`: the scan's tissue, and the tissue expected there."""
        self.network()
        masked = volume.with_mask(volume.brain)
        found = self._tissues(masked)
        expected = self._scan(found, seed, progress or Progress()).restored(self.params.inpainting_rounds)
        tissue = (expected * _TISSUES).sum(axis=1)
        return {"input": found.slices.back(found.slices.data), "reconstruction": found.slices.back(tissue)}

    def _score(self, volume: Volume, mask: NDArray[np.bool_], *, seed: int, progress: Progress) -> NDArray[np.float32]:
        self.network()  # before work that is for nothing without it
        masked = volume.with_mask(mask)
        found = self._tissues(masked)
        expected = self._scan(found, seed, progress).restored(self.params.inpainting_rounds)
        return self._compared(masked, found, expected)

    def _tissues(self, volume: Volume) -> Tissues:
        return tissues_of(volume, self.params.sequence, self.params.grid, self.INFO.name)

    def _slices(self, volume: Volume) -> Slices:
        return self._tissues(volume).slices

    def _scan(self, found: Tissues, seed: int, progress: Progress) -> TissueScan:
        """A scan that tells how many of its passes through the network are done."""
        p = self.params
        passes = (SHIFTED if p.shift_pixels else 1) * (1 + p.inpainting_rounds)
        parts = (progress.part(number / passes, (number + 1) / passes) for number in range(passes))
        pixels_mm = (p.step_mm, p.pixel_mm, p.pixel_mm)
        return TissueScan(found.slices, pixels_mm, lambda seen: self._expected(seen, seed, next(parts)), shift=p.shift_pixels)

    def _compared(self, volume: Volume, found: Tissues, expected: NDArray[np.float32]) -> NDArray[np.float32]:
        """Scores of the scan's voxels beside the tissues expected there, or of slices where a score needs a pixel's neighbours."""
        import torch

        from .restoration_task import expected_tissue

        score, slices, brain, width = SCORES[self.params.score], found.slices, volume.mask, self.params.smoothing_mm
        assert brain is not None
        if not score.tissues:
            tissues = torch.from_numpy(np.pad(expected, ((0, 0), (1, 0), (0, 0), (0, 0))))
            evidence = Evidence(torch.from_numpy(slices.data[:, None]) / WHITE, expected_tissue(tissues), probabilities=tissues)
            values = score.compute(evidence).numpy()
            pixels_mm = (self.params.step_mm, self.params.pixel_mm, self.params.pixel_mm)
            return slices.back(smoothed(values, slices.mask, pixels_mm, width) if width > 0 else values)
        there = torch.from_numpy(np.stack([np.zeros(np.count_nonzero(brain)), *(slices.back(expected[:, k])[brain] for k in range(3))]))
        tissues, seen = there.float()[None, :, None], torch.from_numpy(found.tissue[brain])[None, None, None]
        scores = np.zeros(brain.shape, np.float32)
        scores[brain] = score.compute(Evidence(seen / WHITE, expected_tissue(tissues), probabilities=tissues)).numpy().ravel()
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
