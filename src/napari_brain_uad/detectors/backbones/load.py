"""A backbone with its weights, from an installed package or a file that the user gives; never with random ones.

Imports torch, so methods import it only when they need it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch

from ...core.detector import State
from ...core.errors import InputError, ModelError
from ...core.kept import Kept
from ...core.optional import install_command
from ...io.weights.weights_file import Weights, as_float, read_weights
from ..base.network_state import network_with
from .catalogue import BACKBONES, DEVIATION, MEAN, BackboneInfo

_WEIGHTS: Kept[Weights] = Kept(most=2)


@dataclass(frozen=True, eq=False)
class Backbone:
    """A frozen network that gives features on several scales.

    Parameters
    ----------
    info : BackboneInfo
        What it is.
    network : torch.nn.Module
        ``network(images, levels)``, in evaluation mode, without gradients of its own.
    sha256 : str
        Of the file its weights came from.
    """

    info: BackboneInfo
    network: torch.nn.Module
    sha256: str

    def features(self, images: torch.Tensor, levels: tuple[int, ...]) -> list[torch.Tensor]:
        """The pyramid of grey images.

        Parameters
        ----------
        images : tensor, shape (B, 1, H, W)
            Intensities from 0 to 1; they become three channels, normalised as those of ImageNet were.
        levels : tuple of int
            1 to 4, ascending.

        Returns
        -------
        list of tensor, shapes (B, channels, H / stride, W / stride)
            See `catalogue.BackboneInfo.channels` and `catalogue.STRIDES`; sizes are rounded up.
        """
        found: list[torch.Tensor] = self.network(normalised(images), levels)
        return found


def normalised(images: torch.Tensor) -> torch.Tensor:
    """Grey images (B, 1, H, W) from 0 to 1 as the three channels (B, 3, H, W) that the backbones were trained on."""
    mean, deviation = (torch.tensor(values, device=images.device)[:, None, None] for values in (MEAN, DEVIATION))
    return (images - mean) / deviation


def load_backbone(name: str, file: str = "") -> Backbone:
    """A backbone by its id; parameters and errors as `backbone_weights` has them."""
    info, weights = BACKBONES[name], backbone_weights(name, file)
    network, _ = network_with(network_class(info), as_float(weights.state), f"The file of weights of {info.name}")
    return Backbone(info, network, weights.sha256)


def backbone_weights(name: str, file: str = "") -> Weights:
    """The weights of a backbone by its id.

    Parameters
    ----------
    name : str
        An id of `catalogue.BACKBONES`.
    file : str
        Weights to take in place of those of the package: a .pth or .safetensors file with the network's names, or a model in which the
        network was tuned (of ``edc``, say), whose encoder is taken.

    Raises
    ------
    InputError
        If its package is not installed, or it needs a file and none is given.
    ModelError
        If the file is not one of this network's, or not the one that the package is known to bring.
    """
    info = BACKBONES[name]
    path = Path(file).expanduser() if file else _packaged(info)
    if file and not path.is_file():
        why = f"there is no such file ({path})"
        raise ModelError(f"The setting backbone_file, {path.name}", why=why, fix="Say where it lies now: METHOD@backbone_file=FILE:MODEL")
    weights = _WEIGHTS.get(path, (path,), lambda: read_weights(path))
    if not file and weights.sha256 != info.sha256:
        why = f"its SHA-256 is {weights.sha256[:12]}..., not {info.sha256[:12]}...: it is damaged, or another version"
        raise ModelError(path.name, why=why, fix=f"Install it again: {_install(info)}")
    if any(name.startswith("network/") for name in weights.state):
        why = "it is a checkpoint of a training, which may not be done"
        fix = "Give the model that the training ended with, beside its folder"
        raise ModelError(f"The setting backbone_file, {path.name}", why=why, fix=fix)
    state = _of_network(_names(info), weights.state)
    if lacking := sum(name not in state for name in _names(info)):
        why = f"{path.name} lacks {lacking} of its {len(_names(info))} arrays"
        fix = f"Give weights of {info.name}, or a model of edc or cutpaste that has it as its backbone"
        raise ModelError(f"The file of weights of {info.name}", why=why, fix=fix)
    return replace(weights, state=state)


def _of_network(names: Iterable[str], state: State) -> State:
    """The arrays of a network by its own names, if they are all in a state under one prefix; else the state as it is."""
    names = tuple(names)
    for prefix in sorted({name.removesuffix(names[0]) for name in state if name.endswith(names[0])}):
        if prefix and all(prefix + name in state for name in names):
            return {name: state[prefix + name] for name in names}
    return state


@cache
def _names(info: BackboneInfo) -> tuple[str, ...]:
    with torch.device("meta"):
        return tuple(network_class(info)().state_dict())


def installed(name: str) -> bool:
    """Whether the weights of a backbone come with an installed package."""
    info = BACKBONES[name]
    return bool(info.package) and find_spec(info.package) is not None


@cache
def network_class(info: BackboneInfo) -> type[torch.nn.Module]:
    """The class of a backbone's network."""
    module, _, name = info.network.partition(":")
    found: type[torch.nn.Module] = getattr(import_module(f".{module}", __package__), name)
    return found


def _packaged(info: BackboneInfo) -> Path:
    if not info.package:
        why = "its weights do not come with a package"
        raise InputError(f"The backbone {info.name}", why=why, fix="Give a file with torchvision's weights as the setting backbone_file")
    spec = find_spec(info.package)  # nothing of the package is run
    if spec is None or not spec.submodule_search_locations:
        why = f"{info.package.replace('_', '-')}, which brings its weights, is not installed"
        raise InputError(f"The backbone {info.name} cannot be used here", why=why, fix=f"Install it: {_install(info)}")
    return Path(spec.submodule_search_locations[0]) / info.file


def _install(info: BackboneInfo) -> str:
    return info.install or install_command(info.package)
