"""The only place that knows Qt and napari."""

import logging


class _Notices(logging.Handler):
    """What the code below says to users besides results, like a cache that cannot be written, as napari's notifications."""

    def emit(self, record: logging.LogRecord) -> None:
        """Show one; from any thread."""
        from napari.utils.notifications import show_warning

        show_warning(record.getMessage())


logging.getLogger("napari_brain_uad.io").addHandler(_Notices(logging.WARNING))
