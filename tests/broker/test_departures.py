"""What is on the air leaves it at its instant, in the order of its connection."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twinstorm.broker.departures import Departure, Departures
from twinstorm.twin.flow import NEVER_US, Message


def reading(device: int, seq: int) -> Departure:
    return Departure(device, seq, Message(f"t/{device}", b"{}"))


def test_a_message_leaves_at_its_instant_and_not_before() -> None:
    air = Departures()
    air.add(3, 100, reading(3, 1))
    air.add(4, 50, reading(4, 1))
    assert air.next_us == 50
    assert [one.device for one in air.due(99)] == [4]
    assert air.has(3)
    assert not air.has(4)
    assert [one.device for one in air.due(100)] == [3]
    assert air.next_us == NEVER_US
    assert len(air) == 0


def test_nothing_overtakes_on_one_connection() -> None:
    air = Departures()
    air.add(3, 100, reading(3, 1))
    air.add(3, 20, reading(3, 2))
    assert list(air.due(99)) == []
    assert [one.seq for one in air.due(100)] == [1, 2]


def test_what_a_device_without_power_had_on_the_air_is_given_back_in_order() -> None:
    air = Departures()
    for seq in (1, 2, 3):
        air.add(3, 100, reading(3, seq))
        air.add(4, 100, reading(4, seq))
    assert [one.seq for one in air.drop(3)] == [1, 2, 3]
    assert air.drop(3) == []
    assert not air.has(3)
    air.add(3, 60, reading(3, 4))
    assert [(one.device, one.seq) for one in air.due(100)] == [(3, 4), (4, 1), (4, 2), (4, 3)]


def test_births_are_no_readings() -> None:
    air = Departures()
    air.add(1, 10, Departure(1, None, Message("s/1", b"{}")))
    air.add(1, 10, reading(2, 7))
    assert list(air.readings()) == [2]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50), st.integers(0, 9)), max_size=40))
def test_everything_leaves_once_and_each_connection_in_its_order(added: list[tuple[int, int, int]]) -> None:
    air, gone = Departures(), []
    for number, (connection, at_us, moves_us) in enumerate(added):
        air.add(connection, at_us, reading(connection, number))
        gone += list(air.due(moves_us))
    gone += list(air.due(1_000))
    assert sorted(one.seq for one in gone if one.seq is not None) == list(range(len(added)))
    for connection in range(4):
        mine = [one.seq for one in gone if one.device == connection and one.seq is not None]
        assert mine == sorted(mine)
