"""The user's own healthy references: which there are, and the way back to those that come with the package."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ...calibration.names import SUFFIX, reference_file
from ...core.errors import InputError, ModelError
from ...core.sequence import SEQUENCES, check_sequence
from ...io.checkpoint import checkpoint_files, read_record
from ...io.streams import is_file
from .method_spec import MethodSpec
from .models import default_model, find_model, user_dir
from .references import references_of, stem_of


def own_references(spec: MethodSpec, sequence: str | None = None) -> dict[str, Path]:
    """The files of the user's own references of a method (and model), by sequence; of one sequence only where that is given.

    Raises
    ------
    InputError, ModelError
        If the sequence or the model is not known.
    """
    named = find_model(spec.model) if spec.model else None
    found: dict[str, Path] = {}
    for one in SEQUENCES if sequence is None else (check_sequence(sequence),):
        file = reference_file(user_dir(), stem_of(spec.method, named or default_model(spec.method, one)), one)
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
    return {one: _title_now(file, one) for one, file in found.items()}


def _title_now(gone: Path, sequence: str) -> str:
    """Whom the reference holds that counts now that this one is gone."""
    file = references_of(gone.name.removesuffix(f".{sequence}{SUFFIX}")).get(sequence)
    if file is not None:
        with suppress(ModelError):
            return str(read_record(file).meta.get("title", ""))
    return ""
