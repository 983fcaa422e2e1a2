"""Pages of the documentation that are made from the code: methods and models from their cards, commands from their parser.

``docs/conf.py`` writes them before Sphinx looks for pages; they are not part of the repository.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from napari_brain_uad.cli.commands import build_parser
from napari_brain_uad.core.detector import MethodInfo
from napari_brain_uad.core.params import FieldInfo, Params, Value, value_text
from napari_brain_uad.detectors.base.detector import BaseDetector
from napari_brain_uad.detectors.registry import cards, method_class
from napari_brain_uad.workflows.models.model_card import card_lines
from napari_brain_uad.workflows.models.models import Model, shipped_models

_ROLES = {
    "inference": ("Settings of scoring", ""),
    "network": ("Settings of the network", " A trained model brings its own values."),
    "training": ("Settings of the training", " `brain-uad train` alone uses them."),
}
_COLUMNS = ("Setting", "Label", "Default", "Unit", "Range", "What it does")
_FIGURES = ("Data", "Metric", "Value", "Source")


def write_pages(folder: Path) -> None:
    """Write all pages, and remove those of methods that are no more. A page that would not change is left alone.

    Parameters
    ----------
    folder : Path
        Where they go; nothing else lies there.
    """
    made = dict(pages())
    for old in folder.rglob("*.md"):
        if old.relative_to(folder).as_posix() not in made:
            old.unlink()
    for name, text in made.items():
        file = folder / name
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")


def pages() -> Iterator[tuple[str, str]]:
    """Name and Markdown of every page."""
    known, models = tuple(cards()), shipped_models()
    yield "methods.md", _methods(known)
    for card in known:
        yield f"methods/{card.id}.md", _method(card, models)
    yield "models.md", _models(models)
    yield "command_line.md", _command_line()


# -- methods -----------------------------------------------------------------------------------------------------------------


def _methods(known: tuple[MethodInfo, ...]) -> str:
    rows = [
        (f"[{card.name}](methods/{card.id}.md)", f"`{card.id}`", card.family, _sequences(card.sequences), card.summary) for card in known
    ]
    contents = ["```{toctree}", ":hidden:", "", *(f"methods/{card.id}" for card in known), "```"]
    return _page("# Methods", _table(("Method", "Id", "Family", "Sequences", "What it does"), rows), "\n".join(contents))


def _method(card: MethodInfo, models: Iterable[Model]) -> str:
    found = method_class(card.id)
    own = [model for model in models if model.method in (card.id, *card.models_of)]
    parts = [f"# {card.name}", card.summary, _table(("Card", ""), _card_rows(card, own))]
    if card.measured:
        parts += ["## Measured", _figures([vars(one) for one in card.measured])]
    parts += _settings(found.Params)
    if found.Training is not None:
        parts += [
            "## Settings of the optimization",
            "Command line: `--train NAME=VALUE` of `brain-uad train`.",
            _table(_COLUMNS, _fields(found.Training)),
        ]
    presets = list(_presets(found))
    if len(presets) > 1 or card.presets:
        parts += ["## Presets", card.presets, _table(("Preset", "Weights", "`--set`", "`--train`"), presets)]
    return _page(*parts)


def _card_rows(card: MethodInfo, models: Iterable[Model]) -> Iterator[tuple[str, str]]:
    yield "Id", f"`{card.id}`"
    yield "Family", card.family
    yield "Paper", card.paper
    yield "Needs", card.needs
    yield "Sequences", _sequences(card.sequences)
    yield "Score", card.score_unit
    yield "Default threshold", f"`{card.default_threshold}`"
    yield "Preparation of whole heads", f"`{card.preset}`"
    yield "Training", "needed, or a model" if card.trainable else "none"
    if card.trainable:
        links = [f"[{model.id}](../models.md#{model.id.lower().replace('.', '')})" for model in models]
        yield "Models that come with the package", ", ".join(links) or "none"
    yield "Devices", ", ".join(card.devices)
    yield "Time, estimated", f"{card.seconds_per_megavoxel:g} s for a million voxels on one CPU core"
    yield "Memory, estimated", f"{card.bytes_per_voxel:g} bytes a voxel, on top of the scan"
    yield "Licence", card.licence


def _settings(kind: type[Params]) -> Iterator[str]:
    for role, (title, note) in _ROLES.items():
        rows = list(_fields(kind, role))
        if rows:
            yield from (f"## {title}", f"Command line: `--set NAME=VALUE`.{note}", _table(_COLUMNS, rows))


def _fields(kind: type[Params], role: str = "") -> Iterator[tuple[str, ...]]:
    defaults = kind().as_dict()
    for name, _, info in kind.describe():
        if role in ("", info.role):
            yield f"`{name}`", info.label, f"`{_value(defaults[name])}`", info.unit, _range(info), info.help


def _range(info: FieldInfo) -> str:
    if info.choices:
        return ", ".join(f"`{choice}`" for choice in info.choices)
    ends = [f"{word}{end:,.10g}" for word, end in (("from ", info.low), ("to ", info.high)) if end is not None]
    return " ".join(ends)


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else value_text(value)


def _presets(found: type[BaseDetector]) -> Iterator[tuple[str, ...]]:
    """A row for the defaults and one for each preset: its name, the size of its networks, and what differs from the defaults."""
    yield "default", _size(found()), "", ""
    training = {} if found.Training is None else found.Training.PRESETS
    for name in dict.fromkeys((*found.Params.PRESETS, *training)):
        size = _size(found(found.Params.preset(name))) if name in found.Params.PRESETS else ""
        yield f"`{name}`", size, _assigned(found.Params.PRESETS.get(name, {})), _assigned(training.get(name, {}))


def _size(detector: BaseDetector) -> str:
    count = detector.parameter_count()
    return f"{count:,}" if count else ""


def _assigned(values: Mapping[str, Value]) -> str:
    return ", ".join(f"`{name}={_value(value)}`" for name, value in values.items())


# -- models ------------------------------------------------------------------------------------------------------------------


def _models(models: tuple[Model, ...]) -> str:
    parts = ["# Models that come with the package", "`brain-uad models` lists these and your own."]
    for model in models:
        rows = [("Method", f"[`{model.method}`](methods/{model.method}.md)"), ("Title", model.title)]
        rows += [(name, text) for name, text in card_lines(model.card) if name != "Measured"]
        rows += [("SHA-256", f"`{model.sha256}`")]
        parts += [f"## {model.id}", _table(("Card", ""), rows), _figures(model.card.get("measured", ()))]
    return _page(*parts)


def _figures(measured: Iterable[Mapping[str, Any]]) -> str:
    return _table(_FIGURES, [(one["data"], one["metric"], f"{one['value']:.3g}", one["source"]) for one in measured])


# -- command line ------------------------------------------------------------------------------------------------------------


def _command_line() -> str:
    parser = build_parser()
    return _page("# Command line", parser.description or "", parser.epilog or "", *_commands(parser, "##"))


def _commands(parser: argparse.ArgumentParser, level: str) -> Iterator[str]:
    """A section for each command of a parser, and below it for each of its own."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                command.formatter_class = partial(argparse.HelpFormatter, width=100)
                yield f"{level} {command.prog}\n\n```text\n{command.format_help().strip()}\n```"
                yield from _commands(command, level + "#")


# -- Markdown ----------------------------------------------------------------------------------------------------------------


def _page(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table without columns that are empty in every row; no table without rows."""
    given = list(rows)
    kept = [column for column, head in enumerate(heads) if not head or any(row[column] for row in given)]
    lines = [[heads[column] for column in kept], ["---"] * len(kept), *([_cell(row[column]) for column in kept] for row in given)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) if given else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def _sequences(names: Iterable[str]) -> str:
    return ", ".join(names) or "any"
