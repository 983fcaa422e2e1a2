"""The answers of a study: as JSON data, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...evaluation.effects import Effect, group_effect, holm, trend_effect
from ...evaluation.lesions import SIOU_THRESHOLDS, InstanceFigures, ScanLesions, Stratum, instance_figures, strata
from ...evaluation.significance import Interval, bootstrap_mean
from ..compare.compare_table import COLUMNS
from .cohort import Cohort
from .scan_facts import ScanFacts
from .study import COVARIATES

EXPLAINED = ("dice", "auprc", "flagged_ml")
"""The columns whose differences between groups are tested."""

DEFINITIONS = {
    "lesion_strata": "lesions (26-connected) that the mask touches / all, by volume, all scans together; interval: bootstrap over subjects",
    "healthy_false_positive_ml": "mean volume of the mask in scans without a lesion; interval: bootstrap over subjects",
    "instances": "segment-wise IoU (sIoU) of each lesion with the regions that touch it, other lesions not counted against it; a lesion is "
    "found where it is above a threshold, a region false where the share of it that is lesion is not; lesions and regions of all scans "
    f"together; mean F1 over {len(SIOU_THRESHOLDS)} thresholds from {SIOU_THRESHOLDS[0]:g} to {SIOU_THRESHOLDS[-1]:g} (Chan et al. 2021, "
    "arXiv:2104.14812)",
    "thresholds": "Dice over the brain's voxels, no components dropped, of scans with lesions: at the threshold of the best mean Dice over "
    "the choosing scans, which are never reported themselves, and at each scan's default threshold",
    "effects": "two-sided; figures of a person's scans in one group are averaged first; p corrected by Holm over all tests here",
}
"""What every part means, for record and page."""


def interval(found: Interval | None) -> dict[str, float | int | None] | None:
    """A mean with its bounds as plain JSON data."""
    return None if found is None else {"mean": found.mean, "low": found.low, "high": found.high, "scans": found.count}


@dataclass(frozen=True)
class NamedEffect:
    """An effect on one method's figure, with the p-value corrected for all effects tested."""

    method: str
    figure: str
    covariate: str
    effect: Effect
    p_holm: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """As plain JSON data."""
        own = self.effect
        return {
            "method": self.method,
            "figure": self.figure,
            "covariate": self.covariate,
            "test": own.test or None,
            "people": own.count,
            "groups": [vars(group) for group in own.groups],
            "left_out": [vars(group) for group in own.left_out],
            "size": own.size,
            "size_name": own.size_name or None,
            "p": own.p,
            "p_holm": self.p_holm,
            "why_not": own.why_not or None,
        }


def _lesions(cohort: Cohort, method: str) -> tuple[list[ScanLesions], list[str]]:
    """What a method found of the lesions, scan by scan, and whose scan each is."""
    own = [(row.found, row.person) for row in cohort.rows if row.figures.method == method and row.found is not None]
    return [found for found, _ in own], [person for _, person in own]


def lesion_strata(cohort: Cohort, method: str) -> tuple[Stratum, ...]:
    """Recall of lesions by size."""
    found, people = _lesions(cohort, method)
    return strata(found, cohort.settings.lesion_edges, people)


def lesion_instances(cohort: Cohort, method: str) -> InstanceFigures:
    """Lesions and regions as wholes."""
    return instance_figures(*_lesions(cohort, method))


def healthy_false_positives(cohort: Cohort, method: str) -> Interval | None:
    """Mean ml flagged in scans without a lesion; None without such scans."""
    own = [row for row in cohort.rows if row.figures.method == method and row.ill is False]
    return bootstrap_mean([row.figures.flagged_ml for row in own], groups=[row.person for row in own])


def effects(cohort: Cohort) -> tuple[NamedEffect, ...]:
    """Effects of covariates on every method's figures; those that were asked for, or that the data has."""
    about = {f"{one.scan} {one.sequence or ''}".strip(): one for one in cohort.scans}
    asked = cohort.settings.effects
    used = (
        asked if asked is not None else [name for name in COVARIATES if len({COVARIATES[name](one) for one in cohort.scans} - {None}) > 1]
    )
    found = [
        NamedEffect(method, figure, name, _effect(cohort.values(method, figure), about, name))
        for method in cohort.methods
        for figure in EXPLAINED
        for name in used
    ]
    corrected = iter(holm([one.effect.p for one in found if one.effect.p is not None]).tolist())
    return tuple(
        NamedEffect(one.method, one.figure, one.covariate, one.effect, None if one.effect.p is None else next(corrected)) for one in found
    )


def _effect(figures: Mapping[str, float], about: Mapping[str, ScanFacts], name: str) -> Effect:
    """People, not scans, are independent: the figures of a person's scans in one group are averaged."""
    grouped: dict[str, dict[str, list[float]]] = {}
    numbers: dict[str, list[tuple[float, float]]] = {}
    for key, figure in figures.items():
        value, person = COVARIATES[name](about[key]), about[key].subject
        if isinstance(value, str):
            grouped.setdefault(value, {}).setdefault(person, []).append(figure)
        elif value is not None:
            numbers.setdefault(person, []).append((value, figure))
    if numbers:
        means = np.array([np.mean(own, axis=0) for own in numbers.values()])
        return trend_effect(means[:, 0], means[:, 1])
    return group_effect({group: {one: float(np.mean(own)) for one, own in people.items()} for group, people in sorted(grouped.items())})


def study_record(cohort: Cohort) -> dict[str, Any]:
    """The answers as plain JSON data; what was not asked for, or has no scans, is None or empty."""
    return {
        "definitions": DEFINITIONS,
        "settings": dict(vars(cohort.settings)),
        "lesion_strata": {method: [_stratum(one) for one in lesion_strata(cohort, method)] for method in cohort.methods},
        "healthy_false_positive_ml": {method: interval(healthy_false_positives(cohort, method)) for method in cohort.methods},
        "instances": {method: _instances(lesion_instances(cohort, method)) for method in cohort.methods},
        "thresholds": {method: _threshold(cohort, method) for method in cohort.chosen},
        "effects": [one.as_dict() for one in effects(cohort)],
    }


def _stratum(one: Stratum) -> dict[str, Any]:
    return {
        "range": one.words,
        "low_ml": one.low,
        "high_ml": one.high,
        "lesions": one.lesions,
        "found": one.found,
        "recall": interval(one.recall),
    }


def _instances(found: InstanceFigures) -> dict[str, Any]:
    return {
        "lesions": found.lesions,
        "regions": found.regions,
        "siou": interval(found.siou),
        "mean_f1": found.mean_f1,
        "at": [dict(zip(("threshold", "precision", "recall", "f1"), one, strict=True)) for one in found.at],
    }


def _threshold(cohort: Cohort, method: str) -> dict[str, Any]:
    found = cohort.chosen[method]
    dice, default = list((found.dice or {}).values()), list((found.default_dice or {}).values())
    people = cohort.people(found.dice or {})
    return {
        "rule": threshold_rule(cohort),
        "folds": [vars(fold) for fold in found.folds],
        "dice": interval(bootstrap_mean(dice, groups=people)),
        "default_dice": interval(bootstrap_mean(default, groups=people)),
        "difference": interval(bootstrap_mean(np.subtract(dice, default), groups=people)),
        "scans": [
            {"scan": scan, "dice": value, "default_dice": (found.default_dice or {})[scan]} for scan, value in (found.dice or {}).items()
        ],
        "why_not": found.why_not or None,
    }


def threshold_rule(cohort: Cohort) -> str:
    """Which scans chose the thresholds, in words."""
    given = cohort.settings
    if given.threshold_from is not None:
        return f"the threshold of the best mean Dice over the split '{given.threshold_from}'"
    return f"the threshold of the best mean Dice over the other folds' subjects ({given.folds} folds by subject, seed {given.seed})"


def said(found: Interval | None, digits: int = 3) -> str:
    """A mean with its bounds in words."""
    if found is None:
        return "undefined"
    return f"{found.mean:.{digits}f}" if found.low is None else f"{found.mean:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"


def strata_table(cohort: Cohort) -> list[list[str]]:
    """Recall by size, a line a method; the first line holds the ranges and how many lesions each has. Empty without lesions."""
    by_method = {method: lesion_strata(cohort, method) for method in cohort.methods}
    if not any(one.lesions for own in by_method.values() for one in own):
        return []
    sizes = [max(own[place].lesions for own in by_method.values()) for place in range(len(cohort.settings.lesion_edges) + 1)]
    first = next(iter(by_method.values()))
    head = ["Recall of lesions", *(f"{one.words} ({size})" for one, size in zip(first, sizes, strict=True))]
    return [head, *([method, *(said(one.recall) if one.lesions else "none" for one in own)] for method, own in by_method.items())]


def instances_table(cohort: Cohort) -> list[list[str]]:
    """Lesions and regions as wholes, a line a method. Empty without lesions."""
    found = {method: lesion_instances(cohort, method) for method in cohort.methods}
    if not any(one.lesions for one in found.values()):
        return []
    shown = [f"{name} at {at[0]:g}" for at in next(iter(found.values())).at for name in ("precision", "recall", "F1")]
    lines = [["Lesions as wholes", "Mean sIoU", f"Mean F1 ({SIOU_THRESHOLDS[0]:g}-{SIOU_THRESHOLDS[-1]:g})", *shown]]
    for method, one in found.items():
        figures = [one.mean_f1, *(value for at in one.at for value in at[1:])]
        lines.append([method, said(one.siou), *("undefined" if value is None else f"{value:.3f}" for value in figures)])
    return lines


def healthy_lines(cohort: Cohort) -> list[str]:
    """False-positive volume in healthy scans, a line a method."""
    found = {method: healthy_false_positives(cohort, method) for method in cohort.methods}
    return [
        f"Flagged in healthy scans by {method}: {said(one, 2)} ml, mean of {one.count}" for method, one in found.items() if one is not None
    ]


def threshold_lines(cohort: Cohort) -> list[str]:
    """What thresholds of other scans give, a line a method."""
    lines = []
    for method, found in cohort.chosen.items():
        if found.why_not:
            lines.append(f"{method}: no threshold was chosen: {found.why_not}")
            continue
        values = [fold.threshold for fold in found.folds]
        which = f"{values[0]:.4g}" if len(values) == 1 else f"{min(values):.4g} to {max(values):.4g}"
        people = cohort.people(found.dice or {})
        dice, default = (bootstrap_mean(list((one or {}).values()), groups=people) for one in (found.dice, found.default_dice))
        lines.append(f"{method}: Dice {said(dice)} at {which}, {said(default)} at the default threshold ({len(found.dice or {})} scans)")
    return [f"At {threshold_rule(cohort)}, without clean-up:", *lines] if lines else []


def effect_lines(cohort: Cohort) -> list[str]:
    """Every effect in words; those that were not tested in one line a covariate and reason."""
    lines: list[str] = []
    untested: dict[tuple[str, str], list[NamedEffect]] = {}
    for one in effects(cohort):
        effect = one.effect
        if effect.p is None or one.p_holm is None or effect.size is None:
            untested.setdefault((one.covariate, effect.why_not), []).append(one)
            continue
        groups = ", ".join(f"{group.name} {group.median:.3g} ({group.count})" for group in effect.groups)
        told = f"; medians {groups}" if groups else f"; {effect.count} people"
        size = f"{effect.size_name.split(',')[0]} {effect.size:+.2f}"
        lines.append(
            f"{one.covariate} on {COLUMNS[one.figure].title} of {one.method}: {effect.test}, {size}, "
            f"p {effect.p:.4f}, by Holm {one.p_holm:.4f}{told}"
        )
    for (covariate, why), own in untested.items():
        methods, figures = (list(dict.fromkeys(getattr(one, name) for one in own)) for name in ("method", "figure"))
        of = f" of {', '.join(methods)}" if len(methods) < len(cohort.methods) else ""
        lines.append(f"{covariate} on {', '.join(COLUMNS[figure].title for figure in figures)}{of}: not tested, {why}")
    return [f"Effect of {line}" for line in lines]
