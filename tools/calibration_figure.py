"""Draw docs/images/p_values.png: p-values of healthy brains that no reference was made of, against those expected.

``python -m tools.calibration_figure``, from the figures of ``python -m benchmarks.answer``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from napari_brain_uad.io.atomic import atomic_path

_ROOT = Path(__file__).resolve().parent.parent
_OUT = _ROOT / "docs" / "images" / "p_values.png"
_LEAST = 5
"""Brains below which a row of points says nothing."""

_TODAY = {"strega": "tissue-ensemble"}
"""Methods that had another name when they were measured."""


def main() -> None:
    """Draw it."""
    scans = json.loads((_ROOT / "benchmarks" / "results" / "answer.json").read_text(encoding="utf-8"))["scans"]
    figure = Figure(figsize=(5.0, 4.2), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color="0.6", linewidth=1.0)
    axes.fill_between([0, 1], [0, 0], [0, 1], color="0.93", linewidth=0)
    for (method, sequence), values in _by_method(scans).items():
        expected = np.arange(1, len(values) + 1) / (len(values) + 1)
        axes.plot(expected, np.sort(values), marker="o", markersize=4, linewidth=1.0, label=f"{method}, {sequence} ({len(values)} scans)")
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="Expected p-value (uniform)", ylabel="Observed p-value of the scan", aspect="equal")
    axes.text(0.97, 0.05, "too small: too many called unusual", ha="right", fontsize=8, color="0.4")
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    with atomic_path(_OUT) as path:
        figure.savefig(path, format="png", bbox_inches="tight")


def _by_method(scans: list[dict[str, Any]]) -> dict[tuple[str, str], list[float]]:
    """Scan-level p-values of real held-back brains, by method and sequence."""
    found: dict[tuple[str, str], list[float]] = {}
    for scan in scans:
        if scan["role"] == "check" and scan["kind"] == "real" and scan["p"] is not None:
            found.setdefault((_TODAY.get(scan["method"], scan["method"]), scan["sequence"]), []).append(scan["p"])
    return {key: values for key, values in found.items() if len(values) >= _LEAST}


if __name__ == "__main__":
    main()
