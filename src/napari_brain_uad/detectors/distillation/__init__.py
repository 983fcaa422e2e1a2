"""Methods in which a network learns the features of a backbone, and is compared with it."""
