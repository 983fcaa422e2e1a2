"""A scan in one word, with what has to be said of it: ``a.nii.gz``, ``FLAIR=a.nii.gz``, ``a.nii.gz:2``, ``FLAIR=a.nii.gz:2``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...core import shell
from ...core.errors import InputError
from ...core.sequence import SEQUENCES, USER, spelled
from ...io.streams import check_there

if TYPE_CHECKING:  # words are read before anything long is imported
    from ...core.volume import Volume


@dataclass(frozen=True)
class ScanWord:
    """A scan's file, its sequence where that has to be said, and which volume of it.

    Parameters
    ----------
    path : Path
        The file or DICOM folder.
    sequence : str or None
        One of `core.sequence.SEQUENCES`; None: what the file says of itself.
    index : int or None
        Which volume of a 4-D file, or series of a DICOM folder, from 0.
    """

    path: Path
    sequence: str | None = None
    index: int | None = None

    @classmethod
    def parse(cls, text: str) -> ScanWord:
        """Read a word. A file of that whole name is that file, whatever signs its name has.

        Raises
        ------
        InputError
            If there is no such file, or what stands before it is no sequence.
        """
        if _there(text):
            return cls(Path(text))
        sequence, file = split_sequence(text)
        numbered = None if _there(file) else re.fullmatch(r"(.+):(\d+)", file)
        file, index = (file, None) if numbered is None else (numbered[1], int(numbered[2]))
        unread = re.fullmatch(r"(.+):([^:/]*)", file) if numbered is None else None
        if unread is not None and not _there(file) and _there(unread[1]):
            raise InputError(text, why=f"'{unread[2]}' is no number of a volume", fix="Volumes count from 0: write FILE:0 for the first")
        before, equals, rest = file.partition("=")
        if sequence is None and equals and not _there(file) and (not rest or _there(rest)):
            why = f"'{before}' is no sequence"
            raise InputError(text, why=why, fix=f"Write SEQUENCE=FILE with one of {', '.join(SEQUENCES)}")
        if not file:
            raise InputError(text or "The scan", why="no file is named", fix="Write FILE, SEQUENCE=FILE, or either with :N for a volume")
        check_there(Path(file))
        return cls(Path(file), sequence, index)

    @classmethod
    def of(cls, scan: Volume | str | Path) -> ScanWord | None:
        """Of a scan in memory its file, and what the user said of it; None when it came from no file."""
        if isinstance(scan, str | Path):
            return cls(Path(scan))
        if scan.source is None or scan.source.path is None:
            return None
        return cls(scan.source.path, scan.sequence if scan.sequence_origin == USER else None, scan.source.volume_index)

    @property
    def text(self) -> str:
        """The word."""
        named = shell.file_word(self.path) if self.sequence is None else f"{self.sequence}={self.path}"
        return named if self.index is None else f"{named}:{self.index}"

    def load(self) -> Volume:
        """Read the scan; for the errors see `load.load`."""
        from .load import load

        return load(self.path, index=self.index, sequence=self.sequence)


def split_sequence(text: str) -> tuple[str | None, str]:
    """The sequence that stands before a file, and the file: "t1w=a.nii" is T1 and a.nii; None where none does."""
    before, equals, rest = text.partition("=")
    sequence = spelled(before) if equals else ""
    return (sequence, rest) if sequence in SEQUENCES else (None, text)


def _there(text: str) -> bool:
    try:
        return bool(text) and (Path(text).exists() or Path(text).is_symlink())
    except OSError:
        return False
