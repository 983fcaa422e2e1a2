"""The comparison's table: one row a method, what each column means, and how it is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...calibration.verdict import Verdict
from ...core.text import table_text
from ...core.volume import Grid
from ...evaluation.report import Evaluation
from ...postprocessing.pipeline import PostResult


@dataclass(frozen=True)
class Row:
    """What is known of one method on one scan; None where it needs a ground truth that is not there, or is undefined.

    The fields are the columns, in reading order; `COLUMNS` says what each means.
    """

    method: str
    best_dice: float | None
    best_dice_voxels: float | None
    dice: float | None
    auprc: float | None
    auroc: float | None
    pro: float | None
    lesion_recall: float | None
    false_positive_regions: int | None
    regions: int
    flagged_ml: float
    largest_region_ml: float
    mutual_dice: float | None
    threshold: float
    threshold_origin: str
    seconds: float
    memory_mb: float | None
    cached: bool
    scan_p: float | None = None
    smallest_p: float | None = None
    regions_beyond: int | None = None
    image_score: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The row as plain JSON data."""
        return asdict(self)


@dataclass(frozen=True)
class Column:
    """A column's title and meaning; `best` says whether high or low values are good, or neither."""

    title: str
    definition: str
    best: str = ""


COLUMNS: dict[str, Column] = {
    "method": Column("Method", "method, preset, settings and model"),
    "best_dice": Column("⌈Dice⌉", "best Dice over thresholds, 6-connected components under 20 voxels dropped", "high"),
    "best_dice_voxels": Column("⌈Dice⌉ (no dropping)", "best Dice over all thresholds, no components dropped", "high"),
    "dice": Column("Dice", "2 TP / (2 TP + FP + FN) of the mask at the threshold", "high"),
    "auprc": Column("AUPRC", "average precision of the filtered map over every voxel of the volume", "high"),
    "auroc": Column("AUROC", "area under the ROC curve of the filtered map over every voxel of the volume", "high"),
    "pro": Column("PRO", "per-region overlap up to a false-positive rate of 0.3", "high"),
    "lesion_recall": Column("Lesion recall", "26-connected lesions that the mask touches / all lesions", "high"),
    "false_positive_regions": Column("False regions", "regions of the mask that touch no lesion", "low"),
    "regions": Column("Regions", "26-connected regions of the mask"),
    "flagged_ml": Column("Flagged (ml)", "volume of the mask"),
    "largest_region_ml": Column("Largest (ml)", "volume of its largest region"),
    "mutual_dice": Column("Agreement", "mean Dice of the mask with the other methods' masks"),
    "threshold": Column("Threshold", "in the unit of the method's score"),
    "threshold_origin": Column("Threshold from", "where the threshold came from"),
    "seconds": Column("Seconds", "wall time of scoring, preparation not counted; of the run that made it when the map was cached", "low"),
    "memory_mb": Column("Memory (MB)", "how far the process's memory rose while scoring (MB = 1e6 bytes)", "low"),
    "cached": Column("Cached", "whether the map was made before"),
    "scan_p": Column("Scan p", "p-value of the strongest region against healthy brains; none where no healthy reference applies"),
    "smallest_p": Column("Smallest p", "the smallest that so many healthy brains allow"),
    "regions_beyond": Column("Beyond healthy", "regions beyond healthy variation"),
    "image_score": Column("Image score", "highest score of the brain in the raw map, in the unit of the method's score"),
}

PRINTED = ("best_dice", "dice", "auprc", "auroc", "pro", "lesion_recall", "false_positive_regions", "flagged_ml", "seconds", "memory_mb")
WITHOUT_TRUTH = ("regions", "flagged_ml", "largest_region_ml", "mutual_dice", "threshold", "seconds", "memory_mb")
"""Columns of the printed table, with and without a ground truth."""


def table_row(
    title: str,
    result: PostResult,
    evaluation: Evaluation | None,
    grid: Grid,
    *,
    mutual: float | None,
    seconds: float,
    peak_bytes: int | None,
    cached: bool,
    verdict: Verdict | None = None,
    image_score: float | None = None,
) -> Row:
    """The row of one run; with a ground truth every figure is the evaluation's own."""

    def figure(name: str) -> float | None:
        return None if evaluation is None else evaluation[name].value

    false_regions = figure("false_positive_regions")
    return Row(
        method=title,
        best_dice=figure("best_dice"),
        best_dice_voxels=figure("best_dice_voxels"),
        dice=figure("dice"),
        auprc=figure("auprc"),
        auroc=figure("auroc"),
        pro=figure("pro"),
        lesion_recall=figure("lesion_recall"),
        false_positive_regions=None if false_regions is None else int(false_regions),
        regions=len(result.regions),
        flagged_ml=int(result.mask.sum()) * grid.voxel_volume_mm3 / 1000.0,
        largest_region_ml=max((region.volume_ml for region in result.regions), default=0.0),
        mutual_dice=mutual,
        threshold=result.threshold.value,
        threshold_origin=result.threshold.origin,
        seconds=seconds,
        memory_mb=None if peak_bytes is None else peak_bytes / 1e6,
        cached=cached,
        scan_p=None if verdict is None else verdict.p,
        smallest_p=None if verdict is None or verdict.p is None else verdict.smallest_p,
        regions_beyond=None if verdict is None or verdict.p is None else verdict.beyond,
        image_score=image_score,
    )


def rows_csv(rows: Sequence[Row]) -> str:
    """The table as CSV, all columns; empty cells where nothing is known."""
    return table_text([list(COLUMNS), *(list(row.as_dict().values()) for row in rows)])


def rows_text(rows: Sequence[Row], columns: Sequence[str] | None = None) -> str:
    """The table for a terminal."""
    shown = ("method", *(columns or (PRINTED if any(row.auprc is not None for row in rows) else WITHOUT_TRUTH)))
    cells = [[COLUMNS[name].title for name in shown]] + [[cell(name, row.as_dict()[name]) for name in shown] for row in rows]
    widths = [max(len(line[number]) for line in cells) for number in range(len(shown))]
    return "\n".join(
        "  ".join(
            text.ljust(width) if number == 0 else text.rjust(width) for number, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    )


def cell(name: str, value: Any) -> str:
    """One value of a column, for the user."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        digits = {"flagged_ml": ".1f", "largest_region_ml": ".1f", "seconds": ".1f", "memory_mb": ".0f"}
        digits |= {"threshold": ".4g", "image_score": ".4g"}
        return format(value, digits.get(name, ".3f"))
    return str(value)
