"""Write a detection: map, masks, regions, provenance and figure, all or nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...core import shell
from ...core.memory import check_memory, told_as_error
from ...core.progress import Progress
from ...core.provenance import NOTICE
from ...core.volume import Volume
from ...detectors.registry import method_ids
from ...io.atomic import atomic_path, write_json, write_text
from ...io.dicom.stack import Stack
from ...io.nifti import write_map, write_mask
from ...io.results import Run, check_output, written_whole
from ...postprocessing.edits import REJECTED
from ...postprocessing.region_edits import review_record
from ...preprocessing.mni_way import MniWay
from ..scans.names import output_stem, run_of
from ..scans.scan_word import split_sequence
from .command import given_files
from .detect import Detection
from .dicom_results import write_dicom
from .mni import mni_record, write_mni
from .region_files import regions_record, regions_tsv, write_region_labels

ENDINGS = {
    "map": "anomalymap.nii.gz",
    "mask": "mask.nii.gz",
    "reviewed_mask": "reviewed_mask.nii.gz",
    "brainmask": "brainmask.nii.gz",
    "regions": "regions.json",
    "regions_tsv": "regions.tsv",
    "labels": "labels.nii.gz",
    "labels_itk_snap": "labels.txt",
    "labels_slicer": "labels.ctbl",
    "provenance": "provenance.json",
    "figure": "figure.png",
    "metrics": "metrics.json",
    "truth": "truth.nii.gz",
    "dicom_seg": "seg.dcm",
    "dicom_map": "map.dcm",
    "mni_map": "mni_anomalymap.nii.gz",
    "mni_mask": "mni_mask.nii.gz",
    "mni_labels": "mni_labels.nii.gz",
    "mni_brainmask": "mni_brainmask.nii.gz",
    "mni_scan": "mni_scan.nii.gz",
    "mni_transform": "mni_transform.tfm",
    "mni_warp": "mni_warp.nii.gz",
    "mni_inverse_warp": "mni_inverse_warp.nii.gz",
    "mni_provenance": "mni_provenance.json",
}
"""What a detection gives, and how the names of its files end."""

_PICTURE = "picture"


def detection_run(volume: Volume, method: str, kind: str = "detect") -> Run:
    """What the files of a method on a scan are called; `method` is an id, or another text for file names, `kind` who writes them."""
    stem = output_stem(volume.name, method)
    run = run_of(kind, volume, stem, [f"{stem}_{ending}" for ending in ENDINGS.values()], f"{stem}_{ENDINGS['provenance']}")
    return replace(run, pattern=rf"{run.pattern}|{re.escape(stem)}_{_PICTURE}-[\w-]+\.nii\.gz")


def check_detection_output(volume: Volume, method: str, out: str | Path, *, overwrite: bool = False) -> None:
    """See whether `save_detection` will be able to write, before anything is computed.

    Raises
    ------
    InputError
        If the folder cannot be made or written, its disk is full, or it holds this method's results on another scan of the same name,
        or those of a comparison.
    """
    # A compressed map takes about a byte a voxel.
    check_output(out, [detection_run(volume, method)], overwrite=overwrite, need_bytes=volume.data.size)


@told_as_error()
def save_detection(
    detection: Detection,
    out: str | Path,
    *,
    overwrite: bool = False,
    dicom: Stack | None = None,
    token: str = "",
    progress: Progress | None = None,
) -> dict[str, Path]:
    """Write everything a detection gave into a folder, in the scan's own space: all files or none.

    Parameters
    ----------
    detection : Detection
        What `detect` returned.
    out : str or Path
        The folder; made when missing. The method's earlier results on this scan are replaced.
    overwrite : bool
        Results on another scan of the same name, and those of a comparison, may be replaced too.
    dicom : Stack, optional
        The slices of the scan's DICOM series (`io.dicom.series.stack_of`): regions and map become DICOM objects that refer to them, too.
    token : str, optional
        See `io.results.Run`.

    Returns
    -------
    dict of str to Path
        "map", "mask", "brainmask", "regions", "regions_tsv", "labels" (the regions' numbers as an image) with "labels_itk_snap" and
        "labels_slicer" (see `region_files`), "provenance", "figure", "manifest", and with a ground truth "metrics";
        "truth" too when it came from no file, so that the recorded command can be run again; "reviewed_mask", the mask without the
        regions that a person rejected, when there are some; "dicom_seg" and "dicom_map"; "mni_map" and the other copies in MNI space, for
        a detection that knows its way there (`mni.with_mni`); and what the method compared, "picture:input"
        and the like, when it was asked for.

    Raises
    ------
    InputError
        If the folder cannot be made or written, or holds results on another scan of the same name, or a comparison's of this method.
    """
    progress = progress or Progress()
    check_memory(detection.map.name, 12 * detection.map.score.size, "writing and drawing its results")
    run = replace(detection_run(detection.volume, detection.map.method), token=token)
    optional = _optional_kinds(detection, dicom)
    kinds = [kind for kind in ENDINGS if optional.get(kind, True)]
    with written_whole(out, [run], overwrite=overwrite) as folder:
        files = {kind: folder / f"{run.name}_{ENDINGS[kind]}" for kind in kinds}
        files |= {f"{_PICTURE}:{name}": folder / f"{run.name}_{_PICTURE}-{name.replace(' ', '-')}.nii.gz" for name in detection.pictures}
        _write(detection, files, progress)
        if detection.mni is not None:
            progress.update(0.9, "Writing the copies in MNI space")
            write_mni(detection, detection.mni, files)
            write_json(files["mni_provenance"], _mni_provenance(detection, detection.mni, files))
        if dicom is not None:
            write_dicom(detection, dicom, files)
    progress.update(1.0, "Saved")
    return {kind: Path(out) / path.name for kind, path in files.items()} | {"manifest": Path(out) / run.manifest}


def _optional_kinds(detection: Detection, dicom: Stack | None) -> dict[str, bool]:
    """Which of the files that not every detection has are written."""
    return {
        "metrics": detection.evaluation is not None,
        "truth": detection.truth is not None and is_unnamed(detection.command, "--truth"),
        "reviewed_mask": any(region.review == REJECTED for region in detection.result.regions),
        "dicom_seg": dicom is not None and any(region.review != REJECTED for region in detection.result.regions),
        "dicom_map": dicom is not None,
        **_mni_kinds(detection),
    }


def _mni_kinds(detection: Detection) -> dict[str, bool]:
    """Which of the copies in MNI space there are."""
    deformed = detection.mni is not None and detection.mni.warp is not None
    return {kind: deformed if "warp" in kind else detection.mni is not None for kind in ENDINGS if kind.startswith("mni_")}


def _mni_provenance(detection: Detection, way: MniWay, files: Mapping[str, Path]) -> dict[str, Any]:
    """As `provenance_record`, for the copies: a map that lies in MNI152, and how it came there."""
    return {**provenance_record(detection, files), "preprocessing": [], "space": mni_record(detection, way)}


def _write(detection: Detection, files: Mapping[str, Path], progress: Progress) -> None:
    progress.update(0.0, "Writing the anomaly map")
    write_maps(detection, files)
    progress.update(0.6, "Writing the regions")
    write_json(files["regions"], regions_record(detection))
    write_text(files["regions_tsv"], regions_tsv(detection))
    write_region_labels(detection, files)
    if detection.evaluation is not None:
        write_json(files["metrics"], detection.evaluation.as_dict())
    progress.update(0.7, "Drawing the figure")
    draw_figure(detection, files["figure"])


def draw_figure(detection: Detection, path: Path) -> None:
    """Draw scan, map and regions into a PNG file."""
    from ...evaluation.figure import detection_figure  # it brings matplotlib, which only drawing needs

    shown = detection.volume, detection.map, detection.result, detection.truth, detection.evaluation
    figure = detection_figure(*shown, verdict=detection.verdict.line)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=150, metadata={"Software": "napari-brain-uad"})


def write_maps(detection: Detection, files: Mapping[str, Path]) -> None:
    """Write the map, the masks and the provenance."""
    write_map(files["map"], detection.map)
    write_mask(files["mask"], detection.result.mask, detection.map)
    if "reviewed_mask" in files:
        write_mask(files["reviewed_mask"], detection.result.reviewed_mask, detection.map)
    write_mask(files["brainmask"], detection.map.mask, detection.map)
    if "truth" in files and detection.truth is not None:
        write_mask(files["truth"], detection.truth, detection.map)
    for name, picture in detection.pictures.items():
        if f"{_PICTURE}:{name}" in files:
            write_map(files[f"{_PICTURE}:{name}"], replace(detection.map, score=picture))
    write_json(files["provenance"], provenance_record(detection, files))


def is_unnamed(command: str, option: str) -> bool:
    """Whether a command has a word in capitals where a file belongs: a mask that came from no file."""
    words = shell.split(command)
    return option in words[:-1] and words[words.index(option) + 1] == option[2:].upper()


def recorded_command(command: str, files: Mapping[str, Path]) -> str:
    """A command as outputs hold it: without folders, and with the masks that were saved where they came from no file."""
    words = shell.split(command)
    for option, key in (("--mask", "brainmask"), ("--truth", "truth")):
        if key in files and is_unnamed(command, option):
            words[words.index(option) + 1] = shell.file_word(files[key].name)
    words += [option for option, kind in (("--dicom", "dicom_map"), ("--mni", "mni_map")) if kind in files and option not in words]
    return without_folders(shell.join(words))


def without_folders(command: str) -> str:
    """Folder names may tell who the patient is; outputs name files only: the command is to be run where they lie."""
    return shell.join(_without_folder(word) for word in shell.split(command))


def _without_folder(word: str) -> str:
    head, slash, _ = word.partition("/")
    if not slash:
        return word
    option = re.match(r"--[a-z-]+=", head)
    if option is not None:
        return option.group() + _without_folder(word.removeprefix(option.group()))
    # A model's file comes behind its method, as in vae:folder/model.safetensors, and a scan's behind its sequence.
    method = re.match(r"([\w+-]+)(@[^/]*)?[:=]", head)
    prefix = method.group() if method is not None and method.group(1) in method_ids() else ""
    sequence, file = split_sequence(word)
    prefix = word.removesuffix(file) if sequence is not None else prefix
    name = Path(word.removeprefix(prefix)).name
    return prefix + name if prefix else shell.file_word(name)


def provenance_record(detection: Detection, files: Mapping[str, Path]) -> dict[str, Any]:
    """How the outputs were made. Only `created` and `seconds` differ between two runs of the same command."""
    return {
        "notice": NOTICE,
        **detection.map.provenance,
        "map": {
            "unit": detection.map.unit,
            "background": detection.map.background,
            "default_threshold": str(detection.map.default_threshold),
        },
        "postprocessing": detection.post.as_dict(),
        "threshold": detection.result.threshold.as_dict(),
        "verdict": detection.verdict.as_dict(),
        "regions_edited_by_hand": review_record(detection.result.regions),
        "command": recorded_command(detection.command, files),
        "given_files": given_files(detection.command),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(detection.seconds, 3),
        "pictures": {kind.partition(":")[2]: path.name for kind, path in files.items() if kind.startswith(f"{_PICTURE}:")},
    }
