"""How a recorded preparation is asked for again."""

from __future__ import annotations

from typing import Any

import pytest

from napari_brain_uad.preprocessing.pipeline import as_data, parse_pipeline
from napari_brain_uad.preprocessing.presets import PRESETS
from napari_brain_uad.preprocessing.steps.brain_extraction import GIVEN
from napari_brain_uad.workflows.scans.further import AUTO, recorded_prepare, split_prepare


def _record(asked: str, origin: str) -> list[dict[str, Any]]:
    base, then = split_prepare(asked)
    steps = as_data(parse_pipeline([*(PRESETS[base].pipeline if base in PRESETS else ()), *then]))
    return [step | {"outcome": {"origin": origin} if step["step"] == "brain_extraction" else {}, "said": "", "grid": {}} for step in steps]


@pytest.mark.parametrize("then", ["", "+spacing_mm=2.0", "+slices=15:-16", "+spacing_mm=1.7+slices=0:4"])
@pytest.mark.parametrize("base", [*PRESETS, AUTO])
def test_it_is_asked_for_as_it_was(base: str, then: str) -> None:
    for origin in (GIVEN, "already skull-stripped: by its zeros", "found by deepbet"):
        assert recorded_prepare(_record(base + then, origin), "none of these") == base + then


def test_what_the_method_does_by_itself_is_not_said() -> None:
    assert recorded_prepare(_record("native+slices=1:5", "found by hd-bet"), "native") == "auto+slices=1:5"
    for origin in (GIVEN, "already skull-stripped: by its zeros"):
        assert recorded_prepare(_record("native", origin), "native") == "native"


def test_steps_of_no_preset_are_left_to_the_method() -> None:
    assert recorded_prepare(_record("clinical", GIVEN)[1:], "native") == AUTO
    assert recorded_prepare([{"step": "of a later version"}], "native") == AUTO
