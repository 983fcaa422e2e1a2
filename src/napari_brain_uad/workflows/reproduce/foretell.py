"""What the trainings of an experiment will take, before any of them begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from ...core.errors import BrainUADError
from ...core.isolation import isolated
from ...core.progress import Progress
from ...io.atomic import write_text
from ...io.folders import temporary_folder
from ..train.train_estimate import estimate_training
from .plan import Experiment


def estimates(experiment: Experiment, *, device: str = "auto", progress: Progress | None = None) -> Iterator[str]:
    """A line for each training, measured by a few of its steps; nothing is left behind.

    Each counts the preparation of its scans, which is done once for all methods.

    Raises
    ------
    Cancelled
        If the user stopped it.
    """
    progress = progress or Progress()
    with temporary_folder() as folder:
        for path, text in experiment.tables.items():
            write_text(folder / path.name, text)
        steps = [step for step in experiment.trainings if not step.fold]  # the others take as long
        folds = 1 + max((step.fold for step in experiment.trainings), default=0)
        for number, step in enumerate(steps):
            part = progress.part(number / len(steps), (number + 1) / len(steps))
            data = replace(step.data, path=str(folder / step.table.name), preset=step.prepare)
            known = None if step.anomalies is None else folder / step.anomalies.name
            found = isolated(partial(estimate_training, step.spec, data, device=device, progress=part, anomalies=known))
            times = f" (each of {folds} models)" if folds > 1 else ""
            yield f"{step.name}: {f'no estimate ({found})' if isinstance(found, BrainUADError) else found.words}{times}"
