"""One file per method; `registry` is the only list of them."""
