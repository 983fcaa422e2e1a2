"""What opening both docks adds to a running napari: ``python -m benchmarks.dock_opening`` (needs a display, or xvfb-run).

Every figure is from a fresh process, napari's own start excluded; imports count, because a user pays for them at the first click.
The target of the project is 0.5 s for both docks together, and no torch.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

_RUNS = 5

_CHILD = """
import json, sys, time
import napari
from qtpy.QtWidgets import QApplication
viewer = napari.Viewer(show=True)
QApplication.processEvents()
seconds = {}
for title in ("Detect anomalies", "Tune"):
    start, work = time.perf_counter(), time.process_time()
    if title == "Detect anomalies":
        from napari_brain_uad.gui.app.docks import open_dock
    open_dock(viewer, title)
    QApplication.processEvents()
    seconds[title] = time.perf_counter() - start
    seconds[title + " CPU"] = time.process_time() - work
seconds["torch imported"] = "torch" in sys.modules
viewer.close()
print(json.dumps(seconds))
"""


def main() -> None:
    """Print the median of each dock over fresh processes."""
    runs = []
    for _ in range(_RUNS):
        done = subprocess.run([sys.executable, "-c", _CHILD], capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    titles = ("Detect anomalies", "Tune")
    for title in titles:
        times = [run[title] for run in runs]
        work = statistics.median(run[f"{title} CPU"] for run in runs)
        print(f"{title:18} median {statistics.median(times):.2f} s   ({min(times):.2f} to {max(times):.2f}), CPU {work:.2f} s")
    both = [sum(run[title] for title in titles) for run in runs]
    work = statistics.median(sum(run[f"{title} CPU"] for title in titles) for run in runs)
    print(f"{'both':18} median {statistics.median(both):.2f} s   target 0.5 s, CPU {work:.2f} s")
    print(f"torch imported: {any(run['torch imported'] for run in runs)}")


if __name__ == "__main__":
    main()
