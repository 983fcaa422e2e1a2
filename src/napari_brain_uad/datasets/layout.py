"""What a data set is made of: subjects with their sequences, masks and split, and the table of file names that finds them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import InputError
from ..io.nifti import SUFFIXES
from ..io.streams import GET_LINKED
from ..io.walk import Missed, walk_files
from .covariates import Covariates

BRAIN_MASK = "brain mask"
TRUTH = "truth"

LAYOUT = "by the data set's layout"
"""What says a scan's sequence, when its data set does."""


@dataclass(frozen=True, eq=False)
class Subject:
    """One person at one visit.

    Parameters
    ----------
    id : str
        The data set's own name for the person.
    session : str or None
        The visit, or the variant of the images ("raw"), when there are several.
    sequences : mapping of str to Path
        "FLAIR", "T1", "T1c", "T2", "PD", or "unknown", to the file. They need not share a grid.
    brain_mask : Path or None
        The brain. When every sequence has its own, that of the first sequence.
    truth : Path or None
        The anomalies (ground truth).
    split : str or None
        The data set's official part: "train", "test", ...
    extra : tuple of Path
        Further images of the same kind that are not used: second runs, second raters.
    ill : bool or None
        Whether the data set says that there is a lesion, where it has no masks; None where it does not say.
    covariates : Covariates
        Age, sex, site, scanner, as far as the data set's table has them.
    """

    id: str
    session: str | None
    sequences: Mapping[str, Path]
    brain_mask: Path | None = None
    truth: Path | None = None
    split: str | None = None
    extra: tuple[Path, ...] = field(default=())
    ill: bool | None = None
    covariates: Covariates = field(default_factory=Covariates)

    def as_dict(self, root: Path) -> dict[str, Any]:
        """The subject as JSON data; files relative to the data set's folder."""

        def name(path: Path | None) -> str | None:
            return None if path is None else (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()

        return {
            "id": self.id,
            "session": self.session,
            "sequences": {sequence: name(path) for sequence, path in self.sequences.items()},
            "brain_mask": name(self.brain_mask),
            "truth": name(self.truth),
            "split": self.split,
            "extra": [name(path) for path in self.extra],
            "ill": self.ill,
            "covariates": self.covariates.as_dict(),
        }


class DatasetLayout(Protocol):
    """How one data set lies in its folder."""

    @property
    def id(self) -> str:
        """For the command line."""
        ...

    @property
    def name(self) -> str:
        """For the user."""
        ...

    @property
    def note(self) -> str:
        """What one has to know about its files; empty when nothing."""
        ...

    def detect(self, root: Path) -> bool:
        """Whether `root` holds this data set, judged by names only."""
        ...

    def subjects(self, root: Path) -> tuple[Subject, ...]:
        """Its subjects, sorted.

        Raises
        ------
        InputError
            If there are none, or two files claim the same place.
        """
        ...


@dataclass(frozen=True)
class PatternLayout:
    """A layout that file names tell completely.

    Parameters
    ----------
    id, name, note : str
        See `DatasetLayout`.
    patterns : tuple of str
        Regular expressions for paths relative to the root, with "/"; the first that matches counts. Groups: ``id`` and ``kind``,
        and perhaps ``session``, ``space`` (joined to the session) and ``split``.
    kinds : mapping of str to str
        What ``kind``, in lower case, stands for: a sequence, `BRAIN_MASK` or `TRUTH`.
    splits : mapping of str to str
        What ``split``, in lower case, is called.
    suffixes : tuple of str
        Endings of the files that are looked at.
    ill : mapping of str to bool
        Of which splits, as they are called, the subjects are ill and of which healthy, where the data set says so.
    """

    id: str
    name: str
    patterns: tuple[str, ...]
    kinds: Mapping[str, str]
    note: str = ""
    splits: Mapping[str, str] = field(default_factory=dict)
    suffixes: tuple[str, ...] = SUFFIXES
    ill: Mapping[str, bool] = field(default_factory=dict)

    def detect(self, root: Path) -> bool:
        """Whether a file under `root` is one of its sequences."""
        return any(kind not in (BRAIN_MASK, TRUTH) for _, kind, _ in self._found(root))

    def subjects(self, root: Path) -> tuple[Subject, ...]:
        """Its subjects, sorted by id and session; see `DatasetLayout`."""
        groups: dict[_Key, dict[str, Path]] = {}
        for key, kind, path in self._found(root):
            group = groups.setdefault(key, {})
            if kind in group:
                raise InputError(
                    f"{kind} of {key[0]}",
                    why=f"two files claim to be it: {group[kind].relative_to(root)} and {path.relative_to(root)}",
                    fix="Remove one of them, or list the data set in a CSV file",
                )
            group[kind] = path
        found = [_subject(key, group, groups, self.ill.get(key[-1])) for key, group in sorted(groups.items())]
        return some_subjects(tuple(subject for subject in found if subject.sequences), root, self.name)

    def _found(self, root: Path) -> Iterator[tuple[_Key, str, Path]]:
        compiled = [re.compile(f"(?:.*/)?{pattern}", re.IGNORECASE) for pattern in self.patterns]
        for path in files(root, self.suffixes):
            match = next((match for one in compiled if (match := one.fullmatch(path.relative_to(root).as_posix()))), None)
            if match is None:
                continue
            groups = match.groupdict(default="")
            kind = self.kinds.get(groups.get("kind", "").lower())
            if kind is not None:
                split = groups.get("split", "").lower()
                key = groups["id"], groups.get("space", ""), groups.get("session", ""), self.splits.get(split, split)
                yield key, kind, path


_Key = tuple[str, str, str, str]
"""Id, space, session and split; empty where a name has none."""


def _subject(key: _Key, own: Mapping[str, Path], groups: Mapping[_Key, Mapping[str, Path]], ill: bool | None) -> Subject:
    """A mask that names no session belongs to all sessions of its subject in its space."""
    person, space, session, split = key
    shared = groups.get((person, space, "", split), {})
    sequences = {kind: path for kind, path in own.items() if kind not in (BRAIN_MASK, TRUTH)}
    return Subject(
        id=person,
        session="_".join(filter(None, (space, session))) or None,
        sequences=sequences,
        brain_mask=own.get(BRAIN_MASK, shared.get(BRAIN_MASK)),
        truth=own.get(TRUTH, shared.get(TRUTH)),
        split=split or None,
        ill=ill,
    )


def files(root: Path, suffixes: tuple[str, ...] = SUFFIXES) -> Iterator[Path]:
    """The files under a folder that end with one of the suffixes, sorted, links followed; hidden files and folders are left out."""
    yield from (path for path in walk_files(root) if path.name.lower().endswith(suffixes))


def missed_files(root: Path) -> tuple[str, ...]:
    """In words, what lies in a folder and could not be looked at: links to nothing, folders that may not be read."""
    missed = Missed()
    walk_files(root, missed)
    return missed.words(root)


def unused_files(subjects: tuple[Subject, ...], root: Path) -> tuple[Path, ...]:
    """The images under a folder that belong to no subject: what the layout does not know."""
    used = {path for one in subjects for path in (*one.sequences.values(), one.brain_mask, one.truth, *one.extra)}
    return tuple(path for path in files(root) if path not in used) if root.is_dir() else ()


def some_subjects(found: tuple[Subject, ...], root: Path, name: str) -> tuple[Subject, ...]:
    """What was found, if it is anything.

    Raises
    ------
    InputError
        If it is nothing.
    """
    if not found:
        why, fix = "; ".join(missed_files(root)), "Choose another layout, or list the files in a CSV file"
        raise InputError(f"{root.name} holds no subject of the layout {name}", why=why, fix=f"{GET_LINKED}; or {fix}" if why else fix)
    return found
