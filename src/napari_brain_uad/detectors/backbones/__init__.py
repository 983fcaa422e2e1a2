"""Networks trained on natural images, as they are or tuned: from a slice to features on several scales."""
