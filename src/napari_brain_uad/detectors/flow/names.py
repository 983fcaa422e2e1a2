"""Names and numbers of settings, apart from the code that acts on them: listing methods must not load torch."""

LOSSES = ("triplet", "ranking", "boundary-guided", "none")
SCORES = ("likelihood", "paper")

MARGIN, BOUNDARY_SHARE, BOUNDARY_WIDTH = 1.0, 0.05, 0.1
