from __future__ import annotations

import pytest

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


def test_each_once_and_at_least_one() -> None:
    assert [str(spec) for spec in parse_specs(["threshold", "threshold@bins=8"])] == ["threshold", "threshold@bins=8"]
    with pytest.raises(InputError, match="named twice"):
        parse_specs(["threshold", "thresh-raw", "threshold"])
    with pytest.raises(InputError, match="no method"):
        parse_specs([])
