"""``brain-uad train``: a method learns from healthy scans."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.checks import Finding
from ..core.errors import BrainUADError, InputError
from ..core.params import Params
from ..core.provenance import NOTICE
from ..core.text import readable, told_of
from ..io.streams import check_there
from .interruption import interruption
from .options import DATA_SET, add_method, add_seed, assignments, method_spec
from .terminal import complain, progress_bar, say, warn

if TYPE_CHECKING:
    from ..workflows.models.method_spec import MethodSpec
    from ..workflows.train.outcome import LastLosses
    from ..workflows.train.training_data import TrainingData

_VALIDATION = 0.1
"""Share of the subjects that is kept apart unless it is said."""


def add_train(commands: Any) -> None:
    """Add the command to the parser's list of commands."""
    parser = commands.add_parser(
        "train",
        help="train a method on healthy scans",
        description="Train a method on a folder, a data set or simulated subjects. Ctrl+C stops a network's training after the next step "
        f"and keeps a checkpoint; --resume goes on from it, with the same result. {NOTICE}",
        allow_abbrev=False,
    )
    add_method(parser, positional=True, model=False)
    parser.add_argument("data", type=Path, metavar="DATA", help="folder of healthy scans, a data set's folder or CSV file, or label maps")
    _add_data(parser.add_argument_group("data"))
    parser.add_argument(
        "--recipe",
        default="",
        metavar="ID",
        help="train as this model that comes with the package was trained; DATA is the folder of its label maps. --train changes it",
    )
    parser.add_argument("--healthy", type=Path, metavar="DIR", help="real healthy scans, for a recipe that names some")
    parser.add_argument(
        "--train",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the training, like steps=5000 (`brain-uad methods --json` lists them)",
    )
    add_seed(parser)
    parser.add_argument("--out", type=Path, metavar="NAME", help="the model: NAME.safetensors and NAME.json; the folder NAME has the log")
    parser.add_argument("--resume", action="store_true", help="go on with the training in the folder NAME")
    parser.add_argument("--overwrite", action="store_true", help="replace a model or a training of that NAME")
    parser.add_argument("--estimate", action="store_true", help="say how long it would take and how much memory, and stop")
    _add_devices(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.set_defaults(handler=_train)


def _add_data(group: Any) -> None:
    group.add_argument("--simulate", action="store_true", help="DATA is a folder of label maps to simulate subjects from")
    group.add_argument("--layout", default="", metavar="ID", help="the data set's layout, see `brain-uad datasets` (default: found)")
    group.add_argument("--sequence", default="", metavar="NAME", help="FLAIR, T1, T1c, T2 or PD; needed when there are several")
    group.add_argument("--count", type=int, default=0, metavar="N", help="how many subjects, or simulated subjects (default: all)")
    group.add_argument(
        "--anomalies",
        type=Path,
        metavar="DIR",
        help="scans with their truths, for a method that learns from known anomalies beside the healthy scans (bgad)",
    )
    group.add_argument("--validation", type=float, metavar="SHARE", help="subjects kept apart to watch (default: 0.1)")
    group.add_argument("--prepare", default="", metavar="PRESET", help="preparation of every scan (default: the method's, for whole heads)")


def _add_devices(parser: Any) -> None:
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument("--devices", type=int, default=1, metavar="N", help="how many of them on each machine (default: 1)")
    parser.add_argument("--nodes", type=int, default=1, metavar="N", help="how many machines, under SLURM or torchrun (default: 1)")


def _train(arguments: argparse.Namespace) -> int:
    check_there(arguments.data, arguments.anomalies, arguments.healthy, fix=DATA_SET)
    spec = method_spec(arguments)  # before what takes long to import
    # On a busy machine, threads that spin while they wait keep those they wait for from running. Torch reads this when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from ..detectors.registry import method_class
    from ..training.params import TrainingParams
    from ..workflows.train.outcome import LastLosses
    from ..workflows.train.train import is_first_process, train
    from ..workflows.train.training_data import describe

    kind = method_class(spec.method).Training or TrainingParams
    if arguments.recipe:
        return _by_recipe(arguments, spec, kind)
    if arguments.healthy is not None:
        raise InputError("--healthy", why="it names the real scans of a recipe", fix="Give --recipe too, or the folder as DATA")
    training = _settings(kind, arguments.train)
    data = _data(arguments)
    if arguments.estimate:
        return _estimate(arguments, spec, data, training)
    if arguments.out is None:
        raise InputError("Where to?", why="--out is missing", fix="Give the model a name with --out NAME")
    found_data = describe(data)
    if found_data.count:
        for line in found_data.problems:
            complain(f"note: {line}.")
    losses = LastLosses()
    with _told_at_end(arguments) as (failed, warned), progress_bar(arguments.quiet) as progress:
        train(
            spec,
            data,
            training=training,
            seed=arguments.seed,
            out=arguments.out,
            resume=arguments.resume,
            overwrite=arguments.overwrite,
            device=arguments.device,
            devices=arguments.devices,
            nodes=arguments.nodes,
            report=losses,
            at_step=interruption.at_training_step,
            on_failure=failed.__setitem__,
            on_warning=lambda name, finding: warned.append(replace(finding, message=f"{name}: {finding.message}")),
            progress=progress,
            anomalies=arguments.anomalies,
        )
    if is_first_process(arguments.devices * arguments.nodes):
        _say_end(spec.method, arguments.out, losses)
    return next(iter(failed.values())).exit_code if failed else 0


def _by_recipe(arguments: argparse.Namespace, spec: MethodSpec, kind: type[Params]) -> int:
    from ..workflows.train.outcome import LastLosses
    from ..workflows.train.recipe import recipe, train_recipe

    own = recipe(arguments.recipe)
    if own["method"] != spec.method:
        raise InputError(f"The recipe {arguments.recipe}", why=f"it is one of {own['method']}", fix=f"Write: train {own['method']}")
    given = ("simulate", "layout", "sequence", "count", "prepare", "seed", "estimate", "anomalies", "resume")
    others = [*(["settings"] if str(spec) != spec.method else []), *(f"--{name}" for name in given if getattr(arguments, name))]
    others += ["--validation"] if arguments.validation is not None else []
    others += [f"--{name}" for name in ("devices", "nodes") if getattr(arguments, name) != 1]
    if others or arguments.out is None:
        why = f"it says what is learned from, and how, and takes no {', '.join(others)}" if others else "--out is missing"
        raise InputError("--recipe", why=why, fix="Give --out NAME, and nothing else but --healthy, --train, --device and --overwrite")
    losses = LastLosses()
    with _told_at_end(arguments) as (failed, warned), progress_bar(arguments.quiet) as progress:
        train_recipe(
            own,
            arguments.data,
            arguments.out,
            healthy=arguments.healthy,
            changes=_settings(kind, arguments.train),
            overwrite=arguments.overwrite,
            device=arguments.device,
            report=losses,
            at_step=interruption.at_training_step,
            on_failure=failed.__setitem__,
            on_warning=lambda name, finding: warned.append(replace(finding, message=f"{name}: {finding.message}")),
            progress=progress,
        )
    _say_end(spec.method, arguments.out, losses)
    return next(iter(failed.values())).exit_code if failed else 0


def _say_end(method: str, out: Path, losses: LastLosses) -> None:
    """How the training ended, where the model is, and what to do with it."""
    from ..workflows.train.outcome import use_of

    file, command = use_of(method, out)
    for line in losses.lines():
        say(line)
    say(f"Model written to {readable(str(file))}")
    say(f"Use it: {command}")


@contextmanager
def _told_at_end(arguments: argparse.Namespace) -> Iterator[tuple[dict[str, BrainUADError], list[Finding]]]:
    """Names at the end the scans that were left out, also when too few remained, and what was seen of others."""
    from ..workflows.train.train import is_first_process

    failed: dict[str, BrainUADError] = {}
    warned: list[Finding] = []
    try:
        yield failed, warned
    finally:
        if is_first_process(arguments.devices * arguments.nodes):
            for name, error in failed.items():
                complain(f"left out {told_of(name, error)}")
            warn(warned)


def _settings(kind: type[Params], given: list[str]) -> dict[str, Any]:
    """The settings of the training that were given, with their types."""
    named = assignments(given, option="--train", example="steps=5000")
    typed = kind.from_strings(named).as_dict()
    return {name: typed[name] for name in named}


def _data(arguments: argparse.Namespace) -> TrainingData:
    from ..datasets.registry import layout
    from ..workflows.train.training_data import TrainingData

    if arguments.layout:
        layout(arguments.layout)
    source = "simulation" if arguments.simulate else "dataset" if arguments.layout else "folder"
    return TrainingData(
        source,
        str(arguments.data),
        dataset=arguments.layout,
        sequence=arguments.sequence,
        count=arguments.count,
        validation=_VALIDATION if arguments.validation is None else arguments.validation,
        seed=arguments.seed,
        preset=arguments.prepare,
    )


def _estimate(arguments: argparse.Namespace, spec: MethodSpec, data: TrainingData, training: dict[str, Any]) -> int:
    from ..workflows.train.train_estimate import estimate_training

    with progress_bar(arguments.quiet) as progress:
        found = estimate_training(spec, data, training=training, device=arguments.device, progress=progress, anomalies=arguments.anomalies)
    say(found.words)
    return 0
