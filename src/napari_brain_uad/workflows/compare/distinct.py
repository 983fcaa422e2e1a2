"""Whether specs that are spelled differently stand for one method: the same model with the same settings gives the same map.

A comparison that took them for two would count one method twice, in its agreement and in every test between methods.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from ...core.errors import BrainUADError, InputError
from ...detectors.registry import method_class
from ..detect.score import model_for
from ..models.method_spec import MethodSpec, parse_specs
from ..models.models import settings_for


def specs_of(methods: str | MethodSpec | Iterable[str | MethodSpec], models: Mapping[str, str | Path] | None) -> tuple[MethodSpec, ...]:
    """The methods with their models; for the parameters see `compare.compare`.

    Raises
    ------
    InputError
        As `parse_specs`, also when it is the models that make two of them one.
    """
    given, methods = models or {}, (methods,) if isinstance(methods, str | MethodSpec) else methods
    return parse_specs(spec if spec.model else MethodSpec.of(spec, model=given.get(spec.method)) for spec in parse_specs(methods))


def check_distinct(specs: Iterable[MethodSpec], sequences: Iterable[str | None]) -> None:
    """Refuse two specs that are one method for scans of all these sequences; which model a method takes depends on the sequence.

    Raises
    ------
    InputError
        Naming both spellings.
    """
    of = tuple(dict.fromkeys(sequences))
    known = {spec: tuple(_meaning(spec, sequence) for sequence in of) for spec in specs}
    for (first, one), (second, other) in combinations(known.items(), 2):
        if one and [same for _, same in one] == [same for _, same in other]:
            why = "both score with the same settings" + (f" and the same model, {one[0][0]}" if one[0][0] else "")
            raise InputError(f"'{first}' and '{second}' are one method", why=why, fix="Name it once")


def _meaning(spec: MethodSpec, sequence: str | None) -> tuple[str, tuple[Any, ...]]:
    """The model's name; and method, weights and settings, or a spec that cannot score itself, which is told where it is tried."""
    kind = method_class(spec.method)
    try:
        model = model_for(spec.method, spec.model or None, sequence)
        own = {} if model is None else settings_for(spec.method, model.method, model.params)
        settings = kind.Params.from_dict(own | spec.params()).as_dict()
    except BrainUADError:
        return "", (spec,)
    return ("", (spec.method, "", settings)) if model is None else (model.id, (spec.method, model.sha256, settings))
