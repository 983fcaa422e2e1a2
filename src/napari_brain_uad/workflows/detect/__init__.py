"""One scan, one method."""
