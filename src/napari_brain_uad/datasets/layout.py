"""What a data set is made of: subjects with their sequences, masks and split, and the table of file names that finds them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import InputError
from ..io.json_files import encodable
from ..io.nifti import SUFFIXES, image_stem
from ..io.results import results_among
from ..io.streams import GET_LINKED
from ..io.walk import Missed, walk_files
from .covariates import Covariates

BRAIN_MASK = "brain mask"
TRUTH = "truth"
FURTHER = "further"
"""Files that a layout knows and does not use: further raters, other contrasts. They are in `Subject.extra`."""

_NO_SEQUENCE = (BRAIN_MASK, TRUTH, FURTHER)

_WALKED: ContextVar[tuple[Path, list[Path]] | None] = ContextVar("walked", default=None)

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
        The anomalies (ground truth). When every sequence has its own, that of the first sequence that has one.
    split : str or None
        The data set's official part: "train", "test", ...
    extra : tuple of Path
        Further images of the same kind that are not used: second runs, second raters.
    ill : bool or None
        Whether the data set says that there is a lesion, where it has no masks; None where it does not say.
    covariates : Covariates
        Age, sex, site, scanner, as far as the data set's table has them.
    brain_masks, truths : mapping of str to Path or None
        Those of single sequences for which `brain_mask` and `truth` are not: their own, or None where the names say that there is none.
    notes : tuple of str
        What there is to know of its files, in half sentences: masks that belong to none of the images.
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
    brain_masks: Mapping[str, Path | None] = field(default_factory=dict)
    truths: Mapping[str, Path | None] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def brain_mask_of(self, sequence: str) -> Path | None:
        """The brain in one of its sequences."""
        return self.brain_masks.get(sequence, self.brain_mask)

    def truth_of(self, sequence: str) -> Path | None:
        """The ground truth of one of its sequences."""
        return self.truths.get(sequence, self.truth)

    @property
    def masks(self) -> tuple[Path, ...]:
        """All brain masks and ground truths, each once."""
        given = (self.brain_mask, *self.brain_masks.values(), self.truth, *self.truths.values())
        return tuple(dict.fromkeys(path for path in given if path is not None))

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
            "brain_masks": {sequence: name(path) for sequence, path in self.brain_masks.items()},
            "truths": {sequence: name(path) for sequence, path in self.truths.items()},
            "notes": list(self.notes),
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
        and perhaps ``session``, ``space`` (joined to the session), ``split``, ``site``, and ``part`` (of a data set whose parts number
        their people anew: it comes before the id).
    kinds : mapping of str to str
        What ``kind``, in lower case, stands for: a sequence, `BRAIN_MASK`, `TRUTH` or `FURTHER`.
    splits : mapping of str to str
        What ``split``, in lower case, is called.
    suffixes : tuple of str
        Endings of the files that are looked at.
    ill : mapping of str to bool
        Of which splits, as they are called, the subjects are ill and of which healthy, where the data set says so.
    ranked : bool
        Of several files for one place, that of the earliest pattern is used, of one pattern the first by name; the others are `extra`.
        Otherwise they are an error.
    needs, excludes : tuple of str
        A subject has to have a file of one of these kinds (as in the names, in lower case), and of none of those: where several data
        sets name their files alike.
    """

    id: str
    name: str
    patterns: tuple[str, ...]
    kinds: Mapping[str, str]
    note: str = ""
    splits: Mapping[str, str] = field(default_factory=dict)
    suffixes: tuple[str, ...] = SUFFIXES
    ill: Mapping[str, bool] = field(default_factory=dict)
    ranked: bool = False
    needs: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()

    def detect(self, root: Path) -> bool:
        """Whether a file under `root` is one of its sequences."""
        if self.needs or self.excludes:
            return any(kind not in _NO_SEQUENCE for group in self._groups(root).values() for kind in group.files)
        return any(self.kinds[one.kind] not in _NO_SEQUENCE for one in self._found(root))

    def subjects(self, root: Path) -> tuple[Subject, ...]:
        """Its subjects, sorted by id and session; see `DatasetLayout`."""
        groups = self._groups(root)
        if not self.ranked:
            for key, group in groups.items():
                _check_single(key, group, root)
        found = [_subject(key, group, groups, self.ill.get(key[-1])) for key, group in sorted(groups.items())]
        return some_subjects(tuple(subject for subject in found if subject.sequences), root, self.name)

    def _groups(self, root: Path) -> dict[_Key, _Group]:
        """The files of every subject and session by what they are, the best first."""
        named: dict[_Key, list[_Named]] = {}
        for one in self._found(root):
            named.setdefault(one.key, []).append(one)
        groups = {}
        for key, own in named.items():
            kinds = {one.kind for one in own}
            if (not self.needs or kinds & set(self.needs)) and not kinds & set(self.excludes):
                groups[key] = group = _Group(next((one.site for one in own if one.site), None))
                for one in sorted(own, key=lambda one: (one.rank, one.path)):
                    group.files.setdefault(self.kinds[one.kind], []).append(one.path)
        return groups

    def _found(self, root: Path) -> Iterator[_Named]:
        compiled = [re.compile(f"(?:.*/)?{pattern}", re.IGNORECASE) for pattern in self.patterns]
        for path in files(root, self.suffixes):
            name = path.relative_to(root).as_posix()
            rank, match = next(((rank, match) for rank, one in enumerate(compiled) if (match := one.fullmatch(name))), (0, None))
            if match is None:
                continue
            groups = match.groupdict(default="")
            kind, split = groups.get("kind", "").lower(), groups.get("split", "").lower()
            if kind in self.kinds:
                who = "/".join(filter(None, (groups.get("part"), groups["id"])))
                key = who, groups.get("space", ""), groups.get("session", ""), self.splits.get(split, split)
                yield _Named(key, kind, path, rank, groups.get("site", ""))


_Key = tuple[str, str, str, str]
"""Id, space, session and split; empty where a name has none."""


@dataclass(frozen=True)
class _Named:
    """What a file's name tells; `rank`: the number of its pattern."""

    key: _Key
    kind: str
    path: Path
    rank: int
    site: str


@dataclass(frozen=True)
class _Group:
    """The files of a subject and session, by what they are."""

    site: str | None
    files: dict[str, list[Path]] = field(default_factory=dict)


def _check_single(key: _Key, group: _Group, root: Path) -> None:
    for kind, paths in group.files.items():
        if kind != FURTHER and len(paths) > 1:
            raise InputError(
                f"{kind} of {key[0]}",
                why=f"two files claim to be it: {paths[0].relative_to(root)} and {paths[1].relative_to(root)}",
                fix="Remove one of them, or list the data set in a CSV file",
            )


def _subject(key: _Key, own: _Group, groups: Mapping[_Key, _Group], ill: bool | None) -> Subject:
    """A mask that names no session belongs to all sessions of its subject in its space."""
    person, space, session, split = key
    shared = groups.get((person, space, "", split), own)
    masks = {kind: next(iter(own.files.get(kind) or shared.files.get(kind) or ()), None) for kind in (BRAIN_MASK, TRUTH)}
    used = {kind: paths[0] for kind, paths in own.files.items() if kind not in _NO_SEQUENCE}
    taken = {*used.values(), *masks.values()}
    return Subject(
        id=person,
        session="_".join(filter(None, (space, session))) or None,
        sequences=used,
        brain_mask=masks[BRAIN_MASK],
        truth=masks[TRUTH],
        split=split or None,
        extra=tuple(sorted(path for paths in own.files.values() for path in paths if path not in taken)),
        ill=ill,
        covariates=Covariates(site=own.site),
    )


def masks_of(brains: Mapping[str, Path | None], truths: Mapping[str, Path | None]) -> dict[str, Any]:
    """The masks of a `Subject`, as its fields, from those of each sequence in the order of its sequences."""
    brain = next(iter(brains.values()), None)
    truth = next((path for path in truths.values() if path is not None), None)
    return {
        "brain_mask": brain,
        "truth": truth,
        "brain_masks": {sequence: path for sequence, path in brains.items() if path != brain},
        "truths": {sequence: path for sequence, path in truths.items() if path != truth},
    }


def files(root: Path, suffixes: tuple[str, ...] = SUFFIXES) -> Iterator[Path]:
    """The files under a folder that end with one of the suffixes, sorted, links followed; hidden files and folders are left out."""
    walked = _WALKED.get()
    found = walked[1] if walked is not None and walked[0] == root else walk_files(root)
    yield from (path for path in found if path.name.lower().endswith(suffixes))


def made_within(paths: Iterable[Path]) -> set[Path]:
    """Of some files, those that a run of ours made from another of them: prepared scans and their masks are no further people.

    Results whose scans are elsewhere stay: they are a data set of their own, as prepared and simulated scans are.
    """
    given = tuple(paths)
    results = results_among(given)
    scans = {encodable(image_stem(path)) for path in given if path not in results}
    return {path for path, made_from in results.items() if made_from in scans}


@contextmanager
def walked_once(root: Path) -> Iterator[None]:
    """Within it, `files` goes through that folder once: many layouts are asked for the same one."""
    before = _WALKED.set((root, walk_files(root)))
    try:
        yield
    finally:
        _WALKED.reset(before)


def missed_files(root: Path) -> tuple[str, ...]:
    """In words, what lies in a folder and could not be looked at: links to nothing, folders that may not be read."""
    missed = Missed()
    walk_files(root, missed)
    return missed.words(root)


def unused_files(subjects: tuple[Subject, ...], root: Path) -> tuple[Path, ...]:
    """The images under a folder that belong to no subject: what the layout does not know."""
    used = {path for one in subjects for path in (*one.sequences.values(), *one.masks, *one.extra)}
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
