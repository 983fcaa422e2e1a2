"""The vocabulary every other package speaks: numpy only, no torch, no Qt, no napari."""
