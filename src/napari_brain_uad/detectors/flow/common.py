"""Settings that the methods with a normalising flow share."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.params import param
from ..embedding.common import BackboneParams, standardise_setting
from .names import PRECISIONS, SCORES


@dataclass(frozen=True)
class FlowParams(BackboneParams):
    """Settings of the methods with a normalising flow."""

    standardise: bool = standardise_setting()
    blocks: int = param(8, "Coupling blocks of the flow", label="Coupling blocks", low=1, high=64, role="network")
    clamp: float = param(
        1.9, "Limit of the logarithm of a coupling's scale", label="Clamping", low=0.1, high=10.0, step=0.1, advanced=True, role="network"
    )
    score: str = param(
        "likelihood", "Negative log-likelihood, or the paper's 1 - p with p relative to the most likely place of the scan",
        label="Anomaly score", choices=SCORES,
    )  # fmt: skip
    precision: str = param(
        "32", "Number format of the flow's products when a scan is scored; bf16 rounds what is multiplied, which is faster on CPUs with "
        "AMX or avx512_bf16 and on GPUs", label="Numerical precision", choices=PRECISIONS, advanced=True,
    )  # fmt: skip
