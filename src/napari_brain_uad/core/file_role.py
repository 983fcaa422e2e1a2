"""What a file is by its name: a scan, a brain mask, a ground truth, a map of ours, or none of these.

The one place that knows; data sets, folders and commands ask it. Words of a disease are the hard part: ``tumour-t1c`` is a scan of a
tumour, ``t1c_tumour`` and ``lesions_FLAIR`` are what somebody drew, ``lesion_mask`` is no brain mask. `_RULES` says it in order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from .derived_names import derived_as

Role = Literal["scan", "brain mask", "truth", "map", "neither"]

SEQUENCE_WORDS = r"t2[-_ ]?flair|flair|t1[-_ ]?flair|t1[-_]?w?[-_]?(?:ce|c|gd|post|km|contrast)|t1wks|mp2?rage|t[12](?:wi|w|f|n)?|pdw?"
"""Regular expression of the words that name a sequence in a file's stem."""

_MAP = "_anomalymap"
"""How the name of an anomaly map ends; its run's other files have the same name before it."""

_GAP = r"[-_ .]*"
_LESION = r"lesions?|wmhs?|(?:white[-_ ]?matter[-_ ]?)?hyperintensit(?:y|ies)|anomal(?:y|ies)|abnormalit(?:y|ies)"
_TUMOUR = r"tumou?rs?"
_DISEASE = (
    rf"{_LESION}|{_TUMOUR}|gliomas?|gbm|strokes?|infarcts?|infarction|metastas[ei]s|mets|o?edema|necrosis|enhancing|gtv|ctv"
    r"|tumou?r[-_ ]?core|ha?emorrhages?|ich|penumbra|plaques?|fcd|cavity|cavities"
)
_DRAWN = r"masks?|msk|segm?|segmentations?|segmented|rois?|labels?"
_MASK = r"masks?|msk"
_BRAIN = r"hd[-_]?bet|brain(?:[-_ ]?extraction)?|bet\d?|synthstrip|robex|skull[-_ ]?strip(?:ped|ping)?|icv|tiv|intracranial"
_TISSUE = (
    r"gm|wm|csf|gr[ae]y|white|tissues?|ventric\w*|de?face|defac\w*|eyes?|skull|skin|bone|cortex|cortical|cerebell\w*|hippocamp\w*|thalam\w*"
)

_RULES: tuple[tuple[Role, str], ...] = (
    ("map", r"anomaly[-_ ]?map"),
    ("map", r"(?<=_)agreement$"),
    ("truth", r"ground[-_ ]?truth|truth|(?:consensus[-_ ]?)?gt|gold[-_ ]?standard|annotations?"),
    # "label-lesion_mask", "desc-manualTumour_dseg": entities say what a mask of BIDS shows.
    ("truth", rf"(?:label|desc)-(?:L|[A-Za-z0-9]*?(?:{_DISEASE})[A-Za-z0-9]*)(?:_[a-z]+-[A-Za-z0-9]+)*_(?:mask|roi|d?seg|probseg)"),
    ("truth", rf"(?:{_DISEASE}){_GAP}(?:{_DRAWN})|(?:{_DRAWN}){_GAP}(?:of{_GAP})?(?:{_DISEASE})"),
    ("brain mask", rf"(?:(?:label|desc)-)?(?:{_BRAIN}){_GAP}(?:{_MASK})|(?:{_MASK}){_GAP}(?:of{_GAP})?brain"),
    ("neither", rf"(?:{_TISSUE}|brain){_GAP}(?:matter{_GAP})?(?:{_DRAWN})|tissues?"),
    ("neither", r"(?:label|desc|atlas|roi|res)-[A-Za-z0-9]+(?:_[a-z]+-[A-Za-z0-9]+)*_(?:mask|roi|d?seg|probseg)"),
    ("truth", r"segm?|segmentations?"),
)
"""The first that matches counts; what it matches is no part of the subject's name."""


@dataclass(frozen=True)
class FileRole:
    """What a file is.

    Parameters
    ----------
    role : str
        "scan", "brain mask", "truth", "map" (an anomaly map of ours), or "neither".
    rest : str
        Its stem without the words that say so: the scan's own name, or what tells it from others.
    why : str
        For "neither": what it is, in words.
    """

    role: Role
    rest: str
    why: str = ""


def file_role(stem: str) -> FileRole:
    """What a file is, by its name without the ending.

    Parameters
    ----------
    stem : str
        BIDS, or any other way of naming files.

    Returns
    -------
    FileRole
    """
    words, what = derived_as(stem)
    if what:
        return FileRole("neither", stem, f"'{words}' says it is {what}")
    for role, pattern in _RULES:
        found = _cut(stem, pattern)
        if found is not None:
            return FileRole(role, found, "its name says it is a mask or labels of something else" if role == "neither" else "")
    return _of_disease(stem) or _of_mask(stem) or FileRole("scan", stem)


def _of_disease(stem: str) -> FileRole | None:
    """A truth that no word like "mask" makes one: "lesions", "T1c_tumour"; or the word and "mask" lie apart: "lesion_FLAIR_mask"."""
    match = _search(stem, rf"{_LESION}|{_TUMOUR}")
    if match is None:
        return None
    rest = stem[: match.start()] + stem[match.end() :]
    said = _search(stem, SEQUENCE_WORDS)
    lesion = re.fullmatch(_LESION, match.group(), re.IGNORECASE) is not None
    if _search(stem, _MASK) is not None:
        if said is not None and not lesion:
            return None  # "tumour-t1c_mask": of the scan "tumour-t1c"
        return FileRole("truth", _cut(rest if lesion else stem, _MASK) or "")
    before = said is not None and said.end() <= match.start()
    behind = _cut(stem[match.end() :], SEQUENCE_WORDS) or stem[match.end() :]
    if said is None or before or (lesion and not re.search("[A-Za-z0-9]", behind)):
        return FileRole("truth", rest)
    return None


def _of_mask(stem: str) -> FileRole | None:
    """A mask of which nothing is said is the brain's; labels, probabilities and the like are nothing that can be used."""
    rest = _cut(stem, _MASK)
    if rest is not None:
        return FileRole("brain mask", rest)
    rest = _cut(stem, r"labels?|dseg|rois?|atlas|prob|[a-z]+masks?")
    return None if rest is None else FileRole("neither", rest, "its name says it is labels or a map, no scan")


def file_roles(stems: Iterable[str]) -> dict[str, FileRole]:
    """What the files of one folder are: as `file_role`, and what lies beside an anomaly map under its name is that run's, too."""
    roles = {stem: file_role(stem) for stem in stems}
    runs = tuple(stem.removesuffix(_MAP) + "_" for stem in roles if stem.endswith(_MAP))
    return {stem: FileRole("map", stem) if runs and stem.startswith(runs) else role for stem, role in roles.items()}


def _search(stem: str, pattern: str) -> re.Match[str] | None:
    return re.search(rf"(?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z0-9])", stem, re.IGNORECASE)


def _cut(stem: str, pattern: str) -> str | None:
    """A stem without the words of a pattern, which stand by themselves or begin with a capital letter; None when it has none."""
    for text in (stem, re.sub("(?<=[a-z])(?=[A-Z])", "_", stem)):
        match = _search(text, pattern)
        if match is not None:
            return text[: match.start()] + text[match.end() :]
    return None
