"""Names and numbers of settings, apart from the code that acts on them: listing methods must not load torch."""

DISCRIMINATOR_MARGIN, ADAPTER_RATE = 0.5, 0.5
"""Of SimpleNet: how far above 0 healthy features are wanted and noisy ones below, and the adapter's share of the learning rate."""
