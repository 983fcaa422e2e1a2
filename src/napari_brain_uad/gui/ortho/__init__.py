"""The dock of three planes."""
