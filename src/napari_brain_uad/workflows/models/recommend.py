"""Which method to start with on a scan, by its sequence, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...core.checks import Finding
from ...core.optional import install_command, missing, not_installed
from ...core.sequence import SEQUENCES
from ...detectors.registry import cards, method_class, method_ids
from .models import Model, default_model, list_models, no_model

_BY_SEQUENCE: dict[str | None, tuple[tuple[str, str], ...]] = {
    "FLAIR": (
        (
            "robust-intensity",
            "lesions are bright on FLAIR, and on the brain's own scale healthy brains say how bright is unusual; no trained model was "
            "clearly better on all eleven scans measured here (hyperintensity-segmentation finds more of MS, less of gliomas)",
        ),
        ("threshold", "lesions are bright on FLAIR"),
    ),
    "T2": (
        (
            "tissue-ensemble",
            "on T2 fluid is as bright as lesions; knowing healthy anatomy gave three times the best Dice of brightness on two scans",
        ),
        ("thresh-raw", "many lesions are bright on T2; fluid is too, so look at what it flags with care"),
    ),
    "T1": (
        (
            "tissue-ensemble",
            "on T1 lesions are not bright; knowing healthy anatomy gave six times the best Dice of brightness on two scans",
        ),
        ("threshold", "no trained model is there; on T1 brightness says little, so look at what it flags with care"),
    ),
    "T1c": (
        ("tissue-ensemble", "it also finds what takes up no contrast agent; twice the best Dice of brightness on the four scans measured"),
        ("threshold", "tissue that takes up contrast agent is bright; vessels are too, so look at what it flags with care"),
    ),
}
"""In the order of preference; a method that is not there, or has no model for the sequence, is passed over."""

_OTHER = (("threshold", "no method here is made for this sequence; it needs no training and shows what is bright"),)

_UNKNOWN = (("threshold", "the sequence is unknown, and this needs no training and shows what is bright"),)


_SEVERAL = ("threshold", "it takes scans of any sequence and needs no training; choose one sequence for a learned method")


def recommend(sequence: str | None, *, several: bool = False) -> tuple[str, str]:
    """The method to start with.

    Parameters
    ----------
    sequence : str or None
        "FLAIR", "T1", "T1c", "T2", "PD"; None when unknown.
    several : bool
        For scans of more sequences than one.

    Returns
    -------
    method, why : str
        A method that can run now: it needs no model, or has one for this sequence. `why` is half a sentence.
    """
    for method, why in () if several else _BY_SEQUENCE.get(sequence, _OTHER if sequence in SEQUENCES else _UNKNOWN):
        if method in method_ids() and not any(cannot_score(method, sequence)):
            return method, why
    return _SEVERAL if several else _UNKNOWN[0]


def recommend_for(sequences: Iterable[str | None]) -> tuple[str, str]:
    """The method to start with on scans of these sequences: one for all of them (see `recommend`)."""
    own = set(sequences)
    return recommend(next(iter(own)) if len(own) == 1 else None, several=len(own) > 1)


def recommend_learned(sequence: str | None) -> str | None:
    """The trained method to set beside the one without: the tissue ensemble where it has a model, else the first that has one; or None."""
    models = list_models()
    trainable = sorted((info.id for info in cards() if info.trainable), key=lambda method: method != "tissue-ensemble")
    return next((method for method in trainable if not any(cannot_score(method, sequence, models))), None)


def cannot_score(method: str, sequence: str | None, among: Iterable[Model] | None = None) -> tuple[str, str]:
    """Why a method cannot score a scan of this sequence now: in two or three words, and in a sentence; empty when it can.

    Who asks for many methods gives all models as `among`, so that they are listed once.
    """
    absent = missing(*method_class(method).REQUIRES)
    if absent:
        return f"needs {' and '.join(absent)}", f"{method}: {not_installed(*absent)}. Install it: {install_command(*absent)}."
    if not method_class(method).INFO.trainable:
        return "", ""
    models = list_models(method, among)
    if default_model(method, sequence, models) is not None:
        return "", ""
    return f"no model for {sequence or 'it'}" if models else "no model", str(no_model(method, sequence, models))


def unfit(method: str, sequence: str | None, model: object = None) -> Finding | None:
    """What to know when a method, or the model that it used, is not made for a scan's sequence.

    Parameters
    ----------
    sequence : str or None
        Of the scan; of an unknown one nothing is said.
    model : optional
        "name" and "sequences" of the model, as a map's provenance has them; the file of a map may hold anything in their place.
    """
    info = method_class(method).INFO if method in method_ids() else None
    if info is None:
        return None
    record: Mapping[str, Any] = model if isinstance(model, Mapping) else {}
    learned = [name for name in SEQUENCES if isinstance(record.get("sequences"), list) and name in record["sequences"]]
    made_for = learned if info.trainable else info.sequences
    if sequence not in SEQUENCES or not made_for or sequence in made_for:
        return None
    if info.trainable:
        message = f"the model '{record.get('name', '')}' learned from {', '.join(learned)}; this scan is {sequence}"
        return Finding("unfit-sequence", "warning", message, f"Choose a model for {sequence} (brain-uad models), or train one")
    message = f"the method '{method}' is made for {', '.join(made_for)}; this scan is {sequence}"
    better, why = recommend(sequence)
    fix = "Look at what it flags with care" if better == method else f"Recommended is the method '{better}': {why}"
    return Finding("unfit-sequence", "warning", message, fix)
