"""The healthy scans that references are made of and checked on, the patients beside them, and a store for their raw maps."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.volume import Volume
from napari_brain_uad.detectors.registry import method_class
from napari_brain_uad.io.nifti import read_mask, read_volume
from napari_brain_uad.preprocessing.geometry import grid_with_spacing, resample_volume
from napari_brain_uad.simulation.params import SimulationParams
from napari_brain_uad.simulation.population import Population
from napari_brain_uad.workflows.detect.score_volume import scored_volume
from napari_brain_uad.workflows.models.models import default_model
from napari_brain_uad.workflows.scans.ready import make_ready

from ._cases import data_folder

SPLIT = Path(__file__).with_name("healthy_split.json")

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Subject:
    """One scan as it is scored.

    Parameters
    ----------
    id : str
        Unique: set, subject and, where the scan was resampled, its voxel size.
    sequence : str
        Of the scan.
    role : str
        "calibrate", "check" (healthy, held back) or "patient".
    kind : str
        "real", "lesion-free parts" or "simulated".
    recipe : tuple of str
        How it is read, see `read`.
    """

    id: str
    sequence: str
    role: str
    kind: str
    recipe: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Case:
    """A scan with its brain, the voxels that count, and its truth.

    Parameters
    ----------
    volume : Volume
        What the method sees, with its brain mask.
    counted : array of bool
        Where healthy tissue is judged: the brain without what is known or suspected to be a lesion.
    truth : array of bool or None
        The lesions of a patient.
    """

    volume: Volume
    counted: Mask
    truth: Mask | None


def split() -> dict[str, Any]:
    """Which healthy subjects calibrate and which are held back: committed, by subject."""
    content: dict[str, Any] = json.loads(SPLIT.read_text(encoding="utf-8"))
    return content


def healthy_subjects(sequence: str) -> Iterator[Subject]:
    """All healthy scans of a sequence: real ones at their own voxel size, IXI at 1 mm too, and simulated ones."""
    for role in ("calibrate", "check"):
        for place in split()["real"].get(sequence, {}).get(role, ()):
            name = place.split("/")[-1]
            if place.startswith("ixi"):
                yield Subject(f"{name}-1mm", sequence, role, "real", ("file", place, "1"))
            kind = "lesion-free parts" if place.startswith(("tcga", "nichart")) else "real"
            yield Subject(name, sequence, role, kind, ("file", place))
        simulated = split()["simulated"]
        for number in range(simulated["scans"][role]):
            label_map = simulated["label_maps"][role][number % len(simulated["label_maps"][role])]
            seed = simulated["seed"] + (0 if role == "calibrate" else 500) + number
            yield Subject(f"sim-{sequence}-{label_map}-{seed}", sequence, role, "simulated", ("simulate", label_map, str(seed)))


_PATIENTS = (
    ("MSLUB", "mslub", ("patient07", "patient19"), ("T1", "T2", "FLAIR"), "lesions", ""),
    ("BraTS 2013", "brats2013", ("pat0001", "pat0002", "pat0005", "pat0006"), ("T1c", "FLAIR"), "tumour", "brainmask"),
    ("BraTS 2021", "brats2021", ("01658", "01660"), ("T1c", "T2", "FLAIR"), "seg", ""),
    ("BraTS 2021", "brats2021", ("TCIA_639",), ("T2", "FLAIR"), "seg", ""),
    ("ISBI 2015", "isbi2015_ms", ("01", "03"), ("FLAIR",), "lesions_rater1", ""),
)


def patients(sequence: str) -> Iterator[Subject]:
    """All patients with a truth of a sequence; of TCGA-LGG those that no reference is made of."""
    for _, folder, people, sequences, truth, brain in _PATIENTS:
        if sequence in sequences:
            for person in people:
                yield Subject(f"{folder}-{person}-{sequence}", sequence, "patient", "real", ("patient", folder, person, truth, brain))
    if sequence == "FLAIR":
        for person in split()["patients"]["FLAIR"]:
            yield Subject(f"{person}-patient", sequence, "patient", "real", ("tcga", person))


def read(subject: Subject) -> Case:
    """Read, simulate or resample a scan."""
    root = data_folder()
    if root is None:
        raise SystemExit("Set BRAIN_UAD_DATA to the folder of the shared scans")
    how, *rest = subject.recipe
    if how == "simulate":
        made = Population([root / "labelmaps" / f"{rest[0]}.nii.gz"], SimulationParams(sequence=subject.sequence), int(rest[1]))[0]
        assert made.volume.mask is not None
        return Case(replace(made.volume, name=subject.id), made.volume.mask, None)
    if how == "patient":
        return _patient(root, subject, *rest)
    if how == "tcga":
        return _tcga(root, subject, rest[0], patient=True)
    if rest[0].startswith("tcga"):
        return _tcga(root, subject, rest[0].split("/")[1], patient=False)
    volume = _named(read_volume(root / f"{rest[0]}.nii.gz"), subject)
    if len(rest) > 1:
        volume = resample_volume(volume, grid_with_spacing(volume.grid, (float(rest[1]),) * 3))
    ready = make_ready(volume, preset_id="native").scan
    assert ready.mask is not None
    counted = ready.mask
    if rest[0].startswith("nichart"):
        from scipy.ndimage import binary_dilation

        spots = read_mask(root / f"{rest[0]}_DLWMLS.nii.gz", volume, label="hyperintensities")
        counted = counted & ~binary_dilation(spots, iterations=1)
    return Case(ready, counted, None)


def _named(volume: Volume, subject: Subject) -> Volume:
    return replace(volume, name=subject.id, sequence=subject.sequence)


def _patient(root: Path, subject: Subject, folder: str, person: str, truth: str, brain: str) -> Case:
    place = root / folder / person
    volume = _named(read_volume(place / f"{subject.sequence}.nii.gz"), subject)
    lesions = read_mask(place / f"{truth}.nii.gz", volume, label="ground truth")
    if folder == "isbi2015_ms":
        volume = make_ready(volume, preset_id="native").scan
    elif brain:
        volume = volume.with_mask(read_mask(place / f"{brain}.nii.gz", volume))
    elif folder == "mslub":
        volume = volume.with_mask(read_volume(place / "FLAIR.nii.gz").data > 5)
    else:
        volume = volume.with_mask(read_volume(place / "T2.nii.gz").data != 0)
    assert volume.mask is not None
    return Case(volume, volume.mask & ~lesions, lesions)


def _tcga(root: Path, subject: Subject, person: str, *, patient: bool) -> Case:
    volume = _named(read_volume(root / "tcga_lgg" / f"{person}_FLAIR.nii.gz"), subject)
    lesions = read_mask(root / "tcga_lgg" / f"{person}_tumour.nii.gz", volume, label="ground truth")
    ready = make_ready(volume, preset_id="native").scan
    assert ready.mask is not None
    if patient:
        return Case(ready, ready.mask & ~lesions, lesions)
    # Slices at least two away from the tumour.
    ill = np.flatnonzero(lesions.any(axis=(0, 1)))
    far = np.array([ill.size == 0 or np.abs(ill - k).min() >= 2 for k in range(lesions.shape[2])])
    return Case(ready, ready.mask & far[None, None, :], None)


def map_of(subject: Subject, method: str, store: Path) -> tuple[AnomalyMap, Case]:
    """The raw map of a scan: kept under `store` by method, weights and scan."""
    info = method_class(method).INFO
    model = default_model(method, subject.sequence) if info.trainable else None
    place = store / f"{method}-{model.sha256[:12] if model else 'untrained'}"
    place.mkdir(parents=True, exist_ok=True)
    case = _kept_case(subject, store)
    brain = case.volume.mask
    assert brain is not None
    file = place / f"{subject.id}.npz"
    if file.is_file():
        with np.load(file) as kept:
            score = np.full(brain.shape, kept["background"], np.float32)
            score[brain] = kept["scores"]
            about = json.loads(str(kept["about"]))
            background = float(kept["background"])
    else:
        made = scored_volume(case.volume, method, use_cache=False).map
        score, about, background = made.score, dict(made.provenance), made.background
        np.savez_compressed(file, scores=score[brain], background=np.float32(background), about=json.dumps(about))
    amap = AnomalyMap(
        score=score,
        grid=case.volume.grid,
        mask=brain,
        unit=info.score_unit,
        method=method,
        name=subject.id,
        default_threshold=info.default_threshold,
        provenance=about,
        background=background,
    )
    return amap, case


def _kept_case(subject: Subject, store: Path) -> Case:
    """The scan as it was read before: brain extraction takes longer than most methods."""
    from napari_brain_uad.core.volume import Grid

    key = hashlib.sha256(json.dumps([subject.id, subject.recipe]).encode()).hexdigest()[:16]
    file = store / "scans" / f"{subject.id}-{key}.npz"
    if file.is_file():
        with np.load(file) as kept:
            shape = tuple(int(n) for n in kept["shape"])
            grid = Grid(shape, kept["affine"])  # type: ignore[arg-type]  # three numbers
            parts = {name: np.unpackbits(kept[name], count=int(np.prod(shape))).astype(bool).reshape(shape) for name in ("mask", "counted")}
            truth = np.unpackbits(kept["truth"], count=int(np.prod(shape))).astype(bool).reshape(shape) if kept["truth"].size else None
            volume = Volume(np.asfortranarray(kept["data"]), grid, subject.id, np.asfortranarray(parts["mask"]), subject.sequence)
            return Case(volume, np.asfortranarray(parts["counted"]), None if truth is None else np.asfortranarray(truth))
    case = read(subject)
    file.parent.mkdir(parents=True, exist_ok=True)
    assert case.volume.mask is not None
    np.savez_compressed(
        file,
        data=case.volume.data,
        shape=np.array(case.volume.data.shape),
        affine=case.volume.grid.affine,
        mask=np.packbits(case.volume.mask.ravel()),
        counted=np.packbits(case.counted.ravel()),
        truth=np.packbits(case.truth.ravel()) if case.truth is not None else np.empty(0, np.uint8),
    )
    return case
