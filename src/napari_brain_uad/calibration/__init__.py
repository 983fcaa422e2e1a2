"""Healthy references: thresholds with a meaning, p-values of regions, and the verdict on a scan."""
