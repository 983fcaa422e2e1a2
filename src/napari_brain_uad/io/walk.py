"""Looking through folders: the one walk that finds scans, data sets and DICOM files, links included.

Archives and data sets are often links (datalad and git-annex keep every file as a link into ``.git/annex/objects``), so links are
followed. Paths stay as they are reached: what a link points to has lost the name that tells subject and sequence.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import InputError
from .streams import GET_LINKED, is_file, leads_nowhere


@dataclass
class Missed:
    """What a walk came across and could not look at.

    Parameters
    ----------
    dangling : list of Path
        Links to nothing: a file that was not fetched, a folder that was moved.
    unreadable : list of Path
        Folders that the system does not let us list.
    """

    dangling: list[Path] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)

    def words(self, root: Path) -> tuple[str, ...]:
        """A line on each kind, like "2 links lead nowhere, like sub-03/anat/sub-03_T1w.nii.gz"; nothing when nothing was missed."""
        lines = []
        for paths, one, many in (
            (self.dangling, "1 link leads nowhere", "links lead nowhere"),
            (self.unreadable, "1 folder cannot be read", "folders cannot be read"),
        ):
            if paths:
                shown = min(paths)
                name = shown.relative_to(root) if shown != root and shown.is_relative_to(root) else shown.name
                lines.append(f"{one if len(paths) == 1 else f'{len(paths)} {many}'}, like {name}")
        return tuple(lines)


def walk(root: Path, missed: Missed | None = None) -> Iterator[Path]:
    """The files and folders in a folder and its subfolders, links followed; hidden ones are left out.

    A folder is entered once, by its own path rather than by a link to it, so that links in a circle end and a link beside the folder
    it points to does not double its scans.

    Parameters
    ----------
    root : Path
        The folder; nothing comes of a file.
    missed : Missed, optional
        Told what could not be looked at.

    Yields
    ------
    Path
        Beginning with `root`'s own spelling, unresolved; every folder's entries sorted by name.
    """
    missed = Missed() if missed is None else missed
    seen: set[tuple[int, int]] = set()
    # Folders that lie here themselves come before those that are only linked to.
    real, linked = deque([root]), deque[Path]()
    while real or linked:
        folder = real.popleft() if real else linked.popleft()
        try:
            at = folder.stat()
            if (at.st_dev, at.st_ino) in seen:
                continue
            seen.add((at.st_dev, at.st_ino))
            with os.scandir(folder) as found:
                entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda entry: entry.name)
        except NotADirectoryError:
            continue
        except OSError:
            missed.unreadable.append(folder)
            continue
        for entry in entries:
            path = folder / entry.name
            if _is_folder(entry):
                (linked if entry.is_symlink() else real).append(path)
                yield path
            elif leads_nowhere(path):
                missed.dangling.append(path)
            else:
                yield path


def walk_files(root: Path, missed: Missed | None = None) -> list[Path]:
    """The regular files that `walk` finds, sorted."""
    return sorted(path for path in walk(root, missed) if is_file(path))


def walk_folders(root: Path, missed: Missed | None = None) -> list[Path]:
    """`root` and the folders that `walk` finds, sorted."""
    return [root, *sorted(path for path in walk(root, missed) if path.is_dir())]


def files_in(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The files of one folder alone that end with one of the suffixes, sorted; links count, hidden files do not.

    Raises
    ------
    InputError
        If one of them is a link to nothing, or the folder cannot be listed.
    """
    try:
        named = sorted(path for path in folder.iterdir() if path.name.lower().endswith(suffixes) and not path.name.startswith("."))
    except OSError as error:
        raise InputError(folder.name, why=f"it cannot be read ({error.strerror})", fix="Check your right to read it") from error
    dangling = next((path for path in named if leads_nowhere(path)), None)
    if dangling is not None:
        raise InputError(dangling.name, why="it is a link that leads nowhere", fix=GET_LINKED)
    return [path for path in named if is_file(path)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    with suppress(OSError):  # a link in a circle by itself, or one that we may not look behind
        return entry.is_dir()
    return False
