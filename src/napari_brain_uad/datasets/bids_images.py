"""Every image in the ``anat`` folders of a BIDS data set: what it is, or why it is not analysed.

`bids.BIDS` picks one image a sequence for evaluations; a BIDS App works through all of them, and leaves none out without a word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..core.file_role import file_roles
from ..core.sequence import BIDS_SUFFIXES
from ..io.nifti import image_stem
from ..io.streams import GET_LINKED
from .bids import SEQUENCE_OF, entities_of
from .covariates import covariates_of, participants

_ENDINGS = (".nii", ".nii.gz")
_NAME = re.compile(r"sub-[0-9A-Za-z]+(_[a-z]+-[0-9A-Za-z+]+)*_[0-9A-Za-z]+\.nii(\.gz)?")
_ENTITIES = {"sub", "ses", "task", "acq", "ce", "rec", "run", "echo", "part", "chunk"}
"""Of anatomical images, as far as they are analysed."""

_NOT_ANALYSED = {
    "UNIT1": "MP2RAGE's uniform image: its background is noise, and its contrast that of no sequence here",
    "MP2RAGE": "one of MP2RAGE's inversions",
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
    return tuple(image for folder in folders if folder.is_dir() for image in _images(root, folder))


def ages_of(root: Path) -> dict[str, float]:
    """Ages in years by participant, as ``participants.tsv`` has them; those that are no number ("n/a", "89+") are left out.

    Raises
    ------
    InputError
        If the file cannot be read as a table.
    """
    found = {person: covariates_of(row).age for person, row in participants(root).items()}
    return {person: age for person, age in found.items() if age is not None}


def _images(root: Path, folder: Path) -> list[BIDSImage]:
    # Links that lead nowhere (contents that an annex did not fetch) are listed too.
    paths = sorted(path for path in folder.iterdir() if path.name.lower().endswith(_ENDINGS) and not path.name.startswith("."))
    roles = file_roles(image_stem(path) for path in paths)
    found: list[BIDSImage] = []
    for path in paths:
        image = _image(path, path.relative_to(root).parts[:-2], roles[image_stem(path)].role)
        if not image.why_not and any(other.stem == image.stem and other.suffix == image.suffix for other in found if not other.why_not):
            image = replace(image, why_not="there is another image of that name, as .nii or .nii.gz")
        found.append(image)
    return found


def _image(path: Path, place: tuple[str, ...], role: str) -> BIDSImage:
    """An image in the folders of its participant and session."""
    told = entities_of(path)
    owner = dict(part.split("-", 1) for part in place)
    entities = owner | {key: value for key, value in told.items() if key not in owner}
    sequence = SEQUENCE_OF.get(told[""].lower(), "")
    if sequence == "T1" and "ce" in told:
        sequence = "T1c"
    return BIDSImage(path, entities, sequence, _why_not(path, told, owner, role))


def _why_not(path: Path, told: Mapping[str, str], owner: Mapping[str, str], role: str) -> str:
    keys = [part.partition("-")[0] for part in path.name.split("_")[:-1]]
    if not _NAME.fullmatch(path.name) or len(set(keys)) < len(keys):
        return "its name does not follow BIDS"
    if any(told.get(key) != owner.get(key) for key in ("sub", "ses")):
        return "its name is not that of its participant and session"
    if not path.exists():
        return f"it is a link that leads nowhere. {GET_LINKED}"
    if told[""] in _NOT_ANALYSED:
        return _NOT_ANALYSED[told[""]]
    if "inv" in told:
        return "one of MP2RAGE's inversions"
    if told.get("part", "mag") != "mag":
        return _PARTS.get(told["part"], f"part-{told['part']} of a complex image")
    if role != "scan":
        return "a mask"
    if "space" in told or "desc" in told:
        return "it is a derivative, no raw image"
    unknown = [key for key in keys if key not in _ENTITIES]
    if unknown:
        return f"{unknown[0]}- is no part of the name of such an image"
    return "" if told[""] in BIDS_SUFFIXES else f"{told['']} is none of {', '.join(BIDS_SUFFIXES)}"
