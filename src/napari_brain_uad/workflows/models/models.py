"""Trained models: those that come with the package and the user's own; listed, found, imported, exported, removed.

A model is a checkpoint (``ID.safetensors`` with ``ID.json``, see `io.checkpoint`), maybe with ``ID.card.json`` beside it, which says
in words what it is and how well it did. Nothing in any of the three can run code.
"""

from __future__ import annotations

import difflib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from ...calibration.names import is_reference, reference_files
from ...core.errors import BrainUADError, InputError, ModelError
from ...detectors.registry import create, method_class, method_ids
from ...io.atomic import atomic_path, not_written
from ...io.checkpoint import Checkpoint, checkpoint_files, load_checkpoint, read_record
from ...io.folders import data_home
from ...io.streams import is_file
from .earlier import as_now
from .model_card import CARD_SUFFIX, card_of

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*")
_LONGEST_ID = 80
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows keeps for devices, whatever follows the dot."""

_SUFFIXES = (".safetensors", ".json")


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


def list_models(method: str | None = None) -> tuple[Model, ...]:
    """All models, or those that one method can use; the shipped ones first, another method's models last."""
    models = (*shipped_models(), *user_models())
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
        path = next((one for one in (user_dir() / given, path) if any(map(is_file, checkpoint_files(one)))), Path())
        if path == Path():
            close = difflib.get_close_matches(given, known, n=3, cutoff=0.4) or sorted(known)[:8]
            hint = f"Models: {', '.join(close)}" if close else "Train one, or import one (brain-uad models import FILE)"
            raise ModelError(f"There is no model '{given}'", fix=hint)
    _check_suffix(path)
    return _model(checkpoint_files(path)[0], shipped=False)


def default_model(method: str, sequence: str | None) -> Model | None:
    """The model a run takes when none is asked for: made for the sequence, else for any; the shipped ones first.

    Parameters
    ----------
    sequence : str or None
        Of the scan. When it is unknown, models made for any sequence go before those made for one.
    """
    models = list_models(method)
    fitting = [model for model in models if sequence in model.sequences] + [model for model in models if not model.sequences]
    candidates = fitting if sequence is not None or fitting else list(models)
    return candidates[0] if candidates else None


def no_model(method: str, sequence: str | None) -> ModelError:
    """The error for a trainable method without a model that fits."""
    name, models = method_class(method).INFO.name, list_models(method)
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


def import_model(path: str | Path, *, name: str = "") -> Model:
    """Copy a model (with its card, where there is one) into the user's folder, after checking everything about it.

    Parameters
    ----------
    path : str or Path
        Its ``.safetensors`` or ``.json`` file; both have to lie in one folder.
    name : str
        The id it gets; the name of its files when empty.

    Returns
    -------
    Model
        As listed from now on. Importing the same model again changes nothing.

    Raises
    ------
    ModelError
        If it is damaged, of another format (pickle, zip, ...), or does not fit its method.
    InputError
        If the name cannot be an id or is taken, or the folder cannot be written.
    """
    source = Path(path)
    _check_suffix(source)
    tensors, sidecar = checkpoint_files(source)
    stem = name or tensors.name.removesuffix(".safetensors")
    check_id(stem)
    read_record(source)
    folder = _made(user_dir())
    # Checked where nobody else changes it any more: what is listed is what was checked.
    with _incoming(folder, stem) as staging:
        staged = staging / tensors.name
        for file in filter(is_file, (tensors, sidecar, *_beside(tensors))):
            _copy(file, staging / file.name)
        checkpoint = _checked(staged)
        _model(staged, shipped=False)
        taken = next((model for model in list_models() if model.id.lower() == stem.lower()), None)
        if taken is not None:
            if (taken.sha256, taken.method) == (checkpoint.sha256, checkpoint.method):
                return taken
            raise InputError(f"There is already a model '{taken.id}'", fix="Remove it first, or give the new one another name")
        return _put_in_place(staged, folder / f"{stem}.safetensors")


def export_model(model: Model, folder: str | Path) -> list[Path]:
    """Copy a model's files into a folder, after checking that they are whole.

    Raises
    ------
    ModelError
        If the model is damaged.
    InputError
        If the folder cannot be written, or holds other files of these names.
    """
    load_checkpoint(model.path)
    target = _made(Path(folder))
    files = [file for file in (*checkpoint_files(model.path), *_beside(model.path)) if is_file(file)]
    for file in files:
        there = target / file.name
        if there.exists() and not (is_file(there) and there.read_bytes() == file.read_bytes()):
            raise InputError(f"{target.name} holds another {file.name}", fix="Choose another folder, or move that file away")
    for file in files:
        _copy(file, target / file.name)
    return [target / file.name for file in files]


def remove_model(model: Model) -> None:
    """Delete one of the user's own models.

    Raises
    ------
    InputError
        If it came with the package, does not lie in the user's folder, or cannot be deleted.
    """
    if model.shipped:
        raise InputError(f"{model.id} cannot be removed", why="it came with the package", fix="Remove only models of your own")
    if model.path.parent != user_dir():
        raise InputError(f"{model.id} cannot be removed", why="it does not lie in the folder of models", fix="Delete its files yourself")
    tensors, sidecar = checkpoint_files(model.path)
    try:
        # The JSON is what makes it a model: without it nothing is listed, whatever happens next.
        for file in (sidecar, tensors, *_beside(tensors)):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{model.id} cannot be removed", why=error.strerror or str(error), fix=f"Check {user_dir()}") from error


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
            yield _model(file, shipped=shipped)
        except BrainUADError as error:
            yield error


def _model(tensors: Path, *, shipped: bool) -> Model:
    record = as_now(read_record(tensors))
    if record.method not in method_ids():
        raise ModelError(
            tensors.name, why=f"it is a model of '{record.method[:40]}', which this version does not have", fix="Update the package"
        )
    stem = tensors.name.removesuffix(".safetensors")
    card = card_of(record, _card_file(tensors))
    title = card.get("title") or f"{method_class(record.method).INFO.name}: {stem}"
    return Model(stem, record.method, title, tuple(card.get("sequences", ())), tensors, shipped, card, record.params, record.sha256)


def _checked(tensors: Path) -> Checkpoint:
    """Load a checkpoint into its method, which is the whole check."""
    checkpoint = as_now(load_checkpoint(tensors))
    found = method_class(checkpoint.method)
    if not found.INFO.trainable or not checkpoint.state:
        raise ModelError(tensors.name, why=f"there is nothing in it that {checkpoint.method} could use", fix="Choose a trained model")
    try:
        detector = create(checkpoint.method, found.Params.from_dict(checkpoint.params))
    except InputError as error:
        raise ModelError(tensors.name, why=f"its settings do not fit {checkpoint.method}: {error}", fix="Train the model again") from error
    detector.load_state(checkpoint.state)
    return checkpoint


def _put_in_place(staged: Path, target: Path) -> Model:
    """Move a checked model to its place; the JSON last, because it is what makes it a model."""
    pairs = zip((*checkpoint_files(staged), *_beside(staged)), (*checkpoint_files(target), *_beside(target)), strict=True)
    tensors, sidecar, *others = pairs
    for source, goal in (tensors, *others, sidecar):
        if is_file(source):
            source.replace(goal)
    return _model(target, shipped=False)


@contextmanager
def _incoming(folder: Path, stem: str) -> Iterator[Path]:
    """A hidden folder inside `folder`, removed at the end."""
    try:
        made = tempfile.TemporaryDirectory(prefix=".incoming-", dir=folder)
    except OSError as error:
        raise not_written(folder / stem, error) from error
    with made as name:
        yield Path(name)


def _copy(source: Path, target: Path) -> None:
    try:
        with source.open("rb") as content, atomic_path(target) as temporary, temporary.open("wb") as copied:
            shutil.copyfileobj(content, copied, 1 << 20)
    except OSError as error:
        raise InputError(
            f"{source.name} cannot be read", why=error.strerror or str(error), fix="Check the file and your right to it"
        ) from error


def _beside(tensors: Path) -> tuple[Path, ...]:
    return _card_file(tensors), *reference_files(tensors.parent, tensors.name.removesuffix(".safetensors"))


def _card_file(tensors: Path) -> Path:
    return tensors.with_name(tensors.name.removesuffix(".safetensors") + CARD_SUFFIX)


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fix = "Set BRAIN_UAD_MODELS to a folder you may write to" if folder == user_dir() else "Choose another folder"
        raise InputError(f"Folder {folder} cannot be made", why=error.strerror or str(error), fix=fix) from error
    return folder


def _check_suffix(path: Path) -> None:
    if path.suffix not in _SUFFIXES and is_file(path):
        raise ModelError(
            path.name,
            why="it is not a safetensors file (pickled and zipped models, .pt or .pkl, are not read: they can run code)",
            fix="Choose a model's .safetensors file, with its .json beside it",
        )


def _is_id(text: str) -> bool:
    return len(text) <= _LONGEST_ID and bool(_ID.fullmatch(text)) and not text.endswith(_SUFFIXES) and not _RESERVED.fullmatch(text)
