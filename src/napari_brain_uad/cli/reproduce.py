"""``brain-uad reproduce``: a paper's experiment on its public data, from the scans to a table beside its figures."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from ..core.provenance import NOTICE
from ..core.text import alike, readable, told_of
from .compare import method_list
from .interruption import interruption
from .options import add_seed, add_workers, assignments, workers_of
from .terminal import complain, progress_bar, say, written

if TYPE_CHECKING:
    from ..workflows.reproduce.paper import Paper
    from ..workflows.reproduce.plan import Experiment


def add_reproduce(commands: Any) -> None:
    """Add the command to the parser's list of commands."""
    parser = commands.add_parser(
        "reproduce",
        help="rerun a paper's experiment on its public data",
        description="Share out the scans, train a paper's methods, test them by its protocol, write a table beside its figures. Called "
        f"again, it goes on where it was ended. Without PAPER it lists the papers and the data that each needs. {NOTICE}",
        allow_abbrev=False,
    )
    parser.add_argument("paper", nargs="?", default="", metavar="PAPER", help="which paper")
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="NAME=FOLDER",
        help="where a data set lies, or the CSV file that lists it; repeatable",
    )
    parser.add_argument(
        "--file", action="append", default=[], metavar="NAME=FILE", help="weights that the paper's methods need; repeatable"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for lists, models, tests and the table")
    parser.add_argument(
        "--methods", nargs="+", default=[], metavar="A,B", help="these of the paper's methods alone; settings of theirs go over the paper's"
    )
    parser.add_argument("--tests", default="", metavar="A,B", help="these of the paper's tests alone")
    text = "small networks, few steps and people, no registration: shows in minutes that all of it runs, and reproduces nothing"
    parser.add_argument("--reduced", action="store_true", help=text)
    text = "look at the data, say the steps, their commands and what the trainings will take (a few steps of each are tried), and stop"
    parser.add_argument("--dry-run", action="store_true", help=text)
    parser.add_argument("--no-estimate", action="store_true", help="with --dry-run: try no steps")
    text = (
        "models of each method, on as many splits of the people that are learned from (default: as many as the paper has; with --reduced 1)"
    )
    parser.add_argument("--folds", type=int, metavar="N", help=text)
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps (default: auto)")
    add_seed(parser)
    add_workers(parser, at_a_time="scans at a time in tests")
    parser.add_argument("--overwrite", action="store_true", help="replace models and results that were made from other scans or settings")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(handler=_reproduce)


def _reproduce(arguments: argparse.Namespace) -> int:
    from ..workflows.reproduce.paper import paper, papers
    from ..workflows.reproduce.plan import Request, plan_of

    if not arguments.paper:
        for one in papers().values():
            _say_paper(one)
        return 0
    chosen = paper(arguments.paper)
    if arguments.out is None:
        raise InputError("Where to?", why="--out is missing", fix="Give a folder with --out DIR")
    request = Request(
        _files(arguments.data, "--data"),
        _files(arguments.file, "--file"),
        method_list(arguments.methods),
        [name.strip() for name in arguments.tests.split(",") if name.strip()],
        arguments.reduced,
        arguments.seed,
        arguments.folds,
    )
    experiment = plan_of(chosen, request, arguments.out)
    for line in experiment.lines(arguments.device):
        say(readable(line))
    return _foretell(arguments, experiment) if arguments.dry_run else _run(arguments, experiment)


def _say_paper(one: Paper) -> None:
    say(readable(f"{one.id}: {one.title}. {one.source}"))
    for data in one.data.values():
        count = "number not known" if data.subjects is None else f"{data.subjects:,} subjects"
        say(readable(f"  --data {data.name}=FOLDER  {count}; {data.where}"))
    for name, what in one.files.items():
        say(readable(f"  --file {name}=FILE  {what}"))
    say(readable(f"  tests: {', '.join(test.name for test in one.tests)}"))


def _files(given: list[str], option: str) -> dict[str, Path]:
    return {name: Path(value) for name, value in assignments(given, option=option, example="NAME=/data/place").items()}


def _foretell(arguments: argparse.Namespace, experiment: Experiment) -> int:
    from ..workflows.reproduce.foretell import estimates

    if not arguments.no_estimate:
        with progress_bar(arguments.quiet) as progress:
            for line in estimates(experiment, device=arguments.device, progress=progress):
                say(readable(line))
    for line in experiment.paper.differs:
        say(readable(f"Not as in the paper: {line}."))
    return 0


def _run(arguments: argparse.Namespace, experiment: Experiment) -> int:
    from ..workflows.reproduce.report import figures_of, report_lines, save_report
    from ..workflows.reproduce.run import reproduce

    def tell(line: str) -> None:
        interruption.after_training()  # or of any other step
        say(readable(line))

    how = {"device": arguments.device, "overwrite": arguments.overwrite}
    warned: dict[tuple[str, str], None] = {}
    with progress_bar(arguments.quiet) as progress:
        told: dict[str, Any] = {"tell": tell, "at_step": interruption.at_training_step, "progress": progress}
        told["on_warning"] = lambda name, text: warned.setdefault((name, f"warning: {text}"))
        failed = reproduce(experiment, jobs=workers_of(arguments), **how, **told)
        files = save_report(experiment, failed, **how)
    for line in alike(warned):  # each once: all methods and folds learn from the same scans
        complain(line)
    for name, error in failed.items():
        complain(told_of(name, error))
    for line in report_lines(experiment, figures_of(experiment), {}):
        say(readable(line))
    say(written(arguments.out, files.values()))
    return next((error.exit_code for error in failed.values()), 0)
