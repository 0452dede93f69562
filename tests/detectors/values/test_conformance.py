"""Every installed detector on values keeps the contract."""

from __future__ import annotations

import pytest
from _pytest.mark import ParameterSet

from twinstorm.detectors.values.conformance import CHECKS, Check
from twinstorm.detectors.values.contract import catalogue


def _names() -> list[ParameterSet]:
    """Models of PyOD differ in what they fit alone, and take seconds: the gate has one of them."""
    return [
        pytest.param(name, marks=[pytest.mark.nightly] if name.startswith("pyod:") and name != "pyod:ECOD" else [])
        for name in catalogue()
    ]


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)
@pytest.mark.parametrize("name", _names())
def test_it_keeps_the_contract(name: str, check: Check) -> None:
    check(catalogue()[name])
