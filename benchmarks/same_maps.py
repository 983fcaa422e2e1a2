"""Whether a change of the code left every map as it was.

``python -m benchmarks.same_maps record`` adds to ``results/same_maps.json`` what the maps are like that it does not have yet (all with
``--anew``); ``check`` makes them again and tells the largest difference. The maps are those of all methods with a shipped model
(``vae-restoration`` with that of ``vae``), and of every trainable method after its shortest training, on the samples and on the shared
scans at 2 mm. Restoration takes three steps: with more, rounding grows (a change of the input by a millionth moves single voxels by 0.03).
Of a map, 200 voxels are kept.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks._cases import real_cases
from napari_brain_uad.core.anomaly_map import AnomalyMap
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.registry import create, method_class, method_ids
from napari_brain_uad.io.atomic import write_text
from napari_brain_uad.workflows.detect.score import ScoringRequest
from napari_brain_uad.workflows.detect.score_volume import scored_volume
from napari_brain_uad.workflows.scans.load import as_mask, as_volume
from napari_brain_uad.workflows.scans.samples import sample

RECORD = Path(__file__).parent / "results" / "same_maps.json"
TOLERANCE = 1e-5
_RESTORATION_STEPS = 3
_DRAWN, _KEPT, _SPACING_MM = 2000, 200, 2.0
_SHIPPED: tuple[tuple[str, str | None, dict[str, Any]], ...] = (
    ("threshold", None, {}),
    ("thresh-raw", None, {}),
    ("vae", None, {}),
    ("vae", None, {"score": "kl-gradient"}),
    ("ce-vae", None, {}),
    ("ce-vae", None, {"score": "l1"}),
    ("vae-restoration", "vae", {"restoration_steps": _RESTORATION_STEPS}),
    ("dae", "dae", {}),
    ("pddpm", "pddpm", {}),
    ("tissue-ensemble", None, {}),
    ("tissue-restoration", "tissue-ensemble", {"score": "l1"}),
    ("anomaly-segmentation", "tissue-ensemble", {}),
    ("strega", None, {}),
)


def main(argv: Sequence[str] | None = None) -> None:
    """Record or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("record", "check"))
    parser.add_argument("--quick", action="store_true", help="the short trainings alone")
    parser.add_argument("--anew", action="store_true", help="record: replace what is recorded")
    given = parser.parse_args(argv)
    # What is trained differs in its last digits with the number of threads.
    import torch

    torch.set_num_threads(1)
    known: dict[str, list[float]] = {} if given.anew else json.loads(RECORD.read_text(encoding="utf-8"))
    if given.what == "record":
        for name, made in _maps(quick=given.quick):
            if name not in known:
                known[name] = _kept(made())
                print(f"recorded: {name}", flush=True)
        rows = (f"  {json.dumps(name)}: {json.dumps(kept, separators=(',', ':'))}" for name, kept in known.items())
        write_text(RECORD, "{\n" + ",\n".join(rows) + "\n}\n")
        return
    worst = 0.0
    for name, made in _maps(quick=given.quick):
        if name not in known:
            print(f"not recorded: {name}", flush=True)
            continue
        difference = float(np.abs(np.subtract(_kept(made()), known[name])).max())
        worst = max(worst, difference)
        print(f"{difference:.2e}  {name}", flush=True)
    raise SystemExit(None if worst <= TOLERANCE else f"a map has changed by {worst:.2e}, more than {TOLERANCE}")


def _maps(*, quick: bool) -> Iterator[tuple[str, Callable[[], NDArray[np.float32]]]]:
    for method in method_ids():
        if method_class(method).INFO.trainable:
            yield f"{method}, trained for a moment", partial(_after_training, method)
    for volume in () if quick else _scans():
        for method, model, params in _SHIPPED:
            settings = "".join(f" {name}={value}" for name, value in params.items())
            yield f"{method}{settings}: {volume.name}", partial(_with_model, volume, method, model, params)


def _with_model(volume: Volume, method: str, model: str | None, params: dict[str, Any]) -> NDArray[np.float32]:
    return _brain_scores(scored_volume(volume, ScoringRequest.of(method, params=params, model=model, use_cache=False)).map)


def _scans() -> Iterator[Volume]:
    sampled = sample("tumour-t1c")
    scan = as_volume(sampled.scan, sampled.sequence)
    assert sampled.mask is not None
    yield scan.with_mask(as_mask(sampled.mask, scan, label="brain mask"))
    for case in real_cases():
        if case.name in ("patient07", "pat0001"):
            yield case.load(_SPACING_MM)[0]


def _after_training(method: str) -> NDArray[np.float32]:
    found = method_class(method)
    params = found.Params.preset("tiny") if "tiny" in found.Params.PRESETS else found.Params()
    if "restoration_steps" in params.as_dict():
        params = found.Params.from_dict(params.as_dict() | {"restoration_steps": _RESTORATION_STEPS})
    detector = create(method, params)
    training = found.Training.preset("tiny") if found.Training is not None else None
    detector.fit([_phantom(seed) for seed in range(4)], seed=3, progress=Progress(), training=training)
    return _brain_scores(detector.score(_phantom(9), seed=3, progress=Progress()))


def _brain_scores(amap: AnomalyMap) -> NDArray[np.float32]:
    return amap.score[amap.mask]


def _phantom(seed: int) -> Volume:
    shape = (24, 28, 20)
    i, j, k = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    brain = i**2 + j**2 + k**2 < 0.8
    data = 100 + 30 * np.sin(3 * i) * np.cos(2 * j + k) + np.random.default_rng(seed).normal(0, 3, shape)
    return Volume(np.where(brain, data, 0).astype(np.float32), Grid(shape, np.diag([1.5, 1.0, 2.0, 1.0])), f"phantom {seed}", brain, "T1")


def _kept(scores: NDArray[np.float32]) -> list[float]:
    chosen = np.random.default_rng(0).choice(scores.size, min(_DRAWN, scores.size), replace=False)[:_KEPT]
    return [float(f"{value:.7g}") for value in scores.ravel()[chosen]]


if __name__ == "__main__":
    main()
