"""``python -m napari_brain_uad.cli`` is ``brain-uad``."""

import sys

from . import main

sys.exit(main())
