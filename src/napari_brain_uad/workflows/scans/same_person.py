"""Whether scans that are prepared or scored together are of one person by what their files say: warnings, no errors.

Whether they show one brain is for `preprocessing.same_brain`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...core.checks import Finding
from ...core.volume import Volume
from ...io.nifti import image_stem
from ...preprocessing.prepared import Prepared
from ...preprocessing.same_brain import SEE

_FOLDERS = 3
"""How many folders above a file may be named after its subject, as in BIDS: ``sub-01/ses-2/anat``."""

_WHO = re.compile(
    r"(?<![A-Za-z0-9])(?:(?P<bids>sub)-(?P<label>[A-Za-z0-9]+)"
    r"|(?P<word>subject|subj|sub|patient|pat|pt|case|person|participant|volunteer|IXI|OAS)[-_ ]?0*(?P<number>[0-9]+)"
    r"|(?P<study>TCGA)[-_](?P<code>[A-Z0-9]{2}[-_][A-Z0-9]{4})(?![A-Za-z0-9]))",
    re.IGNORECASE,
)
"""Words that name people. Other numbers in names are those of visits, series and scanners as often, and say nothing."""


def named_apart(volumes: Sequence[Volume]) -> tuple[Finding, ...]:
    """A warning for each scan that its file says to be of another person than the first; what is not said is taken to be the same."""
    first = volumes[0]
    found = ((other, _why_apart(first, other)) for other in volumes[1:])
    # What they are called stays out of it: folders and tags may name the patient.
    return tuple(
        Finding("other-person", "warning", f"{other.name} and {first.name} are of two people by {why}", SEE) for other, why in found if why
    )


def of_patient(prepared: Prepared, first: Volume, volume: Volume) -> Prepared:
    """A prepared sequence, with a warning where its file says that it is of another person than the patient's first."""
    apart = named_apart([first, volume])
    return prepared if not apart else replace(prepared, volume=replace(prepared.volume, findings=(*prepared.volume.findings, *apart)))


def _why_apart(first: Volume, other: Volume) -> str:
    """What says that two scans are of two people; empty when nothing does."""
    patients = [one.source.patient if one.source is not None else "" for one in (first, other)]
    if all(patients):
        return "their DICOM headers" if patients[0] != patients[1] else ""
    one, another = _named(first), _named(other)
    return "the names of their files or folders" if any(one[word] != another[word] for word in one.keys() & another.keys()) else ""


def _named(volume: Volume) -> dict[str, str]:
    """Who is named by a scan's file and the folders that it lies in, by the word that names people; the nearest to the file counts."""
    path = None if volume.source is None else volume.source.path
    places = [volume.name] if path is None else [image_stem(path), *(one.name for one in list(Path(path).absolute().parents)[:_FOLDERS])]
    found: dict[str, str] = {}
    for place in places:
        for match in _WHO.finditer(place):
            word, who = (group.lower() for group in match.groups() if group is not None)
            found.setdefault(word, who)
    return found
