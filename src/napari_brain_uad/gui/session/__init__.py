"""A window's work as a folder: scans, masks, maps with their settings and reviews, and the view; written and opened again."""
