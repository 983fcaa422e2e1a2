"""Trained models: those that come with the package and the user's own; listed, found, named.

A model is a checkpoint (``ID.safetensors`` with ``ID.json``, see `io.checkpoint`), maybe with ``ID.card.json`` beside it, which says
in words what it is and how well it did. Nothing in any of the three can run code.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from ...calibration.names import is_reference, reference_files
from ...core.errors import BrainUADError, InputError, ModelError
from ...core.kept import Kept
from ...core.text import choose_from
from ...detectors.registry import method_class, method_ids
from ...io.checkpoint import CheckpointRecord, checkpoint_files, read_record
from ...io.folders import data_home
from ...io.streams import is_file
from .earlier import as_now
from .model_card import CARD_SUFFIX, card_of

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_LONGEST_ID = 80
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever follows the dot."""

_SUFFIXES = (".safetensors", ".json")

_RECORDS: Kept[tuple[CheckpointRecord, dict[str, Any]]] = Kept(most=1000)


@dataclass(frozen=True)
class Model:
    """One trained model, as lists show it; its arrays are read and checked when it is used.

    Parameters
    ----------
    id, method : str
        What users type, the name of its files; the method it belongs to.
    title : str
        For the user.
    sequences : tuple of str
        MRI sequences it was trained for; empty = any.
    path : Path
        Its ``.safetensors`` file.
    shipped : bool
        Whether it came with the package.
    card : dict
        What `workflows.models.model_card.card_of` gives: plain JSON data of known types.
    params : dict
        The method's settings it was trained with.
    sha256 : str
        Of the ``.safetensors`` file, as its sealed JSON says.
    """

    id: str
    method: str
    title: str
    sequences: tuple[str, ...]
    path: Path
    shipped: bool
    card: dict[str, Any]
    params: dict[str, Any]
    sha256: str


def shipped_dir() -> Path:
    """The folder of the models that come with the package; it may be missing."""
    return Path(__file__).resolve().parents[2] / "weights"


def user_dir() -> Path:
    """The folder of the user's own models: ``BRAIN_UAD_MODELS`` if set, else in the system's folder for data. It may be missing."""
    told = os.environ.get("BRAIN_UAD_MODELS")
    # Where the system names no folder: one below a file, which is never there and cannot be made.
    return Path(told) if told else (data_home() or Path(os.devnull)) / "models"


def shipped_models() -> tuple[Model, ...]:
    """The models that come with the package, by id."""
    return tuple(model for model in _read_all(shipped_dir(), shipped=True) if isinstance(model, Model))


def user_models() -> tuple[Model, ...]:
    """The user's own models, by id; `model_problems` names the files that are none."""
    return tuple(model for model in _read_all(user_dir(), shipped=False) if isinstance(model, Model))


def model_problems() -> tuple[BrainUADError, ...]:
    """Why files in the two folders are not listed."""
    found = (*_read_all(shipped_dir(), shipped=True), *_read_all(user_dir(), shipped=False))
    return tuple(one for one in found if isinstance(one, BrainUADError))


def list_models(method: str | None = None, among: Iterable[Model] | None = None) -> tuple[Model, ...]:
    """All models, or those that one method can use; the shipped ones first, another method's models last.

    Parameters
    ----------
    method : str, optional
        Only what it can use.
    among : iterable of Model, optional
        What an earlier call gave, for who asks for many methods: the folders are not looked at again.
    """
    models = (*shipped_models(), *user_models()) if among is None else tuple(among)
    if method is None:
        return models
    usable = (method, *method_class(method).INFO.models_of)
    return tuple(sorted((model for model in models if model.method in usable), key=lambda model: usable.index(model.method)))


def find_model(given: str | Path) -> Model:
    """A model by its id, or by the path of its file.

    Raises
    ------
    ModelError
        If there is none, with the closest ids; or if its files cannot be used, with what is wrong with them.
    """
    path = Path(given)
    if isinstance(given, str) and _is_id(given):
        known = {model.id: model for model in reversed(list_models())}
        if given in known:
            return known[given]
        there = [one for one in (user_dir() / given, path) if any(map(is_file, checkpoint_files(one)))]
        if not there:
            hint = choose_from(given, sorted(known), "Models", "`brain-uad models` lists all")
            raise ModelError(
                f"There is no model '{given}'", fix=hint if known else "Train one, or import one (brain-uad models import FILE)"
            )
        path = there[0]
    check_suffix(path)
    files = checkpoint_files(path)
    if not any(map(is_file, files)):
        why = f"there is neither {' nor '.join(str(one) for one in files)}"
        raise ModelError(
            f"There is no model {path.name}", why=why, fix="Name a file that brain-uad train wrote, or an id (brain-uad models)"
        )
    return read_model(files[0], shipped=False)


def default_model(method: str, sequence: str | None, among: Iterable[Model] | None = None) -> Model | None:
    """The model a run takes when none is asked for: made for the sequence, else for any; the shipped ones first, for few sequences first.

    Of an unknown sequence: made for any, else for the most.

    Parameters
    ----------
    sequence : str or None
        Of the scan; None where it is unknown.
    among : iterable of Model, optional
        As for `list_models`.
    """
    models = list_models(method, among)
    usable = (method, *method_class(method).INFO.models_of)
    made = [model for model in models if sequence in model.sequences]
    fitting = made or [model for model in models if not model.sequences]
    candidates = fitting if sequence is not None or fitting else models
    wide = -1 if sequence is None else 1
    return min(candidates, key=lambda one: (usable.index(one.method), not one.shipped, wide * len(one.sequences)), default=None)


def no_model(method: str, sequence: str | None, among: Iterable[Model] | None = None) -> ModelError:
    """The error for a trainable method without a model that fits; `among` as for `list_models`."""
    name, models = method_class(method).INFO.name, list_models(method, among)
    if models:
        told = "; ".join(f"{model.id} ({', '.join(model.sequences)})" for model in models)
        return ModelError(f"{name} has no model for {sequence}", why=f"there are {told}", fix="Choose one of them by hand, or train one")
    return ModelError(
        f"{name} needs a trained model",
        why="it learns from healthy scans, and there is no model of it yet",
        fix=f"Train one (the Train dock, or brain-uad train {method}) or import a file (the Models dock, or brain-uad models import)",
    )


def settings_for(method: str, trained_as: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a model for a method that uses it; of another method's model only the network's: how to score is its own."""
    networks = {name for name, _, info in method_class(method).Params.describe() if info.role == "network"}
    return {name: value for name, value in params.items() if method == trained_as or name in networks}


def name_of(model: str | Path) -> str:
    """How a command line names a model: by its id where it is listed, else by its file."""
    path = Path(model)
    if path.parent in (shipped_dir(), user_dir()):
        return checkpoint_files(path)[0].name.removesuffix(".safetensors")
    return str(model)


def name_of_record(record: Mapping[str, Any] | None) -> str | None:
    """How a command line names the model of a map's provenance; MODEL when it is none of those that are listed."""
    if record is None:
        return None
    listed = any(model.id == record.get("name") and model.sha256 == record.get("sha256") for model in list_models())
    return str(record["name"]) if listed else "MODEL"


def check_id(name: str, *, taken: bool = False) -> None:
    """Raise `InputError` unless `name` can be a model's id, and with `taken` also when there is one of that name already."""
    if not _is_id(name):
        raise InputError(
            f"'{name[:_LONGEST_ID]}' cannot be the name of a model",
            why=f"a name has letters, digits, '-', '_' and single dots between them, at most {_LONGEST_ID}",
            fix="Give it another name",
        )
    if taken and name.lower() in _names_in_use():
        raise InputError(f"There is already a model or a training '{name}'", fix="Give the new one another name, or remove the other first")


def free_id(stem: str) -> str:
    """`stem`, or with the lowest number behind it that is not in use."""
    used = _names_in_use()
    numbered = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    return next(name for name in numbered if name.lower() not in used)


def _names_in_use() -> set[str]:
    """Ids of all models, and names of the folders of trainings beside them."""
    return {model.id.lower() for model in list_models()} | {folder.name.lower() for folder in training_folders()}


def training_folders() -> tuple[Path, ...]:
    """The folders in that of the user's own models: each is a training's. None where it is missing or may not be read."""
    with suppress(OSError):
        return tuple(path for path in user_dir().iterdir() if path.is_dir())
    return ()


def _read_all(folder: Path, *, shipped: bool) -> Iterator[Model | BrainUADError]:
    try:
        files = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    except OSError as error:
        yield InputError(f"The models in {folder} cannot be listed", why=error.strerror or str(error), fix="Check your right to read it")
        return
    for file in files:
        if file.name.startswith(".") or is_reference(file):
            continue
        try:
            yield read_model(file, shipped=shipped)
        except BrainUADError as error:
            yield error


def read_model(tensors: Path, *, shipped: bool) -> Model:
    """The model of a ``.safetensors`` file, from its JSON and its card; kept until one of its files changes.

    Raises
    ------
    ModelError
        If its JSON or card is missing, damaged or changed, or its method is unknown.
    """
    record, card = _RECORDS.get(tensors, (*checkpoint_files(tensors), card_file(tensors)), lambda: _record_and_card(tensors))
    if record.method not in method_ids():
        raise ModelError(
            tensors.name, why=f"it is a model of '{record.method[:40]}', which this version does not have", fix="Update the package"
        )
    stem = tensors.name.removesuffix(".safetensors")
    title = card.get("title") or f"{method_class(record.method).INFO.name}: {stem}"
    sequences = tuple(card.get("sequences", ()))
    return Model(stem, record.method, title, sequences, tensors, shipped, dict(card), dict(record.params), record.sha256)


def _record_and_card(tensors: Path) -> tuple[CheckpointRecord, dict[str, Any]]:
    record = as_now(read_record(tensors))
    return record, card_of(record, card_file(tensors))


def files_beside(tensors: Path) -> tuple[Path, ...]:
    """Its card and its healthy references, whether they are there or not."""
    return card_file(tensors), *reference_files(tensors.parent, tensors.name.removesuffix(".safetensors"))


def card_file(tensors: Path) -> Path:
    """Where the card of a model lies, whether it is there or not."""
    return tensors.with_name(tensors.name.removesuffix(".safetensors") + CARD_SUFFIX)


def check_suffix(path: Path) -> None:
    """Raise `ModelError` for an existing file of another format."""
    if path.suffix not in _SUFFIXES and is_file(path):
        raise ModelError(
            path.name,
            why="it is not a safetensors file (pickled and zipped models, .pt or .pkl, are not read: they can run code)",
            fix="Choose a model's .safetensors file, with its .json beside it",
        )


def _is_id(text: str) -> bool:
    return len(text) <= _LONGEST_ID and bool(_ID.fullmatch(text)) and not text.endswith(_SUFFIXES) and not _RESERVED.fullmatch(text)
