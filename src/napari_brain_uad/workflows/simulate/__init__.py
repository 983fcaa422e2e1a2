"""Synthetic subjects with exact truth."""
