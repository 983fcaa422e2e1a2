"""Models come and go: imported after everything about them was checked, exported, removed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...calibration.names import reference_files
from ...core.errors import InputError, ModelError
from ...detectors.registry import create, method_class
from ...io.atomic import atomic_path, not_written
from ...io.checkpoint import Checkpoint, checkpoint_files, lender_files, load_checkpoint, read_record
from ...io.streams import is_file
from .earlier import as_now
from .models import Model, card_file, check_id, check_suffix, files_beside, list_models, read_model, shipped_dir, user_dir


def import_model(path: str | Path, *, name: str = "") -> Model:
    """Copy a model (with its card, where there is one) into the user's folder, after checking everything about it.

    Parameters
    ----------
    path : str or Path
        Its ``.safetensors`` or ``.json`` file; both have to lie in one folder. Healthy references beside them come along, and so do the
        files of models that it takes stages from, where this version has others.
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
        If the name cannot be an id or is taken, the folder cannot be written, or a reference or a model that comes along would take the
        place of one of the user's.
    """
    source = Path(path)
    check_suffix(source)
    tensors, sidecar = checkpoint_files(source)
    stem = name or tensors.name.removesuffix(".safetensors")
    check_id(stem)
    read_record(source)
    folder = _made(user_dir())
    # Checked where nobody else changes it any more: what is listed is what was checked.
    with _incoming(folder, stem) as staging:
        staged = staging / tensors.name
        for file in filter(is_file, (tensors, sidecar, *files_beside(tensors), *(lent := _lent_beside(tensors)))):
            _copy(file, staging / file.name)
        checkpoint = _checked(staged)
        read_model(staged, shipped=False)
        taken = next((model for model in list_models() if model.id.lower() == stem.lower()), None)
        if taken is not None and (taken.sha256, taken.method) != (checkpoint.sha256, checkpoint.method):
            raise InputError(f"There is already a model '{taken.id}'", fix="Remove it first, or give the new one another name")
        _bring_lenders([staging / file.name for file in lent], folder)
        if taken is not None:
            _bring_references(staged, taken, folder)
            return taken
        return _put_in_place(staged, folder / f"{stem}.safetensors")


def export_model(model: Model, folder: str | Path) -> list[Path]:
    """Copy a model's files, the healthy references in force, and the models that it takes stages from into a folder, after checking it.

    Raises
    ------
    ModelError
        If the model is damaged.
    InputError
        If the folder cannot be written, or holds other files of these names.
    """
    load_checkpoint(model.path)
    target = _made(Path(folder))
    own = (*checkpoint_files(model.path), card_file(model.path))
    # With what it takes from others it is whole in a later version as well, whose models may be others.
    files = [*filter(is_file, own), *_references_in_force(model), *filter(is_file, _with_sidecars(lender_files(model.path)))]
    for file in files:
        there = target / file.name
        if there.exists() and not _same(file, there):
            raise InputError(f"{target.name} holds another {file.name}", fix="Choose another folder, or move that file away")
    for file in files:
        _copy(file, target / file.name)
    return [target / file.name for file in files]


def _references_in_force(model: Model) -> list[Path]:
    """The files of its healthy references, and of those of methods that borrow it: the user's own before those that lie beside it."""
    found: dict[str, Path] = {}
    for folder in dict.fromkeys((user_dir(), model.path.parent)):
        for file in filter(is_file, reference_files(folder, model.id)):
            if _made_for(model, file):
                found.setdefault(file.name, file)
    return list(found.values())


def _made_for(model: Model, file: Path) -> bool:
    """Whether a file of a reference is one of this model: another one may have had its name."""
    with suppress(ModelError):
        return read_record(file).meta.get("model_sha256") == model.sha256
    return False


def _with_sidecars(lenders: Iterable[Path]) -> list[Path]:
    return [file for lender in lenders for file in checkpoint_files(lender)]


def _lent_beside(tensors: Path) -> list[Path]:
    """The files of the models beside a model that it takes stages from, where the package has others."""
    return _with_sidecars(file for file in lender_files(tensors) if file.parent != shipped_dir())


def _bring_lenders(staged: Iterable[Path], folder: Path) -> None:
    """Put the models that a model takes stages from where it finds them; the same ones that are there already stay."""
    files = [file for file in staged if is_file(file) and not _same(file, folder / file.name)]
    taken = next((file for file in files if is_file(folder / file.name)), None)
    if taken is not None:
        raise InputError(f"You have another {taken.name}", why="it would be lost", fix=f"Move it out of {folder} first")
    for file in files:
        file.replace(folder / file.name)


def _bring_references(staged: Path, model: Model, folder: Path) -> None:
    """Put the references beside a model that came again where they are found; those that are there already stay."""
    old, places = staged.name.removesuffix(".safetensors"), (folder, model.path.parent)
    new: dict[Path, Path] = {}
    for file in filter(is_file, reference_files(staged.parent, old)):
        pair = {one: model.id + one.name.removeprefix(old) for one in checkpoint_files(file)}
        if not any(all(_same(one, place / name) for one, name in pair.items()) for place in places):
            new |= {one: folder / name for one, name in pair.items() if is_file(one)}
    taken = next(filter(is_file, new.values()), None)
    if taken is not None:
        raise InputError(f"You have another healthy reference {taken.name}", why="it would be lost", fix=f"Move it out of {folder} first")
    for file, goal in new.items():
        file.replace(goal)


def _same(file: Path, other: Path) -> bool:
    return is_file(other) and other.read_bytes() == file.read_bytes()


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
        for file in (sidecar, tensors, *files_beside(tensors)):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{model.id} cannot be removed", why=error.strerror or str(error), fix=f"Check {user_dir()}") from error


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
    tensors, sidecar = checkpoint_files(staged)
    old, new = (path.name.removesuffix(".safetensors") for path in (staged, target))
    for source in filter(is_file, (tensors, *files_beside(staged), sidecar)):
        source.replace(target.with_name(new + source.name.removeprefix(old)))
    return read_model(target, shipped=False)


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


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fix = "Set BRAIN_UAD_MODELS to a folder you may write to" if folder == user_dir() else "Choose another folder"
        raise InputError(f"Folder {folder} cannot be made", why=error.strerror or str(error), fix=fix) from error
    return folder
