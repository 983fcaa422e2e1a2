"""Lightning Fabric, set up for a session."""

from __future__ import annotations

import inspect
import logging
from typing import Any

from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from torch.nn.parallel import DistributedDataParallel

from .precision import fabric_precision
from .session import TrainingSession


def make_fabric(session: TrainingSession, precision: str, *, partial: bool = False) -> Fabric:
    """Fabric on the session's devices; with several, their processes are started or joined here (torchrun and SLURM start them).

    Parameters
    ----------
    session, precision
        Where, and in which number format of `precision.choose_precision`.
    partial : bool
        As `task.Task.partial`.
    """
    # It tells the precision on standard error; the session is told in its own way.
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    several = session.devices * session.nodes > 1
    fabric = Fabric(
        accelerator=session.device,
        devices=session.devices,
        num_nodes=session.nodes,
        strategy=_ddp(partial) if several else "auto",
        precision=fabric_precision(precision),  # type: ignore[arg-type]
    )
    if several:
        fabric.launch()
    return fabric


def _ddp(partial: bool) -> DDPStrategy:
    """A network may be called twice in a step, which sharing its buffers at every call would break; the loop shares them itself."""
    known = inspect.signature(DistributedDataParallel.__init__).parameters
    # The newer name of the same setting; the older one then warns.
    name = "forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers"
    setting: dict[str, Any] = {name: False}
    return DDPStrategy(**setting, find_unused_parameters=partial)
