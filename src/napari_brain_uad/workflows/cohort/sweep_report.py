"""Write a sweep: one tidy table, and what choosing a setting is worth."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...core.provenance import NOTICE, versions
from ...core.text import counted, table_text
from ...evaluation.significance import Interval, bootstrap_mean
from ...io.atomic import write_json, write_text
from ...io.results import Run, check_output, written_whole
from ..detect.command import given_files
from ..detect.save import without_folders
from .case import Case
from .cohort import cases_sha256
from .sweep import SettingChoice, Sweep, SweepSetting

_FILES = {"csv": "sweep.csv", "json": "sweep.json"}
_FIGURES = ("dice", "lesion_recall", "false_positive_regions", "flagged_ml", "threshold")


def _run_of(sha256: str) -> Run:
    return Run("sweep", r"sweep\.(csv|json)", "a set of scans", sha256, kind="sweep")


def check_sweep_output(cases: Sequence[Case], out: str | Path, *, overwrite: bool = False) -> None:
    """See whether `save_sweep` will be able to write, before anything is computed; raises `InputError`."""
    check_output(out, [_run_of(cases_sha256(cases))], overwrite=overwrite)


def save_sweep(
    sweep: Sweep, out: str | Path, *, command: str = "", left_out: Sequence[str] = (), overwrite: bool = False
) -> dict[str, Path]:
    """Write table and record into a folder: all files or none.

    Parameters
    ----------
    sweep : Sweep
        What `sweep.sweep_cohort` gave.
    out, command, left_out, overwrite
        As in `cohort_report.save_cohort`.

    Returns
    -------
    dict of str to Path
        "csv", "json", "manifest".

    Raises
    ------
    InputError
        If the folder cannot be made or written, or holds results on other scans.
    """
    run = _run_of(sweep.cases_sha256)
    with written_whole(out, [run], overwrite=overwrite) as folder:
        write_text(folder / _FILES["csv"], sweep_csv(sweep))
        write_json(folder / _FILES["json"], sweep_record(sweep, command=command, left_out=left_out))
    return {kind: Path(out) / name for kind, name in _FILES.items()} | {"manifest": Path(out) / run.manifest}


def sweep_csv(sweep: Sweep) -> str:
    """One line a scan, method and setting; a column for each name that is swept."""
    # "threshold" is the score that came out.
    names = ["threshold_rule" if name == "threshold" else name for name, _ in sweep.settings[0].values]
    rows = [[row.case, row.method, *dict(row.setting.values).values(), *(getattr(row, one) for one in _FIGURES)] for row in sweep.rows]
    return table_text([["scan", "method", *names, *_FIGURES], *rows])


def sweep_record(sweep: Sweep, *, command: str = "", left_out: Sequence[str] = ()) -> dict[str, Any]:
    """Means by setting, and the choices, as JSON data."""
    choices = {method: sweep.choice(method) for method in sweep.methods}
    return {
        "notice": NOTICE,
        "choice": {method: None if one is None else _choice(one) for method, one in choices.items()},
        "mean": {method: _means(sweep, method) for method in sweep.methods},
        "failures": [vars(failure) for failure in sweep.failures],
        "left_out": list(left_out),
        "command": without_folders(command),
        "given_files": given_files(command),
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _means(sweep: Sweep, method: str) -> list[dict[str, Any]]:
    flagged: dict[SweepSetting, list[float]] = {}
    for row in sweep.rows:
        if row.method == method:
            flagged.setdefault(row.setting, []).append(row.flagged_ml)
    return [
        {
            "setting": dict(setting.values),
            "dice": _interval(bootstrap_mean(list(by_scan.values()))),
            "flagged_ml": _interval(bootstrap_mean(flagged.get(setting, []))),
        }
        for setting, by_scan in sweep.dice(method).items()
    ]


def _choice(found: SettingChoice) -> dict[str, Any]:
    return {
        "scans": found.scans,
        "default_dice": _interval(found.default),
        "best_setting": dict(found.best.values),
        "best_dice_in_sample": _interval(found.in_sample),
        "dice_leave_one_scan_out": _interval(found.left_out),
        "chosen_without_a_scan": [{"setting": words, "times": times} for words, times in found.chosen],
    }


def _interval(found: Interval | None) -> dict[str, Any] | None:
    return None if found is None else {"mean": found.mean, "low": found.low, "high": found.high, "scans": found.count}


def sweep_text(sweep: Sweep) -> str:
    """What choosing is worth, a paragraph a method."""
    return "\n".join(_words(sweep, method) for method in sweep.methods)


def _words(sweep: Sweep, method: str) -> str:
    found = sweep.choice(method)
    if found is None:
        return f"{method}: no choice, as fewer than two scans have a ground truth and a figure under every setting"
    first = sweep.settings[0].words
    often = ", ".join(f"{words} ({times})" for words, times in found.chosen[:3])
    return (
        f"{method}, mean Dice over {counted(found.scans, 'scan')} of {counted(len(sweep.settings), 'setting')}:\n"
        f"  {_said(found.default)}  the first setting ({first})\n"
        f"  {_said(found.in_sample)}  the best, chosen on these scans ({found.best.words})\n"
        f"  {_said(found.left_out)}  chosen without the scan it is judged on ({often}): what to expect of a new scan"
    )


def _said(found: Interval) -> str:
    return f"{found.mean:.3f}" if found.low is None else f"{found.mean:.3f} [{found.low:.3f}, {found.high:.3f}]"
