"""The sections of the page that hold figures: summary, spread, curves, calibration, volumes, cases, scans."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from ...core.text import counted, html_text
from ...evaluation.significance import DRAWS
from ..compare.compare_table import COLUMNS, cell
from .answers import figures
from .contents import PageContents
from .markup import Heading, Line, TableCell, bullets, interval_cell, number_cell, paragraph, table
from .pictures import case_jpeg, outlines
from .plots import MOST_CURVES, SPREAD, PlotData
from .slices import ShownCase

PER_SCAN = (
    "best_dice",
    "best_dice_voxels",
    "dice",
    "auprc",
    "auroc",
    "pro",
    "lesion_recall",
    "false_positive_regions",
    "flagged_ml",
    "true_ml",
    "regions_beyond",
    "scan_p",
)

_ROLES = {"worst": "Worst", "best": "Best", "most flagged": "Most flagged, no lesion known"}


def heading(name: str, *, first: str = "") -> Heading:
    """Of a column of figures, with what it means."""
    return Heading(COLUMNS[name].title if name in COLUMNS else first or name, COLUMNS[name].definition if name in COLUMNS else "", name)


def summary(data: PlotData) -> str:
    """Means over scans, pooled figures, and how well whole scans are told apart."""
    record = data.contents.record
    words = f"Mean over scans; in brackets its 95\u00a0% bootstrap interval ({DRAWS:,} draws of subjects). A click on a heading sorts."
    parts = [paragraph(words), figures(data.contents.methods, record, name="summary-table")]
    if record["pooled"]:
        names = list(next(iter(record["pooled"].values())))
        lines = [
            Line([method.title, *(_figure(name, record["pooled"][method.title][name]) for name in names)], method.number)
            for method in data.methods
            if method.title in record["pooled"]
        ]
        parts += ["<h3>Pooled</h3>", paragraph("Over the brain voxels of all scans together; truth outside a brain mask counts as missed.")]
        parts.append(table([Heading("Method"), *map(heading, names)], lines))
    return "".join([*parts, _whole_scans(data)])


def _figure(name: str, value: Any) -> TableCell:
    return TableCell(cell(name, value)) if value is None else number_cell(float(value), cell(name, value))


def _whole_scans(data: PlotData) -> str:
    """Ill and healthy scans told apart, by the verdict and by the highest score."""
    lines = []
    for method in data.methods:
        area, level = (data.contents.record[name][method.title] for name in ("scan_auroc", "image_level"))
        counts = area or (level or {}).get("auroc")
        if counts:
            found = [_area(area), _area(level and level["auroc"]), interval_cell(level and level["auprc"], None, None)]
            lines.append(Line([method.title, *(number_cell(counts[kind]) for kind in ("healthy", "ill")), *found], method.number))
    if not lines:
        return ""
    head = [
        Heading("Method"),
        Heading("Healthy scans"),
        Heading("Ill scans"),
        Heading("AUROC of the verdict", "strength of the strongest region against a healthy reference; undefined where none applies"),
        Heading("AUROC of the image score", COLUMNS["image_score"].definition),
        Heading("AUPRC of the image score", "average precision, ill scans are the positives"),
    ]
    return "<h3>Whole scans told apart</h3>" + table(head, lines)


def _area(found: Mapping[str, Any] | None) -> TableCell:
    return TableCell("undefined") if not found else interval_cell(found["area"], found["low"], found["high"], ".2f")


def spread(data: PlotData, plots: Mapping[str, str]) -> str:
    """Violins."""
    words = (
        "Every point is a scan: hover for its name, click it to mark it in all plots and in the table. "
        "Thick bar: mean; broad line: quartiles; shape: density, from three scans on."
    )
    return paragraph(words) + _grid(plots, [f"spread-{name}" for name in SPREAD])


def curves(data: PlotData, plots: Mapping[str, str]) -> str:
    """Precision-recall and ROC."""
    if "curves-pr" not in plots:
        return paragraph("There are none: no scan has a ground truth with a lesion.")
    words = (
        "Thick: the brain voxels of all scans together. Thin: one scan each, over every voxel of its volume, with those "
        "outside of the brain: their false-positive rates are lower. A click on the legend hides."
    )
    if any(len(data.contents.lines(method.title)) > MOST_CURVES for method in data.methods):
        words += f" Of each method {MOST_CURVES} scans are drawn at most, evenly over their areas."
    if not data.contents.pooled:
        words += " Voxels were not pooled."
    layers = (("pooled", "all scans together"), ("each-scan", "each scan"))
    boxes = "".join(f'<label><input type="checkbox" data-layer="{name}" checked> {text}</label>' for name, text in layers)
    return paragraph(words) + f'<p class="layers">{boxes}</p>' + _grid(plots, ["curves-pr", "curves-roc"])


def calibration(data: PlotData, plots: Mapping[str, str]) -> str:
    """Nominal against observed p-values."""
    found = data.contents.record["healthy_p"]
    if "calibration" not in plots:
        return paragraph(_why_no_calibration(data))
    words = (
        "p-values of scans without a lesion, against the method's healthy reference, in order. On the dotted line they are what they say; "
        "below it scans are called unusual too often, above it too seldom. Grey: where 95\u00a0% of the points of a calibrated method "
        "lie, each for itself. A reference of m brains gives no p-value under 1 / (m + 1)."
    )
    head = [
        Heading("Method"),
        Heading("Healthy scans"),
        Heading("p ≤ 0.05, observed", "share of healthy scans, with its exact 95\u00a0% interval; nominal: 5\u00a0%"),
        Heading("Ill scans"),
        Heading("p ≤ 0.05, ill", "share of scans with a lesion that are called unusual"),
    ]
    lines = []
    for method in data.methods:
        healthy, ill = (found[method.title][kind] for kind in ("healthy", "ill"))
        if healthy:
            cells = [number_cell(healthy["scans"]), _share(healthy), number_cell(ill["scans"] if ill else 0), _share(ill)]
            lines.append(Line([method.title, *cells], method.number))
    return paragraph(words) + _grid(plots, ["calibration"], narrow=True) + table(head, lines)


def _share(found: Mapping[str, Any] | None) -> TableCell:
    if not found:
        return TableCell("-")
    ends = f"[{100 * found['low']:.0f}, {100 * found['high']:.0f}] %"
    return TableCell(f"{100 * found['share']:.0f} %", found["share"], ends)


def _why_no_calibration(data: PlotData) -> str:
    record = data.contents.record
    if not any(row["ill"] is False for row in record["scans"]):
        return (
            "There is none: no scan of this cohort is known to be healthy. Scans without a ground truth count as healthy with "
            "--rest-healthy."
        )
    return (
        "There is none: scans are known to be healthy, but no method has a healthy reference that applies to them, and without one there "
        "is no p-value. brain-uad calibrate makes one from other healthy scans."
    )


def agreement(data: PlotData, plots: Mapping[str, str]) -> str:
    """Bland and Altman."""
    found = data.contents.record["volume_agreement"]
    if "agreement" not in plots:
        return paragraph("There is nothing to compare: no scan has a ground truth.")
    words = (
        "Difference of flagged and true volume over their mean (Bland, Altman 1986). Line: mean difference; dashed: limits of agreement, "
        "mean ± 1.96 standard deviations, between which 95\u00a0% of differences lie if they are normal. In brackets 95\u00a0% intervals."
    )
    head = ["Method", "Scans", "Mean difference (ml)", "Standard deviation (ml)", "Lower limit (ml)", "Upper limit (ml)"]
    lines = []
    for method in data.methods:
        own = found[method.title]
        if own is not None:
            ends = [_with_error(own[name], own["limit_error"]) for name in ("low", "high")]
            cells = [number_cell(own["scans"]), _with_error(own["bias"], own["bias_error"]), _with_error(own["deviation"], None), *ends]
            lines.append(Line([method.title, *cells], method.number))
    return paragraph(words) + _grid(plots, ["agreement"], narrow=True) + table(head, lines, name="agreement-table")


def _with_error(value: float | None, error: float | None) -> TableCell:
    if value is None:
        return TableCell("-")
    ends = (None, None) if error is None else (value - error, value + error)
    return interval_cell(value, ends[0], ends[1], ".2f")


def cases(data: PlotData) -> str:
    """Pictures of the worst and best cases."""
    shown = data.contents.shown
    if not shown:
        return paragraph("No pictures were asked for (--pictures 0), or no map could be drawn.")
    words = (
        "Ranked by the Dice of the mask at the threshold, ties by AUPRC; scans without a known lesion by how much is flagged. "
        "Above the scan, below the same slices with the heatmap (from the threshold up, before the clean-up) and outlines "
        "(after it). Axial, the patient's right on the left."
    )
    keys = outlines(one.slices for one in shown)
    legend = "".join(f'<span class="key"><span style="border-color:{colour}"></span>{html_text(text)}</span>' for text, colour in keys)
    parts = [paragraph(words), f'<p class="legend">Outlines: {legend}</p>']
    for method in data.methods:
        own = [one for one in shown if one.slices.method == method.title]
        if own:
            cards = "".join(map(_case, own))
            parts.append(f'<div data-method="{method.number}"><h3>{html_text(method.title)}</h3><div class="cases">{cards}</div></div>')
    return "".join(parts)


def _case(one: ShownCase) -> str:
    slices = one.slices
    low, high = slices.limits
    picture, (width, height) = case_jpeg(slices)
    source = f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}"
    told = f"{_ROLES[one.role]}: {slices.case}"
    scale = f"Colours from {low:.4g} to {high:.4g} ({slices.unit})."
    image = f'<img alt="{html_text(f"{told}, {slices.method}")}" width="{width}" height="{height}" src="{source}">'
    said = f"<strong>{html_text(told)}</strong><br>{html_text(one.words)}<br><small>{html_text(scale)}</small>"
    return f'<figure class="{one.role.split()[0]}">{image}<figcaption>{said}</figcaption></figure>'


def scans(data: PlotData) -> str:
    """Every scan and method, as a table with a filter."""
    rows = data.contents.record["scans"]
    numbers = {method.title: method.number for method in data.methods}
    names = [name for name in PER_SCAN if any(row.get(name) is not None for row in rows)]
    head = [Heading("Scan", "", "scan"), Heading("Sequence", "", "sequence"), Heading("Method", "", "method")]
    head += [heading(name, first="True (ml)") for name in names]
    lines = [
        Line(
            [
                row["scan"],
                row["sequence"] or "",
                row["method"],
                *(_figure("flagged_ml" if name == "true_ml" else name, row.get(name)) for name in names),
            ],
            numbers[row["method"]],
            row["scan"],
        )
        for row in rows
    ]
    box = '<input type="search" id="scan-filter" autocomplete="off" spellcheck="false" placeholder="filter">'
    words = f"Words that a line holds, or a figure with a bound, like dice<0.3 or flagged_ml>=20; figures are {', '.join(names)}."
    tools = f'<p class="filter"><label for="scan-filter">Filter</label> {box} <output id="scan-count" for="scan-filter"></output></p>'
    return tools + paragraph(words, "hint") + table(head, lines, name="scan-table")


def _grid(plots: Mapping[str, str], names: Sequence[str], *, narrow: bool = False) -> str:
    places = "".join(f'<div class="plot" id="plot-{name}">{plots[name]}</div>' for name in names if name in plots)
    return f'<div class="plots{" narrow" if narrow else ""}">{places}</div>'


def left_out(record: Mapping[str, Any]) -> str:
    """What is not in the tables."""
    lines = [*record["failed"], *record["left_out"]]
    return bullets(lines) if lines else paragraph("Nothing.")


def counts(contents: PageContents) -> str:
    """How many methods on how many scans, in words."""
    scans_there = len({(row["scan"], row["sequence"]) for row in contents.record["scans"]})
    return f"{counted(len(contents.methods), 'method')} on {counted(scans_there, 'scan')}"
