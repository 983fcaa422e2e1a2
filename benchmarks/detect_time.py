"""Where the seconds of one detection go: ``python -m benchmarks.detect_time [METHOD ...]``.

On the tumour sample, in this process, which is fresh for the first method. Wall time, and CPU time of all threads, which says the same on a
machine that has other work. The target is 5 s on two cores for what follows the click, importing torch included.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path


class _Clock:
    """Prints the time since it did so last."""

    def __init__(self) -> None:
        self._last = time.perf_counter(), time.process_time()

    def say(self, what: str) -> None:
        wall, cpu = time.perf_counter() - self._last[0], time.process_time() - self._last[1]
        print(f"{what:42s} {wall:6.2f} s   CPU {cpu:6.2f} s", flush=True)
        self._last = time.perf_counter(), time.process_time()


def main() -> None:
    """Print the parts."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("methods", nargs="*", default=["tissue-ensemble"], metavar="METHOD")
    methods = parser.parse_args().methods
    print(f"{os.cpu_count()} cores, load of the machine {os.getloadavg()[0]:.1f}")
    clock = _Clock()
    # Imported here, because importing is part of what is measured.
    from napari_brain_uad.postprocessing.params import PostParams
    from napari_brain_uad.workflows.detect.detect import finish_detection
    from napari_brain_uad.workflows.detect.score import ScoringRequest
    from napari_brain_uad.workflows.detect.score_volume import scored_volume
    from napari_brain_uad.workflows.scans.load import as_mask, as_volume
    from napari_brain_uad.workflows.scans.samples import sample

    clock.say("importing what detects")
    given = sample("tumour-t1c")
    volume = as_volume(given.scan, given.sequence)
    assert given.mask is not None
    volume = volume.with_mask(as_mask(given.mask, volume, label="brain mask"))
    clock.say("reading the scan")
    import torch  # noqa: F401

    clock.say("importing torch")
    for method in methods:
        amap = scored_volume(volume, ScoringRequest.of(method, use_cache=False)).map
        clock.say(f"{method}: scoring")
        detection = finish_detection(volume, amap, PostParams(), truth=None, command="")
        clock.say(f"{method}: threshold, regions, verdict")
        with tempfile.TemporaryDirectory() as folder:
            from napari_brain_uad.workflows.detect.save import save_detection

            clock.say(f"{method}: importing what writes")
            save_detection(detection, Path(folder))
            clock.say(f"{method}: figure and files")


if __name__ == "__main__":
    main()
