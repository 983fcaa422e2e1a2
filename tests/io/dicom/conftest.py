"""A series that every test of DICOM may change."""

from __future__ import annotations

import pytest
from written_dicom import Truth, truth


@pytest.fixture
def series() -> Truth:
    return truth(1)
