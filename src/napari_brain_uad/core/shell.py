"""Commands as one line for a shell, and back: names with spaces, quotes, line ends, leading dashes, and bytes that are no text."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ANSI_QUOTED = re.compile(r"\$'((?:[^'\\]|\\.)*)'")


def join(words: Iterable[str]) -> str:
    r"""The words as a line that POSIX shells read back as the same words.

    What a terminal would obey, and bytes of a file name that are not UTF-8, are written as ``$'...\xff'`` (bash, zsh, ksh, busybox).
    """
    return " ".join(shlex.quote(word) if word.isprintable() else f"$'{_escaped(word)}'" for word in words)


def split(line: str) -> list[str]:
    """The words of a line that `join` made.

    Raises
    ------
    ValueError
        If a quote is not closed.
    """
    words, rest = [], line.strip()
    while rest:
        if rest.startswith("$'"):
            found = _ANSI_QUOTED.match(rest)
            if found is None:
                raise ValueError("a quote is not closed")
            words.append(_unescaped(found.group(1)))
            rest = rest[found.end() :].lstrip()
        else:
            source = io.StringIO(rest)
            reader = shlex.shlex(source, posix=True, punctuation_chars=False)
            reader.whitespace_split, reader.commenters = True, ""
            word = reader.get_token()
            if word is None:
                break
            words.append(word)
            rest = rest[source.tell() :].lstrip()
    return words


def file_word(path: str | Path) -> str:
    """A file as an argument: one whose name starts with a dash would be taken for an option."""
    return f"./{path}" if str(path).startswith("-") else str(path)


def _escaped(word: str) -> str:
    return "".join(_ESCAPES.get(c) or (c if c.isprintable() and c.isascii() else _bytes(c)) for c in word)


def _bytes(character: str) -> str:
    # Three octal digits end by themselves; after \xff the next letter could count as a further digit.
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape"))


def _unescaped(text: str) -> str:
    signs = {b"\\n": b"\n", b"\\r": b"\r", b"\\t": b"\t"}

    def one(found: re.Match[bytes]) -> bytes:
        escape = found.group()
        return bytes([int(escape[1:], 8)]) if escape[1:].isdigit() else signs.get(escape, escape[1:])

    return re.sub(rb"\\[0-7]{3}|\\.", one, text.encode()).decode("utf-8", "surrogateescape")
