"""How far flagged volumes agree with true ones: mean difference and limits of agreement.

Bland, Altman: "Statistical methods for assessing agreement between two methods of clinical measurement" (The Lancet 1986;
doi:10.1016/S0140-6736(86)90837-8); the standard error of a limit as in their "Measuring agreement in method comparison studies"
(Statistical Methods in Medical Research 1999; doi:10.1177/096228029900800204).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..core.errors import InputError

WIDTH = 1.96
"""Standard deviations from the mean difference to either limit of agreement: 95 % of differences, if they are normal."""


@dataclass(frozen=True)
class VolumeAgreement:
    """Flagged against true volume over scans, in ml.

    Parameters
    ----------
    scans : int
    bias : float
        Mean of flagged minus true volume.
    deviation : float or None
        Standard deviation of the differences (n - 1); None for one scan, as all that follows.
    low, high : float or None
        Limits of agreement: bias -+ 1.96 standard deviations.
    bias_error, limit_error : float or None
        Half the width of the 95 % intervals of the bias, and of either limit, by Student's t with n - 1 degrees of freedom.
    """

    scans: int
    bias: float
    deviation: float | None = None
    low: float | None = None
    high: float | None = None
    bias_error: float | None = None
    limit_error: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON data."""
        return asdict(self)


def volume_agreement(true: ArrayLike, flagged: ArrayLike) -> VolumeAgreement | None:
    """Bias and limits of agreement.

    Parameters
    ----------
    true, flagged : array of float, shape (n,)
        Volumes of the same scans in ml, in the same order.

    Returns
    -------
    VolumeAgreement or None
        None without scans.

    Raises
    ------
    InputError
        If their numbers differ.
    """
    from scipy import stats

    first, second = np.asarray(true, np.float64), np.asarray(flagged, np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise InputError("Agreement of volumes", why=f"there are {first.size} true and {second.size} flagged ones")
    differences = second - first
    count = differences.size
    if not count:
        return None
    bias = float(differences.mean())
    if count < 2:
        return VolumeAgreement(count, bias)
    deviation = float(differences.std(ddof=1))
    t = float(stats.t.ppf(0.975, count - 1))
    of_limit = deviation * float(np.sqrt(1 / count + WIDTH**2 / (2 * (count - 1))))
    ends = bias - WIDTH * deviation, bias + WIDTH * deviation
    return VolumeAgreement(count, bias, deviation, *ends, t * deviation / float(np.sqrt(count)), t * of_limit)
