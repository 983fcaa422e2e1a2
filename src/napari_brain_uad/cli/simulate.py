"""``brain-uad simulate``: synthetic subjects, with lesions whose truth is exact."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..core.provenance import NOTICE
from ..core.sequence import spelled
from ..core.text import counted, readable, told_of
from ..io.streams import check_there
from .options import add_overwrite, add_seed, add_workers, assignments, workers_of
from .terminal import complain, progress_bar, say


def add_simulate(commands: Any) -> None:
    """Add the command to the parser's sub-commands."""
    from ..simulation.params import LESIONS, SEQUENCES, SimulationParams

    flags = ("sequence", "lesions", "with_skull", "spacing_mm", "thickness_mm")
    others = ", ".join(name for name, _, _ in SimulationParams.describe() if name not in flags)
    parser = commands.add_parser(
        "simulate",
        help="simulate scans of healthy subjects, or with lesions and their exact truth",
        description=f"Write a cohort of simulated brains made from label maps, with masks, tissue classes and records. {NOTICE}",
        epilog=f"Settings for --set: {others}. docs/simulation.md says what they do.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "labelmaps", nargs="+", type=Path, metavar="LABELMAPS", help="FreeSurfer- or SynthSeg-style label maps, or folders of them"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the cohort")
    parser.add_argument("--count", type=int, default=0, metavar="N", help="how many subjects (default: one from each label map)")
    parser.add_argument(
        "--sequence",
        nargs="+",
        default=["T1"],
        type=spelled,
        choices=SEQUENCES,
        metavar="NAME",
        help=f"{', '.join(SEQUENCES)}; several for each person",
    )
    parser.add_argument("--lesions", default="none", choices=LESIONS, metavar="KIND", help=f"{', '.join(LESIONS)} (default: none)")
    parser.add_argument("--lesion-masks", type=Path, metavar="DIR", help="masks of real lesions whose shapes MS-like ones take")
    parser.add_argument("--with-skull", action="store_true", help="the whole head instead of the brain alone")
    parser.add_argument("--spacing", type=float, default=1.0, metavar="MM", help="voxel size (default: 1)")
    parser.add_argument("--thickness", type=float, default=0.0, metavar="MM", help="slice thickness (default: as the voxel size)")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="another setting; may be given several times")
    add_seed(parser)
    add_workers(parser, at_a_time="subjects at a time, some 1 GB of memory each")
    add_overwrite(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.set_defaults(handler=_simulate)


def _simulate(arguments: argparse.Namespace) -> int:
    check_there(*arguments.labelmaps, arguments.lesion_masks, fix="Give label maps or folders of label maps")
    from ..simulation.params import SimulationParams
    from ..workflows.simulate.simulate import simulate

    own = {
        "lesions": arguments.lesions,
        "with_skull": str(arguments.with_skull),
        "spacing_mm": str(arguments.spacing),
        "thickness_mm": str(arguments.thickness),
    }
    params = SimulationParams.from_strings({**own, **assignments(arguments.set)})
    with progress_bar(arguments.quiet) as progress:
        cohort = simulate(
            arguments.labelmaps,
            arguments.out,
            count=arguments.count,
            sequences=arguments.sequence,
            params=params,
            seed=arguments.seed,
            jobs=workers_of(arguments),
            lesion_masks=arguments.lesion_masks,
            overwrite=arguments.overwrite,
            progress=progress,
        )
    for name, error in cohort.failures.items():
        complain(told_of(name, error))
    scans = cohort.scans
    say(f"{counted(len(scans), 'simulated scan')} written to {readable(f'{arguments.out}: {scans[0].name} to {scans[-1].name}')}")
    say(NOTICE)
    return next(iter(cohort.failures.values())).exit_code if cohort.failures else 0
