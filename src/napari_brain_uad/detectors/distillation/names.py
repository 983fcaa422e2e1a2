"""Names and numbers of settings, apart from the code that acts on them: listing methods must not load torch."""

COMBINATIONS = ("product", "mean")

ENCODER_RATE = 0.1
"""Of EDC's learning rate, for the encoder."""

STATISTICS_RATE = 0.1
"""How fast the running statistics of a student's batch normalisation move."""

NOISE_SIDES, NOISE_STRENGTH, NOISE_PERSISTENCE, NOISE_WAVELENGTH = (0.04, 0.125), 0.2, 0.6, 32.0
"""Of RD++'s abnormal slices: the sides of the rectangle as shares of the slice's, and its simplex noise (the authors' code)."""

RECONSTRUCTION_WEIGHT, CONTRAST_WEIGHT, CONTRAST_MARGIN = 0.01, 0.1, 0.5
"""Of the losses of RD++'s projections; that of optimal transport weighs 1 (the authors' code)."""

BLUR, PLACES = 0.05, 64
"""Of RD++'s optimal transport: the square root of epsilon (the authors' code), and places of a level (ours)."""

PROJECTION_RATE = 0.2
"""Of RD++'s learning rate, for the projections: 0.001 and 0.005."""
