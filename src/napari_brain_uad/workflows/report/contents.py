"""What the page about a cohort is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...evaluation.pooled import Pooled
from ...evaluation.report import Evaluation, thinned
from .slices import ShownCase

_POINTS = 60
"""Of a scan's curve: as fine as a plot shows."""


@dataclass(frozen=True, eq=False)
class ScanCurves:
    """The curves of one method on one scan, at most 60 points each.

    Parameters
    ----------
    pr : array of float32, shape (2, n)
        Recall and precision.
    roc : array of float32, shape (2, n)
        False-positive rate and recall.
    """

    pr: NDArray[np.float32]
    roc: NDArray[np.float32]

    @classmethod
    def of(cls, evaluation: Evaluation) -> ScanCurves | None:
        """From an evaluation; None where there is no curve, because there is no lesion."""
        if not evaluation.pr_curve.size or not evaluation.roc_curve.size:
            return None
        pr, roc = (thinned(curve[:2], _POINTS).astype(np.float32) for curve in (evaluation.pr_curve, evaluation.roc_curve))
        return cls(pr, roc)


@dataclass(frozen=True, eq=False)
class PageContents:
    """Everything that the page says.

    Parameters
    ----------
    record : mapping
        The cohort as JSON data, see `cohort.cohort_report.cohort_record`. Keys that the page does not know are shown as tables.
    pooled : mapping of str to Pooled
        By method; empty where no voxels were pooled.
    curves : mapping of int to ScanCurves
        By the number of the line in ``record["scans"]``.
    shown : sequence of ShownCase
        Cases with pictures.
    """

    record: Mapping[str, Any]
    pooled: Mapping[str, Pooled] = field(default_factory=dict)
    curves: Mapping[int, ScanCurves] = field(default_factory=dict)
    shown: Sequence[ShownCase] = ()

    @property
    def methods(self) -> list[str]:
        """In the order asked for."""
        return list(self.record["mean"])

    def lines(self, method: str) -> list[tuple[int, Mapping[str, Any]]]:
        """Number and contents of the lines of one method in ``record["scans"]``."""
        return [(number, row) for number, row in enumerate(self.record["scans"]) if row["method"] == method]
