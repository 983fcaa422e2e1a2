"""The command ``detect``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import InputError
from ..core.provenance import NOTICE
from ..core.text import counted, readable
from ..io.streams import check_there
from ..workflows.scans.scan_word import ScanWord
from .options import (
    SEVERAL_METHOD,
    add_age,
    add_method,
    add_mni,
    add_out,
    add_post_options,
    add_ro_crate,
    add_seed,
    add_sequence,
    asked_method,
    post_params,
    recommended,
)
from .terminal import progress_bar, say, warn, written

if TYPE_CHECKING:
    from ..core.progress import Progress

_TOLD = ("prepared", "dicom-series", "dicom-no-image", "dicom-copies")
"""Findings that are no warnings and are told all the same."""

_TOLD_REGIONS = 3
"""The strongest regions beyond healthy variation that are told one by one; the table of regions has them all."""


def add_detect(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "detect",
        help="detect anomalies in one scan",
        description=f"Score a scan, threshold the map, write map, mask, regions, provenance and figure. {NOTICE}",
        allow_abbrev=False,
    )
    scan = "the scan: .nii, .nii.gz, .mgz, a DICOM folder, a slice as .png or .jpg, or a folder with one person's sequences as image files"
    parser.add_argument("scan", type=Path, metavar="SCAN", help=scan)
    more = (
        "further sequences of the same person, scored together with SCAN: the mean over all of them, on the grid of SCAN; FLAIR=FILE says "
        "the sequence of one, FILE:N which volume or series of it"
    )
    parser.add_argument("--with", dest="others", nargs="+", default=[], metavar="[SEQUENCE=]FILE[:N]", help=more)
    add_method(parser, default=None, said=f"the one recommended for the scan's sequence; {SEVERAL_METHOD} for several sequences")
    add_seed(parser)
    parser.add_argument("--volume", type=int, metavar="N", help="which volume of a 4-D file, or series of a DICOM folder, from 0")
    add_sequence(parser)
    parser.add_argument("--mask", type=Path, metavar="FILE", help="brain mask on the scan's grid")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="ground truth on the scan's grid: adds metrics")
    maps = "anomaly maps (*_anomalymap.nii.gz) that the same method made of healthy scans, in place of its healthy reference"
    parser.add_argument("--healthy", type=Path, nargs="+", metavar="MAP", help=maps)
    add_age(parser)
    add_post_options(parser)
    parser.add_argument(
        "--prepare",
        default="auto",
        metavar="PRESET",
        help="auto (the method's preset when the scan shows the whole head), never, or a preset of `brain-uad prepare` (default: auto)",
    )
    dicom = "write regions and map as DICOM Segmentation and Parametric Map, too; SCAN is a DICOM series"
    parser.add_argument("--dicom", action="store_true", help=dicom)
    add_mni(parser)
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument(
        "--save-reconstruction",
        action="store_true",
        help="write what the method compares, too: the scan as it sees it, and what it expects",
    )
    add_ro_crate(parser)
    add_out(parser)
    parser.set_defaults(handler=_detect)


def _detect(arguments: argparse.Namespace) -> int:
    check_there(arguments.scan, arguments.mask, arguments.truth, *(arguments.healthy or ()))  # before long imports
    others = [ScanWord.parse(text) for text in arguments.others]
    asked = asked_method(arguments)
    from ..workflows.detect.mni import check_mni, with_mni
    from ..workflows.detect.save import check_detection_output, save_detection
    from ..workflows.detect.several import joint_volume
    from ..workflows.models.method_spec import MethodSpec
    from ..workflows.models.ro_crate import check_crate, renew_crate

    scans = _scans(arguments, others)
    spec = asked or MethodSpec.of(SEVERAL_METHOD if len(scans) > 1 else recommended([scans[0].sequence]))
    dicom = _series_of(arguments, scans[0]) if arguments.dicom else None
    if len(scans) > 1:
        _only_alone(arguments)
    check_detection_output(joint_volume(scans), spec.method, arguments.out, overwrite=arguments.overwrite)
    if arguments.mni:
        check_mni(scans[0])
    if arguments.ro_crate:
        check_crate(arguments.out)
    with progress_bar(arguments.quiet) as progress:
        detection = _detected(arguments, scans, spec, progress.part(0.0, 0.6 if arguments.mni else 0.8))
        detection = with_mni(detection, progress.part(0.6, 0.8)) if arguments.mni else detection
        rest = progress.part(0.8, 1.0)
        files = save_detection(detection, arguments.out, overwrite=arguments.overwrite, dicom=dicom, progress=rest)
    crate = renew_crate(arguments.out, wanted=arguments.ro_crate)
    report(detection, files | ({} if crate is None else {"ro_crate": crate}))
    return 0


def _scans(arguments: argparse.Namespace, others: Sequence[ScanWord]) -> list[Any]:
    """The scan, or all of a subject's folder, and those of ``--with``."""
    from ..workflows.detect.several import is_subject_folder, sequences_in
    from ..workflows.scans.load import load

    if is_subject_folder(arguments.scan):
        for option, value in (("--sequence", arguments.sequence), ("--volume", arguments.volume)):
            if value is not None:
                why = f"{arguments.scan.name} is a folder of several"
                raise InputError(f"{option} is for one scan", why=why, fix=f"Give that scan itself, or leave {option} out")
        given = sequences_in(arguments.scan)
    else:
        given = [load(arguments.scan, index=arguments.volume, sequence=arguments.sequence)]
    return [*given, *(one.load() for one in others)]


def _detected(arguments: argparse.Namespace, scans: Sequence[Any], spec: Any, progress: Progress) -> Any:
    from ..workflows.detect.detect import detect
    from ..workflows.detect.several import detect_several

    how = {"mask": arguments.mask, "truth": arguments.truth, "prepare_with": arguments.prepare, "device": arguments.device}
    how |= {"post": post_params(arguments), "seed": arguments.seed, "progress": progress}
    if len(scans) > 1:
        return detect_several(scans, spec, **how)
    alone = {"healthy": arguments.healthy, "age": arguments.age, "reconstruct": arguments.save_reconstruction}
    return detect(scans[0], spec, **how, **alone)


def _only_alone(arguments: argparse.Namespace) -> None:
    """Refuse what is made for one sequence."""
    options = {"--healthy": arguments.healthy, "--age": arguments.age, "--save-reconstruction": arguments.save_reconstruction}
    options |= {"--dicom": arguments.dicom, "--model": arguments.model}
    given = [option for option, value in options.items() if value is not None and value is not False]
    if given:
        raise InputError(f"{given[0]} and several sequences", why="it is for one scan alone", fix=f"Leave {given[0]} out")


def _series_of(arguments: argparse.Namespace, scan: Any) -> Any:
    """The slices that DICOM objects refer to."""
    from ..io.dicom.series import is_dicom_path, stack_of
    from ..workflows.detect.dicom_results import check_dicom

    if not is_dicom_path(arguments.scan):
        raise InputError("--dicom", why=f"{arguments.scan.name} is no DICOM series, which the objects refer to", fix="Leave it off")
    stack = stack_of(arguments.scan, index=arguments.volume)
    check_dicom(scan.source.grid.shape, stack)
    return stack


def report(detection: Any, files: dict[str, Path]) -> None:
    """Say what a detection found and where it was written."""
    warn((*(finding for finding in detection.volume.findings if finding.code in _TOLD and finding.level == "info"), *detection.warnings))
    result, unusual = detection.result, detection.verdict.unusual
    volume = sum(region.volume_ml for region in result.regions)
    count = len(result.regions)
    found = f"{counted(count, 'region')}, {volume:.2f} ml, in {detection.seconds:.1f} s"
    say(f"{readable(detection.map.name)}: {detection.map.method}, {found}")
    say(f"Verdict: {detection.verdict.line}")
    if detection.verdict.advice:
        say(f"{detection.verdict.advice}.")
    for region in [one for one, beyond in zip(result.regions, unusual, strict=False) if beyond][:_TOLD_REGIONS]:
        say(f"Region {region.number}, {region.volume_ml:.2f} ml: {region.verdict}")
    if detection.verdict.details:
        say(readable(f"{detection.verdict.details}."))
    say(f"Sequence: {readable(detection.volume.sequence_words)}")
    say(written(files["map"].parent, files.values()))
    if detection.evaluation is not None:
        say(detection.evaluation.as_text())
    else:
        say(f"Threshold: {result.threshold.value:.4g} ({result.threshold.origin})")
        say(NOTICE)
