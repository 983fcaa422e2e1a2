"""Healthy scans to train on, from a folder, a data set or the simulator: found, counted, looked at, and loaded when they are needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...core.errors import InputError
from ...core.extremes import robust_range
from ...core.progress import Progress
from ...core.seed import check_seed
from ...core.sequence import spelled
from ...core.text import choose_from, counted
from ...core.volume import Volume
from ...datasets.layout import LAYOUT, Subject, missed_files
from ...datasets.registry import find_layout, layout
from ...detectors.registry import method_class
from ...io.nifti import SUFFIXES
from ...io.walk import files_in
from ...preprocessing.brain_mask import estimate_brain_mask
from ...simulation.params import SEQUENCES, SimulationParams
from ...simulation.population import Population
from ..scans.further import split_prepare
from ..scans.lazy_volumes import LazyVolumes, OpenedData
from ..scans.load import load
from ..scans.ready import AUTO, ReadyScan, make_ready

SOURCES = ("folder", "dataset", "simulation")

_PICTURE = 128
_NAMED = 8
"""So many of those who are left out are named."""


@dataclass(frozen=True)
class TrainingData:
    """Which healthy scans to train on; plain JSON data through `as_dict` and `from_dict`.

    Parameters
    ----------
    source : str
        "folder": scans in a folder, whatever their names. "dataset": a data set in a known layout. "simulation": made from label maps.
    path : str
        The folder (or a CSV file); of label maps for "simulation".
    dataset : str
        Id of the layout, for "dataset"; found by the file names when empty.
    sequence : str
        The sequence to use; may be empty when there is only one. For "simulation" the contrast, T1 when empty.
    count : int
        How many subjects to use; 0 = all, or one from each label map.
    validation : float
        Share of the subjects that is kept apart, 0 to below 1; of the label maps for "simulation".
    seed : int
        Decides who is kept apart, and the simulated subjects.
    preset : str
        Preprocessing to run on every scan; by default the method's own, on scans of the whole head.

    Raises
    ------
    InputError
        For an unknown source, or a share or count out of range.
    """

    source: str
    path: str
    dataset: str = ""
    sequence: str = ""
    count: int = 0
    validation: float = 0.1
    seed: int = 0
    preset: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sequence", spelled(self.sequence))
        if self.source not in SOURCES:
            raise InputError("Training data", why=f"there is no source '{self.source}'", fix=choose_from(self.source, SOURCES, "Sources"))
        check_seed(self.seed)
        if not 0.0 <= self.validation < 1.0 or self.count < 0:
            fix = "Give a validation of 0 to below 1, and a count of at least 0"
            raise InputError("Training data", why="validation or count is out of range", fix=fix)
        if self.source == "simulation" and self.preset:
            raise InputError("Training data", why="simulated brains are not prepared", fix="Leave the preset empty")
        if self.source == "simulation" and (self.sequence or "T1") not in SEQUENCES:
            fix = choose_from(self.sequence, SEQUENCES, "Contrasts")
            raise InputError("Training data", why=f"there is no contrast '{self.sequence}'", fix=fix)
        if self.preset:  # said once and now, not of every scan
            split_prepare(self.preset)

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain JSON data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingData:
        """The inverse of `as_dict`; unknown fields and wrong types are refused."""
        kinds = {one.name: type(one.default) if one.name not in ("source", "path") else str for one in fields(cls)}
        for name, value in values.items():
            if name not in kinds or not isinstance(value, (int, float) if kinds[name] is float else kinds[name]):
                raise InputError(f"Training data has no setting '{name}' of this kind", fix=choose_from(name, kinds, "Settings"))
        return cls(**values)


@dataclass(frozen=True)
class DataSummary:
    """What was found, without loading any scan.

    Parameters
    ----------
    count : int
        Subjects that would be used.
    sequences : dict of str to int
        How many subjects have each sequence.
    words : str
        One line for the user.
    problems : tuple of str
        Why it cannot be used as it is, or what is left out.
    """

    count: int
    sequences: dict[str, int]
    words: str
    problems: tuple[str, ...] = ()


def describe(data: TrainingData) -> DataSummary:
    """What would be used, judged by file names.

    Returns
    -------
    DataSummary
        A missing folder, or one without scans, is a problem like any other, not an error: a form is being filled in.
    """
    try:
        if data.source == "simulation":
            maps = _label_maps(data)
            count = data.count or len(maps)
            words = f"{counted(count, 'subject')} simulated from {counted(len(maps), 'label map')}"
            return DataSummary(count, {data.sequence or "T1": count}, words)
        subjects, left_out = healthy_subjects(data)
    except InputError as error:
        return DataSummary(0, {}, "No scans", (str(error),))
    sequences = dict(Counter(name for one in subjects for name in one.sequences).most_common())
    problems = list(left_out)
    try:
        chosen = _chosen(data, subjects)
    except InputError as error:
        return DataSummary(0, sequences, counted(len(subjects), "subject"), (*problems, str(error)))
    return DataSummary(len(chosen), sequences, f"{counted(len(chosen), 'subject')} of {_name(data.path)}", tuple(problems))


def thumbnails(data: TrainingData, n: int = 6) -> list[NDArray[np.float32]]:
    """Middle axial slices of some subjects, each shape (H, W) with at most 128 rows, 0 to 1; anterior is up, the right side right.

    Raises
    ------
    InputError
        If there are no scans, or one cannot be read.
    """
    if data.source == "simulation":
        simulated = Population(_label_maps(data), replace(_simulation(data), spacing_mm=2.0), data.seed)
        return [_picture(simulated[number].volume) for number in range(min(n, data.count or len(simulated)))]
    subjects = healthy_subjects(data)[0]
    chosen = _chosen(data, subjects)
    some = np.unique(np.linspace(0, len(chosen) - 1, min(n, len(chosen))).round().astype(int))
    return [_picture(load(chosen[number].sequences[_sequence(data, subjects)])) for number in some]


def first_scan(data: TrainingData) -> tuple[Volume, bool]:
    """One of the scans as it is, and whether it has to be prepared.

    Raises
    ------
    InputError
        If there are no scans, or it cannot be read.
    """
    if data.source == "simulation":
        return Population(_label_maps(data), _simulation(data), data.seed)[0].volume, False
    subjects = healthy_subjects(data)[0]
    subject, sequence = _chosen(data, subjects)[0], _sequence(data, subjects)
    volume = load(subject.sequences[sequence])
    known = _mask_of(subject, sequence) is not None or volume.is_slice
    ready = not data.preset and (known or estimate_brain_mask(volume).stripped)
    return volume, not ready


def open_data(data: TrainingData, method: str, *, progress: Progress | None = None) -> OpenedData:
    """Find the scans and decide who is kept apart; they are loaded, and prepared where a method needs that, when asked for.

    Parameters
    ----------
    data : TrainingData
        Which scans.
    method : str
        Its preset prepares scans of the whole head.

    Raises
    ------
    InputError
        If there is nothing to use, or several sequences and none was chosen.
    """
    progress = progress or Progress()
    progress.update(0.0, "Looking for scans")
    if data.source == "simulation":
        return _open_simulation(data)
    subjects = healthy_subjects(data)[0]
    sequence = _sequence(data, subjects)
    chosen = _chosen(data, subjects)
    preset_id = method_class(method).INFO.preset

    def maker(subject: Subject) -> Callable[[], Volume]:
        return lambda: ready_scan(subject, sequence, preset_id, data.preset or AUTO, progress).scored

    names = sorted({one.id for one in chosen})
    apart = _kept_apart(names, data.validation, data.seed)
    train, validation = (
        LazyVolumes([maker(one) for one in group], [f"{one.id} {one.session or ''}".strip() for one in group], needed=not held_out)
        for held_out, group in ((which, [one for one in chosen if (one.id in apart) == which]) for which in (False, True))
    )
    words = f"{counted(len(train), 'scan')} of {_name(data.path)}, {len(validation)} more for validation"
    return OpenedData(train, validation, words, () if sequence == "unknown" else (sequence,))


def open_scans(scans: Sequence[Volume | str | Path], method: str, *, validation: float, seed: int) -> OpenedData:
    """Scans given one by one, as `open_data`; those of no known sequence are used too."""
    preset_id = method_class(method).INFO.preset
    apart = _kept_apart([str(number) for number in range(len(scans))], validation, seed)
    makers = [lambda scan=scan: make_ready(scan, preset_id=preset_id).scored for scan in scans]
    train = LazyVolumes([maker for number, maker in enumerate(makers) if str(number) not in apart])
    held_out = LazyVolumes([maker for number, maker in enumerate(makers) if str(number) in apart], needed=False)
    sequences = {scan.sequence for scan in scans if isinstance(scan, Volume) and scan.sequence}
    return OpenedData(train, held_out, f"{counted(len(train), 'scan')}, {len(held_out)} more for validation", tuple(sorted(sequences)))


def healthy_subjects(data: TrainingData) -> tuple[tuple[Subject, ...], tuple[str, ...]]:
    """The subjects without a lesion mask that no official split keeps for tests, and in words who is left out."""
    root = Path(data.path)
    if not data.path or not root.exists():
        raise InputError(f"{_name(data.path)} is not a folder", fix="Give a folder of healthy scans")
    try:
        found = (layout(data.dataset) if data.source == "dataset" and data.dataset else find_layout(root)).subjects(root)
    except InputError as error:
        raise InputError(f"{_name(data.path)} holds no scan", why=error.why or str(error), fix="Give a folder of healthy scans") from error
    masked = [one for one in found if one.truth is not None]
    ill = [one for one in found if one.truth is None and one.ill]
    test = [one for one in found if one.truth is None and not one.ill and one.split == "test"]
    healthy = tuple(one for one in found if one.truth is None and not one.ill and one.split != "test")
    left_out = [_without(masked, "with lesions (a mask of them lies beside the scan)")] if masked else []
    left_out += [_without(ill, "with lesions (by the folder's name)")] if ill else []
    left_out += [_without(test, "of the data set's test set")] if test else []
    left_out += missed_files(root)
    if not healthy:
        raise InputError(f"{_name(data.path)} holds no healthy scan", why="; ".join(left_out), fix="Give a folder of healthy scans")
    return healthy, tuple(left_out)


def _sequence(data: TrainingData, subjects: Sequence[Subject]) -> str:
    known = Counter(name for one in subjects for name in one.sequences)
    if data.sequence:
        if data.sequence not in known:
            fix = choose_from(data.sequence, known, "Sequences")
            raise InputError(f"No subject of {_name(data.path)} has the sequence {data.sequence}", fix=fix)
        return data.sequence
    if len(known) > 1:
        raise InputError(f"{_name(data.path)} holds several sequences", why=", ".join(known), fix="Choose one of them")
    return next(iter(known))


def _chosen(data: TrainingData, subjects: Sequence[Subject]) -> list[Subject]:
    sequence = _sequence(data, subjects)
    having = [one for one in subjects if sequence in one.sequences]
    if not data.count or data.count >= len(having):
        return having
    picked = np.random.default_rng([data.seed, 1]).permutation(len(having))[: data.count]
    return [having[number] for number in sorted(picked)]


def _kept_apart(names: Sequence[str], share: float, seed: int) -> set[str]:
    """At least one of two or more, when any are asked for: all scans of a subject stay together."""
    count = min(len(names) - 1, max(1, round(share * len(names)))) if share > 0 and names else 0
    order = np.random.default_rng([seed, 2]).permutation(len(names))
    return {names[number] for number in order[:count]}


def ready_scan(subject: Subject, sequence: str, preset_id: str, prepare_with: str, progress: Progress) -> ReadyScan:
    """One scan of a subject, made ready for a method; see `workflows.scans.ready.make_ready`."""
    progress.check()
    mask = _mask_of(subject, sequence)
    scan = load(subject.sequences[sequence])
    volume = scan if sequence in ("unknown", scan.sequence) else scan.with_sequence(sequence, LAYOUT)
    return make_ready(volume, mask, preset_id=preset_id, prepare_with=prepare_with)


def _mask_of(subject: Subject, sequence: str) -> Path | None:
    """The sequence's own; a mask of all is that of the first sequence, and others need not lie on its grid."""
    return subject.brain_masks.get(sequence, subject.brain_mask if sequence == next(iter(subject.sequences)) else None)


def _label_maps(data: TrainingData) -> list[Path]:
    folder = Path(data.path)
    found = files_in(folder, SUFFIXES) if data.path and folder.is_dir() else []
    if not found:
        what = f"{_name(data.path)} holds no label map"
        raise InputError(what, why="simulated subjects are made from FreeSurfer- or SynthSeg-style label maps", fix="Give a folder of them")
    return found


def _simulation(data: TrainingData) -> SimulationParams:
    return SimulationParams(sequence=data.sequence or "T1")


def _open_simulation(data: TrainingData) -> OpenedData:
    """Subjects for validation come from label maps of their own, so that no one trained on is met again in another shape."""
    maps = _label_maps(data)
    apart = _kept_apart([path.name for path in maps], data.validation, data.seed)
    groups = [[path for path in maps if (path.name in apart) == held_out] for held_out in (False, True)]
    wanted = data.count or len(maps)
    held_out = max(1, round(data.validation * wanted)) if groups[1] else 0
    opened: list[LazyVolumes] = []
    for group, count in zip(groups, (max(1, wanted - held_out), held_out), strict=True):
        subjects = Population(group, _simulation(data), data.seed) if group else None
        makers = [] if subjects is None else [lambda subjects=subjects, number=number: subjects[number].volume for number in range(count)]
        opened.append(LazyVolumes(makers, [f"Person {number + 1}" for number in range(len(makers))], needed=not opened))
    sequence = data.sequence or "T1"
    scans = counted(len(opened[0]), f"simulated {sequence} scan")
    words = f"{scans} from {counted(len(groups[0]), 'label map')}, {len(opened[1])} more for validation"
    names = tuple(path.name for path in maps)
    return OpenedData(opened[0], opened[1], words, () if sequence == "random" else (sequence,), names)


def _picture(volume: Volume) -> NDArray[np.float32]:
    """A slice through the middle of what is not background."""
    shown = np.flatnonzero((volume.data > volume.data.mean()).any(axis=(0, 1)))
    middle = int(shown[len(shown) // 2]) if len(shown) else volume.data.shape[2] // 2
    image = np.clip(volume.data[:, ::-1, middle].T, *robust_range(volume.data))
    stride = -(-max(image.shape) // _PICTURE)
    image = image[::stride, ::stride]
    low, high = np.percentile(image, (0.5, 99.5))
    return np.asarray(np.clip((image - low) / max(high - low, 1e-12), 0.0, 1.0), dtype=np.float32)


def _without(left_out: Sequence[Subject], why: str) -> str:
    """Who is left out, and why."""
    names = [f"{one.id} session {one.session}" if one.session else one.id for one in left_out]
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    noun = "session" if any(one.session for one in left_out) else "subject"
    return f"{counted(len(names), noun)} {why} left out: {', '.join(names[:_NAMED])}{more}"


def _name(path: str) -> str:
    return (Path(path).absolute().name or path) if path else "Nothing"
