"""PatchCore here and in anomalib, on the same features: ``python -m benchmarks.patchcore_speed``.

Features are drawn at random: what a search costs depends on how many there are and how long they are. Timed is the CPU time of choosing the
bank (the projection of each, and the greedy search) and of the distance of the places of 12 slices to the nearest of a bank, by turns, the
shorter of two runs each. anomalib is no dependency of the project, see `benchmarks._anomalib`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks._anomalib import available, declare_operators
from napari_brain_uad.core.progress import Progress
from napari_brain_uad.detectors.embedding.coreset import greedy_coreset, nearest_distance

_RUNS = 2
_PLACES = 12 * 24 * 24


def main(argv: Sequence[str] | None = None) -> None:
    """Measure both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=20_000, help="that the bank is chosen from (default: 20000)")
    parser.add_argument("--dimension", type=int, default=1024, help="numbers of a feature (default: 1024)")
    parser.add_argument("--bank", type=int, default=20_000, help="features of the bank that is searched (default: 20000)")
    given = parser.parse_args(argv)
    if not available():
        raise SystemExit("anomalib is not installed")
    declare_operators()
    import anomalib
    import torch
    from anomalib.models.components.sampling.k_center_greedy import KCenterGreedy
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    torch.set_num_threads(1)
    torch.manual_seed(0)
    features, queries = torch.randn(given.features, given.dimension), torch.randn(_PLACES, given.dimension)
    bank, count = torch.randn(given.bank, given.dimension), given.features // 10
    model = PatchcoreModel(layers=["layer2"], backbone="resnet18", pre_trained=False).eval()
    model.memory_bank = bank
    print(f"anomalib {anomalib.__version__}, torch {torch.__version__}, one thread, {given.dimension} numbers a feature\n")
    print("| | here, s | anomalib, s | anomalib / here |\n|---|---|---|---|")
    _row(
        f"choosing {count:,} of {given.features:,}",
        lambda: greedy_coreset(features, count, seed=0, progress=Progress()),
        lambda: KCenterGreedy(features, 0.1).select_coreset_idxs(),
    )
    _row(
        f"{_PLACES:,} places to {given.bank:,}",
        lambda: nearest_distance(queries, bank, Progress()),
        lambda: model.nearest_neighbors(queries, n_neighbors=1),
    )


def _row(what: str, ours: Callable[[], Any], theirs: Callable[[], Any]) -> None:
    taken: list[list[float]] = [[], []]
    for _ in range(_RUNS):
        for work, seconds in zip((ours, theirs), taken, strict=True):
            begun = time.process_time()
            work()
            seconds.append(time.process_time() - begun)
    here, there = min(taken[0]), min(taken[1])
    print(f"| {what} | {here:.1f} | {there:.1f} | {there / here:.1f} |", flush=True)


if __name__ == "__main__":
    main()
