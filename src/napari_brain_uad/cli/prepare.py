"""``brain-uad prepare``: raw scans to a model's grid."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import BrainUADError, InputError
from ..core.isolation import isolated
from ..core.provenance import NOTICE
from ..core.sequence import SEQUENCES, check_sequence
from ..core.text import did_you_mean, readable, told_of
from ..io.streams import GET_LINKED, check_there
from .options import add_overwrite, add_workers, workers_of
from .terminal import complain, progress_bar, say

if TYPE_CHECKING:
    from ..workflows.scans.prepare import Patient

_IMAGES = (".nii", ".nii.gz", ".mgz")


def add_prepare(commands: Any) -> None:
    """Add the command to the parser's sub-commands."""
    from ..preprocessing.presets import PRESETS

    listed = "; ".join(f"{one.id}: {one.title}" for one in PRESETS.values())
    parser = commands.add_parser(
        "prepare",
        help="prepare raw scans: brain, bias field, registration, intensities",
        description=f"Bring scans to a model's grid and write them with masks, record and quality-control picture. {NOTICE}",
        epilog=f"Presets: {listed}.".replace("%", "%%"),
        allow_abbrev=False,
    )
    parser.add_argument(
        "scans",
        nargs="+",
        type=Path,
        metavar="SCAN_OR_DIR",
        help="scans; folders with one patient's sequences; folders of such; a CSV file with the columns id, FLAIR, T1, ...",
    )
    parser.add_argument(
        "--sequence",
        action="append",
        default=[],
        metavar="[FILE=]NAME",
        help=f"{', '.join(SEQUENCES)}: what a scan is (by its name or path), or all are, where names and tags say it wrong or not at all; "
        "repeatable",
    )
    parser.add_argument("--preset", default="clinical", choices=tuple(PRESETS), metavar="NAME", help="default: clinical")
    parser.add_argument(
        "--set", action="append", default=[], metavar="STEP.NAME=VALUE", help="change a setting of a step; may be given several times"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    add_overwrite(parser)
    add_workers(parser, at_a_time="patients at a time, some 2 GB of memory each")
    parser.add_argument("--no-cache", action="store_true", help="neither use nor keep results in the cache")
    parser.add_argument("--no-figures", action="store_true", help="no quality-control pictures")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(handler=_prepare)


def _prepare(arguments: argparse.Namespace) -> int:
    said = Said(arguments.sequence)
    patients, failed = _patients(arguments.scans, said)
    said.check_used()
    if not patients:
        raise failed[0]
    from ..workflows.scans.prepare import prepare_many

    for one in failed:
        complain(str(one))
    with progress_bar(arguments.quiet) as progress:
        outcomes = prepare_many(
            patients,
            arguments.preset,
            arguments.out,
            jobs=workers_of(arguments),
            use_cache=not arguments.no_cache,
            figures=not arguments.no_figures,
            overwrite=arguments.overwrite,
            settings=_settings(arguments.set),
            progress=progress,
        )
    for outcome in outcomes:
        for error in outcome.errors:
            complain(told_of(outcome.name, error))
        for warning in outcome.warnings:
            complain(f"{outcome.name}: warning: {warning}")
        for line in outcome.said:
            say(readable(line))
        for path in outcome.files:
            say(readable(str(path)))
    whole = sum(not outcome.errors for outcome in outcomes)
    asked = len(outcomes) + len(failed)
    say(f"{whole} of {asked} prepared. {NOTICE}")
    return InputError.exit_code if whole < asked else 0


def _settings(given: Sequence[str]) -> dict[str, str]:
    changes = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or "." not in name:
            raise InputError(f"--set {text}", why="it is not STEP.NAME=VALUE", fix="Write it like brain_extraction.backend=hd-bet")
        changes[name] = value
    return changes


class Said:
    """What the user says that scans are: ``NAME`` for all of them, ``FILE=NAME`` for those of that name or path."""

    def __init__(self, given: Sequence[str] = ()) -> None:
        named = {file: check_sequence(name) for file, _, name in (text.rpartition("=") for text in given)}
        self.of_all = named.pop("", None)
        self._named = named
        self._seen: set[str] = set()
        self._used: set[str] = set()

    def by_name(self, path: Path) -> str | None:
        """The sequence that was said of this file."""
        self._seen.add(path.name)
        file = next((file for file in self._named if _is_called(path, Path(file))), None)
        if file is None:
            return None
        self._used.add(file)
        return self._named[file]

    def check_used(self) -> None:
        """Refuse what was said of no scan, once all were looked at.

        Raises
        ------
        InputError
            If a file was named that was not given.
        """
        for file, sequence in self._named.items():
            if file not in self._used:
                fix = f"{did_you_mean(Path(file).name, sorted(self._seen))}Give a scan's name or its path"
                raise InputError(f"--sequence {file}={sequence}", why="no scan that was given is called so", fix=fix)


def _is_called(path: Path, words: Path) -> bool:
    """Whether a file has this name, the end of this path, or lies at it."""
    return path.parts[-len(words.parts) :] == words.parts or path.absolute() == words.absolute()


def _patients(given: Sequence[Path], said: Said) -> tuple[list[Patient], list[BrainUADError]]:
    """Patients from files (one each) and folders, where scans in one folder are one patient's; and why others are none."""
    found: list[Patient] = []
    failed: list[BrainUADError] = []
    for path in given:
        listed = path.suffix.lower() == ".csv" and path.is_file()
        if listed and said.of_all is not None:
            fix = "Write the files into the columns of their sequences, or leave --sequence out"
            raise InputError(f"--sequence {said.of_all}", why=f"the columns of {path.name} say what its scans are", fix=fix)
        for one in _of_list(path) if listed else _of_folder(path, said) if path.is_dir() else (isolated(partial(_of_file, path, said)),):
            if isinstance(one, BrainUADError):
                failed.append(one)
            else:
                found.append(one)
    return found, failed


def _of_file(path: Path, said: Said) -> Patient:
    named = said.by_name(path)
    check_there(path, fix="Give scans or folders of scans")
    from ..workflows.scans.prepare import Patient

    return Patient(_stem(path), {named or _sequence(path, said) or "scan": path})


def _of_list(table: Path) -> list[Patient]:
    from ..workflows.scans.listed import patients_of_list

    return patients_of_list(table)


def _of_folder(root: Path, said: Said) -> list[Patient | BrainUADError]:
    from ..datasets.layout import made_within
    from ..io.walk import Missed, walk_folders
    from ..workflows.scans.prepare import Patient

    missed = Missed()
    found: list[Patient | BrainUADError] = []
    images = {folder: isolated(partial(_images, folder)) for folder in walk_folders(root, missed)}
    ours = made_within(path for paths in images.values() if not isinstance(paths, BrainUADError) for path in paths)
    for folder, paths in images.items():
        scans = paths if isinstance(paths, BrainUADError) else isolated(partial(_scans, folder, paths, said, ours))
        if isinstance(scans, BrainUADError):
            found.append(scans)
        elif scans:
            # A folder inside is called by its way there: every subject of a study may have an "anat".
            found.append(Patient(folder.name if folder == root else "_".join(folder.relative_to(root).parts), scans))
    lines = missed.words(root)
    if not found:
        why = "; ".join(("there is no .nii, .nii.gz or .mgz file in it", *lines))
        return [InputError(f"No scan in {root}", why=why, fix=f"{GET_LINKED}; or give another folder" if lines else "Give another folder")]
    for line in lines:
        complain(f"warning: {root.name}: {line}. {GET_LINKED}.")
    if ours:
        complain(
            f"warning: {root.name}: files that were made from its scans are left out: {len(ours)}, like {min(ours).relative_to(root)}."
        )
    return found


def _images(folder: Path) -> list[Path]:
    # A link to nothing stays in: its patient fails with that reason instead of going on without the sequence.
    return [one for one in sorted(folder.iterdir()) if one.name.lower().endswith(_IMAGES) and not one.name.startswith(".")]


def _scans(folder: Path, images: Sequence[Path], said: Said, ours: AbstractSet[Path]) -> dict[str, Path]:
    """Sequence to file; masks, labels, what we made ourselves and what is of no known sequence are left out, unless they are named.

    A sequence given twice is refused.
    """
    from ..core.file_role import file_roles

    scans: dict[str, Path] = {}
    roles = file_roles(_stem(path) for path in images)
    named = {path: said.by_name(path) for path in images}
    for path in images:
        if named[path] is None and (path in ours or roles[_stem(path)].role != "scan"):
            continue
        sequence = named[path] or _sequence(path, said)
        if sequence is None:
            continue
        if sequence in scans:
            raise InputError(
                f"Folder {folder.name}", why=f"{scans[sequence].name} and {path.name} are both {sequence}", fix="Give the files instead"
            )
        scans[sequence] = path
    return scans


def _sequence(path: Path, said: Said) -> str | None:
    from ..io.nifti import sequence_of_file

    return said.of_all or sequence_of_file(path)[0].sequence


def _stem(path: Path) -> str:
    from ..io.nifti import image_stem

    return image_stem(path)
