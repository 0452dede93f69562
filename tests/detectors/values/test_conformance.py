"""Every installed detector on values keeps the contract."""

from __future__ import annotations

import pytest

from twinstorm.detectors.values.conformance import CHECKS, Check
from twinstorm.detectors.values.contract import catalogue


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("name", catalogue())
def test_it_keeps_the_contract(name: str, check: Check) -> None:
    check(catalogue()[name])
