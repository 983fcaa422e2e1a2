"""Write a comparison: table, montage, and every method's map and mask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...core.memory import told_as_error
from ...core.progress import Progress
from ...core.provenance import NOTICE, versions
from ...core.volume import Volume
from ...io.atomic import atomic_path, write_json, write_text
from ...io.nifti import write_labels
from ...io.results import Run, check_output, written_whole
from ..detect.command import given_files
from ..detect.detect import Detection
from ..detect.save import ENDINGS, detection_run, without_folders, write_maps
from ..models.method_spec import MethodSpec
from ..scans.names import output_stem, run_of
from .compare import Comparison, MethodRun
from .compare_table import COLUMNS, rows_csv
from .distinct import specs_of

KIND = "compare"
_TABLE = {"csv": "comparison.csv", "table": "comparison.json", "montage": "montage.png", "agreement": "agreement.nii.gz"}
_MAPS = ("map", "mask", "brainmask", "provenance")


def check_comparison_output(
    volume: Volume,
    methods: Iterable[str | MethodSpec],
    out: str | Path,
    *,
    models: Mapping[str, str | Path] | None = None,
    overwrite: bool = False,
    maps: bool = True,
) -> None:
    """See whether `save_comparison` will be able to write, before anything is computed; `methods` and `models` as in `compare`.

    Raises
    ------
    InputError
        If the folder cannot be made or written, its disk is full, two methods would go into the same files, or there are results on
        another scan of the same name, or those of `detect`.
    """
    runs = _runs(volume, specs_of(methods, models), maps)
    check_output(out, runs, overwrite=overwrite, need_bytes=volume.data.size * (len(runs) - 1))


def _runs(volume: Volume, specs: Sequence[MethodSpec], maps: bool) -> list[Run]:
    """The table's run first, then one for each method's maps: some of the files that ``brain-uad detect`` writes, under their names."""
    runs = [run_of(KIND, volume, output_stem(volume.name, "comparison"), [output_stem(volume.name, ending) for ending in _TABLE.values()])]
    return [*runs, *(detection_run(volume, spec.stem, KIND) for spec in specs)] if maps else runs


@told_as_error()
def save_comparison(
    comparison: Comparison,
    out: str | Path,
    *,
    slices_mm: Sequence[float] = (),
    scale: str = "auto",
    maps: bool = True,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Write everything a comparison gave into a folder, images in the scan's own space: all files or none.

    Parameters
    ----------
    comparison : Comparison
        What `compare` returned.
    out : str or Path
        The folder; made when missing. Earlier results of these methods on this scan are replaced.
    slices_mm : sequence of float
        Heights (z, world mm) of the montage's axial slices; chosen from the truth when empty.
    scale : str
        The montage's colours, see `evaluation.montage.colour_scale`.
    maps : bool
        Write the images too, not only table and montage.
    overwrite : bool
        Results on another scan of the same name, and those of `detect`, may be replaced too.

    Returns
    -------
    dict of str to Path
        "csv", "table" (JSON), "montage", "manifest"; with `maps` "agreement", and "map:SPEC", "mask:SPEC", "brainmask:SPEC",
        "provenance:SPEC", "manifest:SPEC" of each method.

    Raises
    ------
    InputError
        If the folder cannot be made or written or holds results on another scan of the same name or of `detect`, or slices do not fit.
    """
    progress = progress or Progress()
    runs = _runs(comparison.volume, [run.spec for run in comparison.runs], maps)
    with written_whole(out, runs, overwrite=overwrite) as folder:
        kinds = [kind for kind in _TABLE if maps or kind != "agreement"]
        files = {kind: folder / output_stem(comparison.volume.name, _TABLE[kind]) for kind in kinds}
        progress.update(0.0, "Drawing the montage")
        save_montage(comparison, files["montage"], slices_mm=slices_mm, scale=scale)
        write_text(files["csv"], rows_csv(comparison.table()))
        write_json(files["table"], comparison_record(comparison))
        if maps:
            write_labels(files["agreement"], comparison.agreement(), comparison.volume)
        for number, (run, named) in enumerate(zip(comparison.runs, runs[1:], strict=False)):
            progress.update(0.2 + 0.8 * number / len(comparison.runs), f"Writing the map of {run.title}")
            files |= _write_run(comparison, run, folder / named.name)
    progress.update(1.0, "Saved")
    manifests = dict(zip(["manifest", *(f"manifest:{run.title}" for run in comparison.runs)], runs, strict=False))
    return {key: Path(out) / path.name for key, path in files.items()} | {key: Path(out) / run.manifest for key, run in manifests.items()}


@told_as_error()
def save_montage(comparison: Comparison, path: Path, *, slices_mm: Sequence[float] = (), scale: str = "auto") -> None:
    """Write the figure for a paper (PNG, 300 dpi).

    Parameters
    ----------
    comparison, slices_mm, scale
        As in `save_comparison`.
    path : Path
        The file.

    Raises
    ------
    InputError
        If a slice lies outside the scan, or the file cannot be written.
    """
    from ...evaluation.montage import DPI, montage_figure, slices_at  # it brings matplotlib, which only drawing needs

    volume = comparison.volume
    slices = slices_at(volume.grid, comparison.runs[0].map.mask, slices_mm)
    titles = [run.title for run in comparison.runs]
    maps, thresholds = [run.map for run in comparison.runs], [run.result.threshold.value for run in comparison.runs]
    figure = montage_figure(volume, maps, titles, truth=comparison.truth, slices=slices, scale=scale, thresholds=thresholds)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=DPI, metadata={"Software": "napari-brain-uad"})


def _write_run(comparison: Comparison, run: MethodRun, stem: Path) -> dict[str, Path]:
    files = {kind: stem.with_name(f"{stem.name}_{ENDINGS[kind]}") for kind in _MAPS}
    known = run.evaluation, run.seconds, comparison.command
    detection = Detection(comparison.volume, run.map, comparison.post, run.result, comparison.truth, *known, verdict=run.verdict)
    write_maps(detection, files)
    return {f"{kind}:{run.title}": path for kind, path in files.items()}


def comparison_record(comparison: Comparison) -> dict[str, Any]:
    """The table with the meaning of every column, as JSON data; only `created`, `seconds` and `memory_mb` differ between two runs."""
    rows = comparison.table()
    return {
        "notice": NOTICE,
        "scan": comparison.volume.name,
        "sequence": comparison.volume.sequence,
        "sequence_origin": comparison.volume.sequence_origin,
        "threshold": {"rule": str(comparison.rule), "words": comparison.rule.words},
        "postprocessing": comparison.post.as_dict(),
        "columns": {key: {"title": column.title, "definition": column.definition} for key, column in COLUMNS.items()},
        "rows": [row.as_dict() for row in rows],
        "findings": [finding.as_dict() for finding in comparison.warnings],
        "failures": {str(failure.spec): str(failure.error) for failure in comparison.failures},
        "command": without_folders(comparison.command),
        "given_files": given_files(comparison.command),
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
