"""Copies of a detection in MNI space, on the template's grid, with the transform that led there.

The transform is the one that the scan was prepared with; a scan that was not registered is, by the same step of the preprocessing. Scores
and the scan are interpolated linearly, inside the brain alone; numbers of regions are those of the nearest voxel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.anomaly_map import AnomalyMap
from ...core.errors import InputError
from ...core.memory import check_memory
from ...core.progress import Progress
from ...core.volume import Source, Volume
from ...io.atomic import write_text
from ...io.displacement import write_displacements
from ...io.exchange.transforms import itk_affine
from ...io.nifti import write_labels, write_map, write_mask, write_volume
from ...preprocessing.geometry import resample_array, resample_inside, resample_volume
from ...preprocessing.mni_way import MniWay, moved
from ...preprocessing.template import MNI_GRID, TEMPLATE_NAME
from ...preprocessing.warp import STEP_MM
from .detect import Detection
from .region_files import narrow
from .region_names import named, recorded_matrix, registration_of

_AS_STORED = Source(MNI_GRID, qform_code=4, sform_code=4)
"""Code 4 of NIfTI-1: the coordinates are MNI152's."""

INTERPOLATION = {"scan, scores": "linear, inside the brain", "labels, mask": "nearest voxel", "brain mask": "linear, inside from 0.5 on"}


def check_mni(volume: Volume) -> None:
    """See whether a scan can be brought to MNI space, before anything is computed.

    Raises
    ------
    InputError
        If it is a single slice, or its file does not say which side is left.
    """
    what = f"{volume.name} cannot be brought to MNI space"
    if volume.is_slice:
        raise InputError(what, why="it is a single slice", fix="Leave copies in MNI space (--mni) out, or give the whole scan")
    if volume.source is not None and not volume.source.orientation_known:
        fix = "Leave copies in MNI space (--mni) out, or set the orientation in the scan's header"
        raise InputError(what, why="its file does not say which side is left", fix=fix)


def with_mni(detection: Detection, progress: Progress | None = None) -> Detection:
    """A detection that knows its way to MNI space: `save.save_detection` then writes the copies, too.

    Parameters
    ----------
    detection : Detection
        What `detect` gave. Its scan is registered when its preparation did not do that (affine, some ten seconds).

    Returns
    -------
    Detection
        With a warning among its findings where the registration is poor, and otherwise with names for its regions.

    Raises
    ------
    InputError, Cancelled
        As `check_mni`; or if the brains cannot be brought to overlap.
    """
    from ...preprocessing.steps.register_mni import registration_findings

    volume, outcome, result = detection.volume, registration_of(detection.map), detection.result
    check_mni(volume)
    if outcome is not None:
        # Of a map that was read from its file the deformation is not known: its affine part is all there is.
        way = MniWay(recorded_matrix(detection.map), detection.warp, {key: one for key, one in outcome.items() if key != "matrix"})
    else:
        way = _registered(volume, progress)
    poor = registration_findings(way.outcome, volume.name)
    if outcome is None and not poor:
        result = named(result, detection.map.grid, _affine_back(way), detection.reference)
    known = {finding.code for finding in volume.findings}
    findings = (*volume.findings, *(finding for finding in poor if finding.code not in known))
    return replace(detection, mni=way, result=result, volume=replace(volume, findings=findings))


def to_mni_of(volume: Volume, progress: Progress | None = None) -> NDArray[np.float64] | None:
    """World mm of a scan to world mm of MNI152, by an affine registration of its brain (some ten seconds); None where that is poor.

    Raises
    ------
    InputError, Cancelled
        As `check_mni`; or if the brains cannot be brought to overlap.
    """
    from ...preprocessing.steps.register_mni import registration_findings

    check_mni(volume)
    way = _registered(volume, progress)
    return None if registration_findings(way.outcome, volume.name) else _affine_back(way)


def _affine_back(way: MniWay) -> NDArray[np.float64]:
    return np.asarray(np.linalg.inv(way.matrix), dtype=np.float64)


def _registered(volume: Volume, progress: Progress | None) -> MniWay:
    from ...preprocessing.step import Context
    from ...preprocessing.steps.register_mni import RegisterMni

    check_memory(volume.name, 24 * volume.data.size, "registering it to MNI152")
    found = RegisterMni().apply(volume, Context(progress=progress or Progress()))
    return MniWay(found.matrix, found.warp, {key: one for key, one in found.outcome.items() if key != "matrix"})


def mni_map(detection: Detection, way: MniWay) -> AnomalyMap:
    """The map on the template's grid; its record says that it lies there, so that it can be read as any other map."""
    own = detection.map
    score, mask = resample_inside(own.score, own.mask, own.grid, MNI_GRID, way.to_scan, outside=own.background)
    provenance = {**own.provenance, "preprocessing": []}
    return replace(own, score=score, mask=mask, grid=MNI_GRID, source=_AS_STORED, provenance=provenance, scan=None)


def write_mni(detection: Detection, way: MniWay, files: Mapping[str, Path]) -> None:
    """Write the copies, but for their record.

    Parameters
    ----------
    files : mapping of str to Path
        "mni_map", "mni_mask", "mni_labels", "mni_brainmask", "mni_scan", "mni_transform"; "mni_warp" and "mni_inverse_warp" where the scan
        was deformed.
    """
    amap, result = mni_map(detection, way), detection.result
    labels = resample_array(narrow(result.labels), detection.map.grid, MNI_GRID, way.to_scan, interpolation="nearest")
    write_map(files["mni_map"], amap)
    write_labels(files["mni_labels"], labels, amap)
    write_mask(files["mni_mask"], labels > 0, amap)
    write_mask(files["mni_brainmask"], amap.mask, amap)
    write_volume(files["mni_scan"], replace(resample_volume(detection.volume, MNI_GRID, way.to_scan), source=_AS_STORED))
    write_text(files["mni_transform"], itk_affine(way.matrix))
    if way.warp is not None:
        for kind, field in (("mni_warp", way.warp.forward), ("mni_inverse_warp", way.warp.inverse)):
            write_displacements(files[kind], field.steps, STEP_MM, field.grid)


def mni_record(detection: Detection, way: MniWay) -> dict[str, Any]:
    """How the copies were made, and where the regions lie in MNI space, as JSON data."""
    regions = detection.result.regions
    places = moved(way.to_template, np.array([region.centroid_mm for region in regions]).reshape(-1, 3))
    return {
        "template": TEMPLATE_NAME,
        "grid": MNI_GRID.as_dict(),
        "matrix_to_scan_mm": way.matrix.tolist(),
        "matrix_to_template_mm": np.linalg.inv(way.matrix).tolist(),
        "deformed": way.warp is not None,
        "registration": dict(way.outcome),
        "interpolation": INTERPOLATION,
        "region_centroids_mm": {str(region.number): place.round(2).tolist() for region, place in zip(regions, places, strict=True)},
        "preprocessing_of_scan": [dict(step) for step in detection.map.provenance.get("preprocessing", ())],
    }
