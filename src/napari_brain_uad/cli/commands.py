"""Every command and its options. What a command needs is imported when it is known, so that help comes at once."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..core.errors import BrainUADError, Cancelled, InputError
from ..core.isolation import isolated
from ..core.memory import check_start
from ..core.optional import install_command, missing, not_installed, require
from ..core.params import INTS
from ..core.provenance import NOTICE, package_version
from ..core.text import counted, readable
from ..io.streams import check_there
from .batch import add_batch
from .bids import add_bids
from .calibrate import add_calibrate
from .compare import add_compare
from .datasets import add_datasets
from .evaluate import add_evaluate
from .interruption import interruption
from .models import add_models
from .options import SEVERAL_METHOD, add_method, add_overwrite, add_post_options, add_seed, add_sequence, method_spec, post_params
from .prepare import add_prepare
from .simulate import add_simulate
from .terminal import Parser, complain, notices, progress_bar, refuse_empty, say, say_json, set_up_streams, warn, written
from .train import add_train

_QT = ("PyQt6", "PySide6", "PyQt5", "PySide2")
"""Any of them will do."""

_TOLD = ("prepared", "dicom-series", "dicom-no-image", "dicom-copies")
"""Findings that are no warnings and are told all the same."""

_EXIT_CODES = (
    "Exit codes: 0 done (also when a scan has no region, which is said), 2 wrong input, 3 model, 4 device, 130 cancelled, 1 anything else."
)


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; see `cli.main`."""
    set_up_streams()
    try:
        with interruption.listening():
            outcome = _outcome(list(sys.argv[1:] if argv is None else argv))
    except (Cancelled, KeyboardInterrupt):
        outcome = Cancelled()
    if not isinstance(outcome, BrainUADError):
        return outcome
    if interruption.received is not None:  # what else fails after a signal fails because of it
        outcome = Cancelled()
    complain(str(outcome))
    return interruption.exit_code if isinstance(outcome, Cancelled) else outcome.exit_code


def _outcome(words: list[str]) -> int | BrainUADError:
    try:
        refuse_empty(words)
    except InputError as error:
        return error
    arguments = build_parser().parse_args(words)
    arguments.words = words
    with _details(arguments.debug):
        return isolated(partial(_run, arguments))


def _run(arguments: argparse.Namespace) -> int:
    handler: Callable[[argparse.Namespace], int] = arguments.handler
    try:
        check_start()
        with notices():
            code = handler(arguments)
        # What is still in the buffer meets a closed pipe here, where it can be caught, and not while Python ends.
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader (head, less) went away: nothing is wrong, and Python must not complain while it closes standard output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


@contextmanager
def _details(wanted: bool) -> Iterator[None]:
    """With --debug, what the package logs (tracebacks of internal errors, for one) goes to standard error."""
    log, handler = logging.getLogger(__package__.partition(".")[0]), logging.StreamHandler()
    before = log.level
    if wanted:
        log.addHandler(handler)
        log.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


def build_parser() -> argparse.ArgumentParser:
    """All commands with their options, for the program and for the documentation."""
    parser = Parser(
        prog="brain-uad", description=f"Unsupervised anomaly detection in brain MRI. {NOTICE}", epilog=_EXIT_CODES, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"brain-uad {package_version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    scans = (_add_detect, add_batch, add_bids, add_prepare, add_compare, add_evaluate)
    for add in (_add_methods, *scans, add_train, add_calibrate, add_models, add_datasets, add_simulate, _add_demo, _add_window):
        add(commands)
    for one in commands.choices.values():
        one.add_argument("--debug", action="store_true", help="with an internal error, show its traceback too")
    return parser


def _add_methods(commands: Any) -> None:
    parser = commands.add_parser("methods", help="list the methods with their cards", allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print the cards and all settings as JSON")
    parser.set_defaults(handler=_methods)


def _add_detect(commands: Any) -> None:
    parser = commands.add_parser(
        "detect",
        help="detect anomalies in one scan",
        description=f"Score a scan, threshold the map, write map, mask, regions, provenance and figure. {NOTICE}",
        allow_abbrev=False,
    )
    scan = "the scan: .nii, .nii.gz, .mgz, a DICOM folder, a slice as .png or .jpg, or a folder with one person's sequences as image files"
    parser.add_argument("scan", type=Path, metavar="SCAN", help=scan)
    more = "further sequences of the same person, scored together with SCAN: the mean over all of them, on the grid of SCAN"
    parser.add_argument("--with", dest="others", type=Path, nargs="+", default=[], metavar="SCAN", help=more)
    add_method(parser, default=None, said=f"threshold; {SEVERAL_METHOD} for several sequences")
    add_seed(parser)
    parser.add_argument("--volume", type=int, metavar="N", help="which volume of a 4-D file, or series of a DICOM folder, from 0")
    add_sequence(parser)
    parser.add_argument("--mask", type=Path, metavar="FILE", help="brain mask on the scan's grid")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="ground truth on the scan's grid: adds metrics")
    parser.add_argument(
        "--healthy", type=Path, nargs="+", metavar="MAP", help="anomaly maps of healthy scans, in place of the method's healthy reference"
    )
    parser.add_argument("--age", type=float, metavar="YEARS", help="of the person scanned: the verdict compares with similar ages")
    add_post_options(parser)
    parser.add_argument(
        "--prepare",
        default="auto",
        metavar="PRESET",
        help="auto (the method's preset when the scan shows the whole head), never, or a preset of `brain-uad prepare` (default: auto)",
    )
    dicom = "write regions and map as DICOM Segmentation and Parametric Map, too; SCAN is a DICOM series"
    parser.add_argument("--dicom", action="store_true", help=dicom)
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument(
        "--save-reconstruction",
        action="store_true",
        help="write what the method compares, too: the scan as it sees it, and what it expects",
    )
    _add_out(parser)
    parser.set_defaults(handler=_detect)


def _add_demo(commands: Any) -> None:
    parser = commands.add_parser("demo", help="detect anomalies in the sample scans", allow_abbrev=False)
    parser.add_argument("--sample", metavar="ID", help="one sample only (default: all)")
    parser.add_argument("--window", action="store_true", help="open napari on a sample, with its anomalies detected")
    parser.add_argument("--screenshot", action="store_true", help="open the window only to take a picture of it (works under Xvfb)")
    _add_out(parser, default=Path("out"))
    parser.set_defaults(handler=_demo)


def _add_window(commands: Any) -> None:
    parser = commands.add_parser("window", help="open napari with all docks, and scans if you like", allow_abbrev=False)
    parser.add_argument("files", type=Path, nargs="*", metavar="SCAN", help="scans, masks or anomaly maps, or DICOM folders")
    parser.set_defaults(handler=_window)


def _add_out(parser: argparse.ArgumentParser, default: Path | None = None) -> None:
    said = f" (default: {default})" if default else ""
    parser.add_argument("--out", type=Path, required=default is None, default=default, metavar="DIR", help=f"folder for the results{said}")
    add_overwrite(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _methods(arguments: argparse.Namespace) -> int:
    from ..detectors.registry import broken_methods, cards, method_class
    from ..workflows.models.models import list_models

    if arguments.json:
        say_json([_method_record(method_class(card.id)) for card in cards()])
        return 0
    for method, error in broken_methods().items():
        complain(f"{method}: {error}")
    for card in cards():
        say(f"{card.id:12} {card.name} [{card.family}]")
        say(f"{'':12} {card.summary}")
        model = "A model is there, see `brain-uad models`." if list_models(card.id) else "Training or a model needed."
        say(f"{'':12} Needs: {card.needs}.{f' {model}' if card.trainable else ''}")
        absent = missing(*method_class(card.id).REQUIRES)
        if absent:
            say(f"{'':12} Cannot run here: {not_installed(*absent)}. Install it: {install_command(*absent)}")
        say(f"{'':12} Paper: {card.paper}\n")
    say("`brain-uad methods --json` prints every setting with its unit, range and default.")
    return 0


def _method_record(found: Any) -> dict[str, Any]:
    training = [] if found.Training is None else _settings_record(found.Training)
    absent = list(missing(*found.REQUIRES))
    presets = {"default": found.Params(), **{name: found.Params.preset(name) for name in found.Params.PRESETS}}
    counts = {} if absent else {name: found(params).parameter_count() for name, params in presets.items()}
    record = {**found.INFO.as_dict(), "settings": _settings_record(found.Params), "training": training, "not_installed": absent}
    return record | {"parameters": counts}


def _settings_record(kind: Any) -> list[dict[str, Any]]:
    defaults = kind().as_dict()
    return [
        {
            "name": name,
            "type": type_.__name__ if type_ != INTS else str(type_),
            "default": defaults[name],
            **{key: value for key, value in vars(info).items() if value not in ("", None, ())},
        }
        for name, type_, info in kind.describe()
    ]


def _detect(arguments: argparse.Namespace) -> int:
    check_there(arguments.scan, *arguments.others, arguments.mask, arguments.truth, *(arguments.healthy or ()))  # before long imports
    from ..workflows.detect.detect import detect
    from ..workflows.detect.save import check_detection_output, save_detection
    from ..workflows.detect.several import detect_several, is_subject_folder, joint_name, sequences_in
    from ..workflows.scans.load import load

    folder = is_subject_folder(arguments.scan)
    first, *others = sequences_in(arguments.scan) if folder else [load(arguments.scan, index=arguments.volume, sequence=arguments.sequence)]
    scans = [first, *others, *map(load, arguments.others)]
    arguments.method = arguments.method or (SEVERAL_METHOD if len(scans) > 1 else "threshold")
    spec, post = method_spec(arguments), post_params(arguments)
    how = {"mask": arguments.mask, "truth": arguments.truth, "post": post, "prepare_with": arguments.prepare, "device": arguments.device}
    alone = {"healthy": arguments.healthy, "age": arguments.age, "reconstruct": arguments.save_reconstruction}
    dicom = _series_of(arguments, first) if arguments.dicom else None
    if len(scans) > 1:
        _only_alone(arguments)
    named = replace(first, name=joint_name(scans))
    check_detection_output(named, spec.method, arguments.out, overwrite=arguments.overwrite)
    with progress_bar(arguments.quiet) as progress:
        part = progress.part(0.0, 0.8)
        if len(scans) > 1:
            detection = detect_several(scans, spec, **how, seed=arguments.seed, progress=part)
        else:
            detection = detect(first, spec, **how, **alone, seed=arguments.seed, progress=part)
        rest = progress.part(0.8, 1.0)
        files = save_detection(detection, arguments.out, overwrite=arguments.overwrite, dicom=dicom, progress=rest)
    _report(detection, files)
    return 0


def _only_alone(arguments: argparse.Namespace) -> None:
    """Refuse what is made for one sequence."""
    options = {"--healthy": arguments.healthy, "--age": arguments.age, "--save-reconstruction": arguments.save_reconstruction}
    options |= {"--sequence": arguments.sequence, "--volume": arguments.volume, "--dicom": arguments.dicom, "--model": arguments.model}
    given = [option for option, value in options.items() if value]
    if given:
        raise InputError(f"{given[0]} and several sequences", why="it is for one scan alone", fix=f"Leave {given[0]} out")


def _series_of(arguments: argparse.Namespace, scan: Any) -> Any:
    """The slices that DICOM objects refer to."""
    from ..io.dicom import is_dicom_path, stack_of
    from ..workflows.detect.dicom_results import check_dicom

    if not is_dicom_path(arguments.scan):
        raise InputError("--dicom", why=f"{arguments.scan.name} is no DICOM series, which the objects refer to", fix="Leave it off")
    stack = stack_of(arguments.scan, index=arguments.volume)
    check_dicom(scan.source.grid.shape, stack)
    return stack


def _report(detection: Any, files: dict[str, Path]) -> None:
    warn((*(finding for finding in detection.volume.findings if finding.code in _TOLD and finding.level == "info"), *detection.warnings))
    result = detection.result
    volume = sum(region.volume_ml for region in result.regions)
    count = len(result.regions)
    found = f"{counted(count, 'region')}, {volume:.2f} ml, in {detection.seconds:.1f} s"
    say(f"{readable(detection.map.name)}: {detection.map.method}, {found}")
    say(f"Verdict: {detection.verdict.line}")
    if detection.verdict.details:
        say(readable(f"{detection.verdict.details}."))
    say(f"Sequence: {readable(detection.volume.sequence_words)}")
    say(written(files["map"].parent, files.values()))
    if detection.evaluation is not None:
        say(detection.evaluation.as_text())
    else:
        say(f"Threshold: {result.threshold.value:.4g} ({result.threshold.origin})")
        say(NOTICE)


def _window(arguments: argparse.Namespace) -> int:
    _require_window()
    from ..gui.contrib.workspace import open_window

    return open_window(arguments.files)


def _require_window() -> None:
    what = "The window cannot be opened"
    require("napari", what_for=what)
    if len(missing(*_QT)) == len(_QT):
        raise InputError(what, why=not_installed(_QT[0]), fix=f"Install it: {install_command('napari')}")


def _demo(arguments: argparse.Namespace) -> int:
    from ..io.folders import let_napari_write
    from ..workflows.scans.samples import sample, samples

    chosen = samples() if arguments.sample is None else (sample(arguments.sample),)
    from ..workflows.detect.demo import demo_methods, demo_sample

    if arguments.window or arguments.screenshot:
        _require_window()
        let_napari_write()
    if arguments.window:
        from ..gui.contrib.demo import open_demo

        return open_demo(chosen[0].id, methods=demo_methods(chosen[0]))
    for entry in chosen:
        say(f"\n{entry.title}")
        for method in demo_methods(entry):
            with progress_bar(arguments.quiet) as progress:
                out = arguments.out / entry.id
                detection, files = demo_sample(entry, out, method=method, overwrite=arguments.overwrite, progress=progress)
            _report(detection, files)
    if arguments.screenshot:
        from ..gui.contrib.demo import open_demo

        return open_demo(chosen[0].id, methods=demo_methods(chosen[0]), screenshot=arguments.out / "screenshot.png")
    return 0
