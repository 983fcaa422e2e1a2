"""Scan, brain mask and ground truth: three boxes that know of each other."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from napari.layers import Labels, Layer
from numpy import bool_
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from ...core.errors import InputError
from ...core.volume import Volume
from ..layers.brain_layer import by_hand, needs_preparation
from ..layers.layers import fits, mask_of, outline_of, volume_of
from ..layers.subjects import belongs_elsewhere, likely_mask, show_subject, token_of
from .layer_box import LayerBox, is_mask, is_scan
from .sequence_box import SequenceBox

if TYPE_CHECKING:
    from napari.components import ViewerModel

_TRUTH = re.compile(r"truth|lesion|tumou?r|segmentation|wmh|(^|[ ._-])(gt|d?seg)($|[ ._-])", re.IGNORECASE)
_MASK = re.compile(r"(^|[ ._-])mask$", re.IGNORECASE)
_BRAIN_PART = 0.1
"""Part of the image that a brain takes at least; lesions, and what a method flags, stay below it."""
_BRAIN = re.compile(r"brain[ _-]?mask|hdbet", re.IGNORECASE)


class ScanInputs(QObject):
    """The boxes, which a dock lays out; a mask that lies on the scan's grid and says by its name what it is gets chosen by itself.

    Attributes
    ----------
    scan, brain, truth : LayerBox
        What is scored, within what, and what is known to be abnormal.
    sequence : SequenceBox
        Which sequence the scan is.
    scan_changed, masks_changed : Signal
        Emitted after another scan (or its sequence), or another mask of it, was chosen.
    """

    scan_changed = Signal()
    masks_changed = Signal()

    def __init__(self, viewer: ViewerModel, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.scan = LayerBox(viewer, is_scan)
        self.brain = LayerBox(viewer, is_mask, none="None")
        self.truth = LayerBox(viewer, is_mask, none="None")
        if self.scan.layers():
            # As when it is opened later: the latest is the one at hand.
            self.scan.choose(self.scan.layers()[-1])
        self.sequence = SequenceBox(self.scan)
        self._declined: set[LayerBox] = set()
        for box, name in ((self.scan, "Scan"), (self.brain, "Brain mask"), (self.truth, "Ground truth")):
            box.setAccessibleName(name)
        self.brain.setToolTip("Only voxels inside it are scored. Without one the brain is found in the scan.")
        self.truth.setToolTip("What is known to be abnormal. Gives Dice, precision and recall; the anomaly map does not depend on it.")
        self.scan.layer_changed.connect(self._scan_chosen)
        self.sequence.changed.connect(self.scan_changed)
        self.scan.activated.connect(self._show_scan)
        for box in (self.brain, self.truth):
            box.listed.connect(self._suggest)
            box.activated.connect(lambda _index, box=box: self._declined.add(box) if box.layer is None else None)
            box.layer_changed.connect(self.masks_changed)
        self._suggest()

    def volume(self) -> Volume | None:
        """The chosen scan, None when there is none.

        Raises
        ------
        InputError
            If the chosen layer holds no 3-D image.
        """
        return None if self.scan.layer is None else volume_of(self.scan.layer)

    def outline(self) -> Volume | None:
        """The same for all but its values, see `outline_of`."""
        return None if self.scan.layer is None else outline_of(self.scan.layer)

    def mask(self, box: LayerBox, volume: Volume, label: str) -> tuple[NDArray[bool_] | None, Path | None]:
        """What a box holds on the scan's grid, and the file its layer was opened from; None for what there is not.

        Raises
        ------
        InputError
            If the layer does not lie on the scan's grid, or holds the many values of a scan.
        """
        layer = box.layer
        return (None, None) if layer is None else (mask_of(layer, volume.grid, label, volume.data), file_of(layer))

    def brain_mask(self, volume: Volume) -> tuple[Volume, NDArray[bool_] | None, Path | None]:
        """The scan as it is to be scored, its brain mask, and the file that came from.

        The mask of an earlier run's own making counts as none until it was painted: the run finds the same again. A scan that brought
        a mask along does without it when its layer was not chosen.

        Raises
        ------
        InputError
            If the layer does not lie on the scan's grid.
        """
        mask, file = self.mask(self.brain, volume, "brain mask")
        layer = self.brain.layer
        if mask is None and self.brain in self._declined:
            return replace(volume, mask=None), None, None
        if layer is not None and mask is not None and not by_hand(layer, mask):
            return volume, None, None
        return volume, mask, file

    @property
    def prepares(self) -> bool:
        """Whether the scan is a whole head that is prepared although there is a brain mask for it: an earlier run extracted that."""
        return needs_preparation(self.brain.layer)

    def disconnect_viewer(self) -> None:
        """Stop following the viewer; for a dock that ends."""
        for box in (self.scan, self.brain, self.truth):
            box.disconnect_viewer()

    def _show_scan(self) -> None:
        if self.scan.layer is not None:
            show_subject(self._viewer, self.scan.layer)

    def _scan_chosen(self) -> None:
        self._declined.clear()
        scan = self.scan.layer
        for box in (self.truth, self.brain):
            # Another person's mask may lie on the same grid.
            if box.layer is not None and (scan is None or belongs_elsewhere(box.layer, scan)):
                box.choose(None)
        self._suggest()
        self.scan_changed.emit()

    def _suggest(self) -> None:
        """Take a mask or a truth that lies on the scan's grid and says so by its name; drop one that lies elsewhere."""
        try:
            volume = self.outline()
        except InputError:
            return
        for box, says_so in ((self.truth, _is_truth), (self.brain, _is_brain)):
            if volume is None or (box.layer is not None and not fits(box.layer, volume.grid)):
                box.choose(None)
            if volume is None or box.layer is not None or box in self._declined:
                continue
            labels = (layer for layer in box.layers() if isinstance(layer, Labels))
            found = [layer for layer in labels if says_so(layer) and fits(layer, volume.grid)]
            likely = None if self.scan.layer is None else likely_mask(found, [token_of(self.scan.layer)])
            if likely is not None:
                box.choose(likely)


def _is_truth(layer: Labels) -> bool:
    return says_truth(layer.name)


def _is_brain(layer: Labels) -> bool:
    """By its name; a mask that says no more than that is a brain where it is too large for anything else."""
    if says_brain(layer.name):
        return True
    plain = _MASK.search(layer.name.rpartition(" | ")[2]) is not None and not says_truth(layer.name)
    return plain and np.count_nonzero(layer.data) >= _BRAIN_PART * layer.data.size


def says_brain(name: str) -> bool:
    """Whether a mask's name says that it is a brain; its own name stands behind that of its scan."""
    return _BRAIN.search(name.rpartition(" | ")[2]) is not None


def says_truth(name: str) -> bool:
    """Whether a mask's name says that it is a ground truth. Scans' names may speak of tumours, and so those of their brain masks."""
    return _TRUTH.search(name.rpartition(" | ")[2]) is not None and not says_brain(name)


def file_of(layer: Layer) -> Path | None:
    """The file a layer was opened from."""
    return Path(layer.source.path) if layer.source.path else None
