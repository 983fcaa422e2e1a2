"""Packages that are not always installed: what is missing, and the one command that installs it."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec

from .errors import InputError

_PACKAGE = "napari-brain-uad"

_DISTRIBUTIONS = {"FrEIA": "freia", "libjpeg": "pylibjpeg-libjpeg", "openjpeg": "pylibjpeg-openjpeg", "sklearn": "scikit-learn"}
"""Modules whose distribution is called otherwise."""

_EXTRA = re.compile(r"""\s*([\w.-]+).*;.*\bextra\s*==\s*["']([\w.-]+)["']""")


def missing(*modules: str) -> tuple[str, ...]:
    """Those of the top-level modules that are not installed; nothing is imported."""
    return tuple(module for module in modules if find_spec(module) is None)


def require(*modules: str, what_for: str) -> None:
    """Raise unless optional packages are installed; called before each is imported.

    Parameters
    ----------
    *modules : str
        Top-level modules.
    what_for : str
        What cannot be done without them, as the beginning of a sentence: "strega cannot be used".

    Raises
    ------
    InputError
        Names what is missing, and the command that installs it.
    """
    absent = missing(*modules)
    if absent:
        raise InputError(what_for, why=not_installed(*absent), fix=f"Install it: {install_command(*absent)}")


def not_installed(*modules: str) -> str:
    """Half a sentence that says so."""
    return f"{' and '.join(_distribution(one) for one in modules)} {'is' if len(modules) == 1 else 'are'} not installed"


def install_command(*modules: str) -> str:
    """The command that installs modules: the smallest extra of this package that has all of them."""
    extra = extra_of(*modules)
    return f'pip install "{_PACKAGE}[{extra}]"' if extra else f"pip install {' '.join(_distribution(one) for one in modules)}"


def extra_of(*modules: str) -> str | None:
    """The smallest extra that has all of some modules, as the package's metadata has it; None when there is none."""
    wanted = {_distribution(module) for module in modules}
    having = [extra for extra, members in _extras().items() if wanted <= members]
    return min(having, key=lambda extra: len(_extras()[extra]), default=None)


def _distribution(module: str) -> str:
    return _DISTRIBUTIONS.get(module, module.replace("_", "-"))


@cache
def _extras() -> dict[str, frozenset[str]]:
    """Extra to its distributions; empty when the package runs without being installed."""
    try:
        lines = requires(_PACKAGE) or ()
    except PackageNotFoundError:
        lines = ()
    found: dict[str, set[str]] = {}
    for line in lines:
        if match := _EXTRA.match(line):
            found.setdefault(match[2], set()).add(match[1].lower().replace("_", "-"))
    return {extra: frozenset(members) for extra, members in found.items()}
