"""The main job on a sample scan."""

from __future__ import annotations

from pathlib import Path

from ...core.progress import Progress
from ..models.recommend import recommend
from ..scans.samples import Sample
from .detect import Detection, detect
from .save import save_detection


def demo_methods(sample: Sample) -> tuple[str, ...]:
    """What the demo runs on a sample: the threshold, and the method recommended for the sequence, with which window and `detect` begin."""
    return tuple(dict.fromkeys(("threshold", recommend(sample.sequence)[0])))


def demo_sample(
    sample: Sample, out: str | Path, *, method: str = "threshold", overwrite: bool = False, progress: Progress | None = None
) -> tuple[Detection, dict[str, Path]]:
    """Detect anomalies in a sample and write the results.

    Parameters
    ----------
    sample : Sample
        Which one.
    out : str or Path
        Folder for the results.
    method : str
        A method's id.
    overwrite : bool
        See `workflows.detect.save.save_detection`.

    Returns
    -------
    Detection, dict of str to Path
        What was found, and the files written.
    """
    progress = progress or Progress()
    detection = detect(sample.scan, method, mask=sample.mask, truth=sample.truth, progress=progress.part(0.0, 0.8))
    return detection, save_detection(detection, out, overwrite=overwrite, progress=progress.part(0.8, 1.0))
