"""Every command and its options. What a command needs is imported when it is known, so that help comes at once."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from ..core.errors import BrainUADError, Cancelled, InputError
from ..core.isolation import isolated
from ..core.memory import check_start
from ..core.optional import install_command, missing, not_installed, require
from ..core.params import INTS
from ..core.provenance import NOTICE, package_version
from ..core.text import told_of
from .batch import add_batch
from .bids import add_bids
from .calibrate import add_calibrate
from .compare import add_compare
from .datasets import add_datasets
from .detect import add_detect, report
from .evaluate import add_evaluate
from .interruption import interruption
from .models import add_models
from .options import add_out
from .prepare import add_prepare
from .reproduce import add_reproduce
from .simulate import add_simulate
from .stress import add_stress
from .terminal import Parser, complain, notices, progress_bar, refuse_empty, say, say_json, set_up_streams
from .train import add_train

_QT = ("PyQt6", "PySide6", "PyQt5", "PySide2")
"""Any of them will do."""

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
    scans = (add_detect, add_batch, add_bids, add_prepare, add_compare, add_evaluate, add_stress)
    for add in (
        _add_methods,
        *scans,
        add_train,
        add_reproduce,
        add_calibrate,
        add_models,
        add_datasets,
        add_simulate,
        _add_demo,
        _add_window,
    ):
        add(commands)
    for one in commands.choices.values():
        one.add_argument("--debug", action="store_true", help="with an internal error, show its traceback too")
    return parser


def _add_methods(commands: Any) -> None:
    parser = commands.add_parser("methods", help="list the methods with their cards", allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="print the cards and all settings as JSON")
    parser.set_defaults(handler=_methods)


def _add_demo(commands: Any) -> None:
    parser = commands.add_parser("demo", help="detect anomalies in the sample scans", allow_abbrev=False)
    parser.add_argument("--sample", metavar="ID", help="one sample only (default: all)")
    parser.add_argument("--window", action="store_true", help="open napari on a sample, with its anomalies detected")
    parser.add_argument("--screenshot", action="store_true", help="open the window only to take a picture of it (works under Xvfb)")
    add_out(parser, default=Path("out"))
    parser.set_defaults(handler=_demo)


def _add_window(commands: Any) -> None:
    parser = commands.add_parser("window", help="open napari with all docks, and scans if you like", allow_abbrev=False)
    parser.add_argument("files", type=Path, nargs="*", metavar="SCAN", help="scans, masks or anomaly maps, DICOM folders, or sessions")
    parser.set_defaults(handler=_window)


def _methods(arguments: argparse.Namespace) -> int:
    from ..detectors.registry import broken_methods, cards, method_class
    from ..workflows.models.models import list_models

    if arguments.json:
        say_json([_method_record(method_class(card.id)) for card in cards()])
        return 0
    for method, error in broken_methods().items():
        complain(told_of(method, error))
    models = list_models()
    for card in cards():
        say(f"{card.id:12} {card.name} [{card.family}]")
        say(f"{'':12} {card.summary}")
        model = "A model is there, see `brain-uad models`." if list_models(card.id, models) else "Training or a model needed."
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
            report(detection, files)
    if arguments.screenshot:
        from ..gui.contrib.demo import open_demo

        return open_demo(chosen[0].id, methods=demo_methods(chosen[0]), screenshot=arguments.out / "screenshot.png")
    return 0
