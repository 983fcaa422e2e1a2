"""Which numbers are seeds."""

from __future__ import annotations

import operator
from typing import SupportsIndex

from .errors import InputError

LARGEST_SEED = 2**63 - 1
"""What every generator takes and every record holds."""


def check_seed(seed: SupportsIndex) -> int:
    """A seed as a plain whole number.

    Parameters
    ----------
    seed : int
        Of any kind of whole numbers; what fixes everything random.

    Raises
    ------
    InputError
        If it is no whole number from 0 to `LARGEST_SEED`.
    """
    try:
        number = -1 if isinstance(seed, bool) else operator.index(seed)
    except TypeError:
        number = -1
    if not 0 <= number <= LARGEST_SEED:
        given = repr(seed) if len(repr(seed)) < 30 else f"{repr(seed)[:30]}..."
        raise InputError(f"The seed {given}", why=f"it is not a whole number from 0 to {LARGEST_SEED}", fix="Give such a number, like 0")
    return number
