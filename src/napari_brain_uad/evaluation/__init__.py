"""Metrics, curves, lesion-wise figures, reports."""
