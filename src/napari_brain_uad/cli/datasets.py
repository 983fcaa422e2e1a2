"""``brain-uad datasets``: what a data set holds, before anything runs on it."""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from ..core.text import counted, readable
from ..io.streams import check_there
from .options import DATA_SET
from .terminal import say, say_json


def add_datasets(commands: Any) -> None:
    """Add the command to the parser's list of commands."""
    parser = commands.add_parser(
        "datasets",
        help="list the subjects of a data set",
        description="Find the subjects, sequences, masks and splits of a data set: IXI, BraTS, MSLUB, WMH, MSSEG 2015 and 2016, ATLAS v1 "
        "and v2, ISLES 2015 and 2022, MOOD, Cam-CAN, HCP, OASIS-3, ADNI, NFBS, Br35H, BIDS, a plain folder, a folder of pictures, "
        "or a CSV file.",
        allow_abbrev=False,
    )
    parser.add_argument("root", type=Path, metavar="ROOT", help="its folder, or a CSV file with the columns id, FLAIR, T1, ...")
    parser.add_argument("--layout", metavar="ID", help="which layout it has (default: found by its file names)")
    parser.add_argument("--json", action="store_true", help="print every subject with its files as JSON")
    parser.set_defaults(handler=_datasets)


def _datasets(arguments: argparse.Namespace) -> int:
    check_there(arguments.root, fix=DATA_SET)
    from ..datasets.layout import missed_files, unused_files
    from ..datasets.registry import find_layout, layout

    root: Path = arguments.root
    found = find_layout(root) if arguments.layout is None else layout(arguments.layout)
    subjects = found.subjects(root)
    if arguments.json:
        folder = root if root.is_dir() else root.parent
        about = {"layout": found.id, "name": found.name, "note": found.note, "missed": missed_files(root)}
        say_json({**about, "subjects": [one.as_dict(folder) for one in subjects]})
        return 0
    lines = [f"{found.name} ({found.id}): {counted(len({one.id for one in subjects}), 'subject')}, {counted(len(subjects), 'session')}"]
    sequences = Counter(sequence for one in subjects for sequence in one.sequences)
    lines.append("Sequences: " + ", ".join(f"{name} {count}" for name, count in sequences.most_common()))
    masked = sum(any(one.brain_mask_of(sequence) is not None for sequence in one.sequences) for one in subjects)
    lines.append(f"Brain masks: {masked}; truths: {sum(one.truth is not None for one in subjects)}")
    splits = Counter(one.split for one in subjects if one.split)
    if splits:
        lines.append("Splits: " + ", ".join(f"{name} {count}" for name, count in sorted(splits.items())))
    extra = sum(len(one.extra) for one in subjects)
    if extra:
        lines.append(f"Not used: {counted(extra, 'further file')} of the same kind (--json lists what)")
    lines += [f"{one.id}{'_' if one.session else ''}{one.session or ''}: {note}" for one in subjects for note in one.notes]
    unknown = unused_files(subjects, root)
    if unknown:
        lines.append(f"Not part of this layout: {counted(len(unknown), 'image file')}, like {unknown[0].relative_to(root)}")
    lines += [f"Missed: {line}" for line in missed_files(root)]
    if found.note:
        lines.append(f"Note: {found.note}")
    say("\n".join(readable(line) for line in lines))
    return 0
