"""Files of weights that others made, read without running anything in them."""
