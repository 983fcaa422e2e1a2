"""What a network sees of a scan, and how its scores come home."""
