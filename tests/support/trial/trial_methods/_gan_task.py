from __future__ import annotations

import torch
from torch import nn

from napari_brain_uad.detectors.base.tasks import AutoencoderTask
from napari_brain_uad.detectors.nets.output import Output
from napari_brain_uad.training.batch import Batch
from napari_brain_uad.training.draws import Draw
from napari_brain_uad.training.optimization import make_optimizer
from napari_brain_uad.training.params import TrainingParams
from napari_brain_uad.training.task import Losses, TrainingStep

CRITIC_STEPS = 2


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Conv2d(1, 8, 4, stride=4), nn.ReLU(), nn.ConvTranspose2d(8, 1, 4, stride=4))
        self.critic = nn.Sequential(nn.Conv2d(1, 8, 4, stride=4), nn.LeakyReLU(0.2), nn.Flatten(), nn.LazyLinear(1))
        self.critic(torch.zeros(1, 1, 32, 32, device=next(self.generator.parameters()).device))

    def forward(self, images: torch.Tensor, judge: bool = False) -> Output | torch.Tensor:
        if judge:
            judged: torch.Tensor = self.critic(images)
            return judged
        return Output(self.generator(images))


class GANTask(AutoencoderTask):
    batches, partial = CRITIC_STEPS, True

    def __init__(self) -> None:
        super().__init__(Both, "mean")

    def optimizers(self, network: nn.Module, training: TrainingParams) -> dict[str, torch.optim.Optimizer]:
        assert isinstance(network, Both)
        return {
            "generator": make_optimizer(network.generator.parameters(), training),
            "critic": make_optimizer(network.critic.parameters(), training),
        }

    def step(self, step: TrainingStep) -> None:
        for number in range(CRITIC_STEPS):
            step.minimise(self._critic_loss, "critic", batch=number)
        step.minimise(self._generator_loss, "generator")

    def _critic_loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        real, fake = batch.images, network(batch.images).reconstruction.detach()
        share = draw.uniform((len(batch), 1, 1, 1))
        between = (share * real + (1 - share) * fake).requires_grad_(True)
        (slope,) = torch.autograd.grad(network(between, judge=True).sum(), between, create_graph=True)
        penalty = 10 * (slope.flatten(1).norm(dim=1) - 1).square().mean()
        return {"loss": network(fake, judge=True).mean() - network(real, judge=True).mean() + penalty, "penalty": penalty}

    def _generator_loss(self, network: nn.Module, batch: Batch, draw: Draw) -> Losses:
        made = network(batch.images)
        difference = self._difference(made, batch.images)
        return {"loss": difference - 0.01 * network(made.reconstruction, judge=True).mean(), "l1": difference}
