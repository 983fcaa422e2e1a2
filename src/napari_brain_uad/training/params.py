"""How a network is trained: one description for forms, the command line and the record in the model."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.errors import InputError
from ..core.params import Params, param

OPTIMIZERS = ("adam", "adam-amsgrad", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "one-cycle")
PRECISIONS = ("auto", "32", "bf16", "16")


@dataclass(frozen=True)
class TrainingParams(Params):
    """Settings of `training.loop.run_training`; a method subclasses it to give its paper's defaults."""

    steps: int = param(20_000, "Batches to train on", label="Training steps", low=1, high=10_000_000, step=1000)
    batch_size: int = param(32, "Slices (or volumes, patches) in a batch, over all devices together", low=1, high=65_536, step=8)
    learning_rate: float = param(1e-4, "Step size of the optimizer at its highest", low=0.0, high=10.0, step=0.0001)
    optimizer: str = param("adam", "Optimizer", choices=OPTIMIZERS)
    beta1: float = param(0.9, "Decay of the optimizer's mean of gradients", label="Adam β1", low=0.0, high=0.9999, step=0.05, advanced=True)
    beta2: float = param(
        0.999, "Decay of the optimizer's mean of squared gradients", label="Adam β2", low=0.0, high=0.99999, step=0.001, advanced=True
    )
    weight_decay: float = param(0.0, "Weight decay", low=0.0, high=1.0, step=0.00001, advanced=True)
    schedule: str = param("constant", "Course of the learning rate over the steps", label="Learning rate schedule", choices=SCHEDULES)
    warmup_steps: int = param(
        0, "Steps over which the learning rate rises from 0", label="Warm-up steps", low=0, high=1_000_000, step=100, advanced=True
    )
    clip_norm: float = param(
        0.0,
        "Longest gradient; longer ones are shortened to it; 0 = as they are",
        label="Gradient clipping",
        low=0.0,
        high=1e6,
        step=0.5,
        advanced=True,
    )
    ema_decay: float = param(
        0.0,
        "Decay of the moving average of the weights, which is then what is saved; 0 = none",
        label="EMA decay of weights",
        low=0.0,
        high=0.99999,
        step=0.001,
        advanced=True,
    )
    precision: str = param(
        "auto",
        "Number format of the computation; auto = bf16 where the device is fast with it, else 32. 16 is for GPUs",
        label="Numerical precision",
        choices=PRECISIONS,
        advanced=True,
    )
    validate_every: int = param(
        500, "Steps between validations on healthy scans", label="Validate every", unit="steps", low=1, high=1_000_000, step=100
    )
    patience: int = param(
        0,
        "Validations without improvement after which training stops, with the best weights; 0 = never before the last step",
        label="Early stopping after",
        unit="validations",
        low=0,
        high=10_000,
    )
    keep_best: bool = param(
        False, "Save the weights of the lowest loss on held-out healthy scans, instead of the last ones; early stopping always does",
        label="Keep the best weights", advanced=True,
    )  # fmt: skip
    checkpoint_every: int = param(
        500, "Steps between checkpoints", label="Checkpoint every", unit="steps", low=1, high=1_000_000, step=100, advanced=True
    )
    augmentation: str = param("none", "Random changes of the training slices (TorchIO)", choices=("none", "flip", "mild", "strega"))


def check_precision(precision: str, device: str) -> None:
    """Refuse a number format that a device has no arithmetic for: Lightning would compute in bf16, and the record would say 16.

    Parameters
    ----------
    precision : str
        One of `PRECISIONS`.
    device : str
        "cpu", "cuda" or "mps".

    Raises
    ------
    InputError
        Naming those that do.
    """
    if precision == "16" and device == "cpu":
        why = "there is no training in float16 on a CPU"
        raise InputError("precision=16", why=why, fix="Use 32, bf16 or auto, or a GPU (--device cuda)")
