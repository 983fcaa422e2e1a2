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
from ...core.volume import Volume
from ..app.settings import last_folder, remember
from ..app.workers import run
from ..layers.layers import map_of, volume_of
from ..layers.scan_facts import beside, found_without_mask, saved_as
from ..layers.subjects import further_scored, scan_scored
from ..layers.tuning import Tuning
from ..widgets.scan_inputs import file_of
from .layout import TuneLayout

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

Scans = tuple[Volume, tuple[Volume | None, ...]]
"""The scan of a map, and the further sequences that were scored with it; None for one of those that is not open any more."""


class Exporter:
    """Export and "Copy as command" of a Tune dock.

    Parameters
    ----------
    dock : TuneLayout
        Shows messages and progress.
    viewer : ViewerModel
        Holds the scan.
    tuning : callable
        Gives what is tuned now; it is the map of the layer that is chosen in the dock.
    """

    def __init__(self, dock: TuneLayout, viewer: ViewerModel, tuning: Callable[[], Tuning | None]) -> None:
        self._dock, self._viewer, self._tuning = dock, viewer, tuning
        self._exported: list[Path] = []

    def copy_command(self) -> None:
        """Put the ``brain-uad detect`` command that gives what the dock shows on the clipboard."""
        clipboard, tuning, scans = QGuiApplication.clipboard(), self._tuning(), self._scans("Writing the command")
        if clipboard is None or scans is None or tuning is None:
            return
        from ...workflows.detect.command import missing_words

        files, dock = self._files(), self._dock

        def done(command: str) -> None:
            clipboard.setText(command)
            dock.messages.show_message("info", "The command is on the clipboard", fix=missing_words(command))

        run(
            lambda _: command_of(tuning, scans, files),
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
        tuning, scans = self._tuning(), self._scans("Exporting")
        if scans is None or tuning is None:
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
        job = _job(tuning, scans, self._files(), folder, mni)
        running = run(job, parent=dock, on_done=done, on_error=failed, on_progress=dock.run_bar.report)
        dock.run_bar.cancelled.connect(running.cancel)

    def _scans(self, doing: str) -> Scans | None:
        """The scans of the map, or None with a message."""
        heat = self._dock.maps.layer
        if heat is None:
            return None
        try:
            return scans_for(self._viewer, heat)
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


def command_of(tuning: Tuning, scans: Scans, files: Sequence[Path]) -> str:
    """The command that gives what is tuned; `files` may hold its masks. It reads them, which takes a moment.

    Raises
    ------
    InputError
        If the map does not say how it was made.
    """
    from ...workflows.detect.command import detect_command, prepared_with

    (scan, others), amap, made = scans, tuning.amap, tuning.amap.provenance
    if "params" not in made.get("method", {}) or "seed" not in made:
        why = "the file with its provenance was not beside it when it was opened"
        raise InputError(f"The map {amap.name} does not say how it was made", why=why, fix="Run Detect anomalies on the scan again")
    # The brain of a prepared scan is found on the way, unless it was given: then the scan is prepared all the same.
    prepare_with, given = prepared_with(amap)
    found = scan.mask is None and found_without_mask(scan, amap.mask) if given is None else not given
    brain = None if found else saved_as(amap.mask, [beside(scan, "brainmask"), *files], scan, "brain mask")
    truth = saved_as(tuning.truth, [beside(scan, "truth"), *files], scan, "ground truth")
    bare = replace(scan, mask=None)
    return detect_command(amap, tuning.post, scan=bare, others=others, mask=brain, truth=truth, prepare_with=prepare_with)


def _job(tuning: Tuning, scans: Scans, masks: Sequence[Path], folder: Path, mni: bool) -> Callable[[Progress], dict[str, Path]]:
    amap, post, truth, edits = tuning.amap, tuning.post, tuning.truth, tuning.edits

    def job(progress: Progress) -> dict[str, Path]:
        # Here, because matplotlib takes longer to import than a dock may take to open.
        from ...workflows.detect.detect import finish_detection
        from ...workflows.detect.mni import check_mni, with_mni
        from ...workflows.detect.save import save_detection
        from ...workflows.detect.several import scored_volume_of

        volume = replace(scored_volume_of(scans[0], amap), mask=amap.mask)
        command = command_of(tuning, scans, masks) if "params" in amap.provenance.get("method", {}) else ""
        if mni:
            check_mni(volume)
        detection = finish_detection(volume, amap, post, truth=truth, command=command, edits=edits, progress=progress.part(0.0, 0.3))
        if mni:
            detection = with_mni(detection, progress.part(0.3, 0.5))
        return save_detection(detection, folder, progress=progress.part(0.5, 1.0))

    return job


def scans_for(viewer: ViewerModel, heat: Layer) -> Scans:
    """The open scans that a heatmap was made from: its own, and further sequences, of which some may not be open any more.

    Raises
    ------
    InputError
        If its own scan is not open, or nothing says which of those that are is its own.
    """
    from ...workflows.detect.command import SEVERAL

    amap, scan = map_of(heat), scan_scored(viewer, heat)
    volume = None if scan is None else volume_of(scan)
    if volume is None or volume.grid.compare(amap.grid, "anomaly map"):
        why = "none of the open scans is known to be the one that the map was made from"
        fix = "Open it again, then export; or run Detect anomalies on it again"
        raise InputError(f"The scan of '{amap.name}' is not open", why=why, fix=fix)
    further = further_scored(viewer, heat, amap.provenance.get(SEVERAL, ())[1:])
    return volume, tuple(None if one is None else volume_of(one) for one in further)
