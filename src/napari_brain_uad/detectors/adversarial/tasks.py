"""What f-AnoGAN minimises: first its generator and critic, then its encoder. Imports torch, so methods import it only when they need it.

Images from 0 to 1 become -1 to 1, as in the paper; the weights of the losses mean what they mean there.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ...training.batch import Batch
from ...training.draws import Draw
from ...training.optimization import make_optimizer
from ...training.params import TrainingParams
from ...training.task import Losses, Task, TrainingStep
from ..base.tasks import AutoencoderTask
from ..nets.residual_gan import Adversaries

Critic = Callable[[torch.Tensor], torch.Tensor]


class WassersteinTask(Task):
    """A generator against a critic with gradient penalty.

    Gulrajani 2017 (arXiv:1704.00028), algorithm 1: the critic minimises ``D(G(z)) - D(x) + w (|grad D(y)| - 1)^2`` several times, with
    another batch each time and y at a random place between x and G(z); then the generator minimises ``-D(G(z))`` once.

    Parameters
    ----------
    build : callable
        Makes the `Adversaries`.
    latent : int
        Size of z.
    critic_steps : int
        Of a training step.
    penalty : float
        w.
    """

    partial = True

    def __init__(self, build: Callable[[], Adversaries], latent: int, critic_steps: int, penalty: float) -> None:
        self._build = build
        self.latent, self.batches, self.penalty = latent, critic_steps, penalty

    def build(self) -> nn.Module:
        """See `training.task.Task`."""
        return self._build()

    def optimizers(self, network: nn.Module, training: TrainingParams) -> dict[str, torch.optim.Optimizer]:
        """See `training.task.Task`: one for each of the two."""
        assert isinstance(network, Adversaries)
        judging = [*network.features.parameters(), *network.critic.parameters()]
        return {"generator": make_optimizer(network.generator.parameters(), training), "critic": make_optimizer(judging, training)}

    def step(self, step: TrainingStep) -> None:
        """See `training.task.Task`: the critic goes ahead by some steps, then the generator follows."""
        for number in range(self.batches):
            step.minimise(self.critic_loss, "critic", batch=number)
        step.minimise(self.generator_loss, "generator")

    def critic_loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """What the critic minimises, and how far apart it finds the two: an estimate of the Wasserstein distance."""
        real = 2.0 * batch.images - 1.0
        with torch.no_grad():
            fake = network(draw.normal((len(batch), self.latent)))
        distance = _distance(network, real, fake)
        penalty = gradient_penalty(lambda images: _values(network, images), real, fake, draw)
        return {"loss": self.penalty * penalty - distance, "distance": distance, "penalty": penalty}

    def generator_loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """What the generator minimises."""
        return {"loss": -_values(network, network(draw.normal((len(batch), self.latent)))).mean()}

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """The critic's estimate of the distance, which a validation shows; it is as good as the critic, so it need not fall."""
        fake = network(draw.normal((len(batch), self.latent)))
        return {"loss": _distance(network, 2.0 * batch.images - 1.0, fake)}

    @torch.no_grad()
    def preview(self, network: nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Slices, and others that the generator makes, of the same latents each time; see `training.task.Task`."""
        images = batch.images[:, 0]
        latents = torch.randn(len(images), self.latent, generator=torch.Generator().manual_seed(0)).to(images.device)
        return {"input": images, "generated": 0.5 * (network(latents)[:, 0].float() + 1.0)}


class EncoderTask(AutoencoderTask):
    """An encoder for a generator that is not trained any more.

    Schlegl 2019 (doi:10.1016/j.media.2019.01.010), the encoder "izi_f": squared differences between a slice and what the generator
    makes of its latents, and between the critic's features of both, each a mean.

    Parameters
    ----------
    build : callable
        Makes the `LatentEncoder`.
    kappa : float
        Weight of the features.
    """

    def __init__(self, build: Callable[[], nn.Module], kappa: float) -> None:
        super().__init__(build, "mean")
        self.kappa = kappa

    def loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        """See `training.task.Task`."""
        output, seen, made = network(batch.images, True)
        # From -1 to 1, where differences are twice as large.
        image = 4.0 * (output.reconstruction - batch.images).square().mean()
        features = (seen - made).square().mean()
        return {"loss": image + self.kappa * features, "image": image, "features": features}


def gradient_penalty(critic: Critic, real: torch.Tensor, fake: torch.Tensor, draw: Draw) -> torch.Tensor:
    """``(|grad D(y)| - 1)^2`` at one random place y between each real image and each fake one, a mean over them.

    Parameters
    ----------
    critic : callable
        Gives one number an image, shape (B,).
    real, fake : tensor, shape (B, C, H, W)
    draw : Draw
        Gives the places.
    """
    share = draw.uniform((len(real), *(1,) * (real.ndim - 1)))
    between = (share * real + (1.0 - share) * fake).detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    # The root has no slope at 0, where a critic that says the same everywhere is.
    length = (slope.flatten(1).square().sum(dim=1) + 1e-12).sqrt()
    return (length - 1.0).square().mean()


def _distance(network: nn.Module, real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """How much better the critic finds the real ones; both at once, as its value of an image does not depend on the others."""
    values = _values(network, torch.cat([real, fake]))
    return values[: len(real)].mean() - values[len(real) :].mean()


def _values(network: nn.Module, images: torch.Tensor) -> torch.Tensor:
    values: torch.Tensor = network(images, True)[0]
    return values
