"""Files that other programs open: tables of labels, transforms, research objects."""
