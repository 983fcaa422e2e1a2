"""What all methods share: checks and provenance, stages of learning, samples and their reconstruction."""
