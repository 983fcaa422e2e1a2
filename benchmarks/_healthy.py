"""The healthy scans that references are made of and checked on, the patients beside them, and a store for their raw maps."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.registry import method_class
from napari_brain_uad.io.nifti import read_mask, read_volume
from napari_brain_uad.preprocessing.geometry import grid_with_spacing, resample_mask, resample_volume
from napari_brain_uad.simulation.params import SimulationParams
from napari_brain_uad.simulation.population import Population
from napari_brain_uad.workflows.detect.score import ScoringRequest
from napari_brain_uad.workflows.detect.score_volume import scored_volume
from napari_brain_uad.workflows.models.models import default_model
from napari_brain_uad.workflows.scans.ready import make_ready
from napari_brain_uad.workflows.scans.samples import sample as package_sample
from napari_brain_uad.workflows.scans.samples import samples as package_samples
from napari_brain_uad.workflows.train.carried_scans import carried

from ._cases import BenchCase, data_folder, real_cases

SPLIT = Path(__file__).with_name("healthy_split.json")

Mask = NDArray[np.bool_]

REFERENCES = {
    "tissue-ensemble": ("T1", "T1c", "T2", "FLAIR"),
    "hyperintensity-segmentation": ("FLAIR",),
    "combined-evidence": ("FLAIR",),
    "robust-intensity": ("FLAIR",),
    "vae": ("T1",),
    "ce-vae": ("T1",),
    "dae": ("T2",),
    "pddpm": ("T2",),
    "patchcore": ("T2",),
    "simple-slice-net": ("T2",),
}
"""Methods whose scores can be compared between brains and that come with a model or need none, and the sequences there are brains of."""

_CARRIED_SEED = 9
"""Of how bright tissues are in scans that were carried to another sequence."""


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
        "real", "simulated", or "carried": real T1 scans with the contrast of another sequence.
    recipe : tuple of str
        How it is read, see `read`.
    """

    id: str
    sequence: str
    role: str
    kind: str
    recipe: tuple[str, ...]

    @property
    def person(self) -> str:
        """Whose scan it is: the same at every voxel size."""
        return self.id.removesuffix("-1mm")


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
    """All healthy scans of a sequence: real ones at their own voxel size, IXI at 1 mm too, carried ones at 1 mm, and simulated ones."""
    for role in ("calibrate", "check"):
        for place in split()["real"].get(sequence, {}).get(role, ()):
            name = place.split("/")[-1]
            if place.startswith(("ixi", "nichart")):
                yield Subject(f"{name}-1mm", sequence, role, "real", ("file", place, "1"))
            yield Subject(name, sequence, role, "real", ("file", place))
        has_carried = sequence in split()["carried"]
        for place in split()["real"]["T1"][role] if has_carried else ():
            name = f"{place.split('/')[-1].removesuffix('_T1')}-as-{sequence}"
            yield Subject(f"{name}-1mm", sequence, role, "carried", ("carried", place, "1"))
        simulated = split()["simulated"]
        # Simulated brains stand in where there is nothing better.
        for number in range(0 if has_carried and role == "calibrate" else simulated["scans"][role]):
            label_map = simulated["label_maps"][role][number % len(simulated["label_maps"][role])]
            seed = simulated["seed"] + (0 if role == "calibrate" else 500) + number
            yield Subject(f"sim-{sequence}-{label_map}-{seed}", sequence, role, "simulated", ("simulate", label_map, str(seed)))


def of_reference(sequence: str) -> list[Subject]:
    """The scans that the reference of a sequence is made of."""
    both = sequence in split()["judged_by_others"]
    return [one for one in healthy_subjects(sequence) if one.role == "calibrate" or (both and one.kind == "real")]


def to_judge(sequence: str) -> list[Subject]:
    """The healthy scans that a reference is checked on; some may be part of it (`of_reference`)."""
    both = sequence in split()["judged_by_others"]
    own = [one for one in healthy_subjects(sequence) if one.role == "check" or (both and one.kind == "real")]
    return [replace(one, role="check") for one in own]


def person_numbers(subjects: Iterable[Subject]) -> dict[str, int]:
    """The number that a reference gives each person."""
    return {name: number + 1 for number, name in enumerate(dict.fromkeys(one.person for one in subjects))}


_ISBI = ("01", "03")


def patients(sequence: str) -> Iterator[Subject]:
    """All patients with a truth of a sequence: those that methods are compared on, and on FLAIR two more."""
    for case in real_cases():
        if case.sequence == sequence and case.folder is not None:
            place = case.folder.parent.name
            yield Subject(f"{place}-{case.name}-{sequence}", sequence, "patient", "real", ("patient", case.group, place, case.name))
    for person in _ISBI if sequence == "FLAIR" else ():
        yield Subject(f"isbi2015_ms-{person}-FLAIR", sequence, "patient", "real", ("isbi", person))


def samples(sequence: str) -> Iterator[Subject]:
    """The real samples of the package: nothing was tuned on them."""
    for one in package_samples():
        if one.sequence == sequence and one.kind == "real":
            role = "patient" if one.truth else "check"
            yield Subject(f"sample-{one.id}", sequence, role, "real", ("sample", one.id))


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
    if how == "sample":
        return _sample(subject, rest[0])
    if how == "carried":
        ready = _named(carried(root / f"{rest[0]}.nii.gz", subject.sequence, (_CARRIED_SEED, zlib.crc32(rest[0].encode()))), subject)
        assert ready.mask is not None
        return _resampled(Case(ready, ready.mask, None), float(rest[1]))
    if how in ("patient", "isbi"):
        return _patient(root, subject, *rest)
    volume = _named(read_volume(root / f"{rest[0]}.nii.gz"), subject)
    ready = make_ready(volume, preset_id="native").scan
    assert ready.mask is not None
    case = Case(ready, ready.mask & ~_spots(root, rest[0], volume), None)
    return case if len(rest) == 1 else _resampled(case, float(rest[1]))


def _spots(root: Path, place: str, volume: Volume) -> Mask:
    """Hyperintensities of the elderly, outlined by an automatic tool, and a voxel around them: no healthy tissue."""
    if not place.startswith("nichart"):
        return np.zeros(volume.data.shape, bool)
    return np.asarray(binary_dilation(read_mask(root / f"{place}_DLWMLS.nii.gz", volume, label="hyperintensities")))


def _resampled(case: Case, spacing_mm: float) -> Case:
    """The scan as a skull-stripped one with other voxels, whose brain is found as that of any such scan."""
    grid, brain = case.volume.grid, case.volume.mask
    assert brain is not None
    target = grid_with_spacing(grid, (spacing_mm,) * 3)
    stripped = case.volume.with_data(np.where(brain, case.volume.data, np.float32(0.0)))
    ready = make_ready(resample_volume(replace(stripped, mask=None), target), preset_id="native").scan
    assert ready.mask is not None
    ill = resample_mask(brain & ~case.counted, grid, target)
    return Case(ready, ready.mask & ~ill, None)


def _sample(subject: Subject, name: str) -> Case:
    files = package_sample(name)
    volume = _named(read_volume(files.scan), subject)
    assert files.mask is not None
    brain = read_mask(files.mask, volume)
    truth = None if files.truth is None else read_mask(files.truth, volume, label="ground truth")
    return Case(volume.with_mask(brain), brain if truth is None else brain & ~truth, truth)


def _named(volume: Volume, subject: Subject) -> Volume:
    return replace(volume, name=subject.id, sequence=subject.sequence)


def _patient(root: Path, subject: Subject, *where: str) -> Case:
    if subject.recipe[0] == "isbi":
        place = root / "isbi2015_ms" / where[0]
        volume = make_ready(_named(read_volume(place / "FLAIR.nii.gz"), subject), preset_id="native").scan
        lesions = read_mask(place / "lesions_rater1.nii.gz", volume, label="ground truth")
    else:
        group, folder, person = where
        volume, lesions = BenchCase(group, person, subject.sequence, root / folder / person).load(None)
        volume = _named(volume, subject)
    assert volume.mask is not None
    return Case(volume, volume.mask & ~lesions, lesions)


def _place(method: str, sequence: str, store: Path) -> Path:
    model = default_model(method, sequence) if method_class(method).INFO.trainable else None
    return store / f"{method}-{model.sha256[:12] if model else 'untrained'}"


def is_kept(subject: Subject, method: str, store: Path) -> bool:
    """Whether the raw map of a scan was made before."""
    return (_place(method, subject.sequence, store) / f"{subject.id}.npz").is_file()


def map_of(subject: Subject, method: str, store: Path) -> tuple[AnomalyMap, Case]:
    """The raw map of a scan: kept under `store` by method, weights and scan."""
    info = method_class(method).INFO
    place = _place(method, subject.sequence, store)
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
        made = scored_volume(case.volume, ScoringRequest.of(method, use_cache=False)).map
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
        scan=case.volume.data,
    )
    return amap, case


def _kept_case(subject: Subject, store: Path) -> Case:
    """The scan as it was read before: brain extraction takes longer than most methods."""
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
