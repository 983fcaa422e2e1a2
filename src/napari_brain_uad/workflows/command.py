"""The command line that gives the same result: what the window's "Copy as command" copies and every provenance holds."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from ..core.anomaly_map import AnomalyMap
from ..core.sequence import USER
from ..core.volume import Volume
from ..detectors.registry import method_class
from ..postprocessing.params import PostParams, post_option
from .load import MaskInput
from .ready import AUTO


def detect_command(
    amap: AnomalyMap,
    post: PostParams,
    *,
    scan: Volume | str | Path,
    sequence: str | None = None,
    mask: MaskInput | None = None,
    truth: MaskInput | None = None,
    model: str | Path | None = None,
    healthy: Sequence[object] | None = None,
    prepare_with: str = AUTO,
    device: str = "auto",
) -> str:
    """The ``brain-uad detect`` command that gives the same result; what has no file is left as a name in capitals."""
    path: Path | str | None = scan.source.path if isinstance(scan, Volume) and scan.source else None
    words = ["brain-uad", "detect", str(path or "SCAN") if isinstance(scan, Volume) else str(scan), "--method", amap.method]
    sequence = sequence or (given_sequence(scan) if isinstance(scan, Volume) else None)
    words += ["--sequence", sequence] if sequence else []
    for option, given in (("--mask", mask), ("--truth", truth)):
        if given is not None:
            words += [option, str(given) if isinstance(given, str | Path) else option[2:].upper()]
    if model is not None:
        words += ["--model", str(model)]
    # A model carries its own settings; without one only what differs from the defaults needs saying.
    known = {} if model is not None else method_class(amap.method).Params().as_dict()
    for name, value in amap.provenance["method"]["params"].items():
        if name not in known or value != known[name]:
            words += ["--set", f"{name}={value}"]
    words += post_words(post)
    if healthy:
        words += ["--healthy", *(str(given) if isinstance(given, str | Path) else "HEALTHY" for given in healthy)]
    words += ["--prepare", prepare_with] if prepare_with != AUTO else []
    seed = amap.provenance["seed"]
    words += ["--seed", str(seed)] if seed else []
    words += ["--device", device] if device != "auto" else []
    return shlex.join([*words, "--out", "OUT"])


def given_sequence(volume: Volume) -> str | None:
    """The sequence that the user set, which the command has to repeat; None when it was read."""
    return volume.sequence if volume.sequence_origin == USER else None


def post_words(post: PostParams) -> list[str]:
    """The options of everything that is not as by default."""
    words: list[str] = []
    defaults = PostParams().as_dict()
    for name, value in post.as_dict().items():
        if value == defaults[name]:
            continue
        if isinstance(value, bool):
            words.append(post_option(name) if value else post_option(name).replace("--", "--no-", 1))
        else:
            words += [post_option(name), str(value)]
    return words
