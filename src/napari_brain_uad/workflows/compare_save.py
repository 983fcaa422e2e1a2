"""Write a comparison: table, montage, and every method's map and mask."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..core.memory import told_as_error
from ..core.progress import Progress
from ..core.provenance import NOTICE, versions
from ..evaluation.montage import DPI, montage_figure, slices_at
from ..io.atomic import atomic_path, write_json, write_text
from ..io.nifti import write_labels, write_map, write_mask
from .compare import Comparison, MethodRun
from .compare_table import COLUMNS, rows_csv
from .detect import Detection
from .names import output_folder, output_stem
from .save import provenance_record, without_folders


@told_as_error()
def save_comparison(
    comparison: Comparison,
    out: str | Path,
    *,
    slices_mm: Sequence[float] = (),
    scale: str = "auto",
    maps: bool = True,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Write everything a comparison gave into a folder, images in the scan's own space.

    Parameters
    ----------
    comparison : Comparison
        What `compare` returned.
    out : str or Path
        The folder; made when missing. Files of the same name are replaced, each in one step.
    slices_mm : sequence of float
        Heights (z, world mm) of the montage's axial slices; chosen from the truth when empty.
    scale : str
        The montage's colours, see `evaluation.montage.colour_scale`.
    maps : bool
        Write the images too, not only table and montage.

    Returns
    -------
    dict of str to Path
        "csv", "table" (JSON), "montage"; with `maps` "agreement", and "map:SPEC", "mask:SPEC", "brainmask:SPEC",
        "provenance:SPEC" of each method.

    Raises
    ------
    InputError
        If the folder cannot be made or written, or slices or scale do not fit.
    """
    progress = progress or Progress()
    folder, name = output_folder(out), comparison.volume.name
    files = {
        "csv": folder / f"{output_stem(name, 'comparison')}.csv",
        "table": folder / f"{output_stem(name, 'comparison')}.json",
        "montage": folder / f"{output_stem(name, 'montage')}.png",
    }
    progress.update(0.0, "Drawing the montage")
    save_montage(comparison, files["montage"], slices_mm=slices_mm, scale=scale)
    write_text(files["csv"], rows_csv(comparison.table()))
    write_json(files["table"], comparison_record(comparison))
    if maps:
        files["agreement"] = folder / f"{output_stem(name, 'agreement')}.nii.gz"
        write_labels(files["agreement"], comparison.agreement(), comparison.volume)
        for number, run in enumerate(comparison.runs):
            progress.update(0.2 + 0.8 * number / len(comparison.runs), f"Writing the map of {run.title}")
            files |= _save_run(comparison, run, folder)
    progress.update(1.0, "Saved")
    return files


@told_as_error()
def save_montage(comparison: Comparison, path: Path, *, slices_mm: Sequence[float] = (), scale: str = "auto") -> None:
    """Write the figure for a paper (PNG, 300 dpi); for the parameters see `save_comparison`."""
    volume = comparison.volume
    slices = slices_at(volume.grid, comparison.runs[0].map.mask, slices_mm)
    titles = [run.title for run in comparison.runs]
    figure = montage_figure(volume, [run.map for run in comparison.runs], titles, truth=comparison.truth, slices=slices, scale=scale)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=DPI, metadata={"Software": "napari-brain-uad"})


def _save_run(comparison: Comparison, run: MethodRun, folder: Path) -> dict[str, Path]:
    stem = folder / output_stem(comparison.volume.name, run.spec.stem)
    endings = {"map": "anomalymap.nii.gz", "mask": "mask.nii.gz", "brainmask": "brainmask.nii.gz", "provenance": "provenance.json"}
    files = {key: stem.with_name(f"{stem.name}_{ending}") for key, ending in endings.items()}
    write_map(files["map"], run.map)
    write_mask(files["mask"], run.result.mask, run.map)
    write_mask(files["brainmask"], run.map.mask, run.map)
    detection = Detection(
        comparison.volume, run.map, comparison.post, run.result, comparison.truth, run.evaluation, run.seconds, comparison.command
    )
    write_json(files["provenance"], provenance_record(detection))
    return {f"{key}:{run.title}": path for key, path in files.items()}


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """The table with the meaning of every column, as JSON data; only `created`, `seconds` and `memory_mb` differ between two runs."""
    rows = comparison.table()
    return {
        "notice": NOTICE,
        "scan": comparison.volume.name,
        "sequence": comparison.volume.sequence,
        "threshold_mode": {"rule": comparison.mode.text, "words": comparison.mode.words},
        "postprocessing": comparison.post.as_dict(),
        "columns": {key: {"title": column.title, "definition": column.definition} for key, column in COLUMNS.items()},
        "rows": [row.as_dict() for row in rows],
        "failures": {str(failure.spec): str(failure.error) for failure in comparison.failures},
        "command": without_folders(comparison.command),
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
