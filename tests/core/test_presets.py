from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.params import Params, Scalar, param


@dataclass(frozen=True)
class Settings(Params):
    size: int = param(4, "Size", low=1, high=8)
    name: str = param("a", "Name", choices=("a", "b"))

    PRESETS: ClassVar[Mapping[str, Mapping[str, Scalar]]] = {"paper": {}, "code": {"size": 8}, "broken": {"size": 9}}


def test_a_preset_changes_what_it_names_and_nothing_else() -> None:
    assert Settings.preset("paper") == Settings()
    assert Settings.preset("code") == Settings(size=8)


def test_presets_are_no_settings() -> None:
    assert [name for name, _, _ in Settings.describe()] == ["size", "name"]
    assert Settings().as_dict() == {"size": 4, "name": "a"}


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="paper, code"):
        Settings.preset("pper")


def test_a_preset_is_checked_like_any_setting() -> None:
    with pytest.raises(InputError, match="Size: 9"):
        Settings.preset("broken")
