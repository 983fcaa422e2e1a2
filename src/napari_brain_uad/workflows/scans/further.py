"""How a scan is prepared, as users write it: ``auto``, or ``auto+spacing_mm=2+slices=15:125`` with what is done to it then.

Behind the preset, ``spacing_mm`` is the voxel size and ``slices`` are the axial slices (first:last, counted from the bottom, the last from
the top when negative) that the method is given. Maps come back to the scan's own grid; slices left out stay unscored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...core.errors import BrainUADError, InputError
from ...core.params import value_text
from ...core.text import choose_from
from ...preprocessing.pipeline import Pipeline, parse_pipeline
from ...preprocessing.presets import PRESETS
from ...preprocessing.step import Step
from ...preprocessing.steps.brain_extraction import EXTRACTED, brain_origin

AUTO, NEVER = "auto", "never"
"""The method's own preset where the scan shows the whole head; and nothing at all."""

FURTHER = ("spacing_mm", "slices")
"""What can stand behind the preset, in the order in which it is done."""


def split_prepare(text: str) -> tuple[str, Pipeline]:
    """The preset (or "auto", "never"), and the steps that follow it.

    Raises
    ------
    InputError
        If a setting is not known, given twice or out of range.
    """
    base, *words = text.split("+")
    if base not in (AUTO, NEVER, *PRESETS):
        names = [AUTO, NEVER, *PRESETS]
        raise InputError(f"There is no preparation '{base}'", fix=choose_from(base, names, "Preparations"))
    given: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if name not in FURTHER or not equals or name in given:
            why = f"'{word}' is {'given twice' if name in given else 'not understood'}"
            raise InputError(f"Preparation {text}", why=why, fix="Write for example auto+spacing_mm=2+slices=15:125")
        given[name] = value
    steps = []
    if "spacing_mm" in given:
        size = _number(given["spacing_mm"], text)
        steps.append({"step": "resample", "params": {"x_mm": size, "y_mm": size, "z_mm": size}})
    if "slices" in given:
        first, colon, last = given["slices"].partition(":")
        if not colon:
            raise InputError(f"Preparation {text}", why="slices are two numbers", fix="Write for example slices=15:125")
        steps.append({"step": "slice_range", "params": {"first": int(_number(first, text)), "last": int(_number(last, text))}})
    parse_pipeline(steps)
    return base, steps


def recorded_prepare(record: Sequence[Mapping[str, Any]], preset_id: str) -> str:
    """How to ask for a preparation that was recorded (``Prepared.record``).

    Parameters
    ----------
    record : sequence of mapping
        What was done; empty for a scan that was scored as it is.
    preset_id : str
        The preset of the method, which "auto" stands for with a whole head that has no brain mask.

    Returns
    -------
    str
        What `split_prepare` reads; "auto" too where the steps are those of no preset.
    """
    try:
        steps = parse_pipeline(record)
    except BrainUADError:
        return AUTO
    presets = {AUTO: (), **{name: parse_pipeline(chosen.pipeline) for name, chosen in PRESETS.items()}}
    for name, own in presets.items():
        then = _written(steps[len(own) :]) if steps[: len(own)] == own else None
        if then is not None:
            by_itself = name == preset_id and brain_origin(record).startswith(EXTRACTED)
            return (AUTO if by_itself else name) + then
    return AUTO


def _written(steps: tuple[Step, ...]) -> str | None:
    """What stands behind a preset for these steps; None when that cannot be said."""
    given = {step.ID: step.as_dict() for step in steps}
    text = f"+spacing_mm={value_text(given['resample']['x_mm'])}" if "resample" in given else ""
    text += "+slices={first}:{last}".format(**given["slice_range"]) if "slice_range" in given else ""
    return text if parse_pipeline(split_prepare(AUTO + text)[1]) == steps else None


def _number(word: str, text: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise InputError(f"Preparation {text}", why=f"'{word}' is no number", fix="Write for example auto+spacing_mm=2") from None
