"""The intensities themselves, without learning."""
