"""The healthy reference of a method and its model: found, listed, refused when it is another model's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...calibration.build import source_of
from ...calibration.files import load_reference
from ...calibration.names import SUFFIX, borrowed, reference_file
from ...calibration.reference import HealthyReference
from ...calibration.verdict import clean_up_note, fitting
from ...core.anomaly_map import UNKNOWN_METHOD, AnomalyMap
from ...core.checks import Finding, raise_errors
from ...core.errors import BrainUADError, InputError
from ...core.isolation import isolated
from ...core.kept import Kept
from ...core.sequence import SEQUENCES
from ...detectors.registry import method_class
from ...io.checkpoint import checkpoint_files
from ...io.streams import is_file
from ...postprocessing.params import PostParams
from ..scans.ready import UNLIKE_HEALTHY
from .models import Model, shipped_dir, user_dir
from .reference_titles import sealed_with

COMPARABLE = "Use robust-intensity or a trained method"
"""What to do where a method can have no reference."""

_MAKE_ONE = "Make a reference (brain-uad calibrate)"

_LOADED: Kept[HealthyReference] = Kept(most=32)


@dataclass(frozen=True, eq=False)
class Compared:
    """Whom a map is compared with.

    Parameters
    ----------
    reference : HealthyReference or None
        The part that sets thresholds for the scan.
    why_none : str
        Why no verdict follows from it, or why there is none; empty where one does.
    note : str
        What has to be known with it.
    fix : str
        What to do where there is none, if there is something.
    """

    reference: HealthyReference | None
    why_none: str = ""
    note: str = ""
    fix: str = ""


def stem_of(method: str, model: Model | None) -> str:
    """What the files of a reference are called by: the model, or the method where it needs none, or both where it uses another's."""
    if model is None:
        return method
    return model.id if model.method == method else borrowed(model.id, method)


def reference_places(stem: str) -> dict[str, tuple[Path, ...]]:
    """The references of a model (or a method without one) by sequence, the user's own before the one that comes with the package."""
    found: dict[str, tuple[Path, ...]] = {}
    for sequence in SEQUENCES:
        files = [reference_file(folder, stem, sequence) for folder in (user_dir(), shipped_dir())]
        there = tuple(file for file in files if is_file(checkpoint_files(file)[1]))
        found |= {sequence: there} if there else {}
    return found


def places_for(method: str, model: str, model_sha256: str) -> dict[str, tuple[Path, ...]]:
    """The references that count for a method with a model, by sequence: those called by it, then others of the very same weights.

    Parameters
    ----------
    method : str
        Its id.
    model, model_sha256 : str
        The id of the model, or of the method where it needs none; its SHA-256, empty without one.
    """
    named = reference_places(borrowed(model, method)) or reference_places(model)
    alike: dict[str, list[Path]] = {}
    for file, record in sealed_with(model_sha256, (user_dir(), shipped_dir())).items():
        if record.method == method:
            alike.setdefault(str(record.meta.get("sequence", "")), []).append(file)
    found = {sequence: tuple(dict.fromkeys((*named.get(sequence, ()), *alike.get(sequence, ())))) for sequence in SEQUENCES}
    return {sequence: files for sequence, files in found.items() if files}


def references_of(stem: str) -> dict[str, Path]:
    """The first of each sequence's; see `reference_places`."""
    return {sequence: files[0] for sequence, files in reference_places(stem).items()}


def load_for(file: Path, model_sha256: str) -> HealthyReference:
    """Read a reference of the model with this SHA-256; kept until its file changes.

    Raises
    ------
    ModelError
        If it is damaged or another model's.
    """
    return _LOADED.get((file, model_sha256), checkpoint_files(file), lambda: load_reference(file, model_sha256=model_sha256))


def reference_for(amap: AnomalyMap, filtered: tuple[NDArray[np.float32], NDArray[np.bool_]], post: PostParams) -> Compared:
    """The healthy brains that a map can be compared with: of the method, model and settings that made it.

    The user's own reference before the one that comes with the package, which counts where the user's does not fit: one that was made with
    other settings would hide it.

    Parameters
    ----------
    filtered : tuple of array
        What `postprocessing.pipeline.filtered_score` gave.

    Raises
    ------
    ModelError
        If the rule asked for needs a reference, none fits, and the first is damaged or another model's. Without such a rule that is said
        in `why_none`.
    """
    record: Mapping[str, Any] = amap.provenance.get("model", {})
    stem, sequence = str(record.get("name", amap.method)), amap.provenance.get("input", {}).get("sequence")
    files = places_for(amap.method, stem, str(record.get("sha256", "")))
    if not files and amap.method == UNKNOWN_METHOD:
        return Compared(None, "no record says what method made this map")
    if sequence not in files and "+" in str(sequence):
        return Compared(None, f"there is no healthy reference for several sequences together ({sequence})")
    if not files:
        return _without_any(amap.method, record)
    if sequence not in files:
        return Compared(None, f"the healthy reference is for {', '.join(files)}, and this scan is {sequence or 'of unknown sequence'}")
    first: Compared | BrainUADError | None = None
    for file in files[sequence]:
        found = _compared_with_file(file, amap, filtered, post)
        if isinstance(found, Compared) and found.reference is not None:
            found = replace(found, note=". ".join(filter(None, (found.note, _other_name(file, stem)))))
            return found if first is None else replace(found, note=". ".join(filter(None, (found.note, _passed_over(first)))))
        first = found if first is None else first
    if isinstance(first, BrainUADError) and post.rule.needs_healthy:
        raise first
    return first if isinstance(first, Compared) else Compared(None, str(first).rstrip("."))


def _without_any(method: str, record: Mapping[str, Any]) -> Compared:
    """Why a method has no reference for any sequence, and what to do: of scores that cannot be compared between brains none can be made."""
    own = isolated(partial(method_class, method))  # a map that was opened from its file may be of a method that is not installed
    why = "" if isinstance(own, BrainUADError) else own.INFO.incomparable
    if why:
        return Compared(None, f"the method '{method}' can have no healthy reference", why, COMPARABLE)
    return Compared(None, f"there is no healthy reference for the method '{method}'{_with(record)}", fix=_MAKE_ONE)


def _compared_with_file(
    file: Path, amap: AnomalyMap, filtered: tuple[NDArray[np.float32], NDArray[np.bool_]], post: PostParams
) -> Compared | BrainUADError:
    """The same with the reference of one file; the error where that is damaged or another model's."""
    try:
        reference = load_for(file, str(amap.provenance.get("model", {}).get("sha256", "")))
    except BrainUADError as error:
        return error
    if reference.method != amap.method:
        return Compared(None, f"the healthy reference is for the method '{reference.method}', not for '{amap.method}'")
    return compared(reference, amap, filtered, post)


def _other_name(file: Path, stem: str) -> str:
    """What is said where a reference is called by another model than the one that made the map."""
    whose = file.name.removesuffix(SUFFIX).rpartition(".")[0].partition("+")[0]
    return "" if whose == stem else f"the healthy reference is that of the model '{whose}', which has the same weights"


def _passed_over(first: Compared | BrainUADError) -> str:
    """What is said where the user's own reference does not count."""
    why = first.why_none if isinstance(first, Compared) else str(first).rstrip(".")
    return f"your own reference is not used: {why}"


def compared(
    reference: HealthyReference, amap: AnomalyMap, filtered: tuple[NDArray[np.float32], NDArray[np.bool_]], post: PostParams
) -> Compared:
    """What of a reference a map can be compared with; for the parameters see `reference_for`."""
    fits, why = fitting(reference, amap, *filtered, post.as_dict())
    why = why or _contradicted(amap)
    return Compared(fits, why, "" if fits is None else clean_up_note(fits, post.as_dict()))


def _contradicted(amap: AnomalyMap) -> str:
    """Why healthy scans of its sequence say nothing of a map whose scan or brain mask is unlike theirs; empty where they do."""
    said = amap.provenance.get("input", {}).get("findings")
    found = said if isinstance(said, list) else []  # a file's record may hold anything in its place
    return next((str(one.get("message", "")) for one in found if isinstance(one, Mapping) and one.get("code") in UNLIKE_HEALTHY), "")


def check_healthy(name: str, findings: Iterable[Finding]) -> None:
    """Raise `InputError` where a scan is to stand for healthy brains and is none that they could be compared with themselves.

    Parameters
    ----------
    name : str
        What the message calls it.
    findings : iterable of Finding
        Those of the scan as it is scored.
    """
    raise_errors(name, (replace(one, level="error") for one in findings if one.code in UNLIKE_HEALTHY))


def check_healthy_map(amap: AnomalyMap) -> None:
    """The same of a map, by its record."""
    if why := _contradicted(amap):
        raise InputError(f"Healthy map {amap.name}", why=why, fix="Leave it out, or score its scan again with a mask of its brain")


def compared_with_given(
    given: HealthyReference, amap: AnomalyMap, filtered: tuple[NDArray[np.float32], NDArray[np.bool_]], post: PostParams
) -> Compared:
    """What of healthy maps that the user gave a map can be compared with; for the parameters see `reference_for`.

    They have to fit as a reference has to. A sequence that one side does not know is taken for the other's: only a known one is another.

    Raises
    ------
    InputError
        If another model made them, or the scan is one of them.
    """
    if source_of(amap) in given.sources:
        why = "it would be compared with itself"
        raise InputError(f"{amap.name} is one of the healthy brains given", why=why, fix="Leave it out of them")
    check_weights(given, str(amap.provenance.get("method", {}).get("weights_sha256", "")))
    same = of_sequence(given, str(amap.provenance.get("input", {}).get("sequence") or ""))
    return compared(same, amap, filtered, post)


def check_weights(given: HealthyReference, weights_sha256: str) -> None:
    """Raise `InputError` where other weights than these made the healthy maps that were given."""
    if given.weights_sha256 != weights_sha256:
        fix = "Give maps that the scan's model made, or name the model that made them (METHOD:MODEL)"
        raise InputError("The healthy brains given are refused", why="another model made their maps than this scan's", fix=fix)


def of_sequence(given: HealthyReference, sequence: str) -> HealthyReference:
    """Healthy maps that were given, as those of a scan's sequence where one of the two is not known."""
    return given if given.sequence and sequence else replace(given, sequence=sequence)


def _with(record: Mapping[str, Any]) -> str:
    return f" with the model '{record['name']}'" if record.get("name") else ""
