"""Options that several commands share."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from ..core.errors import InputError
from ..core.seed import LARGEST_SEED, check_seed
from ..core.sequence import SEQUENCES

_LONGEST_SEED = 40

DATA_SET = "Give the folder of a data set, or a CSV file"
"""What to do where a data set is missing."""


def add_sequence(parser: argparse.ArgumentParser) -> None:
    """What the scan is, where it cannot be read or is read wrong."""
    parser.add_argument(
        "--sequence", metavar="NAME", help=f"{', '.join(SEQUENCES)} (default: by the scan's BIDS name, tags, sidecar or words)"
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    """What fixes everything random; only numbers that every generator takes and every record holds."""
    parser.add_argument("--seed", type=_seed, default=0, metavar="N", help="fixes everything random (default: 0)")


def _seed(text: str) -> int:
    try:
        return check_seed(int(text) if len(text) <= _LONGEST_SEED and text.strip().isdecimal() else -1)
    except InputError:
        raise argparse.ArgumentTypeError(f"it is not a whole number from 0 to {LARGEST_SEED}") from None


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Whether results of another input or of another kind may be replaced."""
    text = "replace results of the same name of another input or command (those of the same input and command always are)"
    parser.add_argument("--overwrite", action="store_true", help=text)


def add_post_options(parser: argparse.ArgumentParser) -> None:
    """One option a field of `PostParams`, from the field's own description."""
    from ..postprocessing.params import PostParams, post_option

    defaults = PostParams().as_dict()
    group = parser.add_argument_group("post-processing")
    for name, kind, info in PostParams.describe():
        if name == "threshold":
            continue
        unit = f", {info.unit}" if info.unit else ""
        text = f"{info.help}{unit} (default: {defaults[name]})".replace("%", "%%")
        if kind is bool:
            group.add_argument(post_option(name), dest=f"post_{name}", action=argparse.BooleanOptionalAction, help=text)
        else:
            group.add_argument(post_option(name), dest=f"post_{name}", metavar=kind.__name__.upper(), help=text)


def post_params(arguments: argparse.Namespace, threshold: str) -> Any:
    """The `PostParams` that the options of `add_post_options` give."""
    from ..postprocessing.params import PostParams

    given = {name[5:]: str(value) for name, value in vars(arguments).items() if name.startswith("post_") and value is not None}
    return PostParams.from_strings({"threshold": threshold, **given})


def assignments(given: Sequence[str], *, option: str = "--set", example: str = "bins=128") -> dict[str, str]:
    """What an option like ``--set NAME=VALUE`` was given, by name."""
    pairs = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{option} {text}", why="it is not NAME=VALUE", fix=f"Write for example {option} {example}")
        pairs[name] = value
    return pairs
