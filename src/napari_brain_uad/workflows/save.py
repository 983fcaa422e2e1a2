"""Write a detection: map, masks, regions, provenance and figure, all or nothing a file at a time."""

from __future__ import annotations

import csv
import io
import shlex
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..core.memory import check_memory, told_as_error
from ..core.progress import Progress
from ..core.provenance import NOTICE
from ..evaluation.figure import detection_figure
from ..io.atomic import atomic_path, write_json, write_text
from ..io.nifti import write_map, write_mask
from ..postprocessing.regions import REGION_COLUMNS, as_rows
from .detect import Detection
from .names import output_folder, output_stem


@told_as_error()
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
        "map", "mask", "brainmask", "regions", "regions_tsv", "provenance", "figure", and with a ground truth "metrics".

    Raises
    ------
    InputError
        If the folder cannot be made or written.
    """
    progress = progress or Progress()
    check_memory(detection.map.name, 12 * detection.map.score.size, "writing and drawing its results")
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
    write_json(files["provenance"], provenance_record(detection))
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
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(REGION_COLUMNS)
    for row in rows:
        writer.writerow([_cell(row[name]) for name in REGION_COLUMNS])
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(_cell(item) for item in value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return "n/a" if value is None else str(value)


def without_folders(command: str) -> str:
    """Folder names may tell who the patient is; outputs name files only."""
    return shlex.join(Path(word).name if Path(word).parent.name else word for word in shlex.split(command))


def provenance_record(detection: Detection) -> dict[str, Any]:
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
        "command": without_folders(detection.command),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(detection.seconds, 3),
    }
