"""Methods on the features of a network trained on natural images."""
