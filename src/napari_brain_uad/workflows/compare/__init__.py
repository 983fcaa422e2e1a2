"""One scan, several methods."""
