"""From volumes and maps to napari layers and views, and back."""
