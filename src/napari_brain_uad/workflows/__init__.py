"""What the GUI, the CLI and the Python API all call."""
