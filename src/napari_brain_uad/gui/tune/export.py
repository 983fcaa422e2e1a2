"""What leaves the Tune dock: files, and the command that makes the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from ...core.errors import BrainUADError, InputError
from ...core.progress import Progress
from ...core.text import counted
from ...core.volume import Grid, Volume
from ..app.settings import last_folder, remember
from ..app.workers import run
from ..layers.layers import is_scan, volume_of
from ..layers.scan_facts import beside, found_without_mask, saved_as
from ..layers.tuning import Tuning
from ..widgets.scan_inputs import file_of
from .layout import TuneLayout

if TYPE_CHECKING:
    from napari.components import ViewerModel


class Exporter:
    """Export and "Copy as command" of a Tune dock.

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
        self._exported: list[Path] = []

    def copy_command(self) -> None:
        """Put the ``brain-uad detect`` command that gives what the dock shows on the clipboard."""
        clipboard, tuning, scan = QGuiApplication.clipboard(), self._tuning(), self._scan("Writing the command")
        if clipboard is None or scan is None or tuning is None:
            return
        from ...workflows.detect.command import missing_words

        files, dock = self._files(), self._dock

        def done(command: str) -> None:
            clipboard.setText(command)
            dock.messages.show_message("info", "The command is on the clipboard", fix=missing_words(command))

        run(
            lambda _: command_of(tuning, scan, files),
            parent=dock,
            on_done=done,
            on_error=lambda error: dock.messages.show_error(error, "Writing the command"),
        )

    def ask_folder(self, *, mni: bool = False) -> None:
        """Export to a folder that the user chooses; see `export_to`."""
        folder = QFileDialog.getExistingDirectory(self._dock, "Export to folder", str(last_folder()))
        if folder:
            self.export_to(Path(folder), mni=mni)

    def export_to(self, folder: Path, *, mni: bool = False) -> None:
        """Write map, mask, regions, figure and provenance into `folder`, in the background; on demand with copies in MNI space."""
        tuning, scan = self._tuning(), self._scan("Exporting")
        if scan is None or tuning is None:
            return
        dock = self._dock

        def ended() -> None:
            dock.run_bar.stop()
            for button in (dock.export, dock.more_export):
                button.setEnabled(True)

        def done(files: dict[str, Path]) -> None:
            ended()
            self._exported = [files["brainmask"], *([files["truth"]] if "truth" in files else [])]
            remember("last_folder", str(folder))
            dock.messages.show_message("info", f"Saved {counted(len(files), 'file')} in {folder.name}", why=_called(files))

        def failed(error: Exception) -> None:
            ended()
            dock.messages.show_error(error, "Exporting")

        for button in (dock.export, dock.more_export):
            button.setEnabled(False)
        dock.run_bar.start()
        job = _job(tuning, scan, self._files(), folder, mni)
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

    def _files(self) -> list[Path]:
        """Files that may hold the masks: of the layers, and what was exported last."""
        opened = [file for layer in self._viewer.layers if (file := file_of(layer)) is not None]
        return [*opened, *(file for file in self._exported if file.is_file())]


def _called(files: dict[str, Path]) -> str:
    """What the files' names have in common: all of them would leave no room for the dock."""
    return f"Their names begin with {files['map'].name.removesuffix('_anomalymap.nii.gz')}"


def command_of(tuning: Tuning, scan: Volume, files: Sequence[Path]) -> str:
    """The command that gives what is tuned; `files` may hold its masks. It reads them, which takes a moment.

    Raises
    ------
    InputError
        If the map does not say how it was made.
    """
    from ...workflows.detect.command import detect_command

    amap, made = tuning.amap, tuning.amap.provenance
    if "params" not in made.get("method", {}) or "seed" not in made:
        why = "the file with its provenance was not beside it when it was opened"
        raise InputError(f"The map {amap.name} does not say how it was made", why=why, fix="Run Detect anomalies on the scan again")
    # A prepared scan's brain is found on the way; given as a mask it would keep the scan from being prepared.
    found = "preprocessing" in made or (scan.mask is None and found_without_mask(scan, amap.mask))
    brain = None if found else saved_as(amap.mask, [beside(scan, "brainmask"), *files], scan, "brain mask")
    truth = saved_as(tuning.truth, [beside(scan, "truth"), *files], scan, "ground truth")
    return detect_command(amap, tuning.post, scan=replace(scan, mask=None), mask=brain, truth=truth)


def _job(tuning: Tuning, scan: Volume, masks: Sequence[Path], folder: Path, mni: bool) -> Callable[[Progress], dict[str, Path]]:
    amap, post, truth, edits = tuning.amap, tuning.post, tuning.truth, tuning.edits

    def job(progress: Progress) -> dict[str, Path]:
        # Here, because matplotlib takes longer to import than a dock may take to open.
        from ...workflows.detect.detect import finish_detection
        from ...workflows.detect.mni import check_mni, with_mni
        from ...workflows.detect.save import save_detection

        # The map's name: of several sequences together it is not the scan's.
        volume = replace(scan, name=amap.name, mask=amap.mask)
        command = command_of(tuning, scan, masks) if "params" in amap.provenance.get("method", {}) else ""
        if mni:
            check_mni(volume)
        detection = finish_detection(volume, amap, post, truth=truth, command=command, edits=edits, progress=progress.part(0.0, 0.3))
        if mni:
            detection = with_mni(detection, progress.part(0.3, 0.5))
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
