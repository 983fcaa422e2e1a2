"""The errors a user can meet. Each says what failed, why, and what to do about it."""

from __future__ import annotations

from .text import readable


class BrainUADError(Exception):
    """Base of every error this package raises on purpose.

    Parameters
    ----------
    what : str
        What failed, naming the file, field or step.
    why : str, optional
        The cause, as far as it is known.
    fix : str, optional
        What the user can do about it.

    Notes
    -----
    ``str(error)`` is one sentence (or a few) that can be shown as it is; the GUI unfolds `why` and `fix` separately.
    """

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        # Names of files and fields are quoted in it; none of them may move a terminal's cursor or add a line.
        self.what = readable(what).rstrip(".")
        self.why = readable(why).rstrip(".")
        self.fix = readable(fix).rstrip(".")
        super().__init__(self._sentence())

    def _sentence(self) -> str:
        text = f"{self.what}: {self.why}" if self.why else self.what
        return f"{text}. {self.fix}{'' if self.fix.endswith('?') else '.'}" if self.fix else f"{text}."

    def __reduce__(self) -> tuple[object, ...]:
        # Keeps `why`, `fix` and what else there is when the error crosses a process boundary (keyword-only arguments are lost otherwise).
        return (_rebuild, (type(self), self.what, self.why, self.fix), vars(self))


def _rebuild(kind: type[BrainUADError], what: str, why: str, fix: str) -> BrainUADError:
    return kind(what, why=why, fix=fix)


class InputError(BrainUADError):
    """A file, an array or a setting given by the user cannot be used."""

    exit_code = 2


class ModelError(BrainUADError):
    """A model is missing, damaged, untrained, or does not fit the method or the scan."""

    exit_code = 3


class DeviceError(BrainUADError):
    """The device asked for is not there, or ran out of memory."""

    exit_code = 4


class InternalError(BrainUADError):
    """An exception nobody foresaw: a defect of this program, or of a library.

    Attributes
    ----------
    details : str
        The traceback; for developers, and empty in an error that was made by hand.
    """

    details: str = ""


class Cancelled(BrainUADError):
    """The user cancelled; nothing was written."""

    exit_code = 130

    def __init__(self, what: str = "Cancelled", *, why: str = "", fix: str = "") -> None:
        super().__init__(what, why=why, fix=fix)
