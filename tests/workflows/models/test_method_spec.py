from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_brain_uad.cli.compare import method_list
from napari_brain_uad.core.errors import InputError
from napari_brain_uad.detectors.registry import METHODS, method_class
from napari_brain_uad.workflows.models.method_spec import MethodSpec, parse_specs, split_specs


@pytest.mark.parametrize(
    "text",
    [
        "threshold",
        "threshold@bins=64",
        "ce-vae@maps=16,64,256",
        "covariance:my-model",
        "covariance@components=2@tail=bright:a/b c.safetensors",
        r"vae@tiny:C:\Users\me\my=own@2: last.safetensors",
        "vae:/data/50%25 of all/a%2C b.safetensors",
    ],
)
def test_a_spec_is_written_as_it_was_read(text: str) -> None:
    assert str(MethodSpec.parse(text)) == text


def test_what_a_spec_says() -> None:
    spec = MethodSpec.parse("covariance@components=2@tail=bright:models/mni v2.safetensors")
    assert spec.params() == {"components": 2, "tail": "bright"}
    assert spec.model == "models/mni v2.safetensors"
    assert spec.stem == "covariance-components=2-tail=bright-mni-v2"


@pytest.mark.parametrize(
    ("text", "specs"),
    [
        ("", []),
        ("threshold,", ["threshold"]),
        ("threshold,vae@tiny,ce-vae", ["threshold", "vae@tiny", "ce-vae"]),
        ("ce-vae@maps=8,16@latent=4,threshold@bins=64", ["ce-vae@maps=8,16@latent=4", "threshold@bins=64"]),
    ],
)
def test_specs_are_told_apart_though_a_setting_has_commas(text: str, specs: list[str]) -> None:
    assert split_specs(text) == specs


def test_several_numbers_of_a_spec() -> None:
    assert MethodSpec.parse("ce-vae@maps=8,16").params() == {"maps": [8, 16]}
    assert MethodSpec.parse("ce-vae@maps=8-16").params() == {"maps": [8, 16]}
    assert MethodSpec.parse("ce-vae@maps=8,16").stem == "ce-vae-maps=8-16"


@pytest.mark.parametrize("method", METHODS)
def test_every_preset_of_every_method_can_be_named(method: str) -> None:
    kind = method_class(method).Params
    for preset, values in kind.PRESETS.items():
        spec = MethodSpec.parse(f"{method}@{preset}")
        assert spec.params() == dict(values)
        assert str(spec) == f"{method}@{preset}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("treshold", "Did you mean threshold"),
        ("threshold@paper", "no preset 'paper'"),
        ("threshold@bin=3", "no setting 'bin'"),
        ("threshold@bins=many", "whole number"),
        ("threshold@bins=1", "outside its range"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        MethodSpec.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threshold@bin=3", "Did you mean bins"),
        ("cce-vae@cod", "Did you mean code.*paper, code, tiny"),
        ("threshold@bins=8@bins=9", "names bins twice"),
        ("cce-vae@code@paper", "two presets, code and paper"),
        ("vae:", "no model follows"),
        ("vae@@latent=3", "nothing stands behind an '@'"),
        ("vae@=3", "nothing stands behind an '@'"),
        ("", "no method ''"),
    ],
)
def test_the_part_that_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        MethodSpec.parse(text)


def test_files_are_taken_as_they_are_called() -> None:
    assert MethodSpec.parse(r"vae:C:\models\a=b@2:x.safetensors").model == r"C:\models\a=b@2:x.safetensors"
    assert MethodSpec.parse("vae:100%25%2C/odd%20name").model == "100%,/odd name"
    assert MethodSpec.parse("vae:half%/of it").model == "half%/of it"
    assert MethodSpec("vae", model=r"C:\Jane Doe\my.v2.safetensors").title == "vae:my.v2"
    assert MethodSpec("vae", model="/home/Jane Doe/my.v2").stem == "vae-my.v2"
    assert MethodSpec.parse("rd++@paper").stem == "rd++-paper"


TEXTS = st.text(st.characters(exclude_categories=()), min_size=1)  # lone surrogates too: bytes of a file name that are no UTF-8


def _settings(method: str) -> st.SearchStrategy[dict[str, Any]]:
    """Values of every kind that a method has, within their range."""
    found = {}
    for name, kind, info in method_class(method).Params.describe():
        if info.choices:
            found[name] = st.sampled_from(list(info.choices))
        elif kind is bool:
            found[name] = st.booleans()
        elif kind is int:
            found[name] = st.integers(int(info.low or 0), int(info.high or 999))
        elif kind is float:
            low, high = (0.0 if info.low is None else info.low), (9.0 if info.high is None else info.high)
            found[name] = st.floats(low, high, allow_nan=False)
    return st.fixed_dictionaries({}, optional=found)


@st.composite
def _specs(draw: st.DrawFn) -> MethodSpec:
    method = draw(st.sampled_from(list(METHODS)))
    preset = draw(st.sampled_from(["", *method_class(method).Params.PRESETS]))
    return MethodSpec.of(method, preset=preset, params=draw(_settings(method)), model=draw(st.none() | TEXTS))


@settings(max_examples=150, deadline=None)
@given(spec=_specs())
def test_what_is_written_is_read_as_it_was(spec: MethodSpec) -> None:
    assert MethodSpec.parse(str(spec)) == spec
    assert MethodSpec.parse(str(spec)).params() == spec.params()


@settings(max_examples=200, deadline=None)
@given(model=TEXTS, value=TEXTS)
def test_any_value_and_any_model_can_be_written_in_a_list(model: str, value: str) -> None:
    """A method of another package may have settings of free text."""
    spec = MethodSpec("vae", settings=(("convention", value),), model=model)
    (text,) = method_list([str(spec)])
    method, mark = text.partition(":")[0].split("@")
    assert (method, mark.partition("=")[0]) == ("vae", "convention")
    assert unquote(mark.partition("=")[2], errors="surrogateescape") == value
    assert MethodSpec.parse(text.replace(mark, "tiny")).model == model


def test_a_typed_value_is_checked_as_such() -> None:
    spec = MethodSpec.of("vae@latent=64", params={"kl_weight": 0.1}, model=Path("models/mine.safetensors"))
    assert str(spec) == "vae@latent=64@kl_weight=0.1:models/mine.safetensors"
    assert MethodSpec.parse("vae@latent=064@kl_weight=0.50") == MethodSpec.of("vae", params={"latent": 64, "kl_weight": 0.5})
    with pytest.raises(InputError, match="whole number"):
        MethodSpec.of("vae", params={"latent": 64.5})
    with pytest.raises(InputError, match="no setting 'latnt'"):
        MethodSpec.of("vae", params={"latnt": 64})


@pytest.mark.parametrize(
    ("given_too", "message"),
    [
        ({"preset": "tiny"}, "the preset is given twice, as pddpm and as tiny"),
        ({"settings": {"latent": "65"}}, "latent is given twice, as 64 and as 65"),
        ({"params": {"latent": 65}}, "latent is given twice, as 64 and as 65"),
        ({"model": "other"}, "the model is given twice, as mine and as other"),
    ],
)
def test_two_ways_of_saying_one_thing_have_to_agree(given_too: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        MethodSpec.of("vae@pddpm@latent=64:mine", **given_too)
    same = MethodSpec.of("vae@pddpm@latent=64:mine", preset="pddpm", settings={"latent": "064"}, params={"latent": 64}, model="mine")
    assert same == MethodSpec.parse("vae@pddpm@latent=64:mine")


def test_each_once_and_at_least_one() -> None:
    assert [str(spec) for spec in parse_specs(["threshold", "threshold@bins=8"])] == ["threshold", "threshold@bins=8"]
    with pytest.raises(InputError, match="named twice"):
        parse_specs(["threshold", "thresh-raw", "threshold"])
    with pytest.raises(InputError, match="no method"):
        parse_specs([])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("threshold", "threshold@bins=256"),
        ("covariance@components=2@tail=dark:mine", "covariance@tail=dark@components=2:mine"),
        ("vae@pddpm", "vae@pddpm@height=96"),
        ("vae", "vae@paper"),
    ],
)
def test_two_spellings_of_one_method_are_refused(first: str, second: str) -> None:
    with pytest.raises(InputError, match=f"'{first}' and '{second}' are one method"):
        parse_specs([first, "thresh-raw", second])


@pytest.mark.parametrize(
    ("first", "second"),
    [("threshold", "threshold@bins=64"), ("vae", "vae@pddpm"), ("vae:mine", "vae:yours"), ("vae", "vae:mine"), ("vae", "vae@latent=128")],
)
def test_other_settings_and_models_are_other_methods(first: str, second: str) -> None:
    """What a model was trained with may differ from the default, so that vae@latent=128 may be another method than vae."""
    assert [str(spec) for spec in parse_specs([first, second])] == [first, second]
