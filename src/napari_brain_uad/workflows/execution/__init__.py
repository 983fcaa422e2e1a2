"""Where and how the work runs: processes and devices."""
