"""From an input and its reconstruction to a raw score."""
