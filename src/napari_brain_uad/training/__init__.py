"""The one training loop, and what is said while it runs."""
