"""Build hook: puts the top-level ``napari.yaml`` and ``sample_data/`` into the package, where npe2 and the code look for them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "napari_brain_uad"
TOP_LEVEL = ("napari.yaml", "sample_data")


class TopLevelFiles(BuildHookInterface):  # type: ignore[type-arg]  # generic in name only: hatchling subscripts it nowhere
    """Copies the top-level files into wheels, and makes sure that an editable install has its links."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it builds; `version` is "standard" or "editable"."""
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        for name in TOP_LEVEL:
            link = root / "src" / PACKAGE / name
            if version == "standard":
                build_data["force_include"][str(root / name)] = f"{PACKAGE}/{name}"
            elif not link.exists():  # an unpacked sdist: archives carry no links
                link.symlink_to(os.path.relpath(root / name, link.parent))
