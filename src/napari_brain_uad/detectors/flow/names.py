"""Names and numbers of settings, apart from the code that acts on them: listing methods must not load torch."""

LOSSES = ("triplet", "ranking", "boundary-guided", "none")
SCORES = ("likelihood", "paper")
PRECISIONS = ("32", "bf16")

LESION_SHARE = 0.1
"""A place is a known anomaly from this share of lesion on."""
MARGIN, BOUNDARY_SHARE, BOUNDARY_WIDTH, BOUNDARY_SCALE = 1.0, 0.05, 0.1, 10.0
