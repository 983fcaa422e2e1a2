"""The losses of the steps since the last update, and the check that they are numbers."""

from __future__ import annotations

import math
from typing import Any

import torch

from ..core.errors import ModelError


class Losses:
    """Sums losses up.

    Parameters
    ----------
    device : torch.device
        Where they are computed. On a GPU they are looked at some steps later, so that it need not wait for us.
    precision : str
        The number format, of `precision.choose_precision`; what to do about a loss that is no number depends on it.
    """

    def __init__(self, device: torch.device, precision: str) -> None:
        self._precision = precision
        self.window = 1 if device.type == "cpu" else 20
        self._waiting: list[tuple[int, dict[str, torch.Tensor]]] = []
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._steps: set[int] = set()
        self._earlier = 0

    def add(self, step: int, losses: dict[str, torch.Tensor]) -> None:
        """Take losses of a step, which may have several of one name."""
        self._waiting.append((step, losses))
        if len(self._waiting) >= self.window > 1:
            self.check()

    def check(self) -> None:
        """Look at what is waiting.

        Raises
        ------
        ModelError
            If a loss is NaN or infinite.
        """
        for step, losses in self._waiting:
            for name, value in zip(losses, torch.stack(list(losses.values())).tolist(), strict=True):
                if not math.isfinite(value):
                    raise ModelError(f"The training broke down at step {step + 1:,}", why=f"'{name}' became {value}", fix=self._fix())
                self._sums[name] = self._sums.get(name, 0.0) + value
                self._counts[name] = self._counts.get(name, 0) + 1
            self._steps.add(step)
        self._waiting = []

    def means(self) -> tuple[int, dict[str, float]]:
        """Steps since the last call, and the mean of each loss over them; this process's own share."""
        self.check()
        steps = self._earlier + len(self._steps)
        means = {name: value / self._counts[name] for name, value in self._sums.items()}
        self._sums, self._counts, self._steps, self._earlier = {}, {}, set(), 0
        return steps, means

    def sums(self) -> dict[str, Any]:
        """What was added since the last `means`, as JSON data for `go_on`."""
        self.check()
        return {"steps": self._earlier + len(self._steps), "sums": self._sums, "counts": self._counts}

    def go_on(self, earlier: dict[str, Any]) -> None:
        """Take up what `sums` gave in a run that was stopped; called before the first `add`."""
        self._earlier, self._sums, self._counts = earlier["steps"], dict(earlier["sums"]), dict(earlier["counts"])

    def _fix(self) -> str:
        """What can be done: a training is resumed with its own learning rate and gradients, but in any number format."""
        anew = "tart a new training with a lower learning rate or with limited gradients (clip_norm)"
        return f"S{anew}" if self._precision == "32" else f"Resume it from its checkpoint with precision=32, or s{anew}"
