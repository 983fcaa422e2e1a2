"""The synthetic benchmark: simulated subjects with lesions, made from label maps that nothing is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..io.json_files import read_json
from .params import SimulationParams
from .population import Population, Simulated

_FIX = "Give the folder of SynthSeg's training maps, 01 to 16"

_FILE = Path(__file__).with_name("held_out.json")


@dataclass(frozen=True)
class HeldOutCase:
    """One scan of the benchmark.

    Parameters
    ----------
    id : str
        Like ``strega-T1-14-7101``: lesions, sequence, label map, seed.
    label_map : str
        The label map's name without suffix.
    sha256 : str
        Of its labels.
    seed : int
        Of the population that the case is scan 0 of.
    params : SimulationParams
        With sequence and lesions.
    truth_ml : float
        Volume of the lesions at the time the set was made; it tells when the simulator changed.
    """

    id: str
    label_map: str
    sha256: str
    seed: int
    params: SimulationParams
    truth_ml: float

    def make(self, label_maps: Path | str) -> Simulated:
        """Simulate the case from the folder of label maps.

        Raises
        ------
        InputError
            If the label map is not there, or another one goes by its name.
        """
        paths = [path for path in sorted(Path(label_maps).glob(f"{self.label_map}.*")) if path.is_file()]
        if not paths:
            raise InputError(f"Label map {self.label_map}", why="it is not in the folder given", fix=_FIX)
        population = Population(paths[:1], self.params, self.seed)
        if population.anatomy(0).sha256 != self.sha256:
            raise InputError(f"Label map {self.label_map}", why="it is not the one that the benchmark is made from", fix=_FIX)
        simulated = population[0]
        return replace(simulated, volume=replace(simulated.volume, name=self.id))


def held_out_cases(lesions: Sequence[str] = (), sequences: Sequence[str] = ()) -> tuple[HeldOutCase, ...]:
    """All cases of the benchmark, or those with the given lesions and sequences."""
    content = held_out()
    cases = []
    for case, sequence in product(content["cases"], content["sequences"]):
        kind, name, seed = case["lesions"], case["label_map"], case["seed"]
        if (lesions and kind not in lesions) or (sequences and sequence not in sequences):
            continue
        params = SimulationParams.from_dict({**content["params"], "sequence": sequence, "lesions": kind})
        label = f"{kind}-{sequence}-{name}-{seed}"
        cases.append(HeldOutCase(label, name, content["label_maps"][name], seed, params, float(case["truth_ml"])))
    return tuple(cases)


def held_out() -> dict[str, Any]:
    """The benchmark as committed: label maps with their SHA-256, sequences, lesions and seeds, and all settings."""
    content: dict[str, Any] = read_json(_FILE, fix="Install again")
    return content
