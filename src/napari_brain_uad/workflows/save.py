"""Write a detection: map, masks, regions, provenance and figure, all or nothing a file at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..core import shell
from ..core.progress import Progress
from ..core.provenance import NOTICE
from ..detectors.registry import METHODS
from ..evaluation.figure import detection_figure
from ..io.atomic import atomic_path, write_json, write_text
from ..io.nifti import write_map, write_mask
from ..io.tables import table_text
from ..postprocessing.regions import REGION_COLUMNS, as_rows
from .detect import Detection
from .names import output_folder, output_stem


def save_detection(detection: Detection, out: str | Path, *, progress: Progress | None = None) -> dict[str, Path]:
    """Write everything a detection gave into a folder, in the scan's own space.

    Parameters
    ----------
    detection : Detection
        What `detect` returned.
    out : str or Path
        The folder; made when missing. Files of the same name are replaced, each in one step.

    Returns
    -------
    dict of str to Path
        "map", "mask", "brainmask", "regions", "regions_tsv", "provenance", "figure", and with a ground truth "metrics"; "truth" too
        when it came from no file, so that the recorded command can be run again.

    Raises
    ------
    InputError
        If the folder cannot be made or written.
    """
    progress = progress or Progress()
    folder = output_folder(out)
    amap, result = detection.map, detection.result
    stem = folder / output_stem(amap.name, amap.method)
    files = {
        key: stem.with_name(f"{stem.name}_{ending}")
        for key, ending in {
            "map": "anomalymap.nii.gz",
            "mask": "mask.nii.gz",
            "brainmask": "brainmask.nii.gz",
            "regions": "regions.json",
            "regions_tsv": "regions.tsv",
            "provenance": "provenance.json",
            "figure": "figure.png",
        }.items()
    }
    progress.update(0.0, "Writing the anomaly map")
    write_map(files["map"], amap)
    progress.update(0.4, "Writing the masks")
    write_mask(files["mask"], result.mask, amap)
    write_mask(files["brainmask"], amap.mask, amap)
    write_json(files["regions"], regions_record(detection))
    write_text(files["regions_tsv"], regions_tsv(detection))
    if detection.truth is not None and is_unnamed(detection.command, "--truth"):
        files["truth"] = stem.with_name(f"{stem.name}_truth.nii.gz")
        write_mask(files["truth"], detection.truth, amap)
    write_json(files["provenance"], provenance_record(detection, files))
    if detection.evaluation is not None:
        files["metrics"] = stem.with_name(f"{stem.name}_metrics.json")
        write_json(files["metrics"], detection.evaluation.as_dict())
    progress.update(0.7, "Drawing the figure")
    figure = detection_figure(detection.volume, amap, result, detection.truth)
    with atomic_path(files["figure"]) as temporary:
        figure.savefig(temporary, dpi=150, metadata={"Software": "napari-brain-uad"})
    progress.update(1.0, "Saved")
    return files


def regions_record(detection: Detection) -> dict[str, Any]:
    """The regions as JSON data, with the units of every column and the threshold that gave them."""
    rows = as_rows(detection.result.regions)
    return {
        "notice": NOTICE,
        "scan": detection.map.name,
        "method": detection.map.method,
        "threshold": detection.result.threshold.as_dict(),
        "units": {
            "volume_ml": "ml",
            "centroid, peak position": "mm, RAS+",
            "peak": detection.map.unit,
            "strength": "unit of the peak x ml",
            "index, box": "voxels, RAS+ axes",
        },
        "regions": rows,
    }


def regions_tsv(detection: Detection) -> str:
    """The regions as a tab-separated table; lists are written with commas. Only the header when there are none."""
    rows = as_rows(detection.result.regions)
    return table_text([REGION_COLUMNS, *([_cell(row[name]) for name in REGION_COLUMNS] for row in rows)], delimiter="\t")


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_cell(item) for item in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return "n/a" if value is None else str(value)


def is_unnamed(command: str, option: str) -> bool:
    """Whether a command has a word in capitals where a file belongs: a mask that came from no file."""
    words = shell.split(command)
    return option in words[:-1] and words[words.index(option) + 1] == option[2:].upper()


def recorded_command(command: str, files: Mapping[str, Path]) -> str:
    """A command as outputs hold it: without folders, and with the masks that were saved where they came from no file."""
    words = shell.split(command)
    for option, key in (("--mask", "brainmask"), ("--truth", "truth")):
        if key in files and is_unnamed(command, option):
            words[words.index(option) + 1] = shell.file_word(files[key].name)
    return without_folders(shell.join(words))


def without_folders(command: str) -> str:
    """Folder names may tell who the patient is; outputs name files only: the command is to be run where they lie."""
    return shell.join(_without_folder(word) for word in shell.split(command))


def _without_folder(word: str) -> str:
    head, slash, _ = word.partition("/")
    if not slash:
        return word
    # A model's file comes behind its method, as in vae:folder/model.safetensors.
    method = re.match(r"([\w-]+)(@[^/]*)?[:=]", head)
    prefix = method.group() if method is not None and method.group(1) in METHODS else ""
    name = Path(word.removeprefix(prefix)).name
    return prefix + name if prefix else shell.file_word(name)


def provenance_record(detection: Detection, files: Mapping[str, Path]) -> dict[str, Any]:
    """How the outputs were made. Only `created` and `seconds` differ between two runs of the same command."""
    return {
        "notice": NOTICE,
        **detection.map.provenance,
        "map": {
            "unit": detection.map.unit,
            "background": detection.map.background,
            "default_threshold": str(detection.map.default_threshold),
        },
        "postprocessing": detection.post.as_dict(),
        "threshold": detection.result.threshold.as_dict(),
        "command": recorded_command(detection.command, files),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(detection.seconds, 3),
    }
