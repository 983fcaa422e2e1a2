"""What is known of a scan before a run: its facts in a line, what the checks found, and the files of its masks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core.checks import check_not_constant
from ...core.errors import BrainUADError
from ...core.extremes import without_extremes
from ...core.volume import Volume


def beside(volume: Volume, what: str) -> Path | None:
    """Where a scan's "brainmask" or "truth" lies, if it lies beside it under the usual name."""
    path = None if volume.source is None else volume.source.path
    if path is None:
        return None
    file = path.with_name(f"{path.name.split('.')[0]}_{what}.nii.gz")
    return file if file.is_file() else None


def saved_as(mask: NDArray[np.bool_] | None, files: Iterable[Path | None], like: Volume, label: str) -> NDArray[np.bool_] | Path | None:
    """The first of some files that holds a mask; the mask itself when none does."""
    for file in files:
        found = as_file(mask, file, like, label)
        if isinstance(found, Path):
            return found
    return mask


def found_without_mask(volume: Volume, mask: NDArray[np.bool_]) -> bool:
    """Whether a run on the scan's file alone would find the same brain, so that a command needs no mask."""
    from ...preprocessing.brain_mask import estimate_brain_mask

    found = estimate_brain_mask(volume)
    return (found.stripped or volume.is_slice) and np.array_equal(found.mask, mask)


def as_file(mask: NDArray[np.bool_] | None, file: Path | None, like: Volume, label: str) -> NDArray[np.bool_] | Path | None:
    """The file in place of the array, if it still holds the same mask: a layer may have been painted since it was opened."""
    from ...workflows.scans.load import load_mask

    if mask is None or file is None:
        return mask
    try:
        return file if np.array_equal(load_mask(file, like, label=label), mask) else mask
    except BrainUADError:
        return mask


@dataclass(frozen=True, eq=False)
class ScanRequest:
    """The scan of a run, as a dock says it when its button is pressed.

    Parameters
    ----------
    volume : Volume
        The scan, without a brain mask unless its file brought one.
    mask, truth : array of bool, shape (i, j, k), optional
        On the scan's grid.
    mask_file, truth_file : Path, optional
        The files their layers came from, for the command line.
    """

    volume: Volume
    mask: NDArray[np.bool_] | None
    truth: NDArray[np.bool_] | None
    mask_file: Path | None
    truth_file: Path | None

    @cached_property
    def brain(self) -> NDArray[np.bool_] | Path | None:
        """The brain mask, as the file it came from where that still holds the same."""
        # A scan may bring its mask along (a sample): the command line has to be given the file.
        given = self.volume.mask if self.mask is None else self.mask
        return saved_as(given, (self.mask_file, beside(self.volume, "brainmask")), self.volume, "brain mask")

    @cached_property
    def lesions(self) -> NDArray[np.bool_] | Path | None:
        """The ground truth, likewise."""
        return saved_as(self.truth, (self.truth_file, beside(self.volume, "truth")), self.volume, "ground truth")


@dataclass(frozen=True)
class Facts:
    """What there is to know about a scan before a run.

    Parameters
    ----------
    line : str
        Like "FLAIR (name 'flair'), 182x218x182, 1.0 mm, skull-stripped".
    checks : tuple of str
        What the checks found, each in one or two sentences.
    raw : bool
        Whether it shows the whole head and has no brain mask, so that a run prepares it first.
    """

    line: str
    checks: tuple[str, ...]
    raw: bool


def facts(volume: Volume) -> Facts:
    """Look at a scan."""
    from ...preprocessing.brain_mask import estimate_brain_mask
    from ...preprocessing.sequence_check import check_against_image

    constant = check_not_constant(volume.data)
    found = estimate_brain_mask(volume) if volume.mask is None and constant is None else None
    size = "x".join(str(n) for n in volume.grid.shape)
    parts = [volume.sequence_words, size, spacing_words(volume.grid.spacing)]
    if volume.mask is not None:
        parts.append("with brain mask")
    elif volume.is_slice:
        parts.append("a single slice")
    elif found is not None:
        parts.append("skull-stripped" if found.stripped else f"not skull-stripped ({found.why})")
    if volume.source is not None and not volume.source.orientation_known:
        parts.append("left and right unknown")
    raw = found is not None and not found.stripped and not volume.is_slice
    # What is found about the brain of a raw head does not matter: it is extracted.
    findings = [*without_extremes(volume).findings, *(found.findings if found and not raw else ()), *([constant] if constant else ())]
    brain = volume.mask if found is None else found.mask
    seen = None if brain is None else check_against_image(volume, brain, head=raw)
    findings += [] if seen is None else [seen]
    checks = tuple(f"{f.message[:1].upper()}{f.message[1:]}. {f.fix}.".replace(" .", "") for f in findings if f.level != "info")
    return Facts(", ".join(parts), checks, raw)


def spacing_words(spacing: tuple[float, float, float]) -> str:
    """Voxel size: one number when the three agree to 0.05 mm, else three."""
    if max(spacing) - min(spacing) < 0.05:
        return f"{spacing[0]:.1f} mm"
    return f"{'x'.join(f'{size:.2g}' for size in spacing)} mm"
