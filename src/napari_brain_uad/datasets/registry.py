"""The list of data set layouts, and finding the one that fits."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import InputError
from ..core.text import choose_from
from ..io.streams import GET_LINKED, leads_nowhere
from .bids import BIDS
from .layout import DatasetLayout, missed_files, walked_once
from .pictures import Pictures
from .plain import Plain
from .public.adni import ADNI
from .public.atlas_v1 import ATLAS_V1
from .public.atlas_v2 import ATLAS_V2
from .public.br35h import BR35H
from .public.brats import BRATS
from .public.camcan import CAMCAN
from .public.hcp import HCP
from .public.isles import ISLES2015, ISLES2022
from .public.ixi import IXI
from .public.mood import MOOD
from .public.mslub import MSLUB
from .public.msseg2015 import MSSEG2015
from .public.msseg2016 import MSSEG2016
from .public.nfbs import NFBS
from .public.oasis3 import OASIS3
from .public.wmh import WMH
from .table import Table

# The first that fits is taken: named data sets before the general layouts (ATLAS is also BIDS, every folder of scans is a plain
# folder; pictures of them may lie beside the scans).
LAYOUTS: tuple[DatasetLayout, ...] = (
    Table(),
    IXI,
    BRATS,
    MSLUB,
    WMH,
    MSSEG2015,
    MSSEG2016,
    ATLAS_V1,
    ATLAS_V2,
    ISLES2015,
    ISLES2022,
    MOOD,
    CAMCAN,
    HCP,
    OASIS3,
    ADNI,
    NFBS,
    BR35H,
    BIDS(),
    Plain(),
    Pictures(),
)


def layout(layout_id: str) -> DatasetLayout:
    """A layout by its id.

    Raises
    ------
    InputError
        For an unknown id.
    """
    found = next((one for one in LAYOUTS if one.id == layout_id), None)
    if found is None:
        names = [one.id for one in LAYOUTS]
        raise InputError(f"There is no layout '{layout_id}'", fix=choose_from(layout_id, names, "Layouts"))
    return found


def find_layout(root: Path | str) -> DatasetLayout:
    """The layout of a folder (or CSV file).

    Raises
    ------
    InputError
        If it is missing, or holds nothing that a layout knows.
    """
    root = Path(root)
    if leads_nowhere(root):
        raise InputError(f"{root.name} is a link that leads nowhere", fix=GET_LINKED)
    if not root.exists():
        raise InputError(f"There is no {root.name}", fix="Give the folder of a data set, or a CSV file")
    with walked_once(root):
        found = next((one for one in LAYOUTS if one.detect(root)), None)
    if found is None:
        why, fix = "; ".join(missed_files(root)), "Give a folder of scans, or a CSV file"
        raise InputError(
            f"{root.name} holds no data set",
            why=f"no scan was found in it, but {why}" if why else "no scan was found in it",
            fix=f"{GET_LINKED}; or {fix}" if why else fix,
        )
    return found
