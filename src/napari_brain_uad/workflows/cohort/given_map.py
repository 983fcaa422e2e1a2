"""Whether the two files of an evaluation are a map and its ground truth: swapped or mistaken they give figures, too, but wrong ones."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...core import shell
from ...core.anomaly_map import AnomalyMap
from ...core.checks import Finding
from ...core.errors import InputError
from ...core.file_role import SEQUENCE_WORDS, file_role
from ...evaluation.truth import truth_findings
from ...io.labels import check_no_labels
from ...io.nifti import image_stem
from ..scans.load import MaskInput

_MAP = "_anomalymap"
_OF_A_RUN = ("_mask", "_labels", "_brainmask")
"""What a detection writes beside its map that could be taken for a ground truth."""

_GIVE = "Give the *_anomalymap.nii.gz that a detection wrote; a map of another program is read under such a name"


def check_map(file: Path, amap: AnomalyMap, truth: MaskInput) -> Finding | None:
    """See that a file that was read as a map is one.

    Parameters
    ----------
    file : Path
        The map's file.
    amap : AnomalyMap
        What it holds.
    truth : array, str or Path
        The ground truth as it was given.

    Returns
    -------
    Finding or None
        A warning where nothing says what the file is.

    Raises
    ------
    InputError
        If it is a mask or a map of labels by its values, or a scan by its name.
    """
    if amap.provenance.get("method") or file_role(image_stem(file)).role == "map":
        return None
    labels = check_no_labels(amap.score)
    if labels is not None:
        why = f"{labels.message.rpartition(', and is')[0]}, and is no anomaly map"
        raise InputError(file.name, why=why, fix=_swapped(file, truth) or _GIVE)
    if _is_scan(file, truth):
        raise InputError(
            file.name, why="it is a scan by its name, and grey values are no anomaly scores", fix=_swapped(file, truth) or _GIVE
        )
    message = (
        f"{file.name} is no map that a detection wrote: its values are taken for anomaly scores as they are, high where it is abnormal"
    )
    return Finding("unknown-map", "warning", message, "Check that it is the map and no scan")


def check_truth_file(truth: Path, lesions: NDArray[np.bool_], amap: AnomalyMap, map_file: Path | None) -> None:
    """See that a file that was read as a ground truth is not what a detection made, and no brain mask.

    Parameters
    ----------
    truth : Path
        The file.
    lesions : array of bool, shape (i, j, k)
        What it holds.
    amap : AnomalyMap
        What it is to be compared with.
    map_file : Path or None
        The map's file.

    Raises
    ------
    InputError
        If it is one of the files of the map's own run; or a brain mask by its name, and as large.
    """
    fix = "Give what somebody drew on the scan"
    stem = image_stem(truth)
    if map_file is not None and _of_one_run(truth, map_file):
        why = f"the detection that wrote {map_file.name} wrote it, too, and figures would only say how alike the two are"
        raise InputError(f"{truth.name} is no ground truth", why=why, fix=fix)
    covers = any(finding.code == "truth-covers-brain" for finding in truth_findings(lesions, amap.mask))
    if covers and file_role(stem).role == "brain mask":
        raise InputError(f"{truth.name} is no ground truth", why="it covers the brain, and is a brain mask by its name", fix=fix)


def _of_one_run(truth: Path, map_file: Path) -> bool:
    run = image_stem(map_file).removesuffix(_MAP)
    beside = truth.resolve().parent == map_file.resolve().parent and image_stem(truth) in {f"{run}{end}" for end in _OF_A_RUN}
    # Without a manifest they may be another program's map and the ground truth that somebody drew.
    return beside and (map_file.parent / f"{run}_manifest.json").is_file()


def _is_scan(file: Path, truth: MaskInput) -> bool:
    """Whether its name ends as a scan's does, or the ground truth beside it is named after it."""
    stem = image_stem(file)
    if file_role(stem).role != "scan":
        return False
    if re.search(rf"(?<![A-Za-z0-9])(?:{SEQUENCE_WORDS})$", stem, re.IGNORECASE):
        return True
    if not isinstance(truth, str | Path) or Path(truth).resolve().parent != file.resolve().parent:
        return False
    drawn = file_role(image_stem(truth))
    return drawn.role == "truth" and drawn.rest.strip("_-. ") == stem


def _swapped(file: Path, truth: MaskInput) -> str:
    """What to do where the second file is the map."""
    if not isinstance(truth, str | Path) or file_role(image_stem(truth)).role != "map":
        return ""
    words = ["brain-uad", "evaluate", shell.file_word(truth)]
    known = file_role(image_stem(file)).role == "truth"
    return f"The map comes first, then the ground truth: {shell.join([*words, shell.file_word(file) if known else 'TRUTH'])}"
