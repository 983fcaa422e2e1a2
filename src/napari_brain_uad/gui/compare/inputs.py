"""The upper part of the Compare dock: everything a comparison depends on but the threshold."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFormLayout, QVBoxLayout, QWidget

from ...core.errors import InputError
from ...core.text import counted
from ...core.volume import Volume
from ...detectors.registry import cards, method_class
from ...postprocessing.params import PostParams
from ...workflows.detect.estimate import comparison_parts, estimate, told
from ...workflows.models.method_spec import split_specs
from ..app.settings import remember, remembered
from ..layers.scan_facts import spacing_words
from ..widgets.age_box import AgeBox
from ..widgets.device_choice import DeviceChoice
from ..widgets.editors import IntBox
from ..widgets.forms import Fold, ParamsForm, row_label
from ..widgets.messages import wrapping_label
from ..widgets.methods.method_card import LINK
from ..widgets.methods.method_list import MethodList
from ..widgets.scan_inputs import ScanInputs
from .job import CompareRequest

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from napari.layers import Layer

    from ...workflows.models.method_spec import MethodSpec
    from .shared_threshold import SharedThreshold


class CompareInputs(QWidget):
    """Scan, masks, methods, clean-up and device.

    Attributes
    ----------
    scan_changed : Signal
        Emitted after another scan (or none) was chosen.
    failed : Signal
        Emitted with an exception to show.
    """

    scan_changed = Signal()
    failed = Signal(object)

    def __init__(self, viewer: ViewerModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.scans = ScanInputs(viewer, self)
        self.facts, self.cost, self.last = wrapping_label(), wrapping_label(), wrapping_label(rich=True)
        self.methods = MethodList()
        self.clean_up = ParamsForm(PostParams, folded=False, without=("threshold",))
        self._device = DeviceChoice(self)
        self.device = self._device.box
        self.age = AgeBox(viewer, self.scans.scan)
        self.seed = IntBox()
        self.seed.setMinimum(0)
        self.seed.setToolTip("Fixes everything random: the same seed gives the same map.")
        self._sequence: str | None = None
        self._chosen: WeakKeyDictionary[Layer, tuple[MethodSpec, ...]] = WeakKeyDictionary()
        self._last: tuple[str, ...] = ()
        self._lay_out()
        self._device.failed.connect(self.failed)
        self._device.set_supported(tuple(dict.fromkeys(name for info in cards() for name in info.devices)))
        self.methods.failed.connect(self.failed)
        self.methods.changed.connect(self._show_cost)
        self.methods.ticked.connect(self._note)
        self.last.linkActivated.connect(self._take_last)
        self.scans.scan_changed.connect(self._scan_changed)
        self.scans.masks_changed.connect(self._show_cost)
        self.offer(remembered("compared"))
        self._scan_changed()

    def outline(self) -> Volume | None:
        """The chosen scan but for its values; None when there is none or its layer holds no image."""
        try:
            return self.scans.outline()
        except InputError:
            return None

    def request(self, threshold: SharedThreshold) -> CompareRequest:
        """Everything as it stands.

        Raises
        ------
        BrainUADError
            If there is no scan, a mask does not lie on its grid, no method is chosen, or healthy scans are needed and there are none.
        """
        volume = self.scans.volume()
        if volume is None:
            raise InputError("No scan is chosen", fix="Open one, or a sample")
        specs = self.methods.chosen()
        if not specs:
            raise InputError("No method is chosen", fix="Tick at least one in the list")
        healthy = threshold.healthy.scans()  # for every rule, as `compare --healthy`
        if threshold.needs_healthy and not healthy:
            raise InputError("No healthy scans are chosen", why="the threshold rule needs them", fix="Choose some, or another rule")
        volume, mask, mask_file = self.scans.brain_mask(volume)
        truth, truth_file = self.scans.mask(self.scans.truth, volume, "ground truth")
        presets = {method_class(spec.method).INFO.preset for spec in specs}
        return CompareRequest(
            volume=volume,
            mask=mask,
            truth=truth,
            mask_file=mask_file,
            truth_file=truth_file,
            specs=specs,
            healthy=healthy,
            post=PostParams.from_dict(self.clean_up.value().as_dict()).with_rule(threshold.chosen),
            device=self._device.name,
            seed=self.seed.value(),
            age=self.age.years,
            # A painted brain of a whole head: prepared as before where all methods are prepared alike, else scored as it is.
            prepare_with=presets.pop() if mask is not None and self.scans.prepares and len(presets) == 1 else "auto",
        )

    def refresh_models(self) -> None:
        """Read the list of models again."""
        self.methods.refresh()

    def disconnect_viewer(self) -> None:
        """Stop following the viewer; for a dock that ends."""
        self.scans.disconnect_viewer()

    def offer(self, compared: str) -> None:
        """Offer the methods of the last comparison, spelled with commas between them; they are ticked only by a click."""
        remember("compared", compared)
        self._last = tuple(split_specs(compared))
        self._show_last()

    def _show_last(self) -> None:
        shown = set(self._last) - {str(spec) for spec in self.methods.chosen()}
        self.last.setText(f"<a href='last' style='{LINK}'>Tick those of last time</a>: {html.escape(', '.join(self._last))}")
        self.last.setVisible(bool(shown))

    def _take_last(self) -> None:
        self.methods.choose(self._last)
        self._note()

    def _note(self) -> None:
        """What is ticked by hand holds for this scan."""
        layer = self.scans.scan.layer
        if layer is not None:
            self._chosen[layer] = self.methods.chosen()

    def _scan_changed(self) -> None:
        volume = self.outline()
        self._sequence = None if volume is None else volume.sequence
        self.methods.set_sequence(self._sequence)
        if volume is None:
            self.facts.clear()
        else:
            size = "x".join(str(n) for n in volume.grid.shape)
            self.facts.setText(f"{volume.sequence_words}, {size}, {spacing_words(volume.grid.spacing)}")
        chosen = None if self.scans.scan.layer is None else self._chosen.get(self.scans.scan.layer)
        if chosen is None:
            self.methods.suggest()
        else:
            self.methods.choose(chosen)
        self._show_cost()
        self.scan_changed.emit()

    def _show_cost(self) -> None:
        self._show_last()
        volume, specs = self.outline(), self.methods.chosen()
        if volume is None or not specs:
            self.cost.setText("Tick the methods to compare." if volume is not None else "")
            return
        total = comparison_parts([spec.method for spec in specs], volume, truth=self.scans.truth.layer is not None).total
        memory = max(estimate(spec.method, volume).bytes for spec in specs)
        words = told(total, memory).words
        self.cost.setText(f"{counted(len(specs), 'method')}. {words}; maps compared before are taken from the cache.")

    def _lay_out(self) -> None:
        self.last.setTextInteractionFlags(Qt.TextInteractionFlag.LinksAccessibleByMouse | Qt.TextInteractionFlag.LinksAccessibleByKeyboard)
        advanced = QWidget()
        rows = QVBoxLayout(advanced)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addWidget(self.clean_up)
        more = QFormLayout()
        more.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        more.addRow(row_label("Device", self.device), self.device)
        more.addRow(self._device.words)
        more.addRow(row_label("Age", self.age), self.age)
        more.addRow(row_label("Seed", self.seed), self.seed)
        rows.addLayout(more)
        form = QFormLayout(self)
        form.setContentsMargins(0, 0, 4, 0)
        form.setVerticalSpacing(4)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.addRow("Scan", self.scans.scan)
        form.addRow("Sequence", self.scans.sequence)
        form.addRow(self.facts)
        form.addRow("Brain mask", self.scans.brain)
        form.addRow("Ground truth", self.scans.truth)
        form.addRow(self.methods)
        form.addRow(self.last)
        form.addRow(Fold("Clean-up, device and age", advanced))
        form.addRow(self.cost)
