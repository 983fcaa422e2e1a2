"""One step a file; `registry` lists them."""
