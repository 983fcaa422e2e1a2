"""The ``brain-uad train`` command that does what the window does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core import shell
from ...core.params import Params, same_value
from ...detectors.registry import method_class
from ..models.method_spec import MethodSpec


def train_words(job: Mapping[str, Any]) -> list[str]:
    """The command as a list of words, from what `workflows.train.train_process.TrainingJob` holds."""
    kind, data = method_class(job["method"]), job["data"]
    words = ["brain-uad", "train", str(MethodSpec.of(job["method"], params=_changed(kind.Params(), job["params"])))]
    words.append(shell.file_word(data["path"]))
    words += ["--simulate"] if data["source"] == "simulation" else []
    for option, name in (("--layout", "dataset"), ("--sequence", "sequence"), ("--count", "count"), ("--prepare", "preset")):
        words += [option, str(data[name])] if data.get(name) else []
    words += ["--anomalies", shell.file_word(job["anomalies"])] if job.get("anomalies") else []
    words += ["--validation", f"{data['validation']:g}"] if data.get("validation", 0.1) != 0.1 else []
    training = {} if kind.Training is None else _changed(kind.Training(), job["training"])
    words += [word for name, value in training.items() for word in ("--train", f"{name}={value}")]
    words += ["--seed", str(job["seed"])] if job["seed"] else []
    words += ["--device", job["device"]] if job["device"] != "auto" else []
    return [*words, "--out", str(job["out"])]


def train_command(job: Mapping[str, Any]) -> str:
    """The command as one line for a shell."""
    return shell.join(train_words(job))


def _changed(defaults: Params, given: Mapping[str, Any]) -> dict[str, Any]:
    own = defaults.as_dict()
    return {name: value for name, value in given.items() if not same_value(value, own[name])}
