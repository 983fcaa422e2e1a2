"""The Tune dock."""
