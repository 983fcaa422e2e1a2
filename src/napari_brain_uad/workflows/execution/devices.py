"""Which device a run uses, and why, in words."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from ...core.errors import DeviceError, InputError
from ...core.optional import missing, not_installed
from ...core.text import choose_from

DEVICES = ("auto", "cpu", "cuda", "mps")

_ASK = f"import json; from {__name__} import why_not; print(json.dumps({{n: why_not(n) for n in ('cuda', 'mps')}}))"


@dataclass(frozen=True)
class Device:
    """A device: `name` as torch spells it, `words` for the user."""

    name: str
    words: str


def why_not(name: str) -> str | None:
    """Why a GPU cannot be used, or None when it can. Imports torch, so it is asked only for methods that need torch."""
    if missing("torch"):
        return not_installed("torch")
    import torch

    if name == "cuda":
        return None if torch.cuda.is_available() else "no CUDA device found"
    return None if torch.backends.mps.is_available() else "no Apple GPU found"


def why_not_told(name: str) -> str | None:
    """As `why_not`, asked of a child process once: importing torch holds up a window for longer than it may stall."""
    return why_not(name) if "torch" in sys.modules else _answers()[name]


@cache
def _answers() -> dict[str, str | None]:
    if missing("torch"):
        return dict.fromkeys(("cuda", "mps"), not_installed("torch"))
    done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return dict.fromkeys(("cuda", "mps"), "torch cannot be imported")
    answers: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    return answers


def check_count(name: str, devices: int, nodes: int = 1) -> None:
    """Raise unless so many devices of a kind can be used on each of so many machines.

    Parameters
    ----------
    name : str
        As `resolve_device` found it.
    devices, nodes : int
        How many on each machine, and how many machines.

    Raises
    ------
    InputError
        If one is not a count.
    DeviceError
        If this machine has fewer.
    """
    for what, count in (("devices", devices), ("nodes", nodes)):
        if count < 1:
            raise InputError(f"The number of {what}", why=f"it is {count}", fix=f"Give 1 or more (--{what})")
    if name == "cpu" or devices == 1:
        return
    there = 1
    if name == "cuda":
        import torch

        there = torch.cuda.device_count()
    if devices > there:
        why = f"{devices} were asked for, and this machine has {there} that can be used"
        raise DeviceError("There are too few GPUs", why=why, fix=f"Give --devices {max(there, 1)} or fewer")


def resolve_device(requested: str, supported: tuple[str, ...], *, ask: Callable[[str], str | None] = why_not) -> Device:
    """Choose the device for a method.

    Parameters
    ----------
    requested : str
        One of `DEVICES`.
    supported : tuple of str
        What the method can run on (``MethodInfo.devices``).
    ask : callable
        `why_not`, or `why_not_told` where torch must not be imported into this process.

    Raises
    ------
    InputError
        For an unknown name, or a device the method has no use for.
    DeviceError
        If the device asked for is not there.
    """
    if requested not in DEVICES:
        raise InputError(f"There is no device '{requested}'", fix=choose_from(requested, DEVICES, "Devices"))
    if supported == ("cpu",):
        if requested in ("auto", "cpu"):
            return Device("cpu", "CPU (this method has no use for a GPU)")
        raise InputError(f"Device '{requested}'", why="this method runs on the CPU only", fix="Use auto or cpu")
    if requested == "cpu":
        return Device("cpu", "CPU (as asked)")
    reasons = {}
    for name in ("cuda", "mps") if requested == "auto" else (requested,):
        if name not in supported:
            reasons[name] = "this method cannot use it"
            continue
        reason = ask(name)
        if reason is None:
            return Device(name, {"cuda": "GPU (CUDA)", "mps": "GPU (Apple Metal)"}[name])
        reasons[name] = reason
    if requested != "auto":
        raise DeviceError(f"Device '{requested}' cannot be used", why=reasons[requested], fix="Use --device auto or cpu")
    return Device("cpu", f"CPU: {reasons['cuda']}")
