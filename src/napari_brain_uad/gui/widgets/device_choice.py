"""Choosing the device, with what is really used in words."""

from __future__ import annotations

from qtpy.QtCore import QObject, Signal

from ...workflows.execution.devices import Device, resolve_device, why_not_told
from ..app import workers
from ..app.settings import remembered
from .editors import ComboBox
from .messages import wrapping_label

_NAMES = {"auto": "Automatic", "cpu": "CPU", "cuda": "GPU (CUDA)", "mps": "GPU (Apple Metal)"}


class DeviceChoice(QObject):
    """A box with the devices a method can use, and the words below it; whoever uses it finds a place for both.

    Attributes
    ----------
    box : ComboBox
        The item's data is the name ("auto", "cpu", ...).
    words : QLabel
        Says which device that is here, and why.
    failed : Signal
        Emitted with the exception when the device is not there.
    """

    failed = Signal(object)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.box = ComboBox()
        self.box.setAccessibleName("Device")
        self.words = wrapping_label()
        self._supported: tuple[str, ...] = ()
        self.box.currentIndexChanged.connect(self._show)

    @property
    def name(self) -> str:
        """The chosen device."""
        return str(self.box.currentData())

    def set_supported(self, supported: tuple[str, ...]) -> None:
        """List the devices of a method; the choice stays where it can."""
        wanted = self.box.currentData() or remembered("device")
        self._supported = supported
        self.box.blockSignals(True)
        self.box.clear()
        for name in ("auto", *supported):
            self.box.addItem(_NAMES[name], name)
        self.box.setCurrentIndex(max(0, self.box.findData(wanted)))
        self.box.blockSignals(False)
        self._show()

    def _show(self) -> None:
        requested, supported = self.box.currentData(), self._supported
        self.words.setText("")

        def show(device: Device) -> None:
            if (requested, supported) == (self.box.currentData(), self._supported):
                self.words.setText(device.words)

        if supported == ("cpu",):
            show(resolve_device(requested, supported))
        else:  # asks torch, which takes seconds to import
            workers.run(
                lambda _: resolve_device(requested, supported, ask=why_not_told), parent=self, on_done=show, on_error=self.failed.emit
            )
