"""The page about a cohort: one HTML file that needs no other and no network."""
