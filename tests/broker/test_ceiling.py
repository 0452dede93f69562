"""No second, wherever it begins, holds more connects than the ceiling lets through."""

from __future__ import annotations

import socket
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.broker.ceiling import Ceiling
from twinstorm.broker.device_end import LiveDeviceEnd
from twinstorm.twin.fleet import FleetPlan, SegmentPlan, grow
from twinstorm.twin.flow import SECOND_US, Identities
from twinstorm.twin.reconnect import ReconnectPolicy

N = 12


class Wall:
    now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


@given(st.integers(1, 6), st.lists(st.integers(0, 700), max_size=120))
def test_no_second_holds_more(per_s: int, gaps_ms: list[int]) -> None:
    wall = Wall()
    ceiling = Ceiling(per_s, wall)
    went: list[float] = []
    for gap_ms in gaps_ms:
        wall.now_s += gap_ms / 1_000
        if ceiling.lets():
            went.append(wall.now_s)
    assert all(later - went[place] > 1.0 for place, later in enumerate(went[per_s:]))


def test_whoever_comes_when_there_is_room_goes_at_once() -> None:
    wall = Wall()
    ceiling = Ceiling(3, wall)
    assert [ceiling.lets() for _ in range(4)] == [True, True, True, False]
    wall.now_s += 1.01
    assert [ceiling.lets() for _ in range(4)] == [True, True, True, False]


class Fleet:
    """Clients that connect to a listener which accepts and says nothing."""

    def __init__(self, per_s: int) -> None:
        policy = ReconnectPolicy("exponential", "full", SECOND_US, 60 * SECOND_US, 10 * SECOND_US)
        segment = SegmentPlan(
            name="motors",
            kind="motor",
            devices=(N,),
            every_us=SECOND_US,
            link="ethernet",
            keep_alive_us=60 * SECOND_US,
            boot_us=(SECOND_US, SECOND_US),
            reconnect=policy,
            buffer_readings=40,
            evict_oldest=True,
            qos=1,
            firmware="1.0.0",
        )
        plan = FleetPlan((("arn-1", "arn"),), (segment,))
        fleet = grow(plan)
        self.wall = Wall()
        self.ceiling = Ceiling(per_s, self.wall)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=N)
        self.end = LiveDeviceEnd(
            host="127.0.0.1",
            port=self.listener.getsockname()[1],
            passwords=("",) * N,
            plan=plan,
            speed=Fraction(1),
            now_us=lambda: 0,
            ceiling=self.ceiling,
        )
        self.end.open(Identities(fleet.names, fleet.keep_alive_us, fleet.qos))

    def offer(self, *devices: int, tries: int = 0) -> None:
        device = np.array(devices, np.int32)
        none = np.zeros(len(device), np.int64)
        self.end.offer(none, device, none + tries, none)
        self.end.commit(len(device))

    @property
    def dialled(self) -> list[int]:
        """Devices with a socket of their own."""
        return [who for who, line in self.end._lines.items() if line.socket is not None]


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(per_s=5)


def test_a_storm_of_connects_goes_out_in_order_as_the_ceiling_lets_it(fleet: Fleet) -> None:
    with fleet.listener:
        fleet.offer(*range(N))
        assert fleet.dialled == list(range(5))
        assert (fleet.end.connects.asked, fleet.ceiling.held) == (N, N - 5)
        fleet.end.poll(0)
        assert len(fleet.dialled) == 5, "no time has gone by"
        for sockets in (10, 12):
            fleet.wall.now_s += 1.01
            fleet.end.poll(0)
            assert len(fleet.dialled) == sockets
        fleet.end.close()


def test_who_comes_later_does_not_pass_those_who_wait(fleet: Fleet) -> None:
    with fleet.listener:
        fleet.offer(*range(8))
        fleet.wall.now_s += 1.01
        fleet.offer(8)
        assert 8 not in fleet.dialled, "5, 6 and 7 were there before"
        fleet.end.poll(0)
        assert fleet.dialled == list(range(9))
        fleet.end.close()


def test_who_has_given_up_does_not_connect_any_more(fleet: Fleet) -> None:
    with fleet.listener:
        fleet.offer(*range(7))
        one = np.array([5], np.int32)
        fleet.end.disconnect(one, np.zeros(1, np.int64), np.zeros(1, np.int64), abrupt=False)
        fleet.wall.now_s += 1.01
        fleet.end.poll(0)
        assert fleet.dialled == [0, 1, 2, 3, 4, 6]
        fleet.end.close()
