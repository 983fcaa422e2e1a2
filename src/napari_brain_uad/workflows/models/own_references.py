"""The user's own healthy references: which there are, and the way back to those that come with the package."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ...calibration.names import reference_file
from ...core.errors import InputError, ModelError
from ...core.sequence import SEQUENCES, check_sequence
from ...io.checkpoint import checkpoint_files, read_record
from ...io.streams import is_file
from .method_spec import MethodSpec
from .models import Model, default_model, find_model, user_dir
from .references import places_for, stem_of


def own_references(spec: MethodSpec, sequence: str | None = None) -> dict[str, Path]:
    """The files of the user's own references of a method (and model), by sequence; of one sequence only where that is given.

    Raises
    ------
    InputError, ModelError
        If the sequence or the model is not known.
    """
    found: dict[str, Path] = {}
    for one in SEQUENCES if sequence is None else (check_sequence(sequence),):
        file = reference_file(user_dir(), stem_of(spec.method, _model(spec, one)), one)
        if any(map(is_file, checkpoint_files(file))):
            found[one] = file
    return found


def forget_references(spec: MethodSpec, sequence: str | None = None) -> dict[str, str]:
    """Delete them: those that come with the package count again, where there are any.

    Returns
    -------
    dict of str to str
        Of which sequences there was one, and whom the package's reference holds that counts now; empty where it has none.

    Raises
    ------
    InputError
        If there is none, or one cannot be deleted.
    ModelError
        If the model is not known.
    """
    found = own_references(spec, sequence)
    if not found:
        what = f"There is no healthy reference of your own for {spec}" + (f" and {sequence}" if sequence else "")
        raise InputError(what, fix="Name method, model and sequence as for `brain-uad calibrate`; `brain-uad models show` lists references")
    for file in found.values():
        tensors, sidecar = checkpoint_files(file)
        try:
            # The JSON first: without it the reference is not found any more, whatever happens next.
            for one in (sidecar, tensors):
                one.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"{file.name} cannot be deleted", why=error.strerror or str(error), fix=f"Check {user_dir()}") from error
    return {one: _title_now(spec, one) for one in found}


def _title_now(spec: MethodSpec, sequence: str) -> str:
    """Whom the reference holds that counts now that the user's own is gone; one of the same weights under another name does, too."""
    model = _model(spec, sequence)
    places = places_for(spec.method, spec.method if model is None else model.id, "" if model is None else model.sha256)
    for file in places.get(sequence, ()):
        with suppress(ModelError):
            return str(read_record(file).meta.get("title", ""))
    return ""


def _model(spec: MethodSpec, sequence: str) -> Model | None:
    return find_model(spec.model) if spec.model else default_model(spec.method, sequence)
