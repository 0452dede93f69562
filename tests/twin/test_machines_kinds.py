"""What every kind of machine must keep to, ours and a stranger's."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.twin.machine_runs import Machines, some_keys
from twinstorm.twin.flow import SECOND_US, Mask, Values
from twinstorm.twin.machines.kind import MachineKind, catalogue

KINDS = list(catalogue().values())
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


def test_the_catalogue_finds_the_built_in_kinds() -> None:
    assert list(catalogue()) == sorted(catalogue())
    assert {"motor", "environment"} <= set(catalogue())
    assert all(name == kind.name for name, kind in catalogue().items())


@each_kind
def test_int16_steps_cover_every_channel(kind: MachineKind) -> None:
    assert len({channel.name for channel in kind.channels}) == len(kind.channels)
    for channel in kind.channels:
        assert channel.lowest < channel.highest
        for end in (channel.lowest, channel.highest):
            assert -32_768 <= round((end - channel.offset) / channel.step) <= 32_767


@each_kind
def test_columns_are_float32_and_belong_to_the_state_alone(kind: MachineKind) -> None:
    machines = Machines(kind, some_keys(50))
    columns = machines.parameters | machines.state
    assert all(column.dtype == np.float32 and column.shape == (50,) for column in columns.values())
    before = {name: column.copy() for name, column in machines.parameters.items()}
    machines.run(kind.every_us, 5)
    assert all(np.array_equal(before[name], column) for name, column in machines.parameters.items())
    assert all(column.dtype == np.float32 for column in machines.state.values())


@each_kind
def test_machines_differ(kind: MachineKind) -> None:
    machines = Machines(kind, some_keys(200))
    assert all(len(np.unique(column)) > 20 for column in machines.parameters.values())


@each_kind
def test_the_block_changes_no_bit(kind: MachineKind) -> None:
    keys = some_keys(301)
    whole = Machines(kind, keys, noisy=True)
    whole.run(7 * SECOND_US, 80)
    for width in (37, 300):  # the last block is one of 5 and one of 1 machine
        parts = [Machines(kind, keys[first : first + width], noisy=True) for first in range(0, len(keys), width)]
        values = np.concatenate([part.run(7 * SECOND_US, 80) for part in parts], axis=1)
        assert np.array_equal(values, whole.values)
        for name, column in whole.state.items():
            assert np.array_equal(np.concatenate([part.state[name] for part in parts]), column)


@each_kind
def test_slices_of_a_block_are_stepped_in_place(kind: MachineKind) -> None:
    """The world steps slices of longer columns: what lies outside of them must not move."""
    machines, alone = Machines(kind, some_keys(30)), Machines(kind, some_keys(10, first=10))
    part = slice(10, 20)
    before = {name: column.copy() for name, column in machines.state.items()}
    view = Machines(kind, some_keys(10, first=10))
    view.state = {name: column[part] for name, column in machines.state.items()}
    view.parameters = {name: column[part] for name, column in machines.parameters.items()}
    assert np.array_equal(view.run(kind.every_us, 9), alone.run(kind.every_us, 9))
    for name, column in machines.state.items():
        assert np.array_equal(column[part], alone.state[name])
        assert np.array_equal(np.delete(column, np.r_[part]), np.delete(before[name], np.r_[part]))


@each_kind
def test_all_running_is_the_same_as_nobody_stopped(kind: MachineKind) -> None:
    plain, masked = Machines(kind, some_keys(40)), Machines(kind, some_keys(40))
    plain.run(kind.every_us, 20)
    masked.run(kind.every_us, 20, np.ones(40, np.bool_))
    assert np.array_equal(plain.values, masked.values)
    assert all(np.array_equal(plain.state[name], column) for name, column in masked.state.items())


@each_kind
def test_a_stopped_neighbour_changes_no_bit_of_a_running_machine(kind: MachineKind) -> None:
    running = np.arange(60) % 3 != 0
    mixed, alone = Machines(kind, some_keys(60), noisy=True), Machines(kind, some_keys(60)[running], noisy=True)
    assert np.array_equal(mixed.run(11 * SECOND_US, 60, running)[:, running], alone.run(11 * SECOND_US, 60))


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
