"""What leaves the Tune dock: files, and the command that makes the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from ...core.errors import BrainUADError, InputError
from ...core.progress import Progress
from ...core.volume import Grid, Volume
from ..app.settings import last_folder, remember
from ..app.workers import run
from ..layers.layers import is_scan, volume_of
from ..layers.tuning import Tuning
from .layout import TuneLayout

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Exporter:
    """Export and "Copy command" of a Tune dock.

    Parameters
    ----------
    dock : TuneLayout
        Shows messages and progress.
    viewer : ViewerModel
        Holds the scan.
    tuning : callable
        Gives what is tuned now.
    """

    def __init__(self, dock: TuneLayout, viewer: ViewerModel, tuning: Callable[[], Tuning | None]) -> None:
        self._dock, self._viewer, self._tuning = dock, viewer, tuning

    def copy_command(self) -> None:
        """Put the ``brain-uad detect`` command that gives what the dock shows on the clipboard."""
        clipboard, tuning, scan = QGuiApplication.clipboard(), self._tuning(), self._scan("Writing the command")
        if clipboard is None or scan is None or tuning is None:
            return
        clipboard.setText(self._command(tuning, scan))
        self._dock.messages.show_message("info", "The command is on the clipboard", fix="Replace the words in capitals by your own files")

    def ask_folder(self) -> None:
        """Export to a folder that the user chooses."""
        folder = QFileDialog.getExistingDirectory(self._dock, "Export to folder", str(last_folder()))
        if folder:
            self.export_to(Path(folder))

    def export_to(self, folder: Path) -> None:
        """Write map, mask, regions, figure and provenance into `folder`, in the background."""
        tuning, scan = self._tuning(), self._scan("Exporting")
        if scan is None or tuning is None:
            return
        dock = self._dock

        def ended() -> None:
            dock.run_bar.stop()
            dock.export.setEnabled(True)

        def done(files: dict[str, Path]) -> None:
            ended()
            remember("last_folder", str(folder))
            dock.messages.show_message("info", f"Saved {len(files)} files in {folder.name}", why=", ".join(p.name for p in files.values()))

        def failed(error: Exception) -> None:
            ended()
            dock.messages.show_error(error, "Exporting")

        dock.export.setEnabled(False)
        dock.run_bar.start()
        job = _job(tuning, scan, self._command(tuning, scan), folder)
        running = run(job, parent=dock, on_done=done, on_error=failed, on_progress=dock.run_bar.report)
        dock.run_bar.cancelled.connect(running.cancel)

    def _scan(self, doing: str) -> Volume | None:
        """The scan of the map, or None with a message."""
        tuning = self._tuning()
        if tuning is None:
            return None
        try:
            return scan_for(self._viewer, tuning.amap.name, tuning.amap.grid)
        except BrainUADError as error:
            self._dock.messages.show_error(error, doing)
            return None

    def _command(self, tuning: Tuning, scan: Volume) -> str:
        from ...workflows.command import detect_command

        layer = self._dock.truths.layer
        truth = None if layer is None or tuning.truth is None else (layer.source.path or "TRUTH")
        return detect_command(tuning.amap, tuning.post, scan=scan, truth=truth)


def _job(tuning: Tuning, scan: Volume, command: str, folder: Path) -> Callable[[Progress], dict[str, Path]]:
    amap, post, truth, edits = tuning.amap, tuning.post, tuning.truth, tuning.edits

    def job(progress: Progress) -> dict[str, Path]:
        # Here, because matplotlib takes longer to import than a dock may take to open.
        from ...workflows.detect import finish_detection
        from ...workflows.save import save_detection

        volume = scan.with_mask(amap.mask)
        detection = finish_detection(volume, amap, post, truth=truth, command=command, edits=edits, progress=progress.part(0.0, 0.5))
        return save_detection(detection, folder, progress=progress.part(0.5, 1.0))

    return job


def scan_for(viewer: ViewerModel, name: str, grid: Grid) -> Volume:
    """The open scan that an anomaly map was made from: the one of its name, else one on its grid.

    Raises
    ------
    InputError
        If none is open.
    """
    scans = [layer for layer in viewer.layers if is_scan(layer)]
    for layer in sorted(scans, key=lambda layer: layer.name != name):
        volume = volume_of(layer)
        if not volume.grid.compare(grid, "anomaly map"):
            return volume
    raise InputError(f"The scan '{name}' is not open any more", fix="Open it again, then export")
