"""Many scans: metrics, tables, reports."""
