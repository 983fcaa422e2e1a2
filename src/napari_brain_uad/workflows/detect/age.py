"""The age of the person scanned: part of the map's record, so that whoever judges the map again compares it with the same brains."""

from __future__ import annotations

from dataclasses import replace
from numbers import Real
from typing import TypeGuard

from ...core.anomaly_map import AnomalyMap
from ...core.errors import InputError
from ...datasets.covariates import OLDEST


def check_age(age: float | None) -> None:
    """See whether an age is one in years, or not known.

    Raises
    ------
    InputError
        If it is neither.
    """
    if age is not None and not _is_age(age):
        raise InputError(f"The age {age!r}", why=f"it is no number of years up to {OLDEST:g}", fix="Give the age in years, or none")


def with_age(amap: AnomalyMap, age: float | None) -> AnomalyMap:
    """The map with an age in its record, in years; without one when None.

    Raises
    ------
    InputError
        If it is no age.
    """
    check_age(age)
    if age == age_of(amap):
        return amap
    about = {name: value for name, value in amap.provenance.get("input", {}).items() if name != "age"}
    return replace(amap, provenance={**amap.provenance, "input": about if age is None else {**about, "age": float(age) + 0.0}})


def age_of(amap: AnomalyMap) -> float | None:
    """The age that a map's record says, in years; a file's record may hold anything in its place."""
    age = amap.provenance.get("input", {}).get("age")
    return float(age) if _is_age(age) else None


def age_words(age: float) -> str:
    """An age as an option takes it, exactly: 44, 44.25."""
    return repr(float(age) + 0.0).removesuffix(".0")


def _is_age(value: object) -> TypeGuard[float]:
    # Of a table of numpy or pandas, too, whose numbers are none of Python's.
    return not isinstance(value, bool) and isinstance(value, Real) and 0.0 <= float(value) <= OLDEST
