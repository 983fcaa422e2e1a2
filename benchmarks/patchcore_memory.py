"""What the memory bank of PatchCore takes to fill: ``python -m benchmarks.patchcore_memory``.

Preset ``paper`` (Wide ResNet-50-2, 1024 numbers a place, all places of brain count) on volumes of 96 slices of 192 x 192 pixels, as for
table 3 of Zhang, Mohsenzadeh 2025. Weights and volumes are random, since memory does not depend on them, and of the bank only ``--coreset``
per cent are chosen: the search takes hours at the paper's 10 %, and its memory does not depend on how many it chooses.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.embedding_cost import SLICES, random_file, volume_of_slices
from napari_brain_uad.detectors.registry import create, method_class


def main(argv: Sequence[str] | None = None) -> None:
    """Fill a bank and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--volumes", type=int, default=20, help="healthy volumes (default: 20)")
    parser.add_argument("--coreset", type=float, default=0.1, help="per cent of the features in the bank (default: 0.1)")
    given = parser.parse_args(argv)
    import torch

    torch.set_num_threads(1)
    settings = method_class("patchcore").Params.preset("paper").as_dict()
    with tempfile.TemporaryDirectory() as folder:
        settings |= {"backbone_file": str(random_file(str(settings["backbone"]), Path(folder))), "coreset": given.coreset}
        detector = create("patchcore", method_class("patchcore").Params.from_dict(settings))
        volumes = [volume_of_slices(SLICES, 1.0)] * given.volumes
        before, begun = _peak_gb(), time.process_time()
        detector.fit(volumes)
        seconds = time.process_time() - begun
    bank = detector.state()["bank"]
    print(f"{given.volumes} volumes of {SLICES} slices, a bank of {len(bank):,} of {bank.shape[1]}: {seconds:.0f} CPU-seconds")
    print(f"highest memory of the process {_peak_gb():.2f} GB, of which {before:.2f} GB before the fit")


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
