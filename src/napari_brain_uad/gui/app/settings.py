"""What the window remembers from one day to the next."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from qtpy.QtCore import QSettings

from ...io.folders import home

_DEFAULTS = {"method": "", "compared": "", "preset": "clinical", "device": "auto", "last_folder": "", "convention": "radiological"}


def _store() -> QSettings:
    # An INI file everywhere, also on Windows and macOS: readable, and tests can point it elsewhere.
    return QSettings(QSettings.Format.IniFormat, QSettings.Scope.UserScope, "napari-brain-uad", "napari-brain-uad")


def remembered(name: str) -> str:
    """The remembered value of "method", "compared", "preset", "device", "last_folder" or "convention"; its default when there is none.

    "method" and "compared" are those of the last run: offered, but every scan begins with what is recommended for it.

    Raises
    ------
    KeyError
        For another name.
    """
    default = _DEFAULTS[name]
    value = _store().value(name, default)
    return value if isinstance(value, str) else default


def remember(name: str, value: str) -> None:
    """Keep `value` for `name` (see `remembered`)."""
    if name not in _DEFAULTS:
        raise KeyError(name)
    if remembered(name) != value:
        _store().setValue(name, value)


def last_folder() -> Path:
    """The folder of the last file that was opened or saved, or the home folder when it is gone (the working folder where there is none)."""
    told = remembered("last_folder")
    with suppress(OSError):  # of somebody else's, which one may not even look at
        if told and Path(told).is_dir():
            return Path(told)
    return home() or Path()
