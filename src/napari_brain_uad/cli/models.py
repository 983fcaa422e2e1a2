"""``brain-uad models``: the trained models there are."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.params import value_text
from ..core.text import readable
from .terminal import complain, say, say_json, written


def add_models(commands: Any) -> None:
    """Add the command to the parser's list of commands."""
    parser = commands.add_parser(
        "models",
        help="list, show, import, export and remove trained models",
        description="Trained models: those that come with the package and your own. A model is NAME.safetensors with NAME.json beside it; "
        "pickled models are never read.",
        allow_abbrev=False,
    )
    parser.set_defaults(handler=_list, json=False, method=None)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    listing = actions.add_parser("list", help="list all models (the default)", allow_abbrev=False)
    listing.add_argument("--method", metavar="ID", help="of one method only")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(handler=_list)
    show = actions.add_parser("show", help="show a model's card, settings and SHA-256, after checking its files", allow_abbrev=False)
    show.add_argument("model", metavar="ID", help="a model's id, or its file")
    show.set_defaults(handler=_show)
    taking = actions.add_parser("import", help="check a model file and add it to your models", allow_abbrev=False)
    taking.add_argument("file", type=Path, metavar="FILE", help="the .safetensors file, with its .json beside it")
    taking.add_argument("--name", default="", metavar="ID", help="what to call it (default: the file's name)")
    taking.set_defaults(handler=_import)
    giving = actions.add_parser("export", help="copy a model's files into a folder", allow_abbrev=False)
    giving.add_argument("model", metavar="ID", help="a model's id")
    giving.add_argument("folder", type=Path, nargs="?", metavar="DIR", help="the folder, as --out DIR; made when missing")
    giving.add_argument("--out", type=Path, metavar="DIR", help="the folder; made when missing")
    giving.set_defaults(handler=_export)
    remove = actions.add_parser("remove", help="delete one of your models", allow_abbrev=False)
    remove.add_argument("model", metavar="ID", help="a model's id")
    remove.set_defaults(handler=_remove)


def _list(arguments: argparse.Namespace) -> int:
    from ..workflows.models.models import list_models, model_problems

    models = list_models(arguments.method)
    for problem in model_problems():
        complain(f"not listed: {problem}")
    if arguments.json:
        say_json([_record(model) for model in models])
        return 0
    for model in models:
        origin = "shipped" if model.shipped else "yours"
        sequences = readable(", ".join(model.sequences)) or "any sequence"
        say(f"{model.id:28} {model.method:12} {sequences:16} {origin:8} {readable(model.title)}")
    if not models:
        say("No models. Train one (brain-uad train) or import one (brain-uad models import FILE).")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from ..io.checkpoint import load_checkpoint
    from ..workflows.models.model_card import card_lines, figure_lines
    from ..workflows.models.models import find_model
    from ..workflows.models.reference_titles import reference_titles

    model = find_model(arguments.model)
    parameters = sum(array.size for array in load_checkpoint(model.path).state.values())
    settings = ", ".join(f"{name}={value_text(value)}" for name, value in model.params.items())
    rows = [
        ("Method", model.method),
        *card_lines(model.card),
        *((f"Healthy {sequence}", title) for sequence, title in reference_titles(model.id, model.method, model.sha256).items()),
        ("Settings", settings or "none"),
        ("Numbers", f"{parameters:,}"),
        ("SHA-256", model.sha256),
        ("File", str(model.path)),
    ]
    say(f"{readable(model.id)}: {readable(model.title)}")
    figures = [(readable(data), readable(text)) for data, text in figure_lines(model.card)]
    wide = max((len(data) for data, _ in figures), default=0)
    for name, text in rows:
        say(f"  {name:10} {readable(text)}")
        if name == "Measured":
            for data, figure in figures:
                say(f"    {data:{wide}}  {figure}")
    return 0


def _import(arguments: argparse.Namespace) -> int:
    from ..workflows.models.transfer import import_model

    model = import_model(arguments.file, name=arguments.name)
    say(f"Imported {model.id} ({model.method}), SHA-256 {model.sha256}")
    return 0


def _export(arguments: argparse.Namespace) -> int:
    from ..workflows.models.models import find_model
    from ..workflows.models.transfer import export_model

    folder = _one_folder(arguments.folder, arguments.out)
    model = find_model(arguments.model)
    files = export_model(model, folder)
    say(f"{written(folder, files)}. SHA-256 {model.sha256}")
    return 0


def _one_folder(positional: Path | None, option: Path | None) -> Path:
    """Where to: --out, as of every command, or the second word."""
    if positional is not None and option is not None and positional != option:
        raise InputError("Where to?", why=f"both {positional} and --out {option} are given", fix="Give --out alone")
    folder = option or positional
    if folder is None:
        raise InputError("Where to?", why="--out is missing", fix="Name the folder with --out DIR")
    return folder


def _remove(arguments: argparse.Namespace) -> int:
    from ..workflows.models.models import find_model
    from ..workflows.models.transfer import remove_model

    model = find_model(arguments.model)
    remove_model(model)
    say(f"Removed {model.id}")
    return 0


def _record(model: Any) -> dict[str, Any]:
    named = ("id", "method", "title", "sequences", "shipped", "params", "sha256", "card")
    return {**{name: getattr(model, name) for name in named}, "file": str(model.path)}
