"""Score an anomaly map against a ground truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ...core.anomaly_map import AnomalyMap
from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.volume import Volume
from ...evaluation.report import Evaluation, evaluate_map
from ...io.nifti import read_map
from ...postprocessing.params import PostParams
from ...postprocessing.pipeline import filtered_score
from ..detect.score import check_not_flat
from ..scans.load import MaskInput, as_mask
from ..scans.names import given_file
from ..scans.truth import as_truth, check_brain_left
from .given_map import check_map, check_truth_file


@told_as_error()
def evaluate(
    map: AnomalyMap | str | Path,
    truth: MaskInput,
    *,
    mask: MaskInput | None = None,
    post: PostParams | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """All metrics of one anomaly map, each with its definition.

    Parameters
    ----------
    map : AnomalyMap, str or Path
        The map, or its ``*_anomalymap.nii.gz``.
    truth : array of bool, shape (i, j, k) in RAS+ axes, str or Path
        The ground truth on the map's grid.
    mask : array of bool, shape (i, j, k), str or Path, optional
        Count voxels inside this mask only. Without it the whole volume counts, as in the threshold baseline's protocol.
    post : PostParams, optional
        Its filters are applied first, as `detect` does before it measures; none by default.
    progress : Progress, optional
        Told how far it is; cancelling it raises `Cancelled`.

    Returns
    -------
    Evaluation
        Metrics over all thresholds and curves; ``evaluation["auprc"].value`` is a number, or None where it is undefined. No figure of a
        thresholded mask: for these see `detect`.

    Raises
    ------
    InputError
        If a file cannot be read or lies on another grid, the map is the same everywhere, or a file is not what it is given for: a mask or a
        scan in place of the map, a scan, a map, the brain or the detection's own mask in place of the ground truth.
    """
    file = None if isinstance(map, AnomalyMap) else Path(given_file(map, "anomaly map"))
    amap = map if isinstance(map, AnomalyMap) else read_map(map)
    found = None if file is None else check_map(file, amap, truth)
    check_not_flat(amap)
    like = Volume(amap.score, amap.grid, name=amap.name, source=amap.source)
    lesions = as_truth(truth, like)
    if isinstance(truth, str | Path):
        check_truth_file(Path(truth), lesions, amap, file)
    inside = None if mask is None else as_mask(mask, like, label="mask")
    if inside is not None:
        check_brain_left(lesions, inside)
    score, _ = filtered_score(amap, post or PostParams())
    evaluation = evaluate_map(score, lesions, amap.grid, mask=inside, brain=amap.mask, progress=progress or Progress())
    return evaluation if found is None else replace(evaluation, findings=(found, *evaluation.findings))
