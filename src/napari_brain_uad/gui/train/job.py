"""What the Train dock has done in the background: estimates, and starting a training. Workflows are imported in the job's thread."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...core.errors import BrainUADError
from ...core.progress import Progress

if TYPE_CHECKING:
    from ...workflows.train.train_process import TrainingProcess

_POLL_SECONDS = 0.1

History = list[tuple[int, float, float | None]]
"""Step, loss, and loss of the scans kept apart, of every row of a log."""


def estimated(job: Mapping[str, Any], progress: Progress) -> str:
    """Time and memory of a training in words, tried in a child process: torch's import would hold up the window.

    Raises
    ------
    BrainUADError
        What the child complained of.
    Cancelled
        The child was stopped.
    """
    from ...workflows.train.train_command import train_words

    words = [sys.executable, "-m", "napari_brain_uad.cli", *train_words(job)[1:], "--estimate", "--quiet"]
    # Names that are not ASCII come as they were given, whatever encoding the system's pipes have.
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace", env=environment
    ) as child:
        try:
            while True:
                progress.check()
                try:
                    out, complaint = child.communicate(timeout=_POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    continue
        finally:
            child.kill()
    if child.returncode != 0:
        lines = [line for line in complaint.splitlines() if line.startswith("brain-uad: ")]
        raise BrainUADError("The training cannot be estimated", why=lines[-1].removeprefix("brain-uad: ") if lines else complaint[-500:])
    return out.strip()


def started(job: Mapping[str, Any], *, resume: bool) -> tuple[TrainingProcess, History]:
    """Start a training in its child process.

    Returns
    -------
    process, history
        The history is that of the training that is gone on with.

    Raises
    ------
    BrainUADError
        If the settings do not fit, or the folder cannot be written.
    """
    from ...detectors.registry import method_class
    from ...training.log import read_log
    from ...workflows.scans.names import output_folder
    from ...workflows.train.train_process import TrainingJob, TrainingProcess
    from ...workflows.train.unfinished import remember_job

    folder = Path(job["out"])
    history = _history(read_log(folder / "log.csv")) if resume else []
    process = TrainingProcess(TrainingJob.from_json(json.dumps({**job, "resume": resume})))
    output_folder(folder.parent)
    if method_class(job["method"]).Training is not None:
        remember_job(folder, job)
    process.start()
    return process, history


def _history(rows: list[dict[str, str]]) -> History:
    return [(int(row["step"]), float(row["loss"]), float(row["validation"]) if row.get("validation") else None) for row in rows]
