"""Options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.seed import LARGEST_SEED, check_seed
from ..core.sequence import SEQUENCES
from .terminal import say

_LONGEST_SEED = 40

DATA_SET = "Give the folder of a data set, or a CSV file"
"""What to do where a data set is missing."""


SEVERAL_METHOD = "tissue-ensemble"
"""Scores several sequences of one person where no method is named."""

SPEC_HELP = (
    "an id of `brain-uad methods`, alone or as METHOD@PRESET@NAME=VALUE:MODEL, like vae@tiny, vae@score=brighter, vae:my-model; in values "
    "%%, :, @ and the comma are written %%25, %%3A, %%40 and %%2C, in models the first and the last"
)
"""How a method is written; `workflows.models.method_spec` reads it."""


def add_method(
    parser: Any,
    *,
    positional: bool = False,
    model: bool = True,
    default: str | None = "threshold",
    said: str = "the one recommended for each sequence",
) -> None:
    """Which method, with what is chosen of it: in one word, or with options of their own.

    Parameters
    ----------
    parser : argparse.ArgumentParser or group
        What gets the options.
    positional : bool
        Whether the method is the command's first argument.
    model : bool
        Whether a trained model can be chosen.
    default : str or None
        The method when none is given; None for what `said` says.
    said : str
        Which method that is.
    """
    if positional:
        parser.add_argument("method", metavar="METHOD", help=SPEC_HELP)
    else:
        parser.add_argument("--method", default=default, metavar="METHOD", help=f"{SPEC_HELP} (default: {default or said})")
    parser.add_argument("--preset", default="", metavar="NAME", help="a preset of the method, like @NAME")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the method, like @NAME=VALUE (repeatable; `brain-uad methods --json` lists them)",
    )
    if model:
        text = "a trained model, like :MODEL: an id of `brain-uad models`, or a file (default: the one for the scan's sequence)"
        parser.add_argument("--model", metavar="MODEL", help=text)


def method_spec(arguments: argparse.Namespace) -> Any:
    """The `MethodSpec` that the options of `add_method` give."""
    from ..workflows.models.method_spec import MethodSpec

    model = getattr(arguments, "model", None)
    return MethodSpec.of(arguments.method, preset=arguments.preset, settings=assignments(arguments.set), model=model)


def asked_method(arguments: argparse.Namespace) -> Any:
    """The `MethodSpec` that was asked for; None for the recommended one.

    Raises
    ------
    InputError
        If what belongs to a method is given without one.
    """
    if arguments.method is not None:
        return method_spec(arguments)
    given = [option for option, value in (("--model", arguments.model), ("--preset", arguments.preset), ("--set", arguments.set)) if value]
    if given:
        raise InputError(f"{given[0]} without --method", why="it belongs to a method", fix="Give --method, too")
    return None


def recommended(sequences: Iterable[str | None]) -> str:
    """The method to take where none is given, as in the window; it is said, and why."""
    from ..workflows.models.recommend import recommend_for

    own = list(dict.fromkeys(sequences))
    method, why = recommend_for(own)
    scans = "scans of several sequences" if len(own) > 1 else own[0] if own and own[0] else "a scan of unknown sequence"
    say(f"Method: {method}, recommended for {scans}: {why}; --method takes another")
    return method


def add_sequence(parser: argparse.ArgumentParser) -> None:
    """What the scan is, where it cannot be read or is read wrong."""
    parser.add_argument(
        "--sequence", metavar="NAME", help=f"{', '.join(SEQUENCES)} (default: by the scan's BIDS name, tags, sidecar or words)"
    )


def add_age(parser: argparse.ArgumentParser) -> None:
    """How old the person scanned is."""
    parser.add_argument("--age", type=_age, metavar="YEARS", help="of the person scanned: the verdict compares with similar ages")


def _age(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of years; give it as in --age 44") from None


def add_seed(parser: argparse.ArgumentParser) -> None:
    """What fixes everything random; only numbers that every generator takes and every record holds."""
    parser.add_argument("--seed", type=_seed, default=0, metavar="N", help="fixes everything random (default: 0)")


def _seed(text: str) -> int:
    try:
        return check_seed(int(text) if len(text) <= _LONGEST_SEED and text.strip().isdecimal() else -1)
    except InputError:
        raise argparse.ArgumentTypeError(f"it is not a whole number from 0 to {LARGEST_SEED}") from None


def add_workers(parser: Any, *, at_a_time: str) -> None:
    """Where the work is done and how much of it at a time.

    Parameters
    ----------
    parser : argparse.ArgumentParser or group
        What gets the options.
    at_a_time : str
        What ``--jobs`` counts: "scans at a time".
    """
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help=f"{at_a_time}, each in its own process (default: 1)")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--scheduler", default="", metavar="ADDRESS", help="a Dask scheduler that runs, like tcp://host:8786, in place of --jobs"
    )
    text = "start the Dask cluster (SLURM, PBS, Kubernetes, ...) that a JSON file describes; see the page on cohorts"
    group.add_argument("--cluster", type=Path, metavar="FILE", help=text)
    parser.add_argument("--dashboard", action="store_true", help="say where Dask's dashboard is")


def workers_of(arguments: argparse.Namespace) -> Any:
    """The `Workers` that the options of `add_workers` give."""
    from ..workflows.execution.workers import Workers

    return Workers(arguments.jobs, arguments.scheduler, arguments.cluster, dashboard=arguments.dashboard)


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Whether results of another input or of another kind may be replaced."""
    text = "replace results of the same name of another input or command (those of the same input and command always are)"
    parser.add_argument("--overwrite", action="store_true", help=text)


def add_mni(parser: argparse.ArgumentParser) -> None:
    """Copies of the results in MNI space."""
    text = "write scan, map, mask and regions on the MNI152 template's grid, too, with the transform (registers scans that are not)"
    parser.add_argument("--mni", action="store_true", help=text)


def add_ro_crate(parser: Any) -> None:
    """The folder of results as a research object."""
    text = "describe the folder in ro-crate-metadata.json (RO-Crate 1.1): files with hashes, command, inputs, software, what to cite"
    parser.add_argument("--ro-crate", action="store_true", help=text)


def add_post_options(parser: argparse.ArgumentParser, *, threshold: bool = True) -> None:
    """One option a field of `PostParams`, from the field's own description.

    Parameters
    ----------
    threshold : bool
        Whether a threshold is applied.
    """
    from ..postprocessing.params import PostParams, post_option

    defaults = PostParams().as_dict()
    group = parser.add_argument_group("post-processing")
    for name, kind, info in PostParams.describe():
        if name == "threshold" and not threshold:
            continue
        unit = f", {info.unit}" if info.unit else ""
        text = f"{info.help}{unit} (default: {defaults[name]})".replace("%", "%%")
        if name == "threshold":
            group.add_argument(post_option(name), dest=f"post_{name}", metavar="RULE", help=text)
        elif kind is bool:
            group.add_argument(post_option(name), dest=f"post_{name}", action=argparse.BooleanOptionalAction, help=text)
        else:
            group.add_argument(post_option(name), dest=f"post_{name}", metavar=kind.__name__.upper(), help=text)


def post_params(arguments: argparse.Namespace) -> Any:
    """The `PostParams` that the options of `add_post_options` give."""
    from ..postprocessing.params import PostParams

    given = {name[5:]: str(value) for name, value in vars(arguments).items() if name.startswith("post_") and value is not None}
    return PostParams.from_strings(given)


def assignments(given: Sequence[str], *, option: str = "--set", example: str = "bins=128") -> dict[str, str]:
    """What an option like ``--set NAME=VALUE`` was given, by name."""
    pairs: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{option} {text}", why="it is not NAME=VALUE", fix=f"Write for example {option} {example}")
        if pairs.get(name, value) != value:
            raise InputError(f"{option} {text}", why=f"it is given as {pairs[name]}, too", fix="Give it once")
        pairs[name] = value
    return pairs


def add_out(parser: argparse.ArgumentParser, default: Path | None = None) -> None:
    """Where results go; the folder has to be named unless there is a default."""
    said = f" (default: {default})" if default else ""
    parser.add_argument("--out", type=Path, required=default is None, default=default, metavar="DIR", help=f"folder for the results{said}")
    add_overwrite(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
