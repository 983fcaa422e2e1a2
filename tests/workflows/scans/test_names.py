from __future__ import annotations

import itertools

from napari_brain_uad.workflows.scans.names import folder_name, output_stem

ALIKE = [
    "AX FLAIR +C",
    "AX FLAIR C",
    "AX-FLAIR-C",
    "AX-FLAIR-+C",
    "AX FLAIR  +C",
    "AX/FLAIR/+C",
    "T2*",
    "T2",
    "T2?",
    "-T2-",
    "***",
    "???",
    "scan",
]


def test_two_names_never_give_one() -> None:
    assert len({folder_name(name) for name in ALIKE}) == len(ALIKE)


def test_names_stay_readable_and_safe() -> None:
    for name, start in (("AX FLAIR +C", "AX-FLAIR-+C-"), ("T2*", "T2-"), ("a\tb\nc", "a-b-c-")):
        assert folder_name(name).startswith(start)
        assert not set(folder_name(name)) & set(' \t\n*?"<>|:/\\')
    for name in ("sub-01_FLAIR", "T1+C", "Größe.2", "脑部"):
        assert output_stem(name, "vae") == f"{name}_vae"


def test_a_name_gives_the_same_every_time_however_it_is_written() -> None:
    composed, decomposed = "Gr\u00f6\u00dfe 1", "Gro\u0308\u00dfe 1"
    assert folder_name(composed) == folder_name(decomposed) == folder_name(composed)
    assert all(first != second for first, second in itertools.combinations(map(folder_name, ("\udcff 1", "\udcfe 1")), 2))
