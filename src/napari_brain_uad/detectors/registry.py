"""The only list of methods. Adding one = a new file beside this one and one line here.

Classes are imported when they are asked for, so that listing methods stays cheap and a method's heavy imports (torch) are paid
only by who uses it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from importlib import import_module

from ..core.detector import Detector, MethodInfo
from ..core.errors import InputError
from ..core.params import Params
from ._base import BaseDetector

METHODS: dict[str, str] = {
    "threshold": "threshold:HistogramThreshold",
    "thresh-raw": "thresh_raw:RawThreshold",
    "robust-intensity": "robust_intensity:RobustIntensity",
    "covariance": "covariance:Covariance",
    "ae-dense": "ae_dense:DenseAE",
    "ae-spatial": "ae_spatial:SpatialAE",
    "vae": "vae:VAE",
    "ce-vae": "ce_vae:CeVAE",
    "cce-vae": "cce_vae:CceVAE",
    "strega": "strega:Strega",
    "vae-restoration": "vae_restoration:VAERestoration",
}


def method_ids() -> tuple[str, ...]:
    """Ids of all methods, in the order of the list."""
    return tuple(METHODS)


def method_class(method: str) -> type[BaseDetector]:
    """The class behind an id.

    Raises
    ------
    InputError
        For an unknown id; the closest known ones are named.
    """
    if method not in METHODS:
        close = difflib.get_close_matches(method, METHODS, n=3, cutoff=0.4)
        hint = f"Did you mean {' or '.join(close)}? " if close else ""
        raise InputError(f"There is no method '{method}'", fix=f"{hint}Methods: {', '.join(METHODS)}")
    module, _, name = METHODS[method].partition(":")
    found: type[BaseDetector] = getattr(import_module(f".{module}", __package__), name)
    return found


def create(method: str, params: Params | None = None) -> Detector:
    """An untrained detector with these parameters (its defaults when None)."""
    return method_class(method)(params)


def cards() -> Iterator[MethodInfo]:
    """The card of every method, in the order of the list."""
    return (method_class(method).INFO for method in METHODS)
