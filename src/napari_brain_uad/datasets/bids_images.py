"""Every image in the ``anat`` folders of a BIDS data set: what it is, or why it is not analysed.

`bids.BIDS` picks one image a sequence for evaluations; a BIDS App works through all of them, and leaves none out without a word.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError
from ..core.file_role import file_roles
from ..core.sequence import BIDS_SUFFIXES
from ..io.nifti import image_stem
from ..io.streams import GET_LINKED
from .bids import SEQUENCE_OF, entities_of

_ENDINGS = (".nii", ".nii.gz")
_NOT_ANALYSED = {
    "unit1": "MP2RAGE's uniform image: its background is noise, and its contrast that of no sequence here",
    "mp2rage": "one of MP2RAGE's inversions",
    "defacemask": "a mask",
}
_PARTS = {"phase": "a phase image", "real": "the real part of a complex image", "imag": "the imaginary part of a complex image"}


@dataclass(frozen=True)
class BIDSImage:
    """One image.

    Parameters
    ----------
    path : Path
        The file.
    entities : mapping of str to str
        ``{"sub": "01", "ses": "2", "run": "1"}``, in the order of the name; its suffix ("T1w") under "".
    sequence : str
        "T1", "T1c", "T2", "FLAIR" or "PD"; empty for none of them.
    why_not : str
        Why it is not analysed, in half a sentence; empty when it is.
    """

    path: Path
    entities: Mapping[str, str]
    sequence: str
    why_not: str

    @property
    def subject(self) -> str:
        """Label of the participant, without ``sub-``."""
        return self.entities["sub"]

    @property
    def session(self) -> str:
        """Label of the session, without ``ses-``; empty without sessions."""
        return self.entities.get("ses", "")

    @property
    def suffix(self) -> str:
        """The last part of the name, as in ``T1w``."""
        return self.entities[""]

    @property
    def stem(self) -> str:
        """The name's entities, without suffix and ending: what the names of its derivatives begin with."""
        return "_".join(f"{key}-{value}" for key, value in self.entities.items() if key)


def bids_images(root: Path) -> tuple[BIDSImage, ...]:
    """The images of all participants, sorted by name.

    Parameters
    ----------
    root : Path
        The data set's folder. Only ``sub-*/anat`` and ``sub-*/ses-*/anat`` are looked at.

    Returns
    -------
    tuple of BIDSImage
        Empty for a data set without such folders.
    """
    folders = sorted([*root.glob("sub-*/anat"), *root.glob("sub-*/ses-*/anat")])
    return tuple(image for folder in folders for image in _images(folder))


def ages_of(root: Path) -> dict[str, float]:
    """Ages in years by participant, as ``participants.tsv`` has them; those that are no number ("n/a", "89+") are left out.

    Raises
    ------
    InputError
        If the file cannot be read as a table.
    """
    path = root / "participants.tsv"
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path.name, why="it cannot be read as a table in UTF-8", fix="Save it as tab-separated UTF-8") from error
    found = {}
    for row in rows:
        with suppress(ValueError):
            found[str(row.get("participant_id") or "").removeprefix("sub-")] = float(row.get("age") or "")
    return found


def _images(folder: Path) -> list[BIDSImage]:
    # Links that lead nowhere (contents that an annex did not fetch) are listed too.
    paths = sorted(path for path in folder.iterdir() if path.name.lower().endswith(_ENDINGS) and not path.name.startswith("."))
    roles = file_roles(image_stem(path) for path in paths)
    return [_image(path, roles[image_stem(path)].role) for path in paths]


def _image(path: Path, role: str) -> BIDSImage:
    entities = entities_of(path)
    place = [part for part in path.parts if re.match("(sub|ses)-", part)]
    owner = {key: value for key, _, value in (part.partition("-") for part in place[:-1])}
    sequence = SEQUENCE_OF.get(entities[""].lower(), "")
    if sequence == "T1" and "ce" in entities:
        sequence = "T1c"
    misplaced = any(entities.get(key) != value for key, value in owner.items())
    why_not = "its name is not that of its participant and session" if misplaced else _why_not(path, entities, sequence, role)
    return BIDSImage(path, {**owner, **entities} if misplaced else entities, sequence, why_not)


def _why_not(path: Path, entities: Mapping[str, str], sequence: str, role: str) -> str:
    if not path.exists():
        return f"it is a link that leads nowhere. {GET_LINKED}"
    if entities[""].lower() in _NOT_ANALYSED:
        return _NOT_ANALYSED[entities[""].lower()]
    if "inv" in entities:
        return "one of MP2RAGE's inversions"
    if entities.get("part", "mag") != "mag":
        return _PARTS.get(entities["part"], f"part-{entities['part']} of a complex image")
    if role != "scan":
        return "a mask"
    if "space" in entities or "desc" in entities:
        return "it is a derivative, no raw image"
    return "" if sequence else f"{entities['']} is none of {', '.join(BIDS_SUFFIXES)}"
