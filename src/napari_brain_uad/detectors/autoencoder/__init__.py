"""Autoencoders and variational autoencoders that reconstruct slices of a scan."""
