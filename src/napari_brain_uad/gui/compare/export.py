"""Saving a comparison: the files that ``brain-uad compare`` writes, through the same workflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QFileDialog

from ...core.errors import BrainUADError, InputError
from ...core.progress import Progress
from ...core.text import counted
from ..app.settings import last_folder, remember
from ..app.workers import run

if TYPE_CHECKING:
    from ...workflows.compare.compare import Comparison
    from .layout import CompareLayout


class CompareExporter:
    """Exports for one dock.

    Parameters
    ----------
    dock : CompareLayout
        Shows messages and progress.
    comparison : callable
        Gives what is compared, at rest; None while there is nothing, or the threshold moves.
    """

    def __init__(self, dock: CompareLayout, comparison: Callable[[], Comparison | None]) -> None:
        self._dock, self._comparison = dock, comparison
        dock.csv.clicked.connect(lambda: self._ask("comparison.csv", "Table (*.csv)", self.save_table))
        dock.montage.clicked.connect(lambda: self._ask("montage.png", "Figure (*.png)", self.save_montage))
        dock.everything.clicked.connect(self._ask_folder)
        dock.copy.clicked.connect(self.copy_command)
        dock.add_slice.clicked.connect(self._add_slice)

    def copy_command(self) -> None:
        """Put the ``brain-uad compare`` command that gives what the dock shows on the clipboard."""
        comparison, clipboard = self._comparison(), QGuiApplication.clipboard()
        if comparison is not None and clipboard is not None:
            clipboard.setText(comparison.command)
            from ...workflows.detect.command import missing_words

            self._dock.messages.show_message("info", "The command is on the clipboard", fix=missing_words(comparison.command))

    def _add_slice(self) -> None:
        """The slice that is shown, for the montage (axial slices, heights in mm)."""
        words = [word.strip() for word in self._dock.slices.text().split(",") if word.strip()]
        self._dock.slices.setText(", ".join([*words, f"{self._dock.viewer.dims.point[-3]:.1f}"]))

    def save_table(self, path: Path) -> None:
        """Write the table as CSV."""

        def job(comparison: Comparison, _progress: Progress) -> list[Path]:
            from ...io.atomic import write_text
            from ...workflows.compare.compare_table import rows_csv

            write_text(path, rows_csv(comparison.table()))
            return [path]

        self._save(job)

    def save_montage(self, path: Path) -> None:
        """Write the montage as PNG."""
        slices, scale = self._slices(), str(self._dock.scale.currentData())
        if slices is None:
            return

        def job(comparison: Comparison, _progress: Progress) -> list[Path]:
            from ...workflows.compare.compare_save import save_montage

            save_montage(comparison, path, slices_mm=slices, scale=scale)
            return [path]

        self._save(job)

    def save_all(self, folder: Path) -> None:
        """Write table, montage, maps and masks into a folder."""
        slices, scale = self._slices(), str(self._dock.scale.currentData())
        if slices is None:
            return

        def job(comparison: Comparison, progress: Progress) -> list[Path]:
            from ...workflows.compare.compare_save import save_comparison

            return list(save_comparison(comparison, folder, slices_mm=slices, scale=scale, progress=progress).values())

        self._save(job)

    def _save(self, job: Callable[[Comparison, Progress], list[Path]]) -> None:
        dock, comparison = self._dock, self._comparison()
        if comparison is None:
            dock.messages.show_message("info", "The threshold is still moving", fix="Try again in a moment")
            return

        def done(files: list[Path]) -> None:
            dock.run_bar.stop()
            remember("last_folder", str(files[0].parent))
            names = ", ".join(file.name for file in files)
            dock.messages.show_message("info", f"Saved {counted(len(files), 'file')} in {files[0].parent}", why=names)

        def failed(error: Exception) -> None:
            dock.run_bar.stop()
            dock.messages.show_error(error, "Exporting")

        dock.run_bar.start()
        running = run(
            lambda progress: job(comparison, progress), parent=dock, on_done=done, on_error=failed, on_progress=dock.run_bar.report
        )
        dock.run_bar.cancelled.connect(running.cancel)

    def _slices(self) -> list[float] | None:
        """The heights that were typed; None, with a message, when they are none."""
        text = self._dock.slices.text()
        try:
            return [float(word) for word in text.replace(";", ",").split(",") if word.strip()]
        except ValueError:
            self._error(InputError(f"Slices '{text}'", why="they are no heights in mm", fix="Write for example -10, 12.5, 30"))
            return None

    def _ask(self, name: str, kinds: str, save: Callable[[Path], None]) -> None:
        chosen, _ = QFileDialog.getSaveFileName(self._dock, "Export", str(last_folder() / name), kinds)
        if chosen:
            save(Path(chosen))

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self._dock, "Export to folder", str(last_folder()))
        if folder:
            self.save_all(Path(folder))

    def _error(self, error: BrainUADError) -> None:
        self._dock.messages.show_error(error, "Exporting")
