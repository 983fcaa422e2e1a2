"""Methods that look at tissue instead of intensities, so that one model serves every sequence."""
