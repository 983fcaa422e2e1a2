"""Whether p-values of healthy scans are what they say: uniform, so that p <= 0.05 in 5 % of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Share:
    """How many of some scans have a p-value of at most `alpha`, with the exact 95 % interval of their share (Clopper, Pearson 1934)."""

    scans: int
    below: int
    alpha: float
    low: float
    high: float

    @property
    def share(self) -> float:
        """0 to 1."""
        return self.below / self.scans

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {"share": self.share, **asdict(self)}


def share_below(p: ArrayLike, alpha: float) -> Share | None:
    """Observed share of p-values up to a nominal one; doi:10.1093/biomet/26.4.404 for the interval.

    Parameters
    ----------
    p : array of float, shape (n,)
        One a scan.
    alpha : float
        The nominal share.

    Returns
    -------
    Share or None
        None without scans.
    """
    from scipy import stats

    values = np.asarray(p, np.float64)
    if not values.size:
        return None
    count, below = values.size, int(np.count_nonzero(values <= alpha))
    low = float(stats.beta.ppf(0.025, below, count - below + 1)) if below else 0.0
    high = float(stats.beta.ppf(0.975, below + 1, count - below)) if below < count else 1.0
    return Share(count, below, alpha, low, high)


def expected_p(count: int) -> NDArray[np.float64]:
    """What sorted uniform p-values are on average, and where 95 % of each lie: the order statistic i of n is Beta(i, n - i + 1).

    Returns
    -------
    array of float, shape (3, count)
        Mean ``i / (n + 1)``, 2.5th and 97.5th percentile.
    """
    from scipy import stats

    rank = np.arange(1, count + 1)
    return np.stack([rank / (count + 1), *(stats.beta.ppf(part, rank, count - rank + 1) for part in (0.025, 0.975))])
