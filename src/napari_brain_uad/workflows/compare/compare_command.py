"""The ``brain-uad compare`` command that gives the same table, montage and maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...core import shell
from ...core.volume import Volume
from ...postprocessing.params import PostParams
from ..detect.age import age_words
from ..detect.command import mask_words, post_words, scan_words
from ..models.method_spec import MethodSpec
from ..scans.load import MaskInput, given_sequence
from ..scans.ready import AUTO


def compare_command(
    specs: Sequence[MethodSpec],
    post: PostParams,
    *,
    scan: Volume | str | Path,
    sequence: str | None = None,
    mask: MaskInput | None = None,
    truth: MaskInput | None = None,
    healthy: Sequence[Volume | str | Path] = (),
    age: float | None = None,
    prepare_with: str = AUTO,
    device: str = "auto",
    seed: int = 0,
) -> str:
    """The command; what has no file is left as a name in capitals. Models of ``models`` are part of the specs by then."""
    words = ["brain-uad", "compare", *scan_words(scan), "--methods", *(str(spec) for spec in specs)]
    sequence = sequence or (given_sequence(scan) if isinstance(scan, Volume) else None)
    words += ["--sequence", sequence] if sequence else []
    words += mask_words(scan, mask, truth)
    words += ["--healthy", *(_healthy(one) for one in healthy)] if healthy else []
    words += [] if age is None else ["--age", age_words(age)]
    words += post_words(post)
    words += ["--prepare", prepare_with] if prepare_with != AUTO else []
    words += ["--seed", str(seed)] if seed else []
    words += ["--device", device] if device != "auto" else []
    return shell.join([*words, "--out", "OUT"])


def _healthy(given: Volume | str | Path) -> str:
    if isinstance(given, Volume):
        return shell.file_word(given.source.path) if given.source and given.source.path else "HEALTHY"
    return shell.file_word(given)
