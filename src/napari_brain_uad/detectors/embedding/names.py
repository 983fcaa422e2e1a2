"""Names and numbers of settings, apart from the code that acts on them: listing methods must not load torch."""

LOSSES = ("triplet", "ranking", "boundary-guided", "none")
COMBINATIONS = ("product", "mean")
SCORES = ("likelihood", "paper")

MARGIN, BOUNDARY_SHARE, BOUNDARY_WIDTH = 1.0, 0.05, 0.1

ENCODER_RATE = 0.1
"""Of EDC's learning rate, for the encoder."""

STATISTICS_RATE = 0.1
"""How fast the running statistics of a student's batch normalisation move."""
