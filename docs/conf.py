"""The documentation's site: ``make docs``. Its source folder is the repository's, so that links lead where they lead on GitHub."""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from napari_brain_uad import __version__  # noqa: E402
from tools.docs_pages import write_pages  # noqa: E402

project = "napari-brain-uad"
author = copyright = "napari-brain-uad developers"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "docs/generated/**.md", "benchmarks/results/*.md", "sample_data/*.md"]
exclude_patterns = [".*", "out", "dist", "build", "src", "tests", "docs/_build"]
templates_path = ["_templates"]

myst_heading_anchors = 3
default_role = "py:obj"
napoleon_google_docstring = False
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = f"{project} {release}"
html_additional_pages = {"index": "index.html"}
html_copy_source = False

GUIDES = (
    "window", "sequences", "preprocessing", "calibration", "comparing", "evaluation", "report", "stress", "cohort", "bids", "outputs",
    "data_sets", "reproducing", "training", "simulation", "learned_methods", "embedding",
)  # fmt: skip
GENERATED = ("methods", "models", "command_line")
CONTENTS = {
    "Guides": [f"docs/{name}" for name in GUIDES],
    "Reference": [
        *(f"docs/generated/{name}" for name in GENERATED),
        "docs/api",
        *(f"benchmarks/results/{name}" for name in ("methods", "answer", "against_raw", "br35h", "embedding_cost", "short_training")),
    ],
    "Development": ["docs/architecture", "docs/adding_a_method", "CONTRIBUTING", "CHANGELOG", "sample_data/README"],
}


def _add_contents(app: Sphinx, page: str, source: list[str]) -> None:
    """The README is the first page; what only the site needs of it, the list of pages, is added here."""
    if page != root_doc:
        return
    for caption, names in CONTENTS.items():
        source[0] += "\n".join(("", "```{toctree}", ":hidden:", f":caption: {caption}", "", *names, "```", ""))


def setup(app: Sphinx) -> None:
    """Called by Sphinx before it looks for pages."""
    write_pages(ROOT / "docs" / "generated")
    app.connect("source-read", _add_contents)
