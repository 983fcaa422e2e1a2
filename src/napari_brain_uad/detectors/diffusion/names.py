"""Names of settings, apart from the code that acts on them: listing methods must not load torch."""

SCHEDULES = ("linear", "cosine")
PREDICTIONS = ("image", "noise")
KINDS = ("simplex", "gaussian", "coarse")
"""Kinds of noise."""
PRECISIONS = ("auto", "bf16")
SAMPLINGS = ("grid", "random")
REGIONS = ("patch", "slice")

STEPS = 1000
"""T, the time steps from an image to pure noise."""
