"""What autoencoders minimise, and what their scores are made of. Imports torch, so methods import it only when they need it.

Conventions of the sums (the papers differ, and with them the meaning of a KL weight):

* "sum": absolute differences summed over a slice's pixels, KL divergence summed over the latents (Baur 2021).
* "mean": both are means (Zimmerer's published code, and StRegA's).
* "mixed": mean over pixels, sum over latents (Behrendt 2023's VAE).

All are then means over the slices of a batch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ...scoring.registry import Evidence
from ...training.batch import Batch
from ...training.draws import Draw
from ...training.task import Losses, Task
from ..nets.output import Output


class AutoencoderTask(Task):
    """Absolute differences between slices and their reconstruction.

    Parameters
    ----------
    build : callable
        Makes the network; it gives an `Output`.
    convention : str
        One of `reconstruction.CONVENTIONS`.
    """

    def __init__(self, build: Callable[[], nn.Module], convention: str = "sum") -> None:
        self._build = build
        self.convention = convention

    def build(self) -> nn.Module:
        """See `training.task.Task`."""
        return self._build()

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        return {"loss": self._difference(network(batch.images), batch.images)}

    @torch.no_grad()
    def preview(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Input, reconstruction and difference of the first channel; see `training.task.Task`."""
        return compared(batch.images, network(batch.images).reconstruction)

    def evidence(self, network: nn.Module, images: torch.Tensor) -> Evidence:
        """What the scores of samples are made of; the latents are the means."""
        with torch.no_grad():
            return Evidence(images, network(images).reconstruction)

    def _difference(self, output: Output, target: torch.Tensor) -> torch.Tensor:
        pixels = (output.reconstruction - target).abs().flatten(1)
        return (pixels.sum(dim=1) if self.convention == "sum" else pixels.mean(dim=1)).mean()


class VariationalTask(AutoencoderTask):
    """The negative ELBO: absolute differences and the weighted KL divergence from a standard normal.

    Parameters
    ----------
    latent : int
        Size of z.
    kl_weight : float
        Of the KL divergence.
    """

    def __init__(self, build: Callable[[], nn.Module], convention: str, latent: int, kl_weight: float) -> None:
        super().__init__(build, convention)
        self.latent = latent
        self.kl_weight = kl_weight

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        output = network(batch.images, self.noise(batch, draw))
        difference, divergence = self._difference(output, batch.images), self._divergence(output)
        return {"loss": difference + self.kl_weight * divergence, "l1": difference, "kl": divergence}

    def noise(self, batch: Batch, draw: Draw) -> torch.Tensor:
        """Standard normal numbers for the latents of a batch."""
        return draw.normal((len(batch), self.latent))

    def divergence(self, output: Output) -> torch.Tensor:
        """KL(q(z|x) || p(z)) of each image, summed over the latents, shape (B,)."""
        return _kl(output)

    def evidence(self, network: nn.Module, images: torch.Tensor) -> Evidence:
        """See `AutoencoderTask.evidence`; with the energies "kl" and "elbo"."""
        found = super().evidence(network, images)
        return Evidence(
            found.images, found.reconstruction, {"kl": lambda x: self.divergence(network(x)), "elbo": lambda x: self.elbo(network, x)}
        )

    def elbo(self, network: nn.Module, images: torch.Tensor) -> torch.Tensor:
        """What was minimised, of each slice, at z = mean; scaled so that absolute differences are summed over the pixels."""
        output: Output = network(images)
        pixels = images[0].numel()
        weight = self.kl_weight * {"sum": 1.0, "mixed": pixels, "mean": pixels / self.latent}[self.convention]
        return (output.reconstruction - images).abs().flatten(1).sum(dim=1) + weight * self.divergence(output)

    def _divergence(self, output: Output) -> torch.Tensor:
        divergence = self.divergence(output).mean()
        return divergence / self.latent if self.convention == "mean" else divergence


class ContextTask(VariationalTask):
    """The ceVAE's loss: beside the ELBO, slices are restored from copies in which squares are masked.

    Zimmerer 2018 (arXiv:1812.05941), equation 4: ``(1 - w) (L_rec + beta KL) + w L_context``. A batch goes through the network once,
    with the masked slices behind the others; for those z is the mean.

    Parameters
    ----------
    context_weight : float
        w.
    """

    def __init__(self, build: Callable[[], nn.Module], convention: str, latent: int, kl_weight: float, context_weight: float) -> None:
        super().__init__(build, convention, latent, kl_weight)
        self.context_weight = context_weight

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        images, count = batch.images, len(batch)
        noise = draw.normal((count, self.latent))
        both = network(torch.cat([images, masked_squares(images, draw)]), torch.cat([noise, torch.zeros_like(noise)]))
        own = Output(both.reconstruction[:count], both.mean[:count], both.log_variance[:count])
        difference, divergence = self._difference(own, images), self._divergence(own)
        context = self._difference(Output(both.reconstruction[count:]), images)
        elbo = difference + self.kl_weight * divergence
        total = (1.0 - self.context_weight) * elbo + self.context_weight * context
        return {"loss": total, "l1": difference, "kl": divergence, "context": context}


def compared(images: torch.Tensor, reconstruction: torch.Tensor) -> dict[str, torch.Tensor]:
    """Input, reconstruction and difference of the first channel, for `training.task.Task.preview`."""
    image, made = images[:, 0], reconstruction[:, 0].float()
    return {"input": image, "reconstruction": made, "difference": (image - made).abs()}


def masked_squares(images: torch.Tensor, draw: Draw) -> torch.Tensor:
    """Mask 0 to 2 squares of every slice, with sides from 0 to half the slice, each of one grey between its darkest and brightest.

    Parameters
    ----------
    images : tensor, shape (B, C, H, W)
    draw : Draw
        Gives the numbers.
    """
    count, height, width = len(images), images.shape[-2], images.shape[-1]
    rows = torch.arange(height, device=images.device)[None, :, None]
    columns = torch.arange(width, device=images.device)[None, None, :]
    low, high = images.flatten(1).amin(dim=1), images.flatten(1).amax(dim=1)
    squares = draw.integers((count,), 0, 3)
    for number in range(2):
        side, top, left, grey = draw.uniform((count, 4)).unbind(dim=1)
        side = (side * max(height, width) / 2)[:, None, None]
        top, left = (top * height)[:, None, None] - side / 2, (left * width)[:, None, None] - side / 2
        inside = (rows >= top) & (rows < top + side) & (columns >= left) & (columns < left + side)
        inside &= (squares > number)[:, None, None]
        fill = (low + grey * (high - low))[:, None, None, None]
        images = torch.where(inside[:, None], fill, images)
    return images


def _kl(output: Output) -> torch.Tensor:
    """KL(q(z|x) || N(0, 1)), summed over the latents, shape (B,)."""
    mean, log_variance = output.mean, output.log_variance
    if mean is None or log_variance is None:
        raise TypeError("this network has no distribution of latents")
    mean, log_variance = mean.float(), log_variance.float()
    return 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum(dim=1)
