"""A detection as DICOM objects that PACS and viewers open: a Segmentation of its regions, and a Parametric Map of its scores.

highdicom (Bridge et al., Journal of Digital Imaging 2022, doi:10.1007/s10278-022-00683-y) makes them; both refer to the images of the
series that was scored and carry its patient and study, as the standard wants it (PS3.3 A.51 and A.75).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.optional import require
from ...core.provenance import package_version
from ...core.text import counted
from ...io.atomic import atomic_path
from ...io.dicom_stack import Stack
from ...postprocessing.edits import REJECTED
from ...postprocessing.regions import Region

if TYPE_CHECKING:
    from .detect import Detection

_NAME = "napari-brain-uad"
_SERIES = {"dicom_seg": (9001, "Anomalies (research use only)"), "dicom_map": (9002, "Anomaly map (research use only)")}
_NEEDED = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
_MAY_BE_EMPTY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber",
    "ReferringPhysicianName",
)  # fmt: skip
"""Of patient and study; the standard wants them written, if only empty (type 2), and what takes names away often removes them."""

_MOST_SEGMENTS = 1000
"""Each region is a segment; more of them are speckle that no viewer lists."""


def check_dicom(volume_size: Sequence[int], stack: Stack) -> None:
    """See whether objects can be written, before anything is computed.

    Raises
    ------
    InputError
        If highdicom is not installed, or the series is of a kind whose images cannot be referred to.
    """
    require("highdicom", what_for="DICOM objects cannot be written")
    paths = {frame.path for frame in stack.frames}
    single = len(paths) == len(stack.frames)
    if not single and (len(paths) > 1 or len(_datasets(stack)[0].get("PerFrameFunctionalGroupsSequence", ())) != len(stack.frames)):
        why = "its images lie in several multi-frame files, or in mosaics"
        raise InputError("DICOM objects cannot refer to this series", why=why, fix="Leave off --dicom: the NIfTI files hold the same")
    absent = [name for name in _NEEDED if not _datasets(stack)[0].get(name)]
    if absent:
        why = f"its images lack {' and '.join(absent)}"
        raise InputError("DICOM objects cannot refer to this series", why=why, fix="Leave off --dicom, or export the series again")
    if tuple(volume_size) != (stack.frames[0].columns, stack.frames[0].rows, len(stack.frames)):
        raise InputError("The detection is not of this series", fix="Give the series that was scored")


def write_dicom(detection: Detection, stack: Stack, files: Mapping[str, Path]) -> None:
    """Write the objects.

    Parameters
    ----------
    detection : Detection
        On the grid of the series.
    stack : Stack
        Its slices, in order; see `io.dicom.stack_of`.
    files : mapping of str to Path
        "dicom_map", and "dicom_seg" where there are regions.

    Raises
    ------
    InputError
        As `check_dicom`; if there are more regions than viewers list.
    """
    source = detection.volume.source
    if source is None:
        raise InputError("The detection is not of a DICOM series", fix="Give the series that was scored")
    check_dicom(source.grid.shape, stack)
    datasets = _datasets(stack)
    kept = [region for region in detection.result.regions if region.review != REJECTED]
    if len(kept) > _MOST_SEGMENTS:
        why = f"there are {counted(len(kept), 'region')}; a segmentation of more than {_MOST_SEGMENTS} is of no use to viewers"
        raise InputError("The DICOM segmentation cannot be written", why=why, fix="Give a higher threshold, or --min-size-ml")

    # A multi-frame file has its frames in any order.
    order = np.argsort([frame.index for frame in stack.frames], kind="stable")

    def frames(data: NDArray[Any]) -> NDArray[Any]:
        """Slices, rows, columns in the order of the series' images."""
        return np.ascontiguousarray(source.to_native(data).transpose(2, 1, 0)[order])

    objects = {"dicom_map": _parametric_map(detection, datasets, frames(detection.map.score))}
    if "dicom_seg" in files:
        objects["dicom_seg"] = _segmentation(detection, datasets, frames(detection.result.labels), kept)
    for kind, made in objects.items():
        with atomic_path(files[kind]) as temporary:
            made.save_as(temporary)


def _datasets(stack: Stack) -> list[Any]:
    from pydicom import dcmread

    paths = list(dict.fromkeys(frame.path for frame in stack.frames))
    found = [dcmread(path, stop_before_pixels=True, force=True) for path in paths]
    for one in found:
        for name in _MAY_BE_EMPTY:
            if name not in one:
                setattr(one, name, None)
    return found


def _segmentation(detection: Detection, datasets: list[Any], labels: NDArray[Any], regions: Sequence[Region]) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    about = hd.AlgorithmIdentificationSequence(detection.map.method, codes.DCM.ArtificialIntelligence, package_version())
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"Region {region.number}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Lesion,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=about,
            tracking_uid=_uid(detection, f"region {region.number}"),
            tracking_id=f"Region {region.number}",
        )
        for number, region in enumerate(regions, 1)
    ]
    numbers = np.zeros(int(labels.max()) + 1, np.uint16)
    numbers[[region.number for region in regions]] = np.arange(1, len(regions) + 1)
    return hd.seg.Segmentation(
        source_images=datasets,
        pixel_array=numbers[labels],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        **_common(detection, "dicom_seg"),
    )


def _parametric_map(detection: Detection, datasets: list[Any], score: NDArray[np.float32]) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    low, high = float(score.min()), float(score.max())
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="anomaly",
        lut_explanation=detection.map.unit[:64],
        unit=codes.UCUM.NoUnits,
        value_range=(low, high),
        slope=1.0,
        intercept=0.0,
    )
    return hd.pm.ParametricMap(
        source_images=datasets,
        pixel_array=score.astype(np.float32),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[mapping],
        voi_lut_transformations=[hd.VOILUTTransformation(window_center=(low + high) / 2, window_width=max(high - low, 1e-6))],
        **_common(detection, "dicom_map"),
    )


def _common(detection: Detection, kind: str) -> dict[str, Any]:
    number, description = _SERIES[kind]
    return {
        "series_instance_uid": _uid(detection, f"{kind} series"),
        "series_number": number,
        "sop_instance_uid": _uid(detection, kind),
        "instance_number": 1,
        "manufacturer": _NAME,
        "manufacturer_model_name": detection.map.method,
        "software_versions": package_version(),
        "device_serial_number": "0",
        "series_description": description,
        "content_label": "ANOMALY",
    }


def _uid(detection: Detection, what: str) -> str:
    """The same for the same detection: a UUID-derived UID (PS3.5 B.2) of what decides it."""
    told = repr((detection.map.score.tobytes(), detection.result.labels.tobytes(), detection.map.method, what)).encode()
    return f"2.25.{int(hashlib.sha256(told).hexdigest()[:30], 16)}"
