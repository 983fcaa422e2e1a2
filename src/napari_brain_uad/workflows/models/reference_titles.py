"""Whom the healthy references hold, for lists and cards: from their JSON alone, without what reads and uses them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from ...calibration.names import SUFFIX, borrowed, borrowers, reference_file
from ...core.errors import ModelError
from ...core.kept import Kept
from ...core.sequence import SEQUENCES
from ...io.checkpoint import CheckpointRecord, checkpoint_files, read_record
from .models import shipped_dir, user_dir

_RECORDS: Kept[CheckpointRecord | None] = Kept(most=1000)


def sealed_with(model_sha256: str, folders: Iterable[Path]) -> dict[Path, CheckpointRecord]:
    """The references that were made with these very weights, whatever they are called by.

    A copy of a model under another name has none by its name. Nothing is found for a method that needs no model.

    Parameters
    ----------
    model_sha256 : str
        Of the model's ``.safetensors`` file; empty where there is none.
    folders : iterable of Path
        Where to look; the order stays.
    """
    found = {}
    for folder in folders if model_sha256 else ():
        for sidecar in sorted(folder.glob(f"*{SUFFIX}.json")):
            file = sidecar.with_name(sidecar.name.removesuffix(".json"))
            record = _RECORDS.get(file, checkpoint_files(file), partial(_record, file))
            if record is not None and record.meta.get("model_sha256") == model_sha256:
                found[file] = record
    return found


def _record(file: Path) -> CheckpointRecord | None:
    with suppress(ModelError):
        return read_record(file)
    return None


def reference_titles(stem: str, method: str = "", model_sha256: str = "") -> dict[str, str]:
    """Whom the healthy references of a model (or a method without one) hold, by sequence; the user's own before the shipped ones.

    Those of methods that borrow the model follow, by sequence and method; then those of the same weights under another name.

    Parameters
    ----------
    stem : str
        What they are called by.
    method, model_sha256 : str
        Those of the model, to find the last ones.
    """
    folders = (user_dir(), shipped_dir())
    methods = sorted({method for folder in folders for method in borrowers(folder, stem)})
    wanted = {sequence: (stem, sequence) for sequence in SEQUENCES}
    wanted |= {f"{sequence}, {method}": (borrowed(stem, method), sequence) for method in methods for sequence in SEQUENCES}
    titles: dict[str, str] = {}
    for label, (whose, sequence) in wanted.items():
        for folder in folders:
            with suppress(ModelError):
                titles.setdefault(label, str(read_record(reference_file(folder, whose, sequence)).meta.get("title", "")))
    for record in sealed_with(model_sha256, folders).values():
        sequence = str(record.meta.get("sequence", ""))
        titles.setdefault(sequence if record.method == method else f"{sequence}, {record.method}", str(record.meta.get("title", "")))
    return titles
