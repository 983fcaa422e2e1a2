"""The command line that gives the same result: what the window's "Copy as command" copies and every provenance holds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ...core import shell
from ...core.anomaly_map import AnomalyMap
from ...core.errors import BrainUADError
from ...core.params import same_value, value_text
from ...core.volume import Volume
from ...detectors.registry import method_class
from ...io.streams import file_sha256
from ...postprocessing.params import PostParams, post_option
from ...preprocessing.steps.brain_extraction import GIVEN, brain_origin
from ..models.method_spec import MethodSpec
from ..models.models import find_model, name_of, name_of_record, settings_for
from ..scans.further import AUTO, recorded_prepare
from ..scans.load import MaskInput, given_sequence
from ..scans.scan_word import ScanWord
from .age import age_of, age_words

SEVERAL = "sequences"
"""Part of a map's provenance that names the sequences it was averaged from, see `several`."""

ASKED = "asked"
"""Part of such a map's provenance: the method as it was asked for, which each sequence's own model answered."""

_UNNAMED = {
    "SCAN": "the scan",
    "MASK": "the brain mask",
    "TRUTH": "the ground truth",
    "HEALTHY": "the healthy scans",
    "MODEL": "the model",
}
"""What stands in a command for what came from no file."""

_GIVEN = {"--mask": "Brain mask", "--truth": "Ground truth", "--healthy": "Healthy brain"}
"""Options that name files besides scans, and what these are."""

_SEVERAL_FILES = ("--healthy",)


def detect_command(
    amap: AnomalyMap,
    post: PostParams,
    *,
    scan: Volume | str | Path,
    sequence: str | None = None,
    mask: MaskInput | None = None,
    truth: MaskInput | None = None,
    model: str = "",
    healthy: Sequence[object] | None = None,
    prepare_with: str = AUTO,
    device: str = "auto",
    reconstruct: bool = False,
    others: Sequence[Volume | str | Path | None] = (),
) -> str:
    """The ``brain-uad detect`` command that gives the same result; what has no file is left as a name in capitals.

    Parameters
    ----------
    others : sequence of Volume, str, Path or None
        Further sequences that the map was averaged from, see `several.detect_several`; None for one that is not known any more.
    model : str
        The model's file or id, where it is known; its name in the map's record otherwise.
    """
    words = ["brain-uad", "detect", *scan_words(scan)]
    further = [_word(other) for other in others] or ["SCAN"] * (len(amap.provenance.get(SEVERAL, ())) - 1)
    words += ["--with", *further] if further else []
    words += ["--method", str(spec_of(amap, model))]
    sequence = sequence or (given_sequence(scan) if isinstance(scan, Volume) else None)
    words += ["--sequence", sequence] if sequence else []
    words += mask_words(scan, mask, truth)
    words += post_words(post)
    if healthy:
        words += ["--healthy", *(shell.file_word(given) if isinstance(given, str | Path) else "HEALTHY" for given in healthy)]
    age = age_of(amap)
    words += [] if age is None else ["--age", age_words(age)]
    words += ["--prepare", prepare_with] if prepare_with != AUTO else []
    seed = amap.provenance["seed"]
    words += ["--seed", str(seed)] if seed else []
    words += ["--device", device] if device != "auto" else []
    words += ["--save-reconstruction"] if reconstruct else []
    return shell.join([*words, "--out", "OUT"])


def prepared_with(amap: AnomalyMap) -> tuple[str, bool | None]:
    """How the scan of a map was prepared, as ``--prepare`` takes it, and whether its brain mask was given; None: it was not prepared."""
    record = amap.provenance.get("preprocessing", ())
    given = brain_origin(record) == GIVEN if record else None
    return recorded_prepare(record, method_class(amap.method).INFO.preset), given


def spec_of(amap: AnomalyMap, model: str = "") -> MethodSpec:
    """The method that made a map, with its model, and the settings that differ from the model's or from the defaults."""
    kind, record = method_class(amap.method).Params, amap.provenance.get("model")
    models = amap.provenance.get("models")
    shas = {str(one.get("sha256")) for one in models if isinstance(one, Mapping)} if isinstance(models, list) else set()
    if shas and (asked := _asked(amap)) is not None:
        return replace(asked, model=(name_of(model) if model else name_of_record(record) or "") if asked.model else "")
    used_model = name_of(model) if model else name_of_record(record) or ""
    known = {} if used_model else kind().as_dict()
    with suppress(BrainUADError):
        used = find_model(used_model) if used_model else None
        if used is not None and record is not None and used.sha256 == record.get("sha256"):
            known = kind.from_dict(settings_for(amap.method, used.method, used.params)).as_dict()
    params = amap.provenance["method"]["params"]
    changed = {name: value_text(value) for name, value in params.items() if name not in known or not same_value(value, known[name])}
    # Each sequence has its own model: the first one's is not that of all.
    return MethodSpec(amap.method, settings=tuple(changed.items()), model="" if len(shas) > 1 else used_model)


def _asked(amap: AnomalyMap) -> MethodSpec | None:
    """What was asked for, as the record of several sequences says; a file's record may hold anything in its place, or nothing."""
    with suppress(BrainUADError):
        asked = MethodSpec.parse(str(amap.provenance.get(ASKED, "")))
        return asked if asked.method == amap.method else None
    return None


def missing_words(command: str) -> str:
    """What has to be done about the words in capitals of a command; empty when it has none."""
    words = shell.split(command)
    unnamed = [name for name in _UNNAMED if name in words or any(word.endswith(f":{name}") for word in words)]
    if not unnamed:
        return ""
    them = " and ".join(_UNNAMED[word] for word in unnamed)
    return f"It has {', '.join(unnamed)} where {them} came from no file: export first (or save the layer), or write your own file there"


def scan_words(scan: Volume | str | Path) -> list[str]:
    """A scan as an argument, and which volume of its file it is."""
    if not isinstance(scan, Volume):
        return [shell.file_word(scan)]
    if scan.source is None:
        return ["SCAN"]
    file, index = scan.source.path, scan.source.volume_index
    return ["SCAN" if file is None else shell.file_word(file), *([] if index is None else ["--volume", str(index)])]


def given_files(command: str) -> list[dict[str, str]]:
    """The files besides scans that a command was given, by what they are ("what"), name and SHA-256: inputs of its run.

    Parameters
    ----------
    command : str
        With its folders, as it can be run where this process is.
    """
    found: list[dict[str, str]] = []
    option = ""
    for word in shell.split(command):
        value = word
        if word.startswith("-"):
            option, _, value = word.partition("=")
        if value and option in _GIVEN and value not in _UNNAMED:
            # Where the system's names are not UTF-8, as in a C locale, the file's is its bytes.
            file = Path(os.fsdecode(value.encode("utf-8", "surrogateescape")))
            found.append({"what": _GIVEN[option], "name": Path(value).name, "sha256": file_sha256(file)})
        if value and option not in _SEVERAL_FILES:
            option = ""
    return found


def _word(scan: Volume | str | Path | None) -> str:
    """A further scan in one word."""
    found = None if scan is None else ScanWord.of(scan)
    return "SCAN" if found is None else found.text


def mask_words(scan: Volume | str | Path, mask: MaskInput | None, truth: MaskInput | None) -> list[str]:
    """The options of brain mask and ground truth; a mask that the volume in memory brings along counts as given."""
    brought = scan.mask if mask is None and isinstance(scan, Volume) else mask
    words: list[str] = []
    for option, given in (("--mask", brought), ("--truth", truth)):
        if given is not None:
            words += [option, shell.file_word(given) if isinstance(given, str | Path) else option[2:].upper()]
    return words


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
