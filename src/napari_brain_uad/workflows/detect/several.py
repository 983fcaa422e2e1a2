"""Several sequences of one person in one detection: each is scored by itself, and what they say of a place is averaged."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.anomaly_map import AnomalyMap
from ...core.checks import Finding
from ...core.errors import InputError
from ...core.file_role import file_role
from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.provenance import array_sha256
from ...core.threshold import AUTO_RULE, ThresholdRule
from ...core.volume import Source, Volume
from ...datasets.layout import files
from ...detectors.registry import method_class
from ...io.dicom.frames import is_dicom
from ...io.nifti import image_stem, sequence_of_file
from ...io.results import is_result
from ...io.walk import walk_files
from ...postprocessing.params import PostParams
from ...postprocessing.pipeline import THRESHOLD_WORDS
from ...preprocessing.geometry import resample_inside
from ...preprocessing.registration import align, dice, rigid_words
from ...preprocessing.same_brain import agreement, agrees, another_brain
from ..models.method_spec import MethodSpec
from ..models.recommend import unfit
from ..scans.load import MaskInput, as_volume
from ..scans.ready import AUTO, ReadyScan, make_ready
from ..scans.same_person import named_apart
from ..scans.truth import as_truth
from .command import ASKED, SEVERAL, detect_command
from .detect import Detection, finish_detection, judged
from .score import ScoringRequest, model_for
from .score_volume import scored_volume

_LOOK = 200
"""Files of a folder that are asked whether they are DICOM."""

_OVERLAP = 0.7
"""Dice of two brain masks of one person, below which they do not lie on each other: masks by different ways and fields of view differ."""

_SHARE = {1: 1.0, 2: 0.83, 3: 0.72}
"""Of the mean of the sequences' own thresholds, by their number: false alarms of sequences seldom meet, and the mean is lower where they
are. At these shares simulated healthy brains show as much of the mean as of one sequence at its own threshold (3 ml); more than three count
as three."""


@dataclass(frozen=True, eq=False)
class _Scored:
    """One sequence: its map on the first scan's grid, where it says something, and the method's own threshold for it."""

    volume: Volume
    map: AnomalyMap
    threshold: float
    moved: str
    findings: tuple[Finding, ...] = ()


@told_as_error()
def detect_several(
    scans: str | Path | Volume | Iterable[Volume | str | Path],
    method: str | MethodSpec = "tissue-ensemble",
    *,
    mask: MaskInput | None = None,
    truth: MaskInput | None = None,
    post: PostParams | None = None,
    prepare_with: str = AUTO,
    device: str = "auto",
    seed: int = 0,
    use_cache: bool = False,
    progress: Progress | None = None,
) -> Detection:
    """Detect anomalies in several sequences of one person together.

    Parameters
    ----------
    scans : str, Path, Volume, or iterable of these
        A folder with one visit of one person (see `sequences_in`), or scans of different sequences. Results lie on the grid of the
        first. One on the same grid is taken to lie on it where it shows the same brain there; any other is aligned with it by a rigid
        registration. One whose sequence or volume has to be said: ``load(path, sequence="T2", index=1)``.
    method : str or MethodSpec
        The method that scores each of them, with the model for its sequence. One whose scores can be compared between scans.
    mask, truth : array of bool, shape (i, j, k) in RAS+ axes, str or Path, optional
        The brain and the ground truth, on the grid of the first scan. The brain of the others is found.
    post : PostParams, optional
        As for `detect`. The default threshold is a share of the mean of those that the method has for each of the sequences (`_SHARE`).
    prepare_with, device, seed, use_cache, progress
        As for `detect`.

    Returns
    -------
    Detection
        The score is the mean over the sequences that show a place (an ensemble of equal weights: nothing was fitted). There is no healthy
        reference for several sequences together, so no verdict.

    Raises
    ------
    InputError, ModelError, DeviceError, Cancelled
        As `detect`; also if a sequence is unknown or there twice, the method's scores cannot be compared between scans, or a scan does
        not show the same brain.
    """
    started, progress, post = time.perf_counter(), progress or Progress(), post or PostParams()
    scans = _listed(scans)
    volumes = [as_volume(scan) for scan in scans]
    request = ScoringRequest.of(method, device=device, seed=seed, use_cache=use_cache)
    _check(volumes, request)
    share = 0.9 / len(volumes)
    first = _ready(volumes[0], mask, request, prepare_with, progress.part(0.0, 0.5 * share))
    found = [replace(_scored(first, first, request, post, progress.part(0.5 * share, share)), findings=named_apart(volumes))]
    for number, volume in enumerate(volumes[1:], start=1):
        part = progress.part(number * share, (number + 1) * share)
        ready = _ready(volume, None, request, prepare_with, part.part(0.0, 0.4))
        found.append(_scored(first, ready, request, post, part.part(0.4, 1.0)))
    amap, rest = _together(found, request.spec), progress.part(0.9, 1.0)
    known = None if truth is None else as_truth(truth, first.scan)
    given: dict[str, Any] = {"mask": mask, "truth": truth, "prepare_with": prepare_with, "device": device}
    command = detect_command(amap, post, scan=scans[0], others=scans[1:], model=request.spec.model, **given)
    return finish_detection(_shown(first.scan, found, amap), amap, post, truth=known, command=command, started=started, progress=rest)


def _share(count: int) -> float:
    return _SHARE[min(count, max(_SHARE))]


def _shown(first: Volume, found: Sequence[_Scored], amap: AnomalyMap) -> Volume:
    """The first scan by the name of all, with what has to be known of each."""
    said = tuple(Finding("aligned", "info", f"{one.volume.name}: {one.moved}") for one in found if one.moved)
    fits = (unfit(amap.method, one.volume.sequence, one.map.provenance.get("model")) for one in found)
    apart = (finding for one in found for finding in one.findings)
    of_others = (finding for one in found[1:] for finding in _own_warnings(one.volume))
    findings = (*first.findings, *apart, *of_others, *said, *(finding for finding in fits if finding is not None))
    joint = joint_volume([first, *(one.volume for one in found[1:])])
    return replace(joint, findings=findings).with_sequence(amap.provenance["input"]["sequence"], "several scans")


def _own_warnings(volume: Volume) -> Iterable[Finding]:
    """What has to be known of a further sequence, under its name."""
    return (replace(one, message=f"{volume.name}: {one.message}") for one in volume.findings if one.level == "warning")


def joint_volume(volumes: Sequence[Volume]) -> Volume:
    """The first scan under the name and the SHA-256 of all: results of the same scan with others are results of another input."""
    first = volumes[0]
    if len(volumes) == 1:
        return first
    name = "+".join([first.name, *(volume.sequence or "unknown" for volume in volumes[1:])])
    sums = (one.source.sha256 if one.source is not None and one.source.sha256 else array_sha256(one.data) for one in volumes)
    return _as_joint(first, name, sums)


def scored_volume_of(first: Volume, amap: AnomalyMap) -> Volume:
    """The scan that a map was made from under the map's name, and, where that is of several sequences, the SHA-256 of all.

    As `joint_volume` of all of them, of which but the first may not be open any more: the map's record has their hashes.
    """
    inputs = amap.provenance.get(SEVERAL, ())
    sums = [str(one.get("file_sha256") or one.get("voxels_sha256")) for one in inputs]
    return _as_joint(first, amap.name, sums) if sums else replace(first, name=amap.name)


def _as_joint(first: Volume, name: str, sums: Iterable[str]) -> Volume:
    joint = hashlib.sha256("".join(sums).encode()).hexdigest()
    return replace(first, name=name, source=replace(first.source or Source(first.grid), sha256=joint))


def sequences_in(folder: Path) -> list[Volume]:
    """The scans of a folder that holds one visit of one person, a sequence each.

    Masks, results of ours and scans of unknown sequence (diffusion, ...) are left out.

    Raises
    ------
    InputError
        If it holds no such scan, or two of one sequence: of other people, of other visits, or copies.
    """
    known: dict[str, Path] = {}
    for path in files(folder):
        sequence = sequence_of_file(path)[0].sequence if file_role(image_stem(path)).role == "scan" and not is_result(path) else None
        if sequence is None:
            continue
        if sequence in known:
            why = f"it holds two {sequence}: {known[sequence].relative_to(folder)} and {path.relative_to(folder)}"
            raise InputError(
                f"{folder.name} is not one visit of one subject", why=why, fix="Name the scans: SCAN --with SCAN; or use batch"
            )
        known[sequence] = path
    if not known:
        raise InputError(f"{folder.name} holds no scan whose sequence is known", fix="Name the scans with their sequence, or give one file")
    return [as_volume(path) for path in known.values()]


def _listed(scans: str | Path | Volume | Iterable[Volume | str | Path]) -> list[Volume | str | Path]:
    if isinstance(scans, str | Path):
        _check_folder(Path(scans))
        scans = sequences_in(Path(scans))
    listed: list[Volume | str | Path] = [scans] if isinstance(scans, Volume) else list(scans)
    if not listed:
        raise InputError("Nothing to detect anomalies in", why="no scan was given", fix="Give scans of one person, or their folder")
    return listed


def _check_folder(path: Path) -> None:
    """Raise `InputError` unless a path is a folder of image files."""
    fix = "Give the folder of one person's scans, or a list of scans"
    if not path.is_dir():
        raise InputError(f"{path.name} is no folder of scans", why="it is a file" if path.exists() else "there is no such folder", fix=fix)
    if _holds_dicom(path):
        fix = "Give a list: load(folder, index=0), load(folder, index=1), ..., each a series"
        raise InputError(f"{path.name} is no folder of scans", why="it holds DICOM slices", fix=fix)


def is_subject_folder(path: Path) -> bool:
    """Whether a path is a folder of image files, not of DICOM slices."""
    return path.is_dir() and any(files(path)) and not _holds_dicom(path)


def _holds_dicom(folder: Path) -> bool:
    return any(map(is_dicom, islice(walk_files(folder), _LOOK)))


def _check(volumes: Sequence[Volume], request: ScoringRequest) -> None:
    info = method_class(request.spec.method).INFO
    if info.incomparable:
        why = f"{info.incomparable}; the mean over sequences would mean nothing"
        raise InputError(f"The method '{info.id}' cannot score several sequences together", why=why, fix="Choose tissue-ensemble, say")
    seen: dict[str, Volume] = {}
    for volume in volumes:
        if volume.sequence is None:
            fix = "Say it (--with T2=FILE, of the first --sequence T2; load(path, sequence='T2')), or have its file name say it"
            raise InputError(f"The sequence of {volume.name} is not known", why="each has the method's model for it", fix=fix)
        other = seen.setdefault(volume.sequence, volume)
        if other is not volume:
            raise InputError(f"{other.name} and {volume.name} are both {volume.sequence}", fix="Give one of them")
        model_for(info.id, request.spec.model or None, volume.sequence)
    for number, volume in enumerate(volumes):
        same = next((other for other in volumes[:number] if np.array_equal(other.data, volume.data)), None)
        if same is not None:
            raise InputError(f"{same.name} and {volume.name} are one image", why="all voxels are the same", fix="Give one of them")


def _ready(volume: Volume, mask: MaskInput | None, request: ScoringRequest, prepare_with: str, progress: Progress) -> ReadyScan:
    preset = method_class(request.spec.method).INFO.preset
    return make_ready(volume, mask, preset_id=preset, prepare_with=prepare_with, progress=progress)


def _scored(first: ReadyScan, ready: ReadyScan, request: ScoringRequest, post: PostParams, progress: Progress) -> _Scored:
    """Score one sequence on its own grid, and bring the map to the first one's."""
    own = ready.bring_back(scored_volume(ready.scored, request, progress.part(0.0, 0.7)).map)
    threshold = judged(own, post.with_rule(AUTO_RULE)).result.threshold.value
    if first.scan.grid.compare(own.grid, "scan"):
        return _aligned(first, ready, own, threshold, progress.part(0.7, 1.0))
    value = None if ready is first else agreement(first.scan, ready.scan.data, own.mask)
    seen: tuple[Finding, ...] = ()
    if value is not None and not agrees(value):
        # Whoever moved between two sequences lies elsewhere in the second, whatever the headers say.
        with suppress(InputError):
            moved = _aligned(first, ready, own, threshold, progress.part(0.7, 1.0))
            if not moved.findings:
                return moved
        seen = (another_brain(first.scan, ready.scan, value),)
    _check_overlap(first.scan, own.mask, ready.scan)
    return _Scored(ready.scan, own, threshold, "", seen)


def _aligned(first: ReadyScan, ready: ReadyScan, own: AnomalyMap, threshold: float, progress: Progress) -> _Scored:
    """A sequence's map where a rigid registration says that it lies on the first one."""
    grid = first.scan.grid
    matrix = align(*_alike(first.scan, ready.scan), "rigid", progress).matrix
    score, mask = resample_inside(own.score, own.mask, own.grid, grid, matrix, outside=own.background)
    _check_overlap(first.scan, mask, ready.scan)
    data, _ = resample_inside(ready.scan.data, ready.scan.brain, own.grid, grid, matrix)
    value = agreement(first.scan, data, mask)
    seen = () if value is None or agrees(value) else (another_brain(first.scan, ready.scan, value),)
    moved = replace(own, score=score, mask=mask, grid=grid, source=first.scan.source, scan=first.scan.data)
    how = f"aligned with {first.scan.name} by a rigid registration ({rigid_words(matrix, grid)})"
    return _Scored(ready.scan, moved, threshold, how, seen)


def _alike(fixed: Volume, moving: Volume) -> tuple[Volume, Volume]:
    """Both as whole heads, or both as brains where one of them is nothing else: a skull on one alone would draw the other out of place."""
    pair = fixed, moving
    if not any(one.mask is not None and not np.any(one.data[~one.mask]) for one in pair):
        return pair
    first, second = (one if one.mask is None else one.with_data(np.where(one.mask, one.data, np.float32(0.0))) for one in pair)
    return first, second


def _check_overlap(first: Volume, mask: NDArray[np.bool_], other: Volume) -> None:
    assert first.mask is not None  # as `make_ready` gave it
    # A field of view that shows part of the brain is no fault: only where both could be.
    smaller = min(int(np.count_nonzero(first.mask)), int(np.count_nonzero(mask)))
    shared = int(np.count_nonzero(first.mask & mask)) / max(smaller, 1)
    if dice(first.mask, mask) < _OVERLAP and shared < 0.9:
        why = f"their brains share {shared:.0%} of the smaller one"
        raise InputError(
            f"{other.name} does not lie on {first.name}", why=why, fix="See whether they show the same person, and their headers"
        )


def _together(found: Sequence[_Scored], spec: MethodSpec) -> AnomalyMap:
    """The mean of the maps over those that scored a voxel; the brain is the first scan's."""
    first = found[0].map
    total, count = np.zeros(first.score.shape, np.float64), np.zeros(first.score.shape, np.uint8)
    for one in found:
        total[one.map.mask] += one.map.score[one.map.mask]
        count[one.map.mask] += 1
    score = np.full(first.score.shape, first.background, np.float32)
    score[first.mask] = (total[first.mask] / count[first.mask]).astype(np.float32)
    names = [one.volume.sequence or "" for one in found]
    threshold = _share(len(found)) * float(np.mean([one.threshold for one in found]))
    inputs: list[dict[str, Any]] = [one.map.provenance["input"] | {"threshold": one.threshold, "moved": one.moved} for one in found]
    name, together = joint_volume([one.volume for one in found]).name, "+".join(names)
    models = [one.map.provenance["model"] for one in found if "model" in one.map.provenance]
    seen = [finding.as_dict() for one in found for finding in one.findings]
    joint = {"name": name, "sequence": together, "findings": [*inputs[0].get("findings", ()), *seen]}
    provenance = {**first.provenance, "input": inputs[0] | joint, SEVERAL: inputs}
    provenance |= {"models": models, ASKED: spec.title} if models else {}
    own = ", ".join(f"{one.threshold:.4g} ({one.volume.sequence})" for one in found)
    share = f"{_share(len(found)):g}, as false alarms of {len(found)} sequences seldom meet (docs/sequences.md)"
    provenance[THRESHOLD_WORDS] = f"default: the mean of the sequences' thresholds {own}, times {share}"
    rule = ThresholdRule("value", threshold)
    return replace(first, score=score, name=name, default_threshold=rule, provenance=provenance)
