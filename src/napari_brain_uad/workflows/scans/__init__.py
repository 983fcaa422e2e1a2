"""Scans in: loaded, prepared, ready to be scored."""
