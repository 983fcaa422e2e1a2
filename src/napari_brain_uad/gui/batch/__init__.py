"""The Batch dock."""
