"""What every kind of machine must keep to, ours and a stranger's."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.flow import SECOND_US, Mask, Values
from twinstorm.twin.machines.conformance import CHECKS, Check
from twinstorm.twin.machines.kind import MachineKind, catalogue

KINDS = list(catalogue().values())
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def test_the_catalogue_finds_the_built_in_kinds() -> None:
    assert list(catalogue()) == sorted(catalogue())
    assert {"motor", "environment"} <= set(catalogue())
    assert all(name == kind.name for name, kind in catalogue().items())


@pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS.keys())
@each_kind
def test_conforms(kind: MachineKind, check: Check) -> None:
    check(kind)


@dataclass
class Life:
    """Steps of some machines: (period, share that runs, repeats)."""

    kind: MachineKind
    first_key: int
    steps: list[tuple[int, int, int]] = field(default_factory=list)


LIVES = st.builds(
    Life,
    st.sampled_from(KINDS),
    st.integers(0, 2**40),
    st.lists(
        st.tuples(
            st.one_of(st.sampled_from([1, 1_000, SECOND_US, 30 * SECOND_US]), st.integers(1, 6 * 3600 * SECOND_US)),
            st.integers(0, 4),
            st.integers(1, 5),
        ),
        min_size=1,
        max_size=6,
    ),
)


@settings(max_examples=60, deadline=None)
@given(LIVES)
def test_values_stay_physical_whatever_happens(life: Life) -> None:
    machines = Machines(life.kind, some_keys(25, life.first_key), noisy=True)
    for dt_us, rhythm, times in life.steps:
        running: Mask | None = None if rhythm == 0 else np.arange(25) % rhythm == 0
        values: Values = machines.run(dt_us, times, running)
        sent = values if running is None else values[:, running]
        for channel, row in zip(life.kind.channels, sent, strict=True):
            assert (row >= np.float32(channel.lowest)).all(), channel.name
            assert (row <= np.float32(channel.highest)).all(), channel.name
        assert all(np.isfinite(column).all() for column in machines.state.values())
