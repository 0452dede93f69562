"""A reading belongs where its device stood when it was sampled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.detectors.lab import registry_of
from twinstorm.detectors.entries import Entries
from twinstorm.twin.flow import SECOND_US

FLEET = registry_of(sites=("a-1", "b-1", "c-1"), motors=2, climate=0)
CHANGE = st.tuples(st.integers(0, 5), st.integers(0, 20), st.integers(0, 2))


@given(st.lists(CHANGE, max_size=20), st.lists(st.tuples(st.integers(0, 5), st.integers(-2, 25)), min_size=1))
def test_entries_are_those_of_the_instant(changes: Any, asked: Any) -> None:
    entries = Entries(FLEET)
    for device, at_us, code in changes:
        entries.change("site", np.array([device], np.int32), at_us, code)
    found = entries.at("site", np.array([row[0] for row in asked], np.int32), np.array([row[1] for row in asked]))
    for code, (device, at_us) in zip(found.tolist(), asked, strict=True):
        mine = [(when, order, to) for order, (who, when, to) in enumerate(changes) if who == device and when <= at_us]
        assert code == (max(mine)[2] if mine else FLEET.site[device])


def test_other_columns_stay_and_a_move_reaches_many() -> None:
    entries = Entries(FLEET)
    every = np.arange(6, dtype=np.int32)
    entries.change("site", every[:3], 5 * SECOND_US, 2)
    assert entries.at("site", every, np.full(6, 5 * SECOND_US)).tolist() == [2, 2, 2, 1, 2, 2]
    assert entries.at("site", every, np.full(6, 5 * SECOND_US - 1)).tolist() == FLEET.site.tolist()
    assert entries.at("firmware", every, np.zeros(6, np.int64)).tolist() == [0] * 6


def test_what_no_registry_has_is_refused() -> None:
    entries, one = Entries(FLEET), np.zeros(1, np.int32)
    for column, device, code in (("kind", one, 0), ("gateway", one, 0), ("site", one, 3), ("site", one + 6, 0)):
        with pytest.raises(ValueError, match=r"no entry|there is no"):
            entries.change(column, device, 0, code)
