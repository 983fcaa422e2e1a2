"""Steps before a detector runs."""
