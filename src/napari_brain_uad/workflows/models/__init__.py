"""Which method with which model."""
