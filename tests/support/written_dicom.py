"""DICOM series with known voxels and places, written with pydicom."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage


def uid(*parts: object) -> str:
    """A valid UID that depends on the parts only."""
    return f"2.25.{int(hashlib.sha256(repr(parts).encode()).hexdigest()[:30], 16)}"


def rotation(rng: np.random.Generator) -> np.ndarray:
    """A random rotation matrix."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else -q


@dataclass
class Truth:
    """A series as it was at the scanner. `pixels` are stored values, shape (slices, rows, columns); millimetres are LPS+."""

    pixels: np.ndarray
    rows: np.ndarray  # direction in which the column index grows
    columns: np.ndarray  # direction in which the row index grows
    step: np.ndarray  # from slice to slice
    origin: np.ndarray
    spacing: tuple[float, float] = (1.25, 0.75)  # between rows, between columns
    slope: np.ndarray = field(default_factory=lambda: np.array([1.0]))
    inter: np.ndarray = field(default_factory=lambda: np.array([0.0]))
    name: str = "a"

    @property
    def count(self) -> int:
        return len(self.pixels)

    def position(self, k: int) -> np.ndarray:
        return self.origin + k * self.step

    def intensities(self) -> np.ndarray:
        shape = (-1, 1, 1)
        return self.pixels * np.broadcast_to(self.slope, self.count).reshape(shape) + np.broadcast_to(self.inter, self.count).reshape(shape)

    def world_ras(self, k: int, row: int, column: int) -> np.ndarray:
        """Millimetres of a pixel by the formula of PS3.3 C.7.6.2.1.1, turned from LPS to RAS."""
        lps = self.position(k) + column * self.spacing[1] * self.rows + row * self.spacing[0] * self.columns
        return lps * [-1, -1, 1]


def truth(rng: np.random.Generator | int = 0, *, slices: int = 7, shape: tuple[int, int] = (9, 11), oblique: bool = True) -> Truth:
    """A series of random pixels and, unless not wanted, random obliquity."""
    rng = np.random.default_rng(rng)
    turn = rotation(rng) if oblique else np.eye(3)
    pixels = rng.permutation(slices * shape[0] * shape[1]).reshape(slices, *shape).astype(np.uint16)
    distance = float(rng.uniform(2.0, 6.0))
    return Truth(
        pixels,
        turn[:, 0],
        turn[:, 1],
        turn[:, 2] * distance,
        rng.uniform(-120, 120, 3),
        (float(rng.uniform(0.5, 2)), float(rng.uniform(0.5, 2))),
        name=str(int(rng.integers(1 << 40))),
    )


def number_text(value: float) -> str:
    """A decimal string of at most 16 characters (the standard's DS)."""
    for digits in range(16, 0, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16:
            return text
    raise AssertionError(value)


def numbers(values: np.ndarray | tuple[float, ...]) -> list[str]:
    return [number_text(float(value)) for value in values]


def _meta(sop_class: UID, instance: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return meta


def _common(series: Truth, sop_class: UID, instance: str) -> Dataset:
    data = Dataset()
    data.file_meta = _meta(sop_class, instance)
    data.SOPClassUID = sop_class
    data.SOPInstanceUID = instance
    data.StudyInstanceUID = uid(series.name, "study")
    data.SeriesInstanceUID = uid(series.name, "series")
    data.FrameOfReferenceUID = uid(series.name, "frame")
    data.PatientID = f"id-{series.name}"
    data.PatientName = f"Name^{series.name}"
    data.Modality = "MR"
    data.SeriesNumber = 4
    data.SeriesDescription = "ax t2 flair"
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows, data.Columns = series.pixels.shape[1:]
    signed = series.pixels.dtype.kind == "i"
    data.BitsAllocated = data.BitsStored = 8 * series.pixels.dtype.itemsize
    data.HighBit = data.BitsStored - 1
    data.PixelRepresentation = int(signed)
    return data


def dataset(series: Truth, k: int) -> Dataset:
    """Slice `k` as classic MR."""
    data = _common(series, MRImageStorage, uid(series.name, "instance", k))
    data.ImageType = ["ORIGINAL", "PRIMARY", "M", "ND"]
    data.InstanceNumber = k + 1
    data.AcquisitionNumber = 1
    data.EchoTime = 90.0
    data.ImagePositionPatient = numbers(series.position(k))
    data.ImageOrientationPatient = numbers((*series.rows, *series.columns))
    data.PixelSpacing = numbers(series.spacing)
    data.SliceThickness = number_text(0.9 * float(np.linalg.norm(series.step)))
    data.SpacingBetweenSlices = number_text(float(np.linalg.norm(series.step)))
    slope, inter = np.broadcast_to(series.slope, series.count)[k], np.broadcast_to(series.inter, series.count)[k]
    if (slope, inter) != (1.0, 0.0):
        data.RescaleSlope, data.RescaleIntercept = number_text(slope), number_text(inter)
    data.PixelData = np.ascontiguousarray(series.pixels[k]).tobytes() + b"\0" * (series.pixels[k].nbytes % 2)
    return data


def save(data: Dataset, path: Path) -> Path:
    data.save_as(path, enforce_file_format=True)
    return path


def write(series: Truth, folder: Path, change: Callable[[Dataset, int], Dataset | None] | None = None) -> list[Path]:
    """Write one file a slice, in an order of names that is not that of the slices; `change` may alter or drop a slice."""
    folder.mkdir(parents=True, exist_ok=True)
    names = np.random.default_rng(series.count).permutation(series.count)
    paths = []
    for k in range(series.count):
        data = dataset(series, k)
        altered = change(data, k) if change else data
        if altered is not None:
            paths.append(save(altered, folder / f"IM{names[k]:04d}.dcm"))
    return paths


def enhanced(series: Truth, order: np.ndarray | None = None) -> Dataset:
    """The series as one enhanced multi-frame file, frames in the given order; every frame has its own slope."""
    order = np.arange(series.count) if order is None else order
    data = _common(series, EnhancedMRImageStorage, uid(series.name, "enhanced"))
    data.NumberOfFrames = len(order)
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = numbers(series.spacing)
    measures.SliceThickness = number_text(float(np.linalg.norm(series.step)))
    plane.ImageOrientationPatient = numbers((*series.rows, *series.columns))
    shared.PixelMeasuresSequence = Sequence([measures])
    shared.PlaneOrientationSequence = Sequence([plane])
    data.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for k in order:
        group, position, transform, content = Dataset(), Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = numbers(series.position(k))
        transform.RescaleSlope = number_text(float(np.broadcast_to(series.slope, series.count)[k]))
        transform.RescaleIntercept = number_text(float(np.broadcast_to(series.inter, series.count)[k]))
        transform.RescaleType = "US"
        content.StackID = "1"
        group.PlanePositionSequence = Sequence([position])
        group.PixelValueTransformationSequence = Sequence([transform])
        group.FrameContentSequence = Sequence([content])
        groups.append(group)
    data.PerFrameFunctionalGroupsSequence = Sequence(groups)
    data.PixelData = np.ascontiguousarray(series.pixels[order]).tobytes()
    return data


def errors(volume, series: Truth) -> str | None:
    """What is wrong with a volume that was read from a series, or None: every slice of it must be one of the series', whole.

    Every intensity is unique, so that it says which pixel of the series a voxel is; its place must then be that pixel's.
    """
    expected = series.intensities()
    where = {float(np.float32(value)): place for place, value in np.ndenumerate(expected)}
    places = np.array([where.get(float(value), (-1, -1, -1)) for value in volume.data.ravel()]).reshape(*volume.data.shape, 3)
    if (places < 0).any():
        return "intensities that the series does not have"
    world = series.position(0) + places[..., :1] * series.step
    world = world + places[..., 2:] * series.spacing[1] * series.rows + places[..., 1:2] * series.spacing[0] * series.columns
    got = volume.grid.to_world(np.moveaxis(np.indices(volume.data.shape), 0, -1))
    off = np.abs(got - world * [-1, -1, 1]).max()
    return None if off < 1e-3 else f"voxels {off:.3g} mm from their place"
