"""NIfTI and MGH scans in, NIfTI out.

Reading turns the axes to RAS+ (no resampling) and keeps the stored grid; writing puts results back on it, with its affine. What
is suspicious about a file is in ``Volume.findings``; what leaves its meaning open is refused.
"""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from numpy.typing import NDArray

from ..core.anomaly_map import UNKNOWN_METHOD, AnomalyMap
from ..core.checks import Finding, check_same_shape, raise_errors
from ..core.errors import InputError
from ..core.memory import check_memory
from ..core.provenance import NOTICE
from ..core.sequence import SequenceReading, read_sequence
from ..core.threshold import ThresholdRule
from ..core.volume import Grid, Source, Volume, canonical
from .atomic import atomic_path
from .headers import HEAD_SIZE, ImageHeader, parse_header
from .json_files import read_json
from .labels import check_given_as, inside
from .nan_background import fill_background
from .nifti_checks import run_checks
from .results import check_whole
from .sidecar import DESCRIPTIONS, read_sidecar
from .streams import WHICH, Extent, check_room, is_file, read_extent, read_head

_LEVEL = 1

MNI_COPY = "_mni"
"""How the names of a run's copies in MNI space begin, behind the run's."""

SUFFIXES = (".nii.gz", ".nii", ".mgz", ".mgh", ".hdr", ".img", ".hdr.gz", ".img.gz")
"""What can be read."""


def image_stem(path: Path | str) -> str:
    """A file's name without folder and image suffix: ``sub-01_FLAIR`` of ``sub-01_FLAIR.nii.gz``."""
    name = Path(path).name
    for suffix in sorted(SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def sequence_of_file(path: Path | str) -> tuple[SequenceReading, tuple[Finding, ...]]:
    """Which sequence a file is: by its name, the JSON sidecar beside it, and its folder; and what was seen on the way."""
    path = Path(path)
    fields, findings = read_sidecar(path.with_name(f"{image_stem(path)}.json"))
    descriptions = [text for name in DESCRIPTIONS if isinstance(text := fields.get(name), str)]
    reading = read_sequence(
        image_stem(path), fields=fields, fields_are="sidecar", descriptions=descriptions, folder=path.absolute().parent.name
    )
    return reading, findings


def count_volumes(path: Path | str) -> int:
    """Number of 3-D volumes in a file, read from its header only: 1, or more for a 4-D series.

    Raises
    ------
    InputError
        As `read_volume`, as far as the header tells.
    """
    head_path, _ = image_files(Path(path))
    header, _ = _checked_header(read_head(head_path, HEAD_SIZE), head_path)
    return header.volumes


def read_volume(path: Path | str, *, index: int | None = None, name: str | None = None) -> Volume:
    """Read one scan.

    Parameters
    ----------
    path : Path or str
        ``.nii``, ``.nii.gz``, ``.mgz``, ``.mgh`` or a NIfTI pair ``.hdr`` + ``.img``.
    index : int, optional
        Which volume of a 4-D series, from 0; not needed when there is one only.
    name : str, optional
        What to call it; the file's name without suffix by default.

    Returns
    -------
    Volume
        float32, shape (i, j, k), RAS+ axes; ``source`` holds the stored grid, ``findings`` what the checks saw.

    Raises
    ------
    InputError
        If the file is missing, cut off, damaged, not an image, too large, of 2 or more than 4 dimensions, of colour or complex
        voxels, of unclear place or scale, or holds infinity or NaN inside the image; or if `index` is needed or out of range.
    """
    path = Path(path)
    stored, header, findings, sha256 = _read_stored(path, index)
    source = Source(
        grid=Grid(header.grid_shape, header.affine()),
        path=path,
        sha256=sha256,
        qform_code=header.qform_code,
        sform_code=header.sform_code,
        volume_index=index if header.volumes > 1 else None,
    )
    turned, grid = canonical(stored, source.grid)
    data, more = _intensities(turned, header, path.name)
    stem = image_stem(path) if source.volume_index is None else f"{image_stem(path)}_volume{index}"
    reading, beside = sequence_of_file(path)
    volume = Volume(data, grid, name or stem, source=source, findings=findings + more + beside)
    return volume.with_sequence(reading.sequence, reading.origin)


def read_mask(path: Path | str, like: Volume, *, label: str = "brain mask") -> NDArray[np.bool_]:
    """Read a mask that lies on the grid of a scan.

    Parameters
    ----------
    path : Path or str
        Integers (labels): above 0 is inside. Floating point (fractions): above 0.5 is inside.
    like : Volume
        The scan.
    label : str
        What to call the mask in messages; `labels.TRUTH` is told from scans.

    Returns
    -------
    array of bool
        Shape of ``like.data``, RAS+.

    Raises
    ------
    InputError
        If it cannot be read, lies on another grid (nothing is resampled), holds the many values of a scan, or is a ground truth that holds
        grey values.
    """
    path = Path(path)
    stored, header, _, _ = _read_stored(path, None)
    turned, grid = canonical(stored, Grid(header.grid_shape, header.affine()))
    raise_errors(path.name, like.grid.compare(grid, label))
    values, found = _intensities(turned, header, path.name)
    _refuse_holes(path.name, found)
    # Scaled integers hold probabilities as often as labels: they count as floating point.
    whole = header.dtype.kind in "iu" and (header.scale == (1.0, 0.0))
    raise_errors(path.name, check_given_as(label, values, like.data))
    return inside(values, whole)


def read_map(path: Path | str) -> AnomalyMap:
    """Read a map that `write_map` wrote, with what lies beside it.

    Parameters
    ----------
    path : Path or str
        ``NAME_anomalymap.nii.gz``. ``NAME_provenance.json`` and ``NAME_brainmask.nii.gz`` beside it are used when they are there.

    Returns
    -------
    AnomalyMap
        Without a brain mask beside it, the brain is where the score is not the background's (everywhere, when that is nowhere).

    Raises
    ------
    InputError
        If a file is damaged, the mask lies on another grid, or the files are not those of one run (see `io.results.check_whole`).
    """
    path = Path(path)
    name = image_stem(path).removesuffix("_anomalymap")
    record_path, brain = path.with_name(f"{name}_provenance.json"), path.with_name(f"{name}_brainmask.nii.gz")
    check_whole(path, _run_name(path, name), (record_path, brain))
    volume = read_volume(path)
    _refuse_holes(path.name, volume.findings)
    provenance = _read_provenance(record_path)
    record = provenance["map"]
    background = float(record.get("background", min(0.0, float(volume.data.min()))))
    mask = read_mask(brain, volume) if is_file(brain) else volume.data != np.float32(background)
    return AnomalyMap(
        score=volume.data,
        grid=volume.grid,
        mask=mask if mask.any() else np.ones_like(mask),
        unit=str(record.get("unit", "unknown")),
        method=str(provenance["method"].get("id", UNKNOWN_METHOD)),
        name=str(provenance["input"].get("name", name)),
        default_threshold=ThresholdRule.parse(str(record.get("default_threshold", "otsu"))),
        source=volume.source,
        provenance=provenance,
        background=background,
    )


def _run_name(path: Path, name: str) -> str:
    """The run that a map belongs to: its copy in MNI space is one of the same run's files."""
    return name if path.with_name(f"{name}_manifest.json").is_file() else name.removesuffix(MNI_COPY)


def _read_provenance(path: Path) -> dict[str, Any]:
    """The record beside a map, with its parts "map", "method" and "input" (empty when there is no record)."""
    parts: dict[str, Any] = {"map": {}, "method": {}, "input": {}}
    if not is_file(path):
        return parts
    content = read_json(path)
    record = parts | content if isinstance(content, dict) else {}
    if not all(isinstance(record.get(key), dict) for key in parts) or not _is_score(record["map"].get("background", 0.0)):
        raise InputError(path.name, why="it is not the record of an anomaly map", fix="Remove it, or copy it again")
    return record


def _is_score(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) <= float(np.finfo(np.float32).max)


def write_map(path: Path | str, amap: AnomalyMap) -> None:
    """Write a map's raw scores as float32, on the stored grid of the scan it came from; see `write_volume`."""
    _write(Path(path), amap.score.astype(np.float32, copy=False), amap.grid, amap.source)


def write_mask(path: Path | str, mask: NDArray[np.bool_], like: Volume | AnomalyMap) -> None:
    """Write a mask (0 and 1, uint8) that lies on the grid of `like`; see `write_volume`."""
    raise_errors(Path(path).name, (check_same_shape(like.grid.shape, mask.shape, "mask"),))
    _write(Path(path), mask.astype(np.uint8), like.grid, like.source)


def write_labels(path: Path | str, labels: NDArray[np.unsignedinteger[Any]], like: Volume | AnomalyMap) -> None:
    """Write classes or numbers of regions that lie on the grid of `like`, in their own type; see `write_volume`."""
    raise_errors(Path(path).name, (check_same_shape(like.grid.shape, labels.shape, "label map"),))
    _write(Path(path), labels, like.grid, like.source)


def write_volume(path: Path | str, volume: Volume) -> None:
    """Write a scan as float32 NIfTI-1 in the axes and with the affine of the file it came from.

    Parameters
    ----------
    path : Path or str
        ``.nii`` or ``.nii.gz``; the same data gives the same bytes.
    volume : Volume
        When it is not on the grid of its source any more (resampled, cropped), it is written on its own grid.

    Raises
    ------
    InputError
        If the suffix is another one, or the file cannot be written.

    Notes
    -----
    The affine goes to both sform and qform; the codes are the source's. A sheared affine fits no qform, whose code is then 0.
    Nothing else is taken over from the source's header: its free texts may name the patient.
    """
    _write(Path(path), volume.data.astype(np.float32, copy=False), volume.grid, volume.source)


def image_files(path: Path) -> tuple[Path, Path]:
    """Where header and voxels of an image are: the same file, but for pairs.

    Raises
    ------
    InputError
        If the suffix is none of `SUFFIXES`, or half of a pair is missing.
    """
    name = path.name.lower()
    if not name.endswith(SUFFIXES):
        raise InputError(path.name, why="its suffix is not one of an image that can be read", fix=f"Give a {', '.join(SUFFIXES)} file")
    base, packed = (path.name[:-3], path.name[-3:]) if name.endswith((".hdr.gz", ".img.gz")) else (path.name, "")
    if not base.lower().endswith((".hdr", ".img")):
        return path, path
    pair = path.with_name(base[:-4] + ".hdr" + packed), path.with_name(base[:-4] + ".img" + packed)
    for part in pair:
        if not is_file(part):
            raise InputError(path.name, why=f"its other half {part.name} is not beside it", fix="Put .hdr and .img into one folder")
    return pair


def _checked_header(head: bytes, path: Path) -> tuple[ImageHeader, tuple[Finding, ...]]:
    header = parse_header(head, path)
    return header, run_checks(path.name, header)


def _which(header: ImageHeader, index: int | None, name: str) -> int:
    count = header.volumes
    if index is None and count > 1:
        raise InputError(name, why=f"it is a 4-D series of {count} volumes", fix=f"Choose one volume: index 0 to {count - 1} ({WHICH})")
    if index is not None and not 0 <= index < count:
        raise InputError(name, why=f"it has no volume {index}", fix=f"Choose one volume: index 0 to {count - 1} ({WHICH})")
    return index or 0


def _read_stored(path: Path, index: int | None) -> tuple[NDArray[Any], ImageHeader, tuple[Finding, ...], str]:
    """The voxels of one volume as stored, shape (a, b, c); the header, its findings and the SHA-256 of the contents."""
    head_path, data_path = image_files(path)
    header, findings = _checked_header(read_head(head_path, HEAD_SIZE), head_path)
    start = int(header.vox_offset) + _which(header, index, path.name) * header.voxel_bytes
    total = int(header.vox_offset) + header.volumes * header.voxel_bytes
    extent = Extent(total, start, start + header.voxel_bytes, header.slack)
    check_room(data_path, extent)
    # As stored, as float32, and a byte for looking at every voxel.
    check_memory(path.name, header.voxel_bytes + 5 * int(np.prod(header.grid_shape, dtype=object)), "reading it")
    raw, sha256 = read_extent(data_path, extent)
    return raw.view(header.dtype).reshape(header.grid_shape, order="F"), header, findings, sha256


def _intensities(stored: NDArray[Any], header: ImageHeader, name: str) -> tuple[NDArray[np.float32], tuple[Finding, ...]]:
    """Stored numbers as float32 intensities, and what was lost on the way.

    In memory the last axis varies slowest, so that ``data.T`` (what napari shows) is contiguous for axial slices.
    """
    slope, inter = header.scale
    data = np.empty(stored.shape, np.float32, order="F")
    with np.errstate(over="ignore", invalid="ignore"):
        if (slope, inter) == (1.0, 0.0):
            np.copyto(data, stored, casting="unsafe")
        else:
            for k in range(stored.shape[2]):
                data[:, :, k] = stored[:, :, k].astype(np.float64) * slope + inter
    filled = fill_background(name, data, stored)
    return data, filled + _check_rounding(stored, slope)


def _refuse_holes(name: str, findings: tuple[Finding, ...]) -> None:
    """What is filled in from neighbours does for intensities; what is flagged or how a score is must not be made up."""
    holes = next((finding for finding in findings if finding.code == "nan-holes"), None)
    if holes is not None:
        raise InputError(name, why=holes.message.partition(" (")[0], fix="Set them to 0, or to what they should be, and save it again")


def _check_rounding(stored: NDArray[Any], slope: float) -> tuple[Finding, ...]:
    """float32 holds whole numbers exactly up to 2^24 only."""
    if stored.dtype.kind not in "iu" or stored.dtype.itemsize < 4 or slope != 1.0:
        return ()
    largest = max(int(stored.max()), -int(stored.min()))
    if largest <= 1 << 24:
        return ()
    return (Finding("rounded", "warning", f"whole numbers up to {largest:,} were rounded to float32, which is exact up to 16,777,216"),)


def _write(path: Path, data: NDArray[Any], grid: Grid, source: Source | None) -> None:
    """Write an array that lies on `grid` back in the stored axes of `source`, if it still covers that grid."""
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise InputError(f"{path.name} cannot be written", why="results are NIfTI files", fix="Give a name that ends with .nii.gz")
    source = source or Source(grid)
    if not _covers(source, grid):
        if not source.orientation_known:
            why = "its scan does not say which side is left, so a resampled or cropped image cannot be placed"
            raise InputError(f"{path.name} cannot be written", why=why, fix="Set the orientation in the scan's header first")
        source = replace(source, grid=grid)
    stored, affine = source.to_native(data), source.grid.affine
    header = _header(stored, affine, source, path.name)
    voxels = np.asfortranarray(stored).T.data
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        if path.name.lower().endswith(".gz"):
            # No file name and no time inside: the same map is the same file.
            with gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=file, mtime=0) as packed:
                packed.write(header)
                packed.write(voxels)
        else:
            file.write(header)
            file.write(voxels)


def _covers(source: Source, grid: Grid) -> bool:
    _, own = canonical(np.broadcast_to(np.uint8(0), source.grid.shape), source.grid)
    return own.shape == grid.shape and bool(np.allclose(own.affine, grid.affine, rtol=0.0, atol=1e-6))


def _header(stored: NDArray[Any], affine: NDArray[np.float64], source: Source, name: str) -> bytes:
    """A fresh header (352 bytes with the empty extension field)."""
    if max(stored.shape) > np.iinfo(np.int16).max:
        raise InputError(f"{name} cannot be written", why=f"NIfTI-1 holds no axis of {max(stored.shape)} voxels", fix="Crop the scan")
    header: Any = Nifti1Header()
    header.set_data_dtype(stored.dtype.newbyteorder("<"))
    header.set_data_shape(stored.shape)
    header.set_xyzt_units("mm")
    header.set_slope_inter(1.0, 0.0)
    header["descrip"] = NOTICE.encode()
    header["vox_offset"] = 352
    header.set_qform(affine, source.qform_code, strip_shears=True)
    # float32 quaternions near a half turn are off by up to 1.2e-3 (nibabel's reading); a shear above 0.1 degrees by more.
    if not np.allclose(header.get_qform()[:3, :3], affine[:3, :3], rtol=0.0, atol=1.5e-3 * float(np.abs(affine[:3, :3]).max())):
        header["qform_code"] = 0
    header.set_sform(affine, source.sform_code)
    return bytes(header.binaryblock) + bytes(4)
