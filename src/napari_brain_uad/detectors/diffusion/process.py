"""Adding noise to images step by step, and taking it away again with a network that has learned to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch

from .names import STEPS

_OFFSET, _MOST = 0.008, 0.999

Denoiser = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Gives what it predicts for noisy images (B, 1, H, W) of time steps (B,), counted from 0: a network, or one that is told more."""
Noise = Callable[[int], torch.Tensor]
"""Fields of noise, shape (B, 1, H, W), for the n-th time that a reconstruction needs them."""
Change = Callable[[int, int, torch.Tensor, torch.Tensor], torch.Tensor]
"""What a chain goes on with, given the time step it leaves and the one it reaches, the clean images as predicted at the former, and the
noisy ones at the latter (at 0 the clean ones again)."""


def kept_share(schedule: str) -> torch.Tensor:
    """The share of the image's variance that is left after each time step, shape (1000,), float64: alpha bar.

    Parameters
    ----------
    schedule : str
        "linear": beta from 1e-4 to 0.02 (Ho 2020, arXiv:2006.11239); alpha bar of step 500 is 0.0786. "cosine": Nichol 2021
        (arXiv:2102.09672), equation 17; there it is 0.4938.
    """
    if schedule == "linear":
        beta = torch.linspace(1e-4, 0.02, STEPS, dtype=torch.float64)
    else:
        curve = torch.cos((torch.linspace(0, 1, STEPS + 1, dtype=torch.float64) + _OFFSET) / (1 + _OFFSET) * torch.pi / 2).square()
        beta = (1 - curve[1:] / curve[:-1]).clamp(0, _MOST)
    return torch.cumprod(1 - beta, dim=0)


def spread(start: int, count: int) -> list[int]:
    """``count + 1`` time steps from `start` to 0, evenly apart."""
    times: list[int] = torch.linspace(start, 0, count + 1).round().long().tolist()
    return times


@dataclass(frozen=True, eq=False)
class Process:
    """Diffusion by a schedule. Images go from -1 to 1; time steps are counted from 1, as in the papers.

    Parameters
    ----------
    schedule : str
        One of `names.SCHEDULES`.
    prediction : str
        What the network predicts, one of `names.PREDICTIONS`.
    """

    schedule: str = "linear"
    prediction: str = "image"

    def noised(self, images: torch.Tensor, steps: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Images (B, ...) after these time steps (B,): ``sqrt(a) x + sqrt(1 - a) n`` (Ho 2020, equation 4)."""
        kept = self._kept(steps, images)
        return kept.sqrt() * images + (1 - kept).sqrt() * noise

    def predicted(self, network: Denoiser, seen: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        """The clean images, as the network sees them behind noisy ones."""
        found = network(seen, steps - 1).float()
        if self.prediction == "image":
            return found
        kept = self._kept(steps, seen)
        return (seen - (1 - kept).sqrt() * found) / kept.sqrt()

    def denoised(
        self,
        network: Denoiser,
        images: torch.Tensor,
        where: torch.Tensor,
        noise: Noise,
        *,
        start: int,
        count: int,
        change: Change | None = None,
    ) -> torch.Tensor:
        """Images noised up to a time step and denoised again, at some of their pixels; the others are seen as they are throughout.

        Parameters
        ----------
        images : tensor, shape (B, 1, H, W)
            From -1 to 1.
        where : tensor of bool, shape (B, 1, H, W)
            The pixels.
        noise : callable
            See `Noise`; asked for 0 to ``count - 1``.
        start : int
            The time step that noise is added up to.
        count : int
            Steps of the way back: 1 = the network's first prediction, `start` = every time step (Ho 2020, algorithm 2). Some of them
            are spread evenly (Nichol 2021, section 4).
        change : callable, optional
            See `Change`.
        """
        times = spread(start, count)
        seen = torch.where(where, self.noised(images, self._all(start, images), noise(0)), images)
        clean = images
        for number, (time, after) in enumerate(pairwise(times), start=1):
            clean = self.predicted(network, seen, self._all(time, images)).clamp(-1, 1)
            if after:
                seen = torch.where(where, self._posterior(clean, seen, time, after, noise(number)), images)
            if change is not None:
                changed = change(time, after, clean, seen if after else clean)
                seen, clean = (changed, clean) if after else (seen, changed)
        return clean

    def resampled(
        self,
        network: Denoiser,
        images: torch.Tensor,
        guess: torch.Tensor,
        where: torch.Tensor,
        noise: Noise,
        *,
        start: int,
        count: int,
        times: int,
    ) -> torch.Tensor:
        """Images with some of their pixels made again so that they fit what is around them.

        Lugmayr 2022 (RePaint, arXiv:2201.09865), algorithm 1: at every step back what is known is the image with noise, what is unknown
        the network's; then both go forward again by the same step, and back again. Here it begins with a guess behind noise, not with
        noise alone (Bercea 2023, arXiv:2305.19643).

        Parameters
        ----------
        images, guess : tensor, shape (B, 1, H, W)
            What is known, and what the unknown pixels may look like; from -1 to 1.
        where : tensor of bool, shape (B, 1, H, W)
            The unknown pixels.
        noise : callable
            See `Noise`; asked for 0 to ``3 * count * times``.
        start, count : int
            See `denoised`.
        times : int
            How often each step back is taken.
        """
        fields = iter(range(1, 3 * count * times + 1))
        seen = self.noised(guess, self._all(start, guess), noise(0))
        for time, after in pairwise(spread(start, count)):
            for again in range(times if after else 1):  # what has reached 0 goes forward no more (algorithm 1, line 8)
                clean = self.predicted(network, seen, self._all(time, images)).clamp(-1, 1)
                if not after:
                    return torch.where(where, clean, images)
                known = self.noised(images, self._all(after, images), noise(next(fields)))
                seen = torch.where(where, self._posterior(clean, seen, time, after, noise(next(fields))), known)
                if again < times - 1:
                    seen = self._forward(seen, after, time, noise(next(fields)))
        raise AssertionError("the last step reaches 0")

    def _forward(self, seen: torch.Tensor, after: int, time: int, noise: torch.Tensor) -> torch.Tensor:
        """A sample of q(x_time | x_after)."""
        kept = self._share(time) / self._share(after)
        sample: torch.Tensor = kept**0.5 * seen + (1 - kept) ** 0.5 * noise
        return sample

    def _posterior(self, clean: torch.Tensor, seen: torch.Tensor, time: int, after: int, noise: torch.Tensor) -> torch.Tensor:
        """A sample of q(x_after | x_time, x_0) (Ho 2020, equations 6 and 7)."""
        kept, kept_after = self._share(time), self._share(after)
        beta = 1 - kept / kept_after
        mean = kept_after**0.5 * beta / (1 - kept) * clean + (kept / kept_after) ** 0.5 * (1 - kept_after) / (1 - kept) * seen
        deviation = (beta * (1 - kept_after) / (1 - kept)) ** 0.5
        sample: torch.Tensor = mean + deviation * noise
        return sample

    def _share(self, step: int) -> float:
        return float(kept_share(self.schedule)[step - 1])

    def _kept(self, steps: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        share = kept_share(self.schedule)[(steps - 1).cpu()].float().to(images.device)
        return share.reshape(-1, *(1,) * (images.dim() - 1))

    def _all(self, step: int, images: torch.Tensor) -> torch.Tensor:
        return torch.full((len(images),), step, dtype=torch.int64, device=images.device)
