"""The Detect dock."""
