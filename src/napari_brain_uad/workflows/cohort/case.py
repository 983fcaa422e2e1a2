"""One scan of a cohort, and what a method gave on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...core.errors import InputError
from ...core.text import is_told
from ...core.volume import Volume
from ...datasets.covariates import Covariates
from ...datasets.layout import LAYOUT
from ...evaluation.lesions import ScanLesions
from ...postprocessing.ranking import Counts
from ..compare.compare_table import Row
from ..report.contents import ScanCurves
from ..scans.load import MaskInput, load
from .alter import Alteration, altered


@dataclass(frozen=True)
class Case:
    """One scan of a cohort with its ground truth, for figures of voxels; `ill`: what its data set says where it has none.

    `subject`, `session`, `split` and `covariates` are the data set's words on who was scanned; `name` stands for a subject that has none.
    With an `alteration` it is the scan as that leaves it; `thresholds` are scores by method that replace the rule's.
    """

    name: str
    scan: Path | Volume
    truth: MaskInput | None
    mask: MaskInput | None = None
    sequence: str | None = None
    origin: str = LAYOUT
    ill: bool | None = None
    subject: str = ""
    session: str | None = None
    split: str | None = None
    covariates: Covariates = field(default_factory=Covariates)
    alteration: Alteration | None = None
    thresholds: Mapping[str, float] | None = None

    @property
    def person(self) -> str:
        """Who was scanned: all scans of one person lie on one side of every split."""
        return self.subject or self.name

    @property
    def known_sequence(self) -> str | None:
        """Its sequence, as far as that is known before the scan is read."""
        return self.sequence or (self.scan.sequence if isinstance(self.scan, Volume) else None)


@dataclass(frozen=True)
class CohortRow:
    """One method on one scan; `counts` against its ground truth.

    `strength` is that of the strongest region, by which the verdict ranks scans; None where no healthy reference applies. `ill` says
    whether the ground truth has a lesion; without one, what the data set says, or False where such scans are said to be healthy, else None.
    `found` says what the mask found of every lesion; None without a ground truth. `subject` is who was scanned.
    `true_ml` is the volume of the ground truth, `curves` are those against it.
    """

    case: str
    sequence: str | None
    figures: Row
    counts: Counts | None
    lesions: int
    lesions_found: int
    strength: float | None = None
    ill: bool | None = None
    found: ScanLesions | None = None
    subject: str = ""
    true_ml: float | None = None
    curves: ScanCurves | None = field(default=None, compare=False)

    @property
    def person(self) -> str:
        """Who was scanned; several scans of one person are not independent."""
        return self.subject or self.case

    @property
    def key(self) -> str:
        """What tells the scan from the cohort's others."""
        return f"{self.case} {self.sequence or ''}".strip()


@dataclass(frozen=True)
class CaseFailure:
    """A method (or all: empty) that gave nothing on a scan, and why."""

    case: str
    method: str
    why: str

    @property
    def who(self) -> str:
        """What its line begins with: the scan, unless the reason names it itself, and the method."""
        return " ".join(filter(None, ("" if is_told(self.case, self.why) else self.case, self.method)))


def told_apart(cases: Sequence[Case]) -> list[Case]:
    """The cases with names that no two share: several sequences of a subject have one name, and get that of the sequence, too.

    Raises
    ------
    InputError
        If two have one name all the same: the figures of one would replace those of the other.
    """
    given = Counter(case.name for case in cases)
    seen: dict[str, Case] = {}
    for case in cases:
        name = case.name if given[case.name] < 2 else f"{case.name} {case.sequence or 'unknown'}"
        if name in seen:
            files = [one.scan.name if isinstance(one.scan, Volume) else str(one.scan) for one in (seen[name], case)]
            raise InputError(f"Two scans are called {case.name}", why=f"{files[0]} and {files[1]}", fix="Give them different names")
        seen[name] = case if name == case.name else replace(case, name=name, subject=case.person)
    return list(seen.values())


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
