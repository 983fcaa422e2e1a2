"""A detection as BIDS derivatives (bids-specification 1.10, "Derivatives"): names, sidecars and the files of the folder itself.

``sub-01[_ses-1][_run-1]_space-T1w_desc-LABEL_mask.nii.gz``: ``space-`` says in which of the session's images a file lies (the standard
names no entity for it, and a session has several images), ``desc-`` which method made it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...core.progress import Progress
from ...core.provenance import NOTICE, package_version
from ...core.text import table_text
from ...datasets.bids import APP
from ...datasets.bids_images import BIDSImage
from ...io.atomic import write_bytes, write_json, write_text
from ...io.nifti import write_labels, write_map, write_mask
from ...io.results import Run, written_whole
from ...postprocessing.region_colours import region_colour
from ...postprocessing.regions import REGION_COLUMNS, as_rows
from ...preprocessing.mni_way import MniWay
from ...preprocessing.template import TEMPLATE_NAME
from ..detect.detect import Detection
from ..detect.mni import mni_record, write_mni
from ..detect.region_files import narrow, regions_record, write_label_tables
from ..detect.save import draw_figure, provenance_record
from ..scans.names import run_of

VERSION = "1.10.0"
"""Of the standard."""

IGNORED = ("logs/", "group_*", "*_manifest.json", "*_figure.png", "*_dseg.txt", "*_dseg.ctbl", "*_xfm.*")
"""What lies beside the derivatives and has no name in the standard."""

_ENDINGS = {
    "map": "{label}Score_{suffix}.nii.gz",
    "mask": "{label}_mask.nii.gz",
    "regions": "{label}_dseg.nii.gz",
    "regions_tsv": "{label}_dseg.tsv",
    "labels_itk_snap": "{label}_dseg.txt",
    "labels_slicer": "{label}_dseg.ctbl",
    "brainmask": "{label}Brain_mask.nii.gz",
    "figure": "{label}_figure.png",
}
_MNI_ENDINGS = {
    "mni_map": "space-{template}_desc-{label}Score_{suffix}.nii.gz",
    "mni_mask": "space-{template}_desc-{label}_mask.nii.gz",
    "mni_labels": "space-{template}_desc-{label}_dseg.nii.gz",
    "mni_brainmask": "space-{template}_desc-{label}Brain_mask.nii.gz",
    "mni_scan": "space-{template}_desc-{label}Brain_{suffix}.nii.gz",
    "mni_transform": "from-{suffix}_to-{template}_mode-image_desc-{label}_xfm.tfm",
    "mni_warp": "from-{suffix}_to-{template}_mode-image_desc-{label}Warp_xfm.nii.gz",
    "mni_inverse_warp": "from-{template}_to-{suffix}_mode-image_desc-{label}Warp_xfm.nii.gz",
}
"""In MNI space; transforms have no names in version 1.10 of the standard and have those of its drafts."""

_SIDECARS = ("map", "mask", "regions", "brainmask")
_COLUMNS = ("index", "name", "color", *(name for name in REGION_COLUMNS if name not in ("region", "region_name")))
_ABOUT_COLUMNS: dict[str, tuple[str, str]] = {
    "color": ("The colour that viewers give the region, hexadecimal", ""),
    "volume_ml": ("Volume of the region", "mL"),
    "voxels": ("Voxels of the region", ""),
    "strength": ("Sum of the scores above the threshold times the volume of a voxel", ""),
    "peak": ("Highest score", ""),
    **{f"{point}_{axis}_mm": (f"{point} of the region, {axis}, RAS+", "mm") for point in ("centroid", "peak") for axis in "xyz"},
    "peak_index": ("Voxel of the highest score, RAS+ axes", ""),
    "box": ("Bounding box in voxels, RAS+ axes: first and last of each axis", ""),
    "hit": ("Whether it meets the ground truth", ""),
    "review": ("What a person said of it", ""),
    "note": ("Note of a person", ""),
    "parts": ("Regions that a person merged into it", ""),
    "p_value": ("Conformal p-value against healthy brains", ""),
    "verdict": ("How it compares with healthy brains, in words", ""),
    "healthy_mean": ("Mean score of healthy brains at its place in MNI152", ""),
}


def label_of(text: str) -> str:
    """A method as a label of the standard, which has letters and digits alone: ``tissueEnsemble`` of ``tissue-ensemble``."""
    first, *rest = [word for word in re.split(r"[^A-Za-z0-9]+", text.replace("+", "-plus")) if word] or ["method"]
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


@dataclass(frozen=True)
class Place:
    """Where the derivatives of an image by a method lie.

    Parameters
    ----------
    image : BIDSImage
        The raw image.
    label : str
        The method's; see `label_of`.
    """

    image: BIDSImage
    label: str

    @property
    def folder(self) -> Path:
        """Below the derivatives' folder."""
        session = [f"ses-{self.image.session}"] if self.image.session else []
        return Path(f"sub-{self.image.subject}", *session, "anat")

    @property
    def stem(self) -> str:
        """What all names begin with, but for the label."""
        return f"{self.image.stem}_space-{self.image.suffix}_desc-"

    @property
    def log(self) -> Path:
        """What became of the image, below the derivatives' folder."""
        return Path("logs", f"{self.stem}{self.label}.json")

    @property
    def files(self) -> dict[str, str]:
        """The names by what they hold, sidecars among them."""
        found = {kind: self.stem + ending.format(label=self.label, suffix=self.image.suffix) for kind, ending in _ENDINGS.items()}
        return found | {f"{kind}_json": found[kind].removesuffix(".nii.gz") + ".json" for kind in _SIDECARS}

    @property
    def mni_files(self) -> dict[str, str]:
        """As `files`, for the copies in MNI space."""
        about = {"label": self.label, "suffix": self.image.suffix, "template": TEMPLATE_NAME}
        found = {kind: f"{self.image.stem}_{ending.format(**about)}" for kind, ending in _MNI_ENDINGS.items()}
        sidecars = (kind for kind in found if "warp" not in kind and kind != "mni_transform")
        return found | {f"{kind}_json": found[kind].removesuffix(".nii.gz") + ".json" for kind in sidecars}

    @property
    def raw(self) -> str:
        """The raw image as a BIDS URI."""
        session = [f"ses-{self.image.session}"] if self.image.session else []
        return "bids:raw:" + "/".join([f"sub-{self.image.subject}", *session, "anat", self.image.path.name])

    def run(self, detection: Detection) -> Run:
        """What the files belong to; see `io.results.Run`."""
        return run_of("bids", detection.volume, f"{self.stem}{self.label}", [*self.files.values(), *self.mni_files.values()])


def save_derivatives(
    detection: Detection, place: Place, out: Path, progress: Progress, *, overwrite: bool = False, token: str = ""
) -> dict[str, Path]:
    """Write map, masks, regions and figure with their sidecars: all files or none.

    Parameters
    ----------
    detection : Detection
        What `detect` gave.
    place : Place
        Where they go.
    out : Path
        The derivatives' folder.
    token : str
        See `io.results.Run`.

    Returns
    -------
    dict of str to Path
        By what they hold.

    Raises
    ------
    InputError
        If they cannot be written, or would replace those of another image of that name.
    """
    names, run, way = place.files, replace(place.run(detection), token=token), detection.mni
    if way is not None:
        names |= {kind: name for kind, name in place.mni_files.items() if way.warp is not None or "warp" not in kind}
    with written_whole(out / place.folder, [run], overwrite=overwrite) as folder:
        files = {kind: folder / name for kind, name in names.items()}
        progress.update(0.0, "Writing the derivatives")
        write_map(files["map"], detection.map)
        write_mask(files["mask"], detection.result.mask, detection.map)
        write_labels(files["regions"], narrow(detection.result.labels), detection.map)
        write_mask(files["brainmask"], detection.map.mask, detection.map)
        write_text(files["regions_tsv"], _regions_tsv(detection))
        write_label_tables(detection, files)
        sidecars = _sidecars(detection, place)
        if way is not None:
            write_mni(detection, way, files)
            sidecars |= _mni_sidecars(detection, place, way)
        for kind, about in sidecars.items():
            write_json(files[f"{kind}_json"], about)
        progress.update(0.7, "Drawing the figure")
        draw_figure(detection, files["figure"])
    return {kind: out / place.folder / name for kind, name in (names | {"manifest": run.manifest}).items()}


def describe_folder(out: Path, raw: Path) -> None:
    """Write what a folder of derivatives of a raw data set needs: ``dataset_description.json``, ``README.md`` and ``.bidsignore``."""
    write_json(
        out / "dataset_description.json",
        {
            "Name": "Anomalies in brain MRI",
            "BIDSVersion": VERSION,
            "DatasetType": "derivative",
            "GeneratedBy": [{"Name": APP, "Version": package_version(), "Description": NOTICE}],
            "DatasetLinks": {"raw": Path(os.path.relpath(raw, out)).as_posix()},
        },
    )
    if not (out / "README.md").exists():  # what people wrote there stays
        write_text(out / "README.md", _README)
    ignored = out / ".bidsignore"
    # So do their lines here; those of ours that an earlier version did not know are added.
    lines = ignored.read_text("utf-8", "surrogateescape").splitlines() if ignored.exists() else []
    missing = [line for line in IGNORED if line not in lines]
    if missing:
        write_bytes(ignored, "\n".join([*lines, *missing, ""]).encode("utf-8", "surrogateescape"))


_README = f"""# Anomalies in brain MRI

Derivatives of napari-brain-uad: unsupervised anomaly detection. {NOTICE}

For every image, in the space of the image itself (`space-` names its suffix), by method (`desc-`):

- `desc-METHODScore_T1w.nii.gz`: the anomaly map. It has the suffix of the image it was made from, because the standard has none for maps of
  scores; its sidecar says what the score means and how it was made.
- `desc-METHOD_mask.nii.gz`: what lies above the threshold, after the clean-up.
- `desc-METHOD_dseg.nii.gz` and `.tsv`: the same as numbered regions, and their table; `.txt` and `.ctbl` name them
  in ITK-SNAP and 3D Slicer.
- `desc-METHODBrain_mask.nii.gz`: the brain that was scored.
- `desc-METHOD_figure.png`: a figure.

`group_anomalies.tsv` (after the analysis level `group`) lists all images, those left out among them; `logs/` says what became of each.
"""


def _regions_tsv(detection: Detection) -> str:
    rows = []
    for row in as_rows(detection.result.regions):
        number = row["region"]
        named = {**row, "index": number, "name": row["region_name"] or f"region {number}", "color": region_colour(number)}
        rows.append([cell(named[column]) for column in _COLUMNS])
    return table_text([_COLUMNS, *rows], delimiter="\t")


def cell(value: Any) -> str:
    """A value in a table of the standard."""
    if isinstance(value, list | tuple):
        return ",".join(map(cell, value)) or "n/a"
    if isinstance(value, bool):
        return str(value).lower()
    return "n/a" if value in (None, "") else f"{value:.6g}" if isinstance(value, float) else str(value)


def _sidecars(detection: Detection, place: Place) -> dict[str, dict[str, Any]]:
    shared = {"Sources": [place.raw], "SpatialReference": place.raw}
    provenance = provenance_record(detection, {})
    about = regions_record(detection)
    columns = {name: {"Description": text} | ({"Units": unit} if unit else {}) for name, (text, unit) in _ABOUT_COLUMNS.items()}
    return {
        "map": shared
        | {
            "Description": f"Anomaly map of {detection.map.method}",
            "Units": detection.map.unit,
            "SkullStripped": True,
            "Provenance": provenance,
        },
        "mask": shared
        | {"Description": "Voxels above the threshold, after the clean-up", "Type": "Lesion", "Threshold": about["threshold"]},
        "regions": shared
        | {"Description": "The regions of the mask, the strongest first", "Manual": False, "Verdict": about["verdict"], **columns},
        "brainmask": shared | {"Description": "The brain that was scored", "Type": "Brain"},
    }


def _mni_sidecars(detection: Detection, place: Place, way: MniWay) -> dict[str, dict[str, Any]]:
    """Those of the copies in MNI space: the copied file's, with what it was made of and how."""
    native = _sidecars(detection, place)
    folder = place.folder.as_posix()
    found = {}
    for kind, about in native.items():
        copy = {"map": "mni_map", "mask": "mni_mask", "regions": "mni_labels", "brainmask": "mni_brainmask"}[kind]
        sources = [f"bids::{folder}/{place.files[kind]}"]
        found[copy] = {name: value for name, value in about.items() if name != "SpatialReference"} | {"Sources": sources}
    found["mni_map"]["Provenance"] = {**found["mni_map"]["Provenance"], "preprocessing": [], "space": mni_record(detection, way)}
    found["mni_scan"] = {"Sources": [place.raw], "Description": "The scan's brain", "SkullStripped": True}
    return found
