"""``python without_packages.py``: commands with some packages hidden. Reads and writes lines of JSON.

A line in: ``{"without": [modules], "commands": {name: words}}``. A line out: name to ``[exit code, standard output, standard error]``.
Each line is done in a fork of this process, in which nothing optional has been imported yet: a fresh one would import numpy, scipy and
all the rest every time.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from importlib import import_module

import sitecustomize  # tests/network_guard

from napari_brain_uad.cli import main


def said(words: list[str]) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return code, out.getvalue(), err.getvalue()


def serve(optional: list[str]) -> None:
    for name in ("matplotlib.figure", "scipy.ndimage", "scipy.stats", "skimage.filters", "SimpleITK"):
        import_module(name)
    imported = sorted(set(optional) & set(sys.modules))
    if imported:
        raise SystemExit(f"imported already: {imported}")
    for line in sys.stdin:
        told = json.loads(line)
        if os.fork() == 0:
            sitecustomize.hide(told["without"])
            os.environ["BRAIN_UAD_WITHOUT"] = ",".join(told["without"])
            sys.stdout.write(json.dumps({name: said(words) for name, words in told["commands"].items()}) + "\n")
            sys.stdout.flush()
            os._exit(0)
        os.wait()


if __name__ == "__main__":
    serve(sys.argv[1:])
