"""Make the backbone that comes with the package: ``python -m tools.build_encoder MODEL``.

MODEL is what ``brain-uad train edc LABELMAPS --recipe brain-encoder --healthy FOLDER --out MODEL`` wrote. Of it the encoder is kept, as
float16, and its card gets what `benchmarks.br35h` measured with the backbone and with that of photographs, at the same settings. The
SHA-256 that is printed belongs in ``detectors/backbones/catalogue.py``. Without MODEL the card alone is written anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.br35h import RESULTS
from napari_brain_uad.core.detector import State
from napari_brain_uad.detectors.backbones.catalogue import BACKBONES
from napari_brain_uad.detectors.backbones.load import backbone_weights, network_class
from napari_brain_uad.io.atomic import write_json
from napari_brain_uad.workflows.models.models import shipped_dir

NAME = "efficientnet-lite0-brain"
_BEFORE = "efficientnet-lite0"


def main() -> None:
    """Write the file and its card, and print its SHA-256."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?", metavar="MODEL", help="the trained model, without its ending")
    given = parser.parse_args()
    file = shipped_dir() / "backbones" / f"{NAME}.safetensors"
    card_file = file.with_suffix(".card.json")
    if given.model is None:
        told = json.loads(card_file.read_text(encoding="utf-8"))
    else:
        from safetensors.numpy import save

        file.parent.mkdir(exist_ok=True)
        file.write_bytes(save(encoder(given.model.with_suffix(".safetensors"))))
        told = json.loads(given.model.with_suffix(".card.json").read_text(encoding="utf-8"))
    runs = json.loads((RESULTS / "br35h.json").read_text(encoding="utf-8"))["runs"]
    write_json(card_file, told | {"measured": measured(runs)})
    print(hashlib.sha256(file.read_bytes()).hexdigest())


def encoder(model: Path) -> State:
    """The arrays of the encoder of a model of `edc`, under the names of the network, floating ones as float16."""
    import torch

    with torch.device("meta"):
        names = list(network_class(BACKBONES[NAME])().state_dict())
    state = backbone_weights(_BEFORE, str(model)).state
    halved = {name: state[name].astype(np.float16) if state[name].dtype.kind == "f" else state[name] for name in names}
    return {name: np.require(array, requirements="C") for name, array in halved.items()}


def measured(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What every method that was run with both backbones and else alike reached."""
    found = []
    for run in (one for one in runs if one["settings"].get("backbone") == NAME):
        like = [one for one in runs if "backbone" not in one["settings"] and _alike(one) == _alike(run)]
        for other in like:
            data = f"Br35H, {run['data']['healthy']} slices without and {run['data']['ill']} with tumour, {run['method']}"
            source = f"python -m benchmarks.br35h --methods {run['method']} --backbone {NAME}, {run['date']}"
            metric = f"AUROC of whole slices ({_BEFORE}: {other['auroc']:.3f})"
            found.append({"data": data, "metric": metric, "source": source, "value": round(run["auroc"], 3)})
    return found


def _alike(run: dict[str, Any]) -> str:
    own = {name: value for name, value in run["settings"].items() if name != "backbone"}
    return json.dumps([run["method"], run["split"], run["device"], run["seed"], own, run["training"]], sort_keys=True)


if __name__ == "__main__":
    main()
