"""What the GUI, the CLI and the Python API all call."""

from ..io.folders import let_matplotlib_write

let_matplotlib_write()  # before one of the modules here imports it
