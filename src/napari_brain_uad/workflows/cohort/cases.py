"""Which scans a data set gives for an evaluation, a batch or a calibration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...core.errors import InputError
from ...core.sequence import USER, check_sequence
from ...datasets.layout import LAYOUT, Subject, missed_files, unused_files
from ...datasets.registry import find_layout, layout
from .case import Case

ALL = "all"
"""Every sequence that a subject has."""


def cases_of(
    root: str | Path, *, layout_id: str | None = None, sequence: str | Sequence[str] | None = None, need_truth: bool = True
) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """The scans of a data set.

    Parameters
    ----------
    root : str or Path
        Its folder, or a CSV file; see `datasets`.
    layout_id : str, optional
        Its layout; found by its file names when None.
    sequence : str or sequence of str, optional
        Which sequence of each subject; the first it has when None. Several, or "all", give several scans a subject. A subject's only
        scan, if its sequence is unknown, is taken to be the one sequence that is asked for.
    need_truth : bool
        Leave out subjects without a ground truth.

    Returns
    -------
    cases, left_out
        `left_out` says in words which subjects have no such scan or no truth, which files belong to none, what could not be
        looked at, and how many scans there are of sequences that were not asked for, where none was named.

    Raises
    ------
    InputError
        If nothing is left, or a sequence is not known.
    """
    root, asked = Path(root), _asked(sequence)
    found = find_layout(root) if layout_id is None else layout(layout_id)
    cases: list[Case] = []
    left_out: list[str] = []
    subjects = found.subjects(root)
    for subject in subjects:
        name = f"{subject.id}_{subject.session}" if subject.session else subject.id
        left_out += [f"{name}: {note}" for note in subject.notes]
        own, missing = _scans(subject, name, asked)
        without = [case for case in own if case.truth is None]
        if subject.truth is not None:
            left_out += [
                f"{name}: its ground truth is of {_with_truth(subject)} alone, {case.sequence or 'this scan'} has none" for case in without
            ]
        elif need_truth:
            left_out.append(f"{name}: no ground truth")
        cases += [case for case in own if case.truth is not None or not need_truth]
        left_out += [f"{name}: no {one}" for one in missing]
    unknown = unused_files(subjects, root)
    if unknown:
        left_out.append(f"image files of no subject: {len(unknown)}, like {unknown[0].relative_to(root)}")
    left_out += missed_files(root)
    left_out += _further(subjects) if not asked else []
    if not cases:
        fix = "Give scans with ground truths" if need_truth else "Choose another folder or sequence"
        raise InputError(f"{root.name} holds nothing to {'evaluate' if need_truth else 'work on'}", why="; ".join(left_out[:3]), fix=fix)
    return tuple(cases), tuple(left_out)


def _with_truth(subject: Subject) -> str:
    """The sequences that have a ground truth, in words."""
    return " and ".join(sequence for sequence in subject.sequences if subject.truth_of(sequence) is not None)


def _further(subjects: Sequence[Subject]) -> list[str]:
    """How many scans of further sequences the subjects have, where only the first of each is taken."""
    further = Counter(sequence for subject in subjects for sequence in tuple(subject.sequences)[1:])
    if not further:
        return []
    told = ", ".join(f"{count} {sequence}" for sequence, count in further.most_common())
    one = further.most_common(1)[0][0]
    return [f"further sequences of the same subjects: {told} (--sequence {one} takes that one, --sequence {ALL} every one)"]


def _asked(sequence: str | Sequence[str] | None) -> tuple[str, ...]:
    """The sequences by their own names; empty: the first of each subject."""
    given = [sequence] if isinstance(sequence, str) else list(sequence or ())
    if any(one.lower() == ALL for one in given):
        if len(set(given)) > 1:
            raise InputError(
                "Sequences", why=f"'{ALL}' stands for every sequence, and others are named beside it", fix=f"Give '{ALL}' alone"
            )
        return (ALL,)
    return tuple(dict.fromkeys(check_sequence(one) for one in given))


def _scans(subject: Subject, name: str, asked: Sequence[str]) -> tuple[list[Case], list[str]]:
    """The scans of a subject, and the sequences that were asked for and are not there."""
    about = Case(
        name,
        next(iter(subject.sequences.values())),
        subject.truth,
        subject.brain_mask,
        ill=subject.ill,
        subject=subject.id,
        session=subject.session,
        split=subject.split,
        covariates=subject.covariates,
    )
    if list(subject.sequences) == ["unknown"] and asked != (ALL,):
        # It can be one of the sequences that were asked for, but not several.
        return [replace(about, sequence=asked[0] if len(asked) == 1 else None, origin=USER)], []
    wanted = tuple(subject.sequences) if asked == (ALL,) else asked or tuple(subject.sequences)[:1]
    there = [one for one in wanted if one in subject.sequences]
    own = [
        replace(
            about,
            scan=subject.sequences[one],
            truth=subject.truth_of(one),
            mask=subject.brain_mask_of(one),
            sequence=None if one == "unknown" else one,
            origin=LAYOUT,
        )
        for one in there
    ]
    return own, [one for one in wanted if one not in subject.sequences]
