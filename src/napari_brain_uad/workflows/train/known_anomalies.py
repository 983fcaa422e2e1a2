"""Scans with known anomalies, for the methods that learn from them beside healthy ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import overload

from ...core.checks import Finding
from ...core.errors import InputError
from ...core.progress import Progress
from ...core.provenance import array_sha256
from ...core.text import counted
from ...core.volume import Volume
from ...datasets.layout import Subject
from ...datasets.registry import find_layout
from ...detectors.registry import method_class
from ...training.session import LabelledScan
from ..scans.lazy_volumes import note_warnings
from ..scans.load import MaskInput, as_mask
from ..scans.ready import AUTO, ReadyScan, make_ready
from .training_data import TrainingData, open_data, ready_scan

AnomaliesInput = str | Path | Sequence[tuple[Volume | str | Path, MaskInput]] | None


class KnownAnomalies(Sequence[LabelledScan]):
    """Scans that are loaded when they are asked for, and not kept.

    Parameters
    ----------
    makers : sequence of callable
        Each gives one scan.

    Attributes
    ----------
    warnings : dict of str to tuple of Finding
        As of `LazyVolumes`.
    """

    def __init__(self, makers: Sequence[Callable[[], LabelledScan]] = ()) -> None:
        self._makers = tuple(makers)
        self._seen: dict[int, dict[str, str]] = {}
        self.warnings: dict[str, tuple[Finding, ...]] = {}

    def __len__(self) -> int:
        return len(self._makers)

    @overload
    def __getitem__(self, number: int) -> LabelledScan: ...
    @overload
    def __getitem__(self, number: slice) -> KnownAnomalies: ...
    def __getitem__(self, number: int | slice) -> LabelledScan | KnownAnomalies:
        """The scan with this number, loaded now."""
        if isinstance(number, slice):
            part = KnownAnomalies(self._makers[number])
            part.warnings = self.warnings
            return part
        number = range(len(self))[number]
        scan = self._makers[number]()
        hashes = {"voxels_sha256": array_sha256(scan.volume.data), "truth_sha256": array_sha256(scan.truth)}
        self._seen[number] = {"name": scan.volume.name, **hashes}
        note_warnings(scan.volume, self.warnings)
        return scan

    def seen(self) -> list[dict[str, str]]:
        """Name and SHA-256 of scan and truth of all that were asked for."""
        return [self._seen[number] for number in sorted(self._seen)]


def open_anomalies(given: AnomaliesInput, method: str, sequences: Sequence[str], prepare_with: str, progress: Progress) -> KnownAnomalies:
    """Find scans with known anomalies.

    Parameters
    ----------
    given : a folder, or a sequence of pairs
        Of a folder (a data set, or a CSV file) all scans that have a truth and that no official split keeps for tests; or scans with their
        truths. None gives none.
    method : str
        Its preset prepares scans of the whole head.
    sequences : sequence of str
        Those of the healthy scans: of a folder with several, the same is taken.
    prepare_with : str
        Preprocessing to run on every scan, as on the healthy ones; the method's own where it is empty.

    Raises
    ------
    InputError
        If the method learns from healthy scans alone, or there is no such scan.
    """
    if given is None:
        return KnownAnomalies()
    kind = method_class(method)
    if not kind.LEARNS_ANOMALIES:
        raise InputError(f"{method} learns from healthy scans alone", fix="Leave the known anomalies out")
    preset_id, preparation = kind.INFO.preset, prepare_with or AUTO

    def labelled(make: Callable[[], ReadyScan], truth: MaskInput) -> LabelledScan:
        ready = make()
        marked = as_mask(truth, ready.scan, label="ground truth")
        if not (marked if ready.scan.mask is None else marked & ready.scan.mask).any():
            raise InputError(
                f"{ready.scan.name}, a known anomaly", why="its truth marks no voxel of the brain", fix="Leave it out, or mend it"
            )
        return LabelledScan(ready.scored, marked if ready.prepared is None else ready.prepared.mask_to_model(marked))

    if isinstance(given, str | Path):
        subjects = _with_truth(Path(given))
        sequence = _same_sequence(subjects, sequences)
        masked = [(one, one.truth_of(sequence)) for one in subjects if sequence in one.sequences]
        ill = [(one, truth) for one, truth in masked if truth is not None]
        makes = [(partial(ready_scan, one, sequence, preset_id, preparation, progress), truth) for one, truth in ill]
        return KnownAnomalies([partial(labelled, make, truth) for make, truth in makes])
    scans = [(partial(make_ready, scan, preset_id=preset_id, prepare_with=preparation), truth) for scan, truth in given]
    return KnownAnomalies([partial(labelled, make, truth) for make, truth in scans])


def count_anomalies(given: AnomaliesInput, method: str, data: TrainingData) -> int:
    """How many scans with known anomalies a training on these healthy scans would learn from, judged by file names.

    Raises
    ------
    InputError
        As of `open_anomalies`, or where there are no healthy scans.
    """
    if given is None:
        return 0
    return len(open_anomalies(given, method, open_data(data, method).sequences, data.preset, Progress()))


def words_of(known: KnownAnomalies) -> str:
    """What they are, behind the words about the healthy scans; empty without any."""
    return f"; known anomalies of {counted(len(known), 'scan')}" if known else ""


def recorded(given: AnomaliesInput) -> dict[str, object]:
    """What a training's record says of them, so that it is resumed with the same ones."""
    if given is None:
        return {}
    named = str(given) if isinstance(given, str | Path) else [one.name if isinstance(one, Volume) else Path(one).name for one, _ in given]
    return {"anomalies": named}


def _with_truth(root: Path) -> list[Subject]:
    found = [one for one in find_layout(root).subjects(root) if one.truth is not None and one.split != "test"]
    if not found:
        why = "no scan has a mask of its lesions beside it, or all belong to a test set"
        raise InputError(f"{root.name} holds no known anomaly", why=why, fix="Give scans with their truths, like a.nii.gz and a_seg.nii.gz")
    return found


def _same_sequence(subjects: Sequence[Subject], sequences: Sequence[str]) -> str:
    there = list(dict.fromkeys(name for one in subjects for name in one.sequences))
    wanted = next((name for name in there if name in sequences), there[0] if len(there) == 1 else "")
    if not wanted or (sequences and wanted not in (*sequences, "unknown")):
        why = f"the healthy scans are {', '.join(sequences) or 'of no known sequence'}, those with anomalies {', '.join(there)}"
        raise InputError("The known anomalies cannot be used", why=why, fix="Give scans of the sequence that is trained on")
    return wanted
