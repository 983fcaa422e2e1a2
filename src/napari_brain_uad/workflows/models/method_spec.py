r"""How a method is written, everywhere: ``METHOD@PRESET@NAME=VALUE:MODEL``. Read and written here alone.

Only the method is needed. The model comes last and is all that follows the first colon: ``vae:C:\models\my=own@2.safetensors`` is what it
looks like. In values ``%``, ``:``, ``@`` and the comma are written ``%25``, ``%3A``, ``%40`` and ``%2C``, in models only the first and
the last of these (a comma separates the methods of a list), and so is white space at the ends of both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Any
from urllib.parse import unquote

from ...core.errors import InputError
from ...core.params import Params, value_text
from ...detectors.registry import method_class

ParamsInput = Params | Mapping[str, Any] | None

_NUMBERS = re.compile(r"\d+(,\d+)*")

SPELLING = "METHOD@PRESET@NAME=VALUE:MODEL"
"""For help texts; all but the method may be left out."""


@dataclass(frozen=True)
class MethodSpec:
    """A method with what is chosen of it: ``vae``, ``vae@code``, ``vae@latent=64``, ``vae:my-model``, ``vae@code@latent=64:my-model``.

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
        """Read one of the forms above; values are kept as `str` writes them (``0.50`` as ``0.5``).

        Raises
        ------
        InputError
            For an unknown method, preset or setting, a value that does not fit, or a part that is there twice or empty; it says which.
        """
        head, colon, model = text.strip().partition(":")
        method, *marks = head.split("@")
        spec = cls(method, model=_unescaped(model))
        if colon and not model:
            raise InputError(f"'{text}'", why="no model follows the ':'", fix="Name one, or leave the ':' out")
        preset, settings = "", {}
        for mark in marks:
            name, equals, value = mark.partition("=")
            if not name:
                raise InputError(f"'{text}'", why="nothing stands behind an '@'", fix=f"Write {SPELLING}")
            if equals and name in settings:
                raise InputError(f"'{text}'", why=f"it names {name} twice", fix="Name it once")
            if not equals and preset:
                raise InputError(f"'{text}'", why=f"it names two presets, {preset} and {mark}", fix="Name one")
            if equals:
                settings[name] = _unescaped(value)
            else:
                preset = _unescaped(mark)
        return spec.over(preset=preset, settings=settings)

    @classmethod
    def of(
        cls,
        method: str | MethodSpec,
        *,
        preset: str = "",
        settings: Mapping[str, str] | None = None,
        params: ParamsInput = None,
        model: str | Path | None = None,
    ) -> MethodSpec:
        """A method as it was written, with what was given apart from that.

        Parameters
        ----------
        method : str or MethodSpec
            In any of the forms above.
        preset, model : optional
            As in `MethodSpec`.
        settings : mapping of str to str, optional
            Settings as text.
        params : Params or mapping, optional
            Settings with their types.

        Raises
        ------
        InputError
            As `parse`, and when the same thing is said twice and differently.
        """
        spec = method if isinstance(method, MethodSpec) else cls.parse(method)
        given = params.as_dict() if isinstance(params, Params) else dict(params or {})
        # Checked here, where a value still has its type: 64.5 as text would be refused as no number, not as no whole one.
        typed = method_class(spec.method).Params.from_dict(given).as_dict()
        texts = dict(settings or {}) | {name: value_text(typed[name]) for name in given}
        return spec.over(preset=preset, settings=texts, model="" if model is None else str(model))

    def over(self, *, preset: str = "", settings: Mapping[str, str] | None = None, model: str = "") -> MethodSpec:
        """This with what it does not say yet.

        Raises
        ------
        InputError
            If it says something else, or the method has no such preset or setting.
        """
        kind = method_class(self.method).Params
        parsed = kind.from_strings(dict(settings or {})).as_dict()
        own = dict(self.settings)
        for name in settings or {}:
            text = value_text(parsed[name])
            self._same(name, own.setdefault(name, text), text)
        self._same("the preset", self.preset or preset, preset or self.preset)
        self._same("the model", self.model or model, model or self.model)
        spec = MethodSpec(self.method, self.preset or preset, tuple(own.items()), self.model or model)
        spec.params()
        return spec

    def _same(self, what: str, first: str, second: str) -> None:
        if first != second:
            raise InputError(f"'{self}'", why=f"{what} is given twice, as {first} and as {second}", fix="Give it once")

    def __str__(self) -> str:
        marks = [_escaped(self.preset, "%:@,=")] if self.preset else []
        # Commas between numbers part no methods, see `split_specs`.
        marks += [f"{name}={value if _NUMBERS.fullmatch(value) else _escaped(value, '%:@,')}" for name, value in self.settings]
        return "@".join([self.method, *marks]) + (f":{_escaped(self.model, '%,')}" if self.model else "")

    @property
    def title(self) -> str:
        """As it is written, but of a model's path only the name: folders may tell who the patient is."""
        name = PureWindowsPath(self.model).name  # which takes both kinds of slashes
        return str(replace(self, model=name.removesuffix(".safetensors").removesuffix(".json")))

    @property
    def stem(self) -> str:
        """The title as part of a file name."""
        return re.sub(r"[^\w.+=-]+", "-", self.title).strip("-.")

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

    def meaning(self) -> str:
        """The same text for every spelling of a method: what its preset and settings amount to, in their order, and its model.

        What a method that learns leaves open is its model's, not the default, so that it is no part of this.
        """
        kind, named = method_class(self.method), self.params()
        values = kind.Params.from_dict(named).as_dict()
        said = {name: value for name, value in values.items() if name in named or not kind.INFO.trainable}
        return repr((self.method, said, self.model))


def split_specs(text: str) -> list[str]:
    """Specs written with commas between them: one that a method's name does not follow is part of a setting (``maps=8,16``)."""
    return [spec for spec in re.split(r",(?=[A-Za-z]|$)", text) if spec]


def parse_specs(given: Iterable[str | MethodSpec]) -> tuple[MethodSpec, ...]:
    """Several specs, each once, in their order.

    Raises
    ------
    InputError
        If there is none, or one is there twice, however it is spelled.
    """
    specs = tuple(one if isinstance(one, MethodSpec) else MethodSpec.parse(one) for one in given)
    if not specs:
        raise InputError("Nothing to compare", why="no method was named", fix="Name at least one, see `brain-uad methods`")
    seen: dict[str, MethodSpec] = {}
    for spec in specs:
        meaning = spec.meaning()
        first = seen.get(meaning)
        if first == spec:
            raise InputError(f"'{spec}' is named twice", fix="Name every method, preset or model once")
        if first is not None:
            why = "they differ in spelling alone: the settings are the same"
            raise InputError(f"'{first}' and '{spec}' are one method", why=why, fix="Name it once")
        seen[meaning] = spec
    return specs


def _escaped(text: str, signs: str) -> str:
    """`text` with these signs, and white space at its ends, as ``%`` and two digits."""
    inner = text.strip()
    start = text[: len(text) - len(text.lstrip())] if inner else text
    end = text[len(start) + len(inner) :]
    kept = "".join(f"%{ord(sign):02X}" if sign in signs else sign for sign in inner)
    return f"{_blank(start)}{kept}{_blank(end)}"


def _blank(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _unescaped(text: str) -> str:
    return unquote(text, errors="surrogateescape")
