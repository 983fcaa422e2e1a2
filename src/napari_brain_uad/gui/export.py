"""What leaves the Tune dock: files, and the command that makes the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..core.progress import Progress
from ..core.volume import Volume
from ..workflows.command import detect_command
from ..workflows.detect import finish_detection
from ..workflows.save import save_detection
from .tuning import Tuning


def command_of(tuning: Tuning, scan: Volume, truth: str | Path | None) -> str:
    """The ``brain-uad detect`` command that gives what the dock shows."""
    return detect_command(tuning.amap, tuning.post, scan=scan, truth=truth)


def export_job(tuning: Tuning, scan: Volume, truth_name: str | Path | None, folder: Path) -> Callable[[Progress], dict[str, Path]]:
    """A background job that writes map, mask, regions, figure and provenance of the settings now."""
    amap, post, truth = tuning.amap, tuning.post, tuning.truth
    command = command_of(tuning, scan, truth_name)

    def job(progress: Progress) -> dict[str, Path]:
        volume = scan.with_mask(amap.mask)
        detection = finish_detection(volume, amap, post, truth=truth, command=command, progress=progress.part(0.0, 0.5))
        return save_detection(detection, folder, progress=progress.part(0.5, 1.0))

    return job
