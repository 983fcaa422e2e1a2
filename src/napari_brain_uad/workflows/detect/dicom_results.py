"""A detection as DICOM objects that PACS and viewers open: a Segmentation of its regions, and a Parametric Map of its scores.

highdicom (Bridge et al., Journal of Digital Imaging 2022, doi:10.1007/s10278-022-00683-y) makes them; both refer to the images of the
series that was scored and carry its patient and study, as the standard wants it (PS3.3 A.51 and A.75).
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.optional import require
from ...core.provenance import package_version
from ...io.atomic import atomic_path
from ...io.dicom.stack import Stack
from ...postprocessing.edits import REJECTED

if TYPE_CHECKING:
    from .detect import Detection

_LOG = logging.getLogger(__name__)

_NAME = "napari-brain-uad"
_SERIES = {"dicom_seg": (9001, "Anomalies (research use only)"), "dicom_map": (9002, "Anomaly map (research use only)")}
_NEEDED = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
_DATE, _TIME = r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?"
_MAY_BE_EMPTY = {
    "PatientID": "[^\\\\\n]{0,64}",
    "PatientName": "[^\\\\\n]*",
    "PatientBirthDate": _DATE,
    "PatientSex": "[MFO]",
    "StudyID": "[^\\\\\n]{0,16}",
    "StudyDate": _DATE,
    "StudyTime": _TIME,
    "AccessionNumber": "[^\\\\\n]{0,16}",
    "ReferringPhysicianName": "[^\\\\\n]*",
}
"""Of patient and study, with the values that are allowed; the standard wants them written, if only empty (type 2), and what takes names
away often removes them."""

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
    paths, datasets = {frame.path for frame in stack.frames}, _datasets(stack)
    single = len(paths) == len(stack.frames)
    if not single and (len(paths) > 1 or len(datasets[0].get("PerFrameFunctionalGroupsSequence", ())) != len(stack.frames)):
        why = "its images lie in several multi-frame files, or in mosaics"
        raise InputError("DICOM objects cannot refer to this series", why=why, fix="Leave off --dicom: the NIfTI files hold the same")
    absent = [name for name in _NEEDED if not datasets[0].get(name)]
    if absent:
        why = f"its images lack {' and '.join(absent)}"
        raise InputError("DICOM objects cannot refer to this series", why=why, fix="Leave off --dicom, or export the series again")
    _check_size(volume_size, stack)
    # Whether highdicom takes these headers shows only when it makes something of them.
    shape = (len(stack.frames), stack.frames[0].rows, stack.frames[0].columns)
    trial, made = np.zeros(shape, np.uint16), _Made("trial", "", b"")
    trial[0, 0, 0] = 1
    _attempted(_segmentation, datasets, trial, [1], made)
    _attempted(_parametric_map, datasets, trial.astype(np.float32), made)


def _check_size(volume_size: Sequence[int], stack: Stack) -> None:
    if tuple(volume_size) != (stack.frames[0].columns, stack.frames[0].rows, len(stack.frames)):
        raise InputError("The detection is not of this series", fix="Give the series that was scored")


def _attempted(make: Callable[..., Any], datasets: list[Any], *given: Any) -> Any:
    """What a function of highdicom makes of the series.

    Raises
    ------
    InputError
        If it refuses the headers.
    """
    try:
        return make(datasets, *given)
    except (ValueError, TypeError, AttributeError, KeyError, ImportError) as error:
        told = str(error)
        for value in (str(datasets[0].get(name) or "") for name in _MAY_BE_EMPTY):  # nothing of a patient is shown
            told = told.replace(value, "...") if value else told
        why, fix = f"highdicom refuses its headers ({told})", "Leave off --dicom, or export the series again"
        raise InputError("DICOM objects cannot refer to this series", why=why, fix=fix) from None


@dataclass(frozen=True)
class _Made:
    """What objects say of how they were made."""

    method: str
    unit: str
    key: bytes

    def uid(self, what: str) -> str:
        """The same for the same detection: a UID from a digest (PS3.5 B.2) of what decides it."""
        return f"2.25.{int(hashlib.sha256(repr((self.key, self.method, what)).encode()).hexdigest()[:30], 16)}"

    def common(self, kind: str) -> dict[str, Any]:
        """What both objects are given."""
        number, description = _SERIES[kind]
        return {
            "series_instance_uid": self.uid(f"{kind} series"),
            "series_number": number,
            "sop_instance_uid": self.uid(kind),
            "instance_number": 1,
            "manufacturer": _NAME,
            "manufacturer_model_name": self.method,
            "software_versions": package_version(),
            "device_serial_number": "0",
            "series_description": description,
            "content_label": "ANOMALY",
        }


def write_dicom(detection: Detection, stack: Stack, files: Mapping[str, Path]) -> None:
    """Write the objects.

    Parameters
    ----------
    detection : Detection
        On the grid of the series.
    stack : Stack
        Its slices, in order; see `io.dicom.series.stack_of`.
    files : mapping of str to Path
        "dicom_map", and "dicom_seg" where there are regions.

    Raises
    ------
    InputError
        As `check_dicom`.
    """
    source = detection.volume.source
    if source is None:
        raise InputError("The detection is not of a DICOM series", fix="Give the series that was scored")
    _check_size(source.grid.shape, stack)
    datasets, labels = _datasets(stack), detection.result.labels
    numbers = [region.number for region in detection.result.regions if region.review != REJECTED]
    if len(numbers) > _MOST_SEGMENTS:
        left = len(numbers) - _MOST_SEGMENTS
        _LOG.warning("The DICOM segmentation holds the strongest %d regions, and %d not: viewers list no more", _MOST_SEGMENTS, left)
    made = _Made(detection.map.method, detection.map.unit, detection.map.score.tobytes() + labels.tobytes())
    # A multi-frame file has its frames in any order.
    order = np.argsort([frame.index for frame in stack.frames], kind="stable")

    def frames(data: NDArray[Any]) -> NDArray[Any]:
        """Slices, rows, columns in the order of the series' images."""
        return np.ascontiguousarray(source.to_native(data).transpose(2, 1, 0)[order])

    objects = {"dicom_map": _attempted(_parametric_map, datasets, frames(detection.map.score), made)}
    if "dicom_seg" in files:
        objects["dicom_seg"] = _attempted(_segmentation, datasets, frames(labels), numbers[:_MOST_SEGMENTS], made)
    for kind, one in objects.items():
        with atomic_path(files[kind]) as temporary:
            one.save_as(temporary)


def _datasets(stack: Stack) -> list[Any]:
    """The images' headers, with values of patient and study that the standard does not allow emptied, where it allows that."""
    from pydicom import dcmread
    from pydicom.charset import python_encoding

    paths = list(dict.fromkeys(frame.path for frame in stack.frames))
    found = [dcmread(path, stop_before_pixels=True, force=True) for path in paths]
    thickness = float(np.linalg.norm(stack.affine[:3, 2]))
    for one in found:
        for name, allowed in _MAY_BE_EMPTY.items():
            value = one.get(name)
            if value is None or not re.fullmatch(allowed, str(value), re.DOTALL):
                setattr(one, name, None)
        if "SliceThickness" not in one and "SharedFunctionalGroupsSequence" not in one:
            one.SliceThickness = f"{thickness:.6g}"
        if not set(_texts(one.get("SpecificCharacterSet"))) <= set(python_encoding):
            del one.SpecificCharacterSet
    return found


def _texts(value: Any) -> list[str]:
    if value in (None, ""):
        return []
    return [value] if isinstance(value, str) else [str(one) for one in value]


def _segmentation(datasets: list[Any], labels: NDArray[Any], regions: Sequence[int], made: _Made) -> Any:
    """A segment a region, of those whose numbers are given."""
    import highdicom as hd
    from pydicom.sr.codedict import codes

    about = hd.AlgorithmIdentificationSequence(made.method, codes.DCM.ArtificialIntelligence, package_version())
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"Region {region}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Lesion,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=about,
            tracking_uid=made.uid(f"region {region}"),
            tracking_id=f"Region {region}",
        )
        for number, region in enumerate(regions, 1)
    ]
    numbers = np.zeros(int(labels.max()) + 1, np.uint16)
    numbers[list(regions)] = np.arange(1, len(regions) + 1)
    return hd.seg.Segmentation(
        source_images=datasets,
        pixel_array=numbers[labels],
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        **made.common("dicom_seg"),
    )


def _parametric_map(datasets: list[Any], score: NDArray[np.float32], made: _Made) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    low, high = float(score.min()), float(score.max())
    mapping = hd.pm.RealWorldValueMapping(
        lut_label="anomaly",
        lut_explanation=made.unit[:64],
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
        **made.common("dicom_map"),
    )
