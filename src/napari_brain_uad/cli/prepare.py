"""``brain-uad prepare``: raw scans to a model's grid."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.provenance import NOTICE
from ..core.sequence import SEQUENCES, check_sequence


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
        help="scans; folders with one patient's sequences; folders of such",
    )
    parser.add_argument(
        "--sequence",
        action="append",
        default=[],
        metavar="[FILE=]NAME",
        help=f"{', '.join(SEQUENCES)}: what a scan is, or all are, where names and tags say it wrong or not at all; repeatable",
    )
    parser.add_argument("--preset", default="clinical", choices=tuple(PRESETS), metavar="NAME", help="default: clinical")
    parser.add_argument(
        "--set", action="append", default=[], metavar="STEP.NAME=VALUE", help="change a setting of a step; may be given several times"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="patients at a time, some 2 GB of memory each (default: 1)")
    parser.add_argument("--no-cache", action="store_true", help="neither use nor keep results in the cache")
    parser.add_argument("--no-figures", action="store_true", help="no quality-control pictures")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(handler=_prepare)


def _prepare(arguments: argparse.Namespace) -> int:
    from ..workflows.prepare import prepare_many
    from .terminal import progress_bar

    patients = _patients(arguments.scans, _sequences(arguments.sequence))
    with progress_bar(arguments.quiet) as progress:
        outcomes = prepare_many(
            patients,
            arguments.preset,
            arguments.out,
            jobs=arguments.jobs,
            use_cache=not arguments.no_cache,
            figures=not arguments.no_figures,
            settings=_settings(arguments.set),
            progress=progress,
        )
    failed = 0
    for outcome in outcomes:
        if outcome.error:
            failed += 1
            sys.stderr.write(f"brain-uad: {outcome.name}: {outcome.error}\n")
        for line in outcome.said:
            sys.stdout.write(f"{line}\n")
        for path in outcome.files:
            sys.stdout.write(f"{path}\n")
    sys.stdout.write(f"{len(outcomes) - failed} of {len(outcomes)} prepared. {NOTICE}\n")
    return InputError.exit_code if failed else 0


def _settings(given: Sequence[str]) -> dict[str, str]:
    changes = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or "." not in name:
            raise InputError(f"--set {text}", why="it is not STEP.NAME=VALUE", fix="Write it like brain_extraction.backend=hd-bet")
        changes[name] = value
    return changes


def _sequences(given: Sequence[str]) -> dict[str, str]:
    """File name to sequence; "" for all files."""
    return {file: check_sequence(name) for file, _, name in (text.rpartition("=") for text in given)}


def _patients(given: Sequence[Path], said: Mapping[str, str]) -> list[Any]:
    """Patients from files (one each) and folders: scans in one folder are one patient's."""
    from ..workflows.prepare import Patient

    found = []
    for path in given:
        if not path.exists():
            raise InputError(f"{path} does not exist", fix="Give scans or folders of scans")
        if path.is_file():
            found.append(Patient(_stem(path), {_sequence(path, said) or "scan": path}))
            continue
        folders = [path, *sorted(inner for inner in path.rglob("*") if inner.is_dir())]
        patients = [Patient(folder.name, scans) for folder in folders if (scans := _scans(folder, said))]
        if not patients:
            raise InputError(f"No scan in {path}", why="there is no .nii, .nii.gz or .mgz file in it", fix="Give another folder")
        found += patients
    return found


def _scans(folder: Path, said: Mapping[str, str]) -> dict[str, Path]:
    """Sequence to file; masks, labels and what is of no known sequence are left out, a sequence given twice is refused."""
    scans: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not path.name.lower().endswith((".nii", ".nii.gz", ".mgz")):
            continue
        if any(word in path.name.lower() for word in ("mask", "seg", "label", "lesion", "tumour", "tumor")):
            continue
        sequence = _sequence(path, said)
        if sequence is None:
            continue
        if sequence in scans:
            raise InputError(
                f"Folder {folder.name}", why=f"{scans[sequence].name} and {path.name} are both {sequence}", fix="Give the files instead"
            )
        scans[sequence] = path
    return scans


def _sequence(path: Path, said: Mapping[str, str]) -> str | None:
    from ..io.nifti import sequence_of_file

    return said.get(path.name) or said.get("") or sequence_of_file(path)[0].sequence


def _stem(path: Path) -> str:
    from ..io.nifti import image_stem

    return image_stem(path)
