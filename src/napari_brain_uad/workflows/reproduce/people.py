"""The folders that were given for a paper's data sets: looked at before anything runs, and their people shared out."""

from __future__ import annotations

import csv
import io
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...core.errors import BrainUADError, InputError
from ...core.isolation import isolated
from ...core.text import choose_from, counted
from ...datasets.layout import Subject
from ...datasets.registry import find_layout, layout
from ...io.streams import check_there
from ..train.training_data import TrainingData, healthy_subjects
from .paper import Paper, PaperData, PaperPart, PaperTest

LISTED = "csv"
"""Layout of a list, which stands for any data set."""

REDUCED = {"training": 4, "test": 2}
"""People of a part in a reduced run."""


@dataclass(frozen=True)
class Given:
    """A data set's folder and what was found in it."""

    data: PaperData
    root: Path
    layout: str
    subjects: tuple[Subject, ...]

    @property
    def words(self) -> str:
        """How many people were found, against the paper's number."""
        found = len({one.id for one in self.subjects})
        sequences = Counter(name for one in self.subjects for name in one.sequences).most_common()
        scans = ", ".join(f"{name} {count:,}" for name, count in sequences)
        paper = "the paper's number is not known" if self.data.subjects is None else f"the paper had {self.data.subjects:,}"
        return f"{self.data.name}: {counted(found, 'subject')} found ({self.layout}; {scans}); {paper}"


def layouts_of(paper: Paper, given: Mapping[str, Path]) -> dict[str, str]:
    """The layout of every folder that was given: whoever gave a wrong one is told so before being asked for what is missing.

    Parameters
    ----------
    given : mapping
        Name of each data set to its folder, or to a CSV file that lists it.

    Raises
    ------
    InputError
        If a name is unknown, or nothing or another data set lies there; all that is wrong in one error.
    """
    check_known(f"{paper.id} has no data set", given, paper.data, "Its data sets")
    found = {name: isolated(lambda name=name: _layout_of(paper.data[name], given[name])) for name in given}  # type: ignore[misc]
    wrong = [one for one in found.values() if isinstance(one, BrainUADError)]
    if wrong:
        raise wrong[0] if len(wrong) == 1 else InputError("Data sets cannot be used", why="; ".join(str(one).rstrip(".") for one in wrong))
    return {name: one for name, one in found.items() if isinstance(one, str)}


def check_known(what: str, given: Iterable[str], known: Iterable[str], words: str) -> None:
    """Refuse the first name that is not known.

    Raises
    ------
    InputError
        For it, with the name that may be meant, and all there are.
    """
    names = list(known)
    unknown = next((name for name in given if name not in names), None)
    if unknown is not None:
        raise InputError(f"{what} '{unknown}'", fix=choose_from(unknown, names, words))


def look_at(paper: Paper, tests: Sequence[PaperTest], given: Mapping[str, Path], layouts: Mapping[str, str]) -> dict[str, Given]:
    """The data sets that the tests and their trainings need.

    Parameters
    ----------
    given, layouts : mapping
        Name of each data set to where it lies, and to what `layouts_of` says of it.

    Raises
    ------
    InputError
        If data sets are missing, all named in one error, or one of them cannot be read.
    """
    needed = [name for name in paper.data if any(name in paper.data_of(test) for test in tests)]
    missing = [f"{name} ({paper.data[name].where})" for name in needed if name not in given]
    if missing:
        what = f"{counted(len(missing), 'data set')} of {paper.id} {'is' if len(missing) == 1 else 'are'} missing"
        raise InputError(what, why="; ".join(missing), fix="Name each one's folder: --data NAME=FOLDER; --tests and --methods need less")
    return {name: Given(paper.data[name], given[name], layouts[name], layout(layouts[name]).subjects(given[name])) for name in needed}


def _layout_of(data: PaperData, root: Path) -> str:
    check_there(root, fix=f"Give the folder of {data.name}, from {data.where}")
    for layout_id in (LISTED, data.layout):
        if layout(layout_id).detect(root):
            return layout_id
    other, expected = find_layout(root), layout(data.layout)
    why = f"{root.name} holds {other.name} ({other.id}), not {expected.name}"
    raise InputError(
        f"The data set {data.name}", why=why, fix=f"Give its folder as it was unpacked, or list it in a CSV file; {data.where}"
    )


def shared_out(
    paper: Paper,
    given: Given,
    training: Iterable[PaperPart],
    healthy: Iterable[PaperPart],
    ill: Iterable[PaperPart],
    known: Sequence[PaperPart] = (),
    *,
    seed: int,
    reduced: bool,
) -> dict[str, list[Subject]]:
    """The people of each part of one data set: all sessions of a person in the same part, and no one in two.

    Parameters
    ----------
    training, healthy, ill : iterable of PaperPart
        What is learned from, healthy people that are kept for tests, and people with lesions.
    known : sequence of PaperPart
        People whose lesions are learned.

    Raises
    ------
    InputError
        If a part would be empty, or lesions be learned of somebody who is tested on.
    """
    parts = [*((part, True, "training") for part in training), *((part, True, "test") for part in healthy)]
    parts += [*((part, False, "test") for part in ill), *((part, False, "training") for part in known)]
    found = {}
    for part, well, use in parts:
        usable = _usable(given, part.sequence, well)
        people = sorted({one.id for one in usable})
        order = [people[number] for number in np.random.default_rng([seed, 3]).permutation(len(people))]
        # The few people of a reduced run come from all, where no other part could take the same.
        first, last = (0, len(order)) if reduced and len(parts) == 1 else _places(part, len(order), given.data.subjects)
        chosen = order[first:last][: part.most]
        if reduced:
            chosen = chosen[: REDUCED[use]]
        if not chosen:
            kind = "no lesion" if well else "a ground truth"
            why = f"{counted(len(people), 'person', 'people')} of {given.root.name} with {part.sequence} and {kind}"
            raise InputError(f"{part.name} of {paper.id} would be empty", why=why, fix="Give more of the data set")
        found[part.name] = [one for one in usable if one.id in chosen]
    names = {name: {one.id for one in own} for name, own in found.items()}
    learned = set().union(*(names[part.name] for part in known))
    both = [part.name for part, _, use in parts if use == "test" and learned & names[part.name]]
    if both:
        why = f"{given.root.name} has too few people to learn the lesions of some and to test {paper.id} on others ({', '.join(both)})"
        raise InputError(
            "Known anomalies would be tested on", why=why, fix="Give more of the data set, or leave the method out with --methods"
        )
    return found


def _places(part: PaperPart, people: int, of: int | None) -> tuple[int, int]:
    """From and to before; scaled where there are more or fewer people than the paper had, and at least one."""
    if part.first is None or part.last is None:
        return 0, people
    scale = 1.0 if of is None else people / of
    last = max(round(part.last * scale), min(people, 1))
    return min(round(part.first * scale), last - 1), last


def _usable(given: Given, sequence: str, healthy: bool) -> list[Subject]:
    having = [one for one in given.subjects if sequence in one.sequences]
    if healthy:
        source = TrainingData("dataset", str(given.root), dataset=given.layout)
        allowed = {(one.id, one.session) for one in healthy_subjects(source)[0]}
        having = [one for one in having if (one.id, one.session) in allowed]
    else:
        having = [one for one in having if one.truth is not None]
    if not given.data.variants:
        return having
    best = []
    for _, own in itertools.groupby(sorted(having, key=lambda one: one.id), key=lambda one: one.id):
        ranked = [(given.data.variants.index(one.session or ""), one) for one in own if (one.session or "") in given.data.variants]
        best += [one for _, one in sorted(ranked, key=lambda pair: pair[0])[:1]]
    return best


def table_of(subjects: Sequence[Subject], sequence: str, *, for_training: bool) -> str:
    """The people as a CSV file that `datasets.table` reads, with that sequence alone.

    A brain mask is that of the first sequence of a subject. Others need not lie on its grid: a training does without, as it would with
    the data set itself, and an evaluation says so where it does not fit.
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["id", "session", sequence, "brain_mask", "truth"])
    for one in subjects:
        mask = one.brain_mask if not for_training or next(iter(one.sequences)) == sequence else None
        files = [one.sequences[sequence], mask, one.truth]
        rows.writerow([one.id, one.session or "", *("" if path is None else path.absolute().as_posix() for path in files)])
    return text.getvalue()


def prepared_table(subjects: Sequence[Subject], scans: Sequence[Path | None]) -> str:
    """As `table_of`, of the same people's prepared scans; those without one are left out."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["id", "session", *subjects[0].sequences, "brain_mask"])
    for one, scan in zip(subjects, scans, strict=True):
        if scan is not None:
            mask = scan.with_name(scan.name.replace("_prepared.nii.gz", "_prepared_brainmask.nii.gz"))
            rows.writerow([one.id, one.session or "", scan.absolute().as_posix(), mask.absolute().as_posix() if mask.is_file() else ""])
    return text.getvalue()
