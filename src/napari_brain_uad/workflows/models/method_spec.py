"""How users name what is compared: a method, a preset or settings of it, and a model, in one word."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from ...core.errors import InputError
from ...detectors.registry import method_class


@dataclass(frozen=True)
class MethodSpec:
    """A method as it takes part in a comparison.

    Written ``vae``, ``vae@code`` (a preset), ``vae@latent=64`` (a setting; repeatable) or ``vae:my-model`` (a model's id or
    file), in that order when joined: ``vae@code@latent=64:my-model``.

    Parameters
    ----------
    method : str
        Its id.
    preset : str
        One of the method's ``Params.PRESETS``; empty for none.
    settings : tuple of (str, str)
        Names and values as text, over the preset; the rest keeps its default, or what the model was trained with.
    model : str
        Id or file of a trained model; empty for the method's own for the scan's sequence.
    """

    method: str
    preset: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    model: str = ""

    @classmethod
    def parse(cls, text: str) -> MethodSpec:
        """Read one of the forms above.

        Raises
        ------
        InputError
            For an unknown method, preset or setting.
        """
        head, _, model = text.strip().partition(":")
        method, *marks = head.split("@")
        preset, settings = "", []
        for mark in marks:
            name, equals, value = mark.partition("=")
            if equals:
                settings.append((name, value))
            elif preset:
                raise InputError(f"'{text}'", why=f"it names two presets, {preset} and {mark}", fix="Name one")
            else:
                preset = mark
        spec = cls(method, preset, tuple(settings), model)
        spec.params()
        return spec

    def __str__(self) -> str:
        marks = [self.preset] if self.preset else []
        marks += [f"{name}={value}" for name, value in self.settings]
        return "@".join([self.method, *marks]) + (f":{self.model}" if self.model else "")

    @property
    def stem(self) -> str:
        """The spec as part of a file name; of a model's path only its name, since folders may tell who the patient is."""
        model = PurePath(self.model).stem
        return re.sub(r"[^\w.=-]+", "-", str(replace(self, model=model))).strip("-.")

    def params(self) -> dict[str, Any]:
        """The settings that are named, with their types.

        Raises
        ------
        InputError
            As `parse`.
        """
        kind = method_class(self.method).Params
        if self.preset:
            kind.preset(self.preset)  # refuses what there is not
        preset = dict(kind.PRESETS[self.preset]) if self.preset else {}
        parsed = kind.from_strings(dict(self.settings)).as_dict()
        return preset | {name: parsed[name] for name, _ in self.settings}


def split_specs(text: str) -> list[str]:
    """Specs written with commas between them: one that a method's name does not follow is part of a setting (``maps=8,16``)."""
    return [spec for spec in re.split(r",(?=[A-Za-z]|$)", text) if spec]


def parse_specs(given: Iterable[str | MethodSpec]) -> tuple[MethodSpec, ...]:
    """Several specs, each once, in their order.

    Raises
    ------
    InputError
        If there is none, or one is there twice.
    """
    specs = tuple(one if isinstance(one, MethodSpec) else MethodSpec.parse(one) for one in given)
    if not specs:
        raise InputError("Nothing to compare", why="no method was named", fix="Name at least one, see `brain-uad methods`")
    twice = next((spec for number, spec in enumerate(specs) if spec in specs[:number]), None)
    if twice is not None:
        raise InputError(f"'{twice}' is named twice", fix="Name every method, preset or model once")
    return specs
