"""The demo window, from start to the saved picture, in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest
from PIL import Image

from napari_brain_uad.core.errors import InputError
from napari_brain_uad.gui.contrib.demo import open_demo

_DEMO = """
import sys
from pathlib import Path
from napari_brain_uad.gui.contrib.demo import open_demo
sys.exit(open_demo("healthy-t1", methods=("thresh-raw", "threshold"), screenshot=Path("window.png")))
"""


@pytest.mark.slow
def test_the_demo_leaves_a_picture_of_the_whole_window(tmp_path):
    done = subprocess.run([sys.executable, "-c", _DEMO], capture_output=True, text=True, check=False, cwd=tmp_path, timeout=200)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "window.png") as picture:
        assert picture.width >= 1200
        # A canvas that was not drawn, or a window that was never shown, has next to no colours.
        assert len(picture.convert("RGB").getcolors(maxcolors=2**24)) > 500


def test_an_unknown_sample_is_refused_before_a_window_opens():
    with pytest.raises(InputError, match="no sample"):
        open_demo("no-such-sample")
