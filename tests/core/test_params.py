"""Parameters refuse what does not fit, and name the field."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, dataclass
from typing import Any

import pytest

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.core.params import Params, param, same_value, value_text


@dataclass(frozen=True)
class Example(Params):
    size: int = param(3, "Size of the window.", unit="voxels", low=1, high=9)
    sigma: float = param(1.5, "Width.", label="Standard deviation", unit="mm", low=0.0, step=0.1)
    mode: str = param("fast", "How.", choices=("fast", "exact"))
    mirror: bool = param(False, "Whether to mirror.", advanced=True)
    title: str = param("", "Any text.")


def test_defaults_and_description() -> None:
    assert Example().as_dict() == {"size": 3, "sigma": 1.5, "mode": "fast", "mirror": False, "title": ""}
    described = {name: (kind, info) for name, kind, info in Example.describe()}
    assert list(described) == ["size", "sigma", "mode", "mirror", "title"]
    assert [kind for kind, _ in described.values()] == [int, float, str, bool, str]
    assert (described["size"][1].unit, described["size"][1].low, described["size"][1].high) == ("voxels", 1, 9)
    assert described["sigma"][1].step == 0.1
    assert described["mirror"][1].advanced
    assert described["mode"][1].choices == ("fast", "exact")


@dataclass(frozen=True)
class Derived(Example):
    mode: str = param("exact", "How, here.", choices=("fast", "exact"))
    size: int = param(5, "Size.", label="Window")
    width_mm: float = param(1.0, "Width.", unit="mm")


@dataclass(frozen=True)
class Named(Example):
    sigma: float = param(2.5, "Another.", unit="mm")


def test_a_label_is_given_or_that_of_the_base_or_the_name() -> None:
    assert {name: info.label for name, _, info in Derived.describe()} == {
        "size": "Window", "sigma": "Standard deviation", "mode": "Mode", "mirror": "Mirror", "title": "Title", "width_mm": "Width"
    }  # fmt: skip
    own = {name: info for name, _, info in Named.describe()}
    assert own["sigma"].label == "Standard deviation"
    assert own["sigma"].help == "Another."


@pytest.mark.parametrize("values", [{}, {"size": 9, "sigma": 0.0, "mode": "exact", "mirror": True, "title": "ü"}])
def test_dict_round_trip(values: dict[str, Any]) -> None:
    made = Example.from_dict(values)
    assert Example.from_dict(made.as_dict()) == made


def test_whole_numbers_are_numbers() -> None:
    made = Example(sigma=2)
    assert made.sigma == 2.0
    assert type(made.sigma) is float


@pytest.mark.parametrize(
    ("values", "field", "reason"),
    [
        ({"size": 0}, "Size", "outside its range"),
        ({"size": 10}, "Size", "1 to 9 voxels"),
        ({"size": 3.0}, "Size", "not a whole number"),
        ({"size": True}, "Size", "not a whole number"),
        ({"size": None}, "Size", "not a whole number"),
        ({"sigma": -0.1}, "Standard deviation (sigma)", "outside its range"),
        ({"sigma": float("nan")}, "Standard deviation (sigma)", "finite"),
        ({"sigma": float("inf")}, "Standard deviation (sigma)", "finite"),
        ({"sigma": True}, "Standard deviation (sigma)", "not a number"),
        ({"sigma": "2"}, "Standard deviation (sigma)", "not a number"),
        ({"mode": "slow"}, "Mode", "fast, exact"),
        ({"mode": 3}, "Mode", "not text"),
        ({"mirror": 1}, "Mirror", "not true or false"),
        ({"window": 3}, "window'", "Known settings: mirror, mode, sigma, size, title"),
    ],
)
def test_refused(values: dict[str, Any], field: str, reason: str) -> None:
    with pytest.raises(InputError) as caught:
        Example.from_dict(values)
    assert caught.value.what.endswith(field)  # as a form calls it, and without the class
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ({"size": "5"}, 5),
        ({"sigma": "2"}, 2.0),
        ({"sigma": "1e-3"}, 0.001),
        ({"mirror": "Yes"}, True),
        ({"mirror": "off"}, False),
        ({"title": "5"}, "5"),
    ],
)
def test_strings(text: dict[str, str], value: Any) -> None:
    (name,) = text
    made = getattr(Example.from_strings(text), name)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ({"size": "5.5"}, "Size: "),
        ({"size": ""}, "Size: "),
        ({"sigma": "two"}, "Standard deviation (sigma): "),
        ({"sigma": "nan"}, "Standard deviation (sigma): "),
        ({"mirror": "2"}, "Mirror: "),
        ({"window": "1"}, "There is no setting 'window'"),
        ({"mode": "x"}, "Mode: "),
    ],
)
def test_strings_refused(text: dict[str, str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        Example.from_strings(text)
    assert str(caught.value).startswith(said)
    assert "Example" not in str(caught.value)


def test_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Example().size = 4  # type: ignore[misc]


@dataclass(frozen=True)
class Widths(Params):
    widths: tuple[int, ...] = param((16, 64), "Widths of the stages.", low=1, high=512, most=3)


@pytest.mark.parametrize("given", [(8, 16, 32), [8, 16, 32], "8,16,32", "8, 16, 32", "8-16-32"])
def test_several_numbers_are_a_tuple_however_they_are_written(given: object) -> None:
    made = Widths(widths=given)  # type: ignore[arg-type]
    assert made.widths == (8, 16, 32)
    assert hash(made) == hash(Widths((8, 16, 32)))
    assert json.loads(json.dumps(made.as_dict())) == made.as_dict() == {"widths": [8, 16, 32]}
    assert Widths.from_dict(made.as_dict()) == made
    assert Widths.from_strings({"widths": value_text(made.as_dict()["widths"])}) == made


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ((), "whole numbers like 16,64,256"),
        ("", "whole numbers like 16,64,256"),
        ("8,", "whole numbers like 16,64,256"),
        ("8,-3", "whole numbers like 16,64,256"),
        ("8,1.5", "whole numbers like 16,64,256"),
        ("9" * 5000, "whole numbers like 16,64,256"),
        ((8, True), "whole numbers like 16,64,256"),
        ((8, 2.0), "whole numbers like 16,64,256"),
        (8, "whole numbers like 16,64,256"),
        ((8, 513), "513 is outside its range"),
        ("0,8", "from 1 to 512"),
        ((1, 2, 3, 4), "at most 3"),
    ],
)
def test_several_numbers_refused(given: object, reason: str) -> None:
    with pytest.raises(InputError, match=reason) as caught:
        Widths(widths=given)  # type: ignore[arg-type]
    assert caught.value.what == "Widths"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ([8, 16], "8-16", True),
        ("8-16", (8, 16), True),
        ([8, 16], "8-17", False),
        ([8, 16], (8, 16), True),
        ([8, 16], [16, 8], False),
        (["a"], ["b"], False),
        ([], "", False),
        ([8], 8, False),
        ("l1-ssim", "l1-ssim", True),
        (0.5, 0.5, True),
        (None, [8], False),
    ],
)
def test_values_of_old_and_new_records_are_compared(one: object, other: object, same: bool) -> None:
    assert same_value(one, other) is same
    assert same_value(other, one) is same
