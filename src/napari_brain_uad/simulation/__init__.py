"""Healthy brains made from label maps, and lesions with exact truth put into them."""
