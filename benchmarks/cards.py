"""Write what `make bench-methods` measured into the cards of the models that come with the package.

    python -m benchmarks.cards benchmarks/results/methods.json benchmarks/results/methods-2mm.json

A card's figures of these metrics are replaced as a whole, so every table that holds a model has to be given; others stay. Figures of other
weights than the package's are left out.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.methods import FLOOR
from napari_brain_uad.core.provenance import state_sha256
from napari_brain_uad.io.atomic import write_json
from napari_brain_uad.workflows.detect.score import load_detector
from napari_brain_uad.workflows.models.models import shipped_dir, shipped_models

METRICS = {"best_dice": "⌈Dice⌉", "auprc": "AUPRC"}


def main() -> None:
    """Fill the cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs="+", type=Path)
    tables = [json.loads(path.read_text(encoding="utf-8")) for path in parser.parse_args().tables]
    for model in shipped_models():
        weights = state_sha256(load_detector(model.method, model=model.path).state())
        measured = [figure for table in tables for figure in figures(table, model.method, weights, model.sequences)]
        if not measured:
            parser.error(f"no table holds {model.id} with the weights {weights[:12]}")
        card = shipped_dir() / f"{model.id}.card.json"
        kept = [figure for figure in model.card.get("measured", ()) if not figure["metric"].startswith(tuple(METRICS.values()))]
        write_json(card, json.loads(card.read_text(encoding="utf-8")) | {"measured": measured + kept})
        print(f"{model.id}: {len(measured)} figures")


def figures(table: dict[str, Any], method: str, weights: str, sequences: Sequence[str]) -> list[dict[str, Any]]:
    """Means of one model, each beside raw intensity's.

    Parameters
    ----------
    table : dict
        As `benchmarks.methods` writes it.
    method : str
        The method of the model.
    weights : str
        SHA-256 of the model's weights.
    sequences : sequence of str
        That the model is for.
    """
    found = []
    source = f"python -m benchmarks.methods, {table['settings'].split(', ')[1].split('; ')[0]}, {table['date']}"
    means = {(one["data"], one["sequence"], one["method"]): one for one in table["means"]}
    for (data, sequence, name), mean in means.items():
        own = [one for one in table["volumes"] if (one["data"], one["sequence"], one["method"]) == (data, sequence, name)]
        if name != method or sequence not in sequences or any(not weights.startswith(one["model"]) for one in own):
            continue
        floor = means[data, sequence, FLOOR]
        volumes = ", ".join(one["volume"].removeprefix(f"{data.removeprefix('Synthetic ')}-{sequence}-") for one in own)
        for key, title in METRICS.items():
            metric = f"{title} ({FLOOR}: {floor[key]:.3f})"
            found.append({"metric": metric, "value": round(mean[key], 3), "data": f"{data} {sequence}: {volumes}", "source": source})
    return found


if __name__ == "__main__":
    main()
