"""Statistics of registered healthy scans, voxel by voxel."""
