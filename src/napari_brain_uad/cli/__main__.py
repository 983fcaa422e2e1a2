"""``python -m napari_brain_uad.cli`` is ``brain-uad``."""

import sys

from . import main

if __name__ == "__main__":
    sys.exit(main())
