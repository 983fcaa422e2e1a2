"""Training a method."""
