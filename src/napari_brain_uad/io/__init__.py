"""Files in and out: NIfTI, checkpoints, atomic writes."""
