"""The network of StRegA's published code (812,295,576 parameters, 256 x 256 pixels): loaded from a file, and one slice scored.

It holds random weights in float16, as shipped models do; what is measured is time and peak memory, not quality. Needs 1.7 GB of disk.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from napari_brain_uad.core.volume import Grid, Volume
from napari_brain_uad.detectors.autoencoder.cce_vae import CceVAE, CceVAEParams
from napari_brain_uad.io.checkpoint import load_checkpoint, save_checkpoint

_LIMIT_GB = 6.0


def _write(path: Path) -> None:
    import torch

    detector = CceVAE(CceVAEParams.preset("code"))
    with torch.device("meta"):
        network = detector._task().build()
    rng = np.random.default_rng(0)
    state = {name: (rng.random(tuple(v.shape), np.float32) * 0.01).astype(np.float16) for name, v in network.state_dict().items()}
    save_checkpoint(path, method="cce-vae", params=detector.params.as_dict(), state=state, meta={})
    print(f"{sum(array.size for array in state.values()):,} parameters")


def _run(path: Path) -> None:
    start = time.perf_counter()
    checkpoint = load_checkpoint(path)
    detector = CceVAE(CceVAEParams.from_dict(checkpoint.params))
    state = dict(checkpoint.state)
    del checkpoint
    detector.load_state(state)
    del state
    loaded = time.perf_counter()
    data = np.random.default_rng(0).random((180, 200, 1), np.float32)
    detector.score(Volume(data, Grid(data.shape, np.diag([1.0, 1.0, 2.0, 1.0]))))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6 * (1.024 if sys.platform == "linux" else 0.001)
    print(f"loaded in {loaded - start:.1f} s, one slice scored in {time.perf_counter() - loaded:.1f} s, peak memory {peak:.2f} GB")
    if peak >= _LIMIT_GB:
        raise SystemExit(f"more than {_LIMIT_GB} GB")


def main() -> None:
    """Write the file in this process and use it in another, whose memory is what counts."""
    if len(sys.argv) > 1:
        _run(Path(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "largest"
        _write(path)
        subprocess.run([sys.executable, "-m", "benchmarks.largest_network", str(path)], check=True)


if __name__ == "__main__":
    main()
