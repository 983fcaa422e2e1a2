"""Networks shared by methods. Torch is imported here, so methods import these only when they build one."""
