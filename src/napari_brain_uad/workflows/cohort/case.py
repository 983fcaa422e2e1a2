"""One scan of a cohort, and what a method gave on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...core.volume import Volume
from ...datasets.layout import LAYOUT
from ...postprocessing.ranking import Counts
from ..compare.compare_table import Row
from ..scans.load import MaskInput, load
from .alter import Alteration, altered


@dataclass(frozen=True)
class Case:
    """One scan of a cohort with its ground truth, for figures of voxels; `ill`: what its data set says where it has none.

    With an `alteration` it is the scan as that leaves it; `thresholds` are scores by method that replace the rule's.
    """

    name: str
    scan: Path | Volume
    truth: MaskInput | None
    mask: MaskInput | None = None
    sequence: str | None = None
    origin: str = LAYOUT
    ill: bool | None = None
    alteration: Alteration | None = None
    thresholds: Mapping[str, float] | None = None


@dataclass(frozen=True)
class CohortRow:
    """One method on one scan; `counts` against its ground truth.

    `strength` is that of the strongest region, by which the verdict ranks scans; None where no healthy reference applies. `ill` says
    whether the ground truth has a lesion; without one, what the data set says, or False where such scans are said to be healthy, else None.
    """

    case: str
    sequence: str | None
    figures: Row
    counts: Counts | None
    lesions: int
    lesions_found: int
    strength: float | None = None
    ill: bool | None = None


@dataclass(frozen=True)
class CaseFailure:
    """A method (or all: empty) that gave nothing on a scan, and why."""

    case: str
    method: str
    why: str


def case_volume(case: Case) -> Volume:
    """The scan of a case, with the sequence that its data set says.

    Raises
    ------
    InputError
        If it cannot be read, or not altered.
    """
    volume = case.scan if isinstance(case.scan, Volume) else load(case.scan)
    volume = volume if case.alteration is None else altered(volume, case.alteration)
    return volume if case.sequence in (None, volume.sequence) else volume.with_sequence(case.sequence, case.origin)
