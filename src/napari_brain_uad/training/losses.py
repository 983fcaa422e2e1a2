"""The losses of the steps since the last update, and the check that they are numbers."""

from __future__ import annotations

import math

import torch

from ..core.errors import ModelError


class Losses:
    """Sums losses up.

    Parameters
    ----------
    device : torch.device
        Where they are computed. On a GPU they are looked at some steps later, so that it need not wait for us.
    """

    def __init__(self, device: torch.device) -> None:
        self.window = 1 if device.type == "cpu" else 20
        self._waiting: list[tuple[int, dict[str, torch.Tensor]]] = []
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}
        self._steps: set[int] = set()

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
                    fix = "Lower the learning rate, limit the gradients (clip_norm), or compute in float32; resume from the checkpoint"
                    raise ModelError(f"The training broke down at step {step + 1:,}", why=f"'{name}' became {value}", fix=fix)
                self._sums[name] = self._sums.get(name, 0.0) + value
                self._counts[name] = self._counts.get(name, 0) + 1
            self._steps.add(step)
        self._waiting = []

    def means(self) -> tuple[int, dict[str, float]]:
        """Steps since the last call, and the mean of each loss over them; this process's own share."""
        self.check()
        steps, means = len(self._steps), {name: value / self._counts[name] for name, value in self._sums.items()}
        self._sums, self._counts, self._steps = {}, {}, set()
        return steps, means
