"""The regions of a detection as files: a record, a table, and numbers in an image that other programs show by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.provenance import NOTICE
from ...core.text import table_text
from ...io.atomic import write_text
from ...io.exchange.label_tables import NamedLabel, itk_snap_table, slicer_table
from ...io.nifti import write_labels
from ...postprocessing.atlas import ATLAS_TITLE
from ...postprocessing.edits import REJECTED
from ...postprocessing.region_colours import region_colour
from ...postprocessing.region_edits import review_record
from ...postprocessing.regions import REGION_COLUMNS, Region, as_rows
from .detect import Detection
from .region_names import mni_relation


def regions_record(detection: Detection) -> dict[str, Any]:
    """The regions as JSON data, with the units of every column and the threshold that gave them."""
    rows = as_rows(detection.result.regions)
    return {
        "notice": NOTICE,
        "scan": detection.map.name,
        "method": detection.map.method,
        "threshold": detection.result.threshold.as_dict(),
        "verdict": detection.verdict.as_dict(),
        "units": {
            "volume_ml": "ml",
            "centroid, peak position": "mm, RAS+",
            "peak": detection.map.unit,
            "strength": "unit of the peak x ml",
            "index, box": "voxels, RAS+ axes",
        },
        "region_names": {"atlas": ATLAS_TITLE, "position": _position_words(detection)},
        "edited_by_hand": review_record(detection.result.regions),
        "regions": rows,
    }


def _position_words(detection: Detection) -> str:
    """How it is known where regions lie in MNI152, or why not."""
    relation = mni_relation(detection.map)
    if relation.to_mni is None and any(region.name for region in detection.result.regions):
        return "by the registration to MNI152 that the copies there were made with"
    return relation.words


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


def narrow(labels: NDArray[np.uint32]) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Numbers of regions in 16 bits, which more programs read, where that keeps them apart."""
    return labels.astype(np.uint16) if labels.max(initial=0) <= np.iinfo(np.uint16).max else labels


def write_region_labels(detection: Detection, files: Mapping[str, Path]) -> None:
    """Write the regions' numbers as an image on the scan's grid, and what they mean.

    Parameters
    ----------
    files : mapping of str to Path
        "labels" (NIfTI), "labels_itk_snap" (a label description of ITK-SNAP) and "labels_slicer" (a colour table of 3D Slicer).
    """
    write_labels(files["labels"], narrow(detection.result.labels), detection.map)
    write_label_tables(detection, files)


def write_label_tables(detection: Detection, files: Mapping[str, Path]) -> None:
    """Write the two tables of `write_region_labels`."""
    labels = named_labels(detection)
    write_text(files["labels_itk_snap"], itk_snap_table(labels))
    write_text(files["labels_slicer"], slicer_table(labels, files["labels_slicer"].name))


def named_labels(detection: Detection) -> tuple[NamedLabel, ...]:
    """Every region with a name like "1: 3.2 ml, peak 0.81, left thalamus", in the viewer's colour."""
    return tuple(NamedLabel(one.number, _said(one), region_colour(one.number)) for one in detection.result.regions)


def _said(region: Region) -> str:
    size = f"{region.volume_ml:.1f}" if region.volume_ml >= 0.1 else f"{region.volume_ml:.2g}"
    said = f"{region.number}: {size} ml, peak {region.peak:.3g}"
    said += f", {region.name}" if region.name else ""
    return f"{said} (rejected)" if region.review == REJECTED else said
