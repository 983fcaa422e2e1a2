"""What is said at the end of a training: how well it went, where the model is, and how it is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...core import shell
from ...core.text import readable
from ...io.checkpoint import checkpoint_files
from ...training.session import TrainingUpdate
from ..models.method_spec import MethodSpec
from ..models.models import name_of


class LastLosses:
    """Listens to a training, as the `report` of `train`, and knows its losses at the end.

    Attributes
    ----------
    last : dict of str to TrainingUpdate
        The last update of each stage.
    """

    def __init__(self) -> None:
        self.last: dict[str, TrainingUpdate] = {}
        self._validations: dict[str, list[tuple[float, int]]] = {}

    def __call__(self, update: TrainingUpdate) -> None:
        """Hear one update."""
        before = self.last.get(update.stage)
        if before is not None and update.step <= before.step:  # a further training of the same network
            self._validations.pop(update.stage, None)
        self.last[update.stage] = update
        if update.validation is not None:
            self._validations.setdefault(update.stage, []).append((update.validation, update.step))

    def lines(self) -> list[str]:
        """A line for each stage that was trained in steps; none for a training that was done before."""
        return [self._line(stage, update.losses, update.step) for stage, update in self.last.items()]

    def _line(self, stage: str, losses: Mapping[str, float], step: int) -> str:
        words = f"loss {losses['loss']:.4g} in training" if "loss" in losses else "no loss"
        if seen := self._validations.get(stage):
            (value, _), (lowest, when) = seen[-1], min(seen)
            words += f", {value:.4g} on healthy scans kept apart" + (f" (lowest {lowest:.4g}, at step {when:,})" if lowest < value else "")
        else:
            words += "; no scans were kept apart to check it on"
        where = f"{readable(stage)}, step" if stage else "Step"
        return f"{where} {step:,}: {words}"


def use_of(method: str, out: str | Path) -> tuple[Path, str]:
    """Where a model lies that `train` wrote as `out`, and the command that detects with it.

    Parameters
    ----------
    method : str
        The method's id.
    out : str or Path
        NAME of the model.

    Returns
    -------
    Path, str
        The ``.safetensors`` file; the command for a shell, in which SCAN and DIR stand for a scan and a folder for results.
    """
    file = checkpoint_files(Path(out))[0]
    spec = MethodSpec(method, model=name_of(file))
    return file, shell.join(["brain-uad", "detect", "SCAN", "--method", str(spec), "--out", "DIR"])
