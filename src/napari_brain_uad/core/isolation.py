"""One thing's failure costs that thing alone: the one place where exceptions that nobody foresaw are caught."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from typing import TypeVar

from .errors import BrainUADError, Cancelled, InternalError
from .memory import out_of_memory, ran_out

Result = TypeVar("Result")

_LOG = logging.getLogger(__name__)
_LONGEST = 300
"""Letters of an unforeseen exception's message; some libraries put whole arrays into theirs."""


def isolated(work: Callable[[], Result]) -> Result | BrainUADError:
    """What `work` returns, or the error that it ended with.

    Parameters
    ----------
    work : callable
        All that has to be done for one scan, one method, one command.

    Returns
    -------
    object or BrainUADError
        A `BrainUADError` as it was raised; for any other exception an `InternalError` that names it and carries its traceback.

    Raises
    ------
    Cancelled
        It is the end of all, not of one thing.
    """
    try:
        return work()
    except Cancelled:
        raise
    except BrainUADError as error:
        return error
    except Exception as error:  # noqa: BLE001  # the boundary: whatever a method or a library raises becomes this one thing's failure
        if out_of_memory(error):
            return _seen(ran_out(error), error)
        said = " ".join(str(error).split())
        why = f"{type(error).__name__}: {said[:_LONGEST]}" if said else type(error).__name__
        return _seen(InternalError("Internal error", why=why, fix="Please report it; brain-uad --debug shows the traceback"), error)


def _seen(error: BrainUADError, cause: BaseException) -> BrainUADError:
    error.__cause__ = cause
    if isinstance(error, InternalError):
        error.details = "".join(traceback.format_exception(cause))
    log_details(error)
    return error


def log_details(error: object) -> None:
    """Log the traceback of an error that came from another process."""
    if isinstance(error, InternalError) and error.details:
        _LOG.debug("%s\n%s", error, error.details)
