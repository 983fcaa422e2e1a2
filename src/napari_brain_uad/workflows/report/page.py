"""The page about a cohort as one text: HTML, styles, scripts, plots and pictures.

Nothing is fetched when it is opened: a Content-Security-Policy forbids it, and allows no script but those written here, by their hash. A
name that got into the page as markup in spite of `core.text.html_text` would run nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from bokeh.core.validation import silence
from bokeh.core.validation.warnings import MISSING_RENDERERS
from bokeh.document import Document
from bokeh.embed import components
from bokeh.resources import Resources

from ...core.provenance import NOTICE
from ...core.text import html_text
from . import answers, details, sections
from .cards import TITLE
from .contents import PageContents
from .markup import bullets, paragraph
from .plots import PlotData, agreement_plot, calibration_plot, curve_plots, spread_plots

_WITHOUT_SCRIPTS = "Without scripts the plots are missing; the same figures are in the tables, and in the files that came with this page."
_HERE = Path(__file__).parent


def report_page(contents: PageContents) -> str:
    """The page.

    Parameters
    ----------
    contents : PageContents
        What it says.

    Returns
    -------
    str
        HTML, some 1.4 MB of which are Bokeh's own script; UTF-8 when written.
    """
    data = PlotData.of(contents)
    agreement = agreement_plot(data, contents.record["volume_agreement"])
    figures = spread_plots(data) | curve_plots(data) | agreement | calibration_plot(data)
    document = Document()  # one for all, so that they share their sources
    with document.models.freeze():  # which are then gone through once, not once a plot
        for figure in figures.values():
            document.add_root(figure)
    silence(MISSING_RENDERERS, True)  # a plot of scans without a truth may have nothing in it, and says so itself
    script, places = components(figures, wrap_script=False)
    # Of Bokeh's scripts the one without formulas and widgets.
    library = "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)
    return _assembled(contents, _sections(data, places), [library, script, _file("page.js")], _chips(data))


def _sections(data: PlotData, places: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """By anchor: title and contents, in their order."""
    contents = data.contents
    record = contents.record
    found = {
        "summary": ("Summary", sections.summary(data)),
        "data": ("The data", answers.data(contents)),
        "citation": ("How to cite", details.citation(record)),
        "spread": ("Spread over scans", sections.spread(data, places)),
        "curves": ("Precision-recall and ROC", sections.curves(data, places)),
        "calibration": ("Calibration", sections.calibration(data, places)),
        "volumes": ("Agreement of volumes", sections.agreement(data, places)),
        "cases": ("Worst and best cases", sections.cases(data)),
        "scans": ("Every scan", sections.scans(data)),
        "study": ("Lesions, thresholds, effects", answers.answers(contents)),
        "tests": ("Differences between methods", details.significance(record)),
        "protocols": ("By the protocols of papers", details.protocols(contents)),
        "more": ("Further figures", details.others(contents)),
        "warnings": ("To be looked at", bullets(record["warnings"]) if record["warnings"] else ""),
        "failures": ("Not in the tables", sections.left_out(record)),
        "columns": ("What the columns mean", details.columns()),
        "methods": ("Methods and models", details.cards(contents)),
        "made": ("How this was made", details.made(record)),
    }
    return {name: (title, inner) for name, (title, inner) in found.items() if inner}


def _chips(data: PlotData) -> str:
    """Buttons that show and hide methods, in all plots and tables."""
    return "".join(
        f'<button type="button" class="chip" aria-pressed="true" data-toggle="{method.number}" style="--own:{method.colour}">'
        f"<span></span>{html_text(method.title)}</button>"
        for method in data.methods
    )


def _assembled(contents: PageContents, parts: Mapping[str, tuple[str, str]], scripts: list[str], chips: str) -> str:
    title = sections.counts(contents)
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in scripts)
    # Styles are Bokeh's too, which it writes into the page as it draws; pictures are part of the page.
    policy = f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    notice = paragraph(NOTICE, "notice")
    links = "".join(f'<li><a href="#{name}">{html_text(heading)}</a></li>' for name, (heading, _) in parts.items())
    body = "\n".join(f'<section id="{name}"><h2>{html_text(heading)}</h2>{inner}</section>' for name, (heading, inner) in parts.items())
    created = f"Made {contents.record['created']} with {TITLE} {contents.record['versions'][TITLE]}"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Evaluation: {title}</title>\n<style>{_file('page.css')}</style>",
            "</head>\n<body>",
            f'<header><h1>Evaluation: {title}</h1><p class="made">{html_text(created)}</p>{notice}</header>',
            f'<div class="page"><nav aria-label="Contents"><ol>{links}</ol></nav>',
            f'<main><div class="methods" role="group" aria-label="Methods shown"><span>Methods</span>{chips}</div>',
            f"<noscript>{paragraph(_WITHOUT_SCRIPTS)}</noscript>",
            body,
            "</main></div>",
            f"<footer>{notice}</footer>",
            *(f"<script>{one}</script>" for one in scripts),
            "</body>\n</html>\n",
        ]
    )


def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
