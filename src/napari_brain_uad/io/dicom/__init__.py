"""DICOM in: what a folder holds, and one of its series as a volume."""
