"""What commands write to the terminal: lines, JSON, complaints, and a progress bar that stays out of pipes."""

from __future__ import annotations

import argparse
import codecs
import io
import json
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from ..core.checks import Finding
from ..core.errors import InputError
from ..core.progress import Progress
from ..core.text import choose_from, close_names, readable, readable_lines
from ..io.json_files import encodable
from .interruption import interruption

_SIMILAR = {"\u2308": "[", "\u2309": "]", "\u00d7": "x", "\u00b7": "-", "\u2013": "-", "\u2014": "-", "\u2265": ">=", "\u2264": "<="}
"""Signs of our own texts in ASCII."""

_HANDLER = "brain-uad-similar"


def set_up_streams() -> None:
    r"""Let standard output and error take any text, in whatever encoding: what it lacks is written in ASCII (``[Dice]``, ``\xe9``)."""
    codecs.register_error(_HANDLER, _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return "".join(_SIMILAR.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lacking), error.end


def say(text: str) -> None:
    """One line (or more) on standard output."""
    sys.stdout.write(f"{readable_lines(text)}\n")


def say_json(data: Any) -> None:
    """Plain data as JSON on standard output, in ASCII."""
    say(json.dumps(encodable(data), indent=2, allow_nan=False))


def complain(text: str) -> None:
    """One line on standard error, with the program's name in front."""
    sys.stderr.write(f"brain-uad: {readable(text)}\n")


def written(folder: Path, files: Iterable[Path]) -> str:
    """The line that says where results are."""
    return readable(f"Written to {folder}: {', '.join(file.name for file in files)}")


def warn(findings: Iterable[Finding]) -> None:
    """What checks found, a line each on standard error."""
    for finding in findings:
        complain(f"{finding.level}: {finding.message}.{f' {finding.fix}.' if finding.fix else ''}")


class Parser(argparse.ArgumentParser):
    """Quotes what it was given in a form that a terminal does not obey, and names what was meant by mistyped options and words."""

    _words: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse; a command complains itself of options that it does not know: the main parser would have none to name instead."""
        self._words = sys.argv[1:] if args is None else list(args)
        known, others = super().parse_known_args(args, namespace)
        if others:
            self.error(f"unrecognized arguments: {' '.join(others)}")
        return known, others

    def error(self, message: str) -> NoReturn:
        """Say how the command is used and what is wrong, and end the program with code 2."""
        super().error(readable(f"{message}{self._mistyped()}"))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        choices = [] if action.choices is None else [str(one) for one in action.choices]
        if action.choices is not None and value not in action.choices:
            raise argparse.ArgumentError(action, f"there is no '{value}'. {choose_from(str(value), choices, 'There are')}")

    def _mistyped(self) -> str:
        """Of the options given to this command that it has not, the first, and what may be meant by it."""
        options = [option.removeprefix("--") for option in self._option_string_actions if option.startswith("--")]
        for word in self._words:
            if word == "--" or (self._subparsers is not None and not word.startswith("-")):
                break
            name = word.partition("=")[0]
            # One dash and one letter may be of several short options, one dash and digits are a number.
            if not name.startswith("-") or name in self._option_string_actions or not name.lstrip("-")[1:2].isalpha():
                continue
            near = [f"--{one}" for one in close_names(name.lstrip("-"), options)]
            meant = f" Did you mean {' or '.join(near)}?" if near else ""
            return f". There is no {name}.{meant}"
        return ""


def refuse_empty(words: Sequence[str]) -> None:
    """An empty argument is a variable of a script that was not set; as a file it would mean the working folder.

    Raises
    ------
    InputError
        If there is one.
    """
    for number, word in enumerate(words):
        before = words[number - 1] if number else ""
        if not word.strip():
            after = f" after {before}" if before.startswith("-") else ""
            raise InputError(f"Argument {number + 1} is empty", why=f"there is nothing{after}", fix="Give a value, or leave the option out")
        if word.startswith("--") and word.endswith("=") and word.count("=") == 1:
            raise InputError(f"{word[:-1]} is empty", why="nothing follows the =", fix="Give a value, or leave the option out")


class _Notices(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        complain(f"{record.levelname.lower()}: {record.getMessage()}.")


@contextmanager
def notices() -> Iterator[None]:
    """Within it, what the library says besides its results, like a cache that cannot be written, goes to standard error."""
    handler, library = _Notices(logging.WARNING), logging.getLogger("napari_brain_uad")
    library.addHandler(handler)
    try:
        yield
    finally:
        library.removeHandler(handler)


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress]:
    """A progress bar on standard error, silent when quiet or when standard error is not a terminal; Ctrl+C cancels its progress."""
    from tqdm import tqdm

    form = "{desc:<42.42} {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    with tqdm(total=1.0, bar_format=form, disable=True if quiet else None, leave=False) as bar:

        def listen(fraction: float, message: str) -> None:
            if message:
                bar.set_description_str(readable(message), refresh=False)
            bar.update(max(fraction - bar.n, 0.0))

        progress = Progress(listen)
        with interruption.cancelling(progress):
            yield progress
