"""Parts that several docks are built from."""
