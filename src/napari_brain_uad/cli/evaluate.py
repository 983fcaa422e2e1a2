"""``brain-uad evaluate``: one anomaly map against its ground truth, or methods over a folder of scans with ground truths."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..core import shell
from ..core.errors import InputError
from ..core.provenance import NOTICE
from ..core.text import alike, readable
from ..io.streams import check_there
from .compare import add_method_list, add_run_options, run_options
from .options import add_ro_crate, post_params
from .sweep import add_sweep, sweep_folder
from .terminal import complain, progress_bar, say, say_json, warn, written


def add_evaluate(commands: Any) -> None:
    """Add the command to the parser's sub-commands."""
    parser = commands.add_parser(
        "evaluate",
        help="score an anomaly map against a ground truth, or methods over a folder of scans",
        description="MAP TRUTH prints every metric of one anomaly map with its definition. DIR --methods A,B,C --out DIR runs methods over "
        f"all scans of a data set, those without a ground truth too, and writes a table, curves, violin plots and an HTML page. {NOTICE}",
        allow_abbrev=False,
    )
    parser.add_argument(
        "map", type=Path, metavar="MAP_OR_DIR", help="anomaly map (*_anomalymap.nii.gz); or a data set (folder or CSV file)"
    )
    parser.add_argument("truth", type=Path, nargs="?", metavar="TRUTH", help="ground truth on the map's grid")
    parser.add_argument("--mask", type=Path, metavar="FILE", help="count voxels inside this mask only (default: the whole volume)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    group = parser.add_argument_group("for a folder")
    add_method_list(group, required=False)
    group.add_argument("--layout", metavar="ID", help="which layout the data set has (default: found by its file names)")
    group.add_argument(
        "--sequence",
        action="append",
        metavar="NAME",
        help="which sequence of each subject (default: the first it has); what scans of unknown sequence are; may be repeated, or all: "
        "each sequence is then a scan of its own, and reported apart too",
    )
    group.add_argument(
        "--rest-healthy",
        action="store_true",
        help="scans without a ground truth are healthy: they count where the verdict tells scans apart (scan-level AUROC)",
    )
    listed = "flair-threshold, flair-threshold-slices, simple-slice-net, pddpm, strega"
    protocols = f"also give the figures as papers aggregate them: {listed} (with commas), or all"
    group.add_argument("--protocols", default="", metavar="A,B", help=protocols)
    group.add_argument(
        "--pictures",
        type=int,
        default=3,
        metavar="N",
        help="pictures of the N worst scans of each method, and of its best (default 3; 0: none)",
    )
    _add_study_options(parser.add_argument_group("for a folder, as a study (docs/evaluation.md)"))
    add_sweep(group)
    add_ro_crate(group)
    add_run_options(parser, needs_out=False, at_a_time="scans at a time (methods, when there is one scan)")
    parser.set_defaults(handler=_evaluate)


def _add_study_options(group: Any) -> None:
    group.add_argument(
        "--lesion-bins", metavar="ML,ML", help="edges between sizes of lesions whose recall is given apart, in ml (default: 0.1,1,10)"
    )
    chosen = group.add_mutually_exclusive_group()
    chosen.add_argument(
        "--threshold-from",
        metavar="SPLIT",
        help="choose each method's threshold on the scans of this split (best mean Dice), and report Dice at it on all others",
    )
    chosen.add_argument(
        "--folds",
        type=int,
        metavar="K",
        help="choose each method's threshold in K folds by subject, each fold's on the others; see --seed",
    )
    group.add_argument(
        "--effects",
        metavar="A,B",
        help="test effects on Dice, AUPRC and flagged ml: scanner, site, field, sequence, age, sex (default: those the data has)",
    )
    group.add_argument("--parquet", action="store_true", help="write the tables as Parquet too (pip install napari-brain-uad[parquet])")


def _only_without_sweep(arguments: argparse.Namespace) -> None:
    """Refuse options that a sweep would leave without effect."""
    options = {"--threshold-from": arguments.threshold_from, "--folds": arguments.folds, "--effects": arguments.effects}
    options |= {"--lesion-bins": arguments.lesion_bins, "--parquet": arguments.parquet, "--protocols": arguments.protocols}
    given = [option for option, value in options.items() if value]
    if given:
        raise InputError(f"{given[0]} and --sweep", why="a sweep gives Dice and recall alone", fix=f"Leave {given[0]} out")


def _only_of_a_folder(arguments: argparse.Namespace) -> None:
    """Refuse options that would change nothing in what is said of one map."""
    instead = {"methods": "; for methods on one scan: brain-uad compare SCAN --methods A,B --truth TRUTH --out DIR"}
    names = ("methods", "out", "sweep", "ro_crate", "layout", "sequence", "rest_healthy", "protocols", "model", "healthy", "parquet")
    given = next((name for name in (*names, "lesion_bins", "threshold_from", "folds", "effects") if getattr(arguments, name)), None)
    if given is not None:
        option = f"--{given.replace('_', '-')}"
        fix = f"Leave {option} out{instead.get(given, '')}"
        raise InputError(f"{option} is for a folder of scans", why=f"{arguments.map.name} is one file", fix=fix)


def _study_settings(arguments: argparse.Namespace) -> Any:
    from ..workflows.cohort.study import StudySettings

    given: dict[str, Any] = {"threshold_from": arguments.threshold_from, "folds": arguments.folds, "seed": arguments.seed}
    if arguments.lesion_bins is not None:
        try:
            given["lesion_edges"] = tuple(float(one) for one in arguments.lesion_bins.split(","))
        except ValueError:
            why = f"'{arguments.lesion_bins}' is no list of numbers"
            raise InputError("--lesion-bins", why=why, fix="Give ml like 0.1,1,10") from None
    if arguments.effects is not None:
        given["effects"] = tuple(one.strip() for one in arguments.effects.split(",") if one.strip())
    return StudySettings(**given)


def _evaluate(arguments: argparse.Namespace) -> int:
    check_there(arguments.map, fix="Give a folder of scans, a CSV file that lists them, or an anomaly map")
    check_there(arguments.truth, arguments.mask, *arguments.healthy)
    if arguments.map.is_dir() or arguments.map.suffix.lower() == ".csv":
        return _evaluate_folder(arguments)
    _only_of_a_folder(arguments)
    from ..postprocessing.params import FILTERS
    from ..workflows.cohort.evaluate import evaluate

    if arguments.truth is None:
        fix = "Give it as the second file; for what methods do on one scan see brain-uad compare and detect"
        raise InputError(f"{arguments.map.name} cannot be evaluated", why="there is no ground truth", fix=fix)
    post = post_params(arguments)
    given = [name for name in post.as_dict() if getattr(arguments, f"post_{name}", None) is not None]
    others = [name for name in given if name not in FILTERS]
    if others:
        why = f"its metrics are over all thresholds, before any clean-up: {', '.join(others)} would change nothing"
        raise InputError(f"{arguments.map.name} is one map", why=why, fix="Give filters alone; for a thresholded mask see brain-uad detect")
    with progress_bar(arguments.quiet or arguments.json) as progress:
        evaluation = evaluate(arguments.map, arguments.truth, mask=arguments.mask, post=post, progress=progress)
    warn(evaluation.findings)
    if arguments.json:
        say_json(evaluation.as_dict())
    else:
        say(evaluation.as_text())
    return 0


def _evaluate_folder(arguments: argparse.Namespace) -> int:
    from ..evaluation.protocols import parse_protocols
    from ..workflows.cohort.cohort import cases_of, evaluate_cohort
    from ..workflows.cohort.cohort_report import check_cohort_output, cohort_record, cohort_text, failure_lines, save_cohort
    from ..workflows.cohort.study_tables import check_parquet
    from ..workflows.models.ro_crate import check_crate, renew_crate

    protocols = parse_protocols(arguments.protocols) if arguments.protocols else ()
    for option, given in (("--methods", arguments.methods), ("--out", arguments.out)):
        if not given:
            raise InputError(f"A folder of scans needs {option}", fix=f"Add {option}, see brain-uad evaluate --help")
    if arguments.truth is not None or arguments.mask is not None:
        raise InputError(
            "A folder of scans takes no TRUTH and no --mask", why="each scan has its own", fix="List them in a CSV file if need be"
        )
    if arguments.sweep:
        _only_without_sweep(arguments)
    study = _study_settings(arguments)
    if arguments.parquet:
        check_parquet()
    cases, left_out = cases_of(arguments.map, layout_id=arguments.layout, sequence=arguments.sequence, need_truth=False)
    study.check(cases)
    if arguments.sweep:
        return sweep_folder(arguments, cases, left_out)
    check_cohort_output(cases, arguments.out, overwrite=arguments.overwrite)
    if arguments.ro_crate:
        check_crate(arguments.out)
    command = shell.join(["brain-uad", *arguments.words])
    with progress_bar(arguments.quiet or arguments.json) as progress:
        part = progress.part(0.0, 0.95)
        how = {"rest_healthy": arguments.rest_healthy, "protocols": protocols, "study": study, "pictures": arguments.pictures}
        cohort = evaluate_cohort(cases, progress=part, **how, **run_options(arguments))
        about = {"command": command, "left_out": left_out, "parquet": arguments.parquet, "overwrite": arguments.overwrite}
        files = save_cohort(cohort, arguments.out, **about, progress=progress.part(0.95, 1.0))
        renew_crate(arguments.out, wanted=arguments.ro_crate)
    for line in (*alike(cohort.warnings), *failure_lines(cohort)):
        complain(line)
    code = InputError.exit_code if cohort.failures else 0
    if arguments.json:
        say_json(cohort_record(cohort, command=command, left_out=left_out))
        return code
    for line in alike(cohort.sequences):
        say(f"Sequence of {readable(line)}")
    say(cohort_text(cohort))
    if protocols and not cohort.protocols:
        say("By the protocols: nothing, as no scan has a ground truth")
    for line in left_out:
        say(f"Left out: {readable(line)}")
    say(written(arguments.out, files.values()))
    say(NOTICE)
    return code
