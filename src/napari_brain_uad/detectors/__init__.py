"""Methods, a package for each family; `registry` is the only list of them, `base` what they share."""
