"""Denoising: diffusion models of whole slices and of patches, and the denoising autoencoder."""
