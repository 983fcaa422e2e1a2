"""Cards of the methods of a cohort, and how to cite them and the software."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...core.anomaly_map import AnomalyMap
from ...core.provenance import package_version
from ...detectors.registry import method_class
from ..models.method_spec import MethodSpec
from ..models.model_card import card_lines, figure_lines
from ..models.models import list_models

TITLE, AUTHORS, LICENCE = "napari-brain-uad", "napari-brain-uad developers", "BSD-3-Clause"
"""As in CITATION.cff, which wheels do not hold; a test compares the two."""


@dataclass(frozen=True)
class Used:
    """With what a method scored.

    Parameters
    ----------
    method, preset : str
        Its id, and the preset that was named.
    params : mapping
        All settings of the first scan.
    models : tuple of (str, str)
        Id and SHA-256 of every model, each once: scans of different sequences may have different ones.
    devices : tuple of str
        Where it computed, in words.
    """

    method: str
    preset: str
    params: Mapping[str, Any]
    models: tuple[tuple[str, str], ...] = ()
    devices: tuple[str, ...] = ()


def used(spec: MethodSpec, amap: AnomalyMap) -> Used:
    """What a map's provenance says."""
    told = amap.provenance
    model, device = told.get("model"), told.get("device")
    models = ((str(model["name"]), str(model["sha256"])),) if model else ()
    return Used(spec.method, spec.preset, told.get("method", {}).get("params", {}), models, (str(device),) if device else ())


def add_used(scans: Iterable[Mapping[str, Used]]) -> dict[str, Used]:
    """By method, over all scans."""
    found: dict[str, Used] = {}
    for scan in scans:
        for title, own in scan.items():
            known = found.setdefault(title, own)
            models, devices = (tuple(dict.fromkeys((*a, *b))) for a, b in ((known.models, own.models), (known.devices, own.devices)))
            found[title] = replace(known, models=models, devices=devices)
    return found


def method_record(own: Used) -> dict[str, Any]:
    """The card of a method and of the models that it used, as plain JSON data."""
    info = method_class(own.method).INFO.as_dict()
    kept = ("id", "name", "family", "summary", "paper", "licence", "needs", "score_unit", "default_threshold", "incomparable")
    listed = {(model.id, model.sha256): model for model in list_models(own.method)} if own.models else {}
    models = []
    for name, sha256 in own.models:
        model = listed.get((name, sha256))
        # A file that is not listed may be named after a patient: its hash says which it is.
        card = [] if model is None else [["Title", model.title], *map(list, card_lines(model.card)), *map(list, figure_lines(model.card))]
        models.append({"name": name if model is not None else "MODEL", "sha256": sha256, "card": card})
    told = {name: info[name] for name in kept}
    return told | {"preset": own.preset, "settings": dict(own.params), "models": models, "devices": list(own.devices)}


def software_citation() -> str:
    """How to cite this software."""
    return f"{AUTHORS}. {TITLE} (version {package_version()}) [Computer software]. Licence: {LICENCE}."
