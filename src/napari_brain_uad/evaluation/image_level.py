"""Whole images told apart: ill ones from healthy ones, each by one number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..core.anomaly_map import AnomalyMap
from .curves import Curves
from .significance import Auroc, scan_auroc


def image_score(amap: AnomalyMap) -> float:
    """The score of a whole image: the highest of its brain in the raw map, in the map's unit."""
    return float(amap.brain_scores().max())


@dataclass(frozen=True)
class ImageLevel:
    """How well a score tells ill images from healthy ones.

    Parameters
    ----------
    auroc : Auroc
        With its bootstrap interval and how many images of either kind there are.
    auprc : float
        Average precision with the ill ones as positives; its chance level is their share.
    """

    auroc: Auroc
    auprc: float

    @property
    def words(self) -> str:
        """The figures in words."""
        return f"AUROC {self.auroc.words}, AUPRC {self.auprc:.2f}"

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {"auroc": asdict(self.auroc), "auprc": self.auprc}


def image_level(scored: Iterable[tuple[float | None, bool | None]]) -> ImageLevel | None:
    """Figures over images.

    Parameters
    ----------
    scored : iterable of (float or None, bool or None)
        Score of each image and whether it is ill; images of which either is not known are left out.

    Returns
    -------
    ImageLevel or None
        None without images of both kinds.
    """
    known = [(score, ill) for score, ill in scored if score is not None and ill is not None]
    scores, labels = np.array([score for score, _ in known], np.float32), np.array([ill for _, ill in known], np.bool_)
    area = scan_auroc(scores[~labels], scores[labels])
    precision = Curves(scores, labels).average_precision if area is not None else None
    return None if area is None or precision is None else ImageLevel(area, precision)
