"""Sessions without a keep-alive: nobody pings, nobody ends them, and cut connections stay half open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tests.twin.worlds import Lab, plan
from twinstorm.twin.eventlog import Code
from twinstorm.twin.fleet import FleetPlan, State
from twinstorm.twin.flow import MINUTE_US, SECOND_US, SessionEvent
from twinstorm.twin.keepalive import TCP_GIVES_UP_US

N = 40
ALL = np.arange(N, dtype=np.int32)
CUT_US, END_US = 2 * MINUTE_US, 25 * MINUTE_US


def behind_a_cut(keep_alive_us: int, fleet: FleetPlan | None = None) -> tuple[Lab, int]:
    """A cut of everybody that lasts to the end, and when the last device had noticed."""
    lab = Lab.make(fleet or plan(0, N, keep_alive_us=keep_alive_us, buffer=500))
    lab.until(CUT_US)
    lab.world.cut(ALL, CUT_US, "both")
    lab.until(END_US)
    rows = np.concatenate(lab.log.keep or [np.empty((0, 3), np.int64)])
    lost_us = rows[rows[:, 1] >> 32 == Code.LOST, 0]
    return lab, int(lost_us.max(initial=-1))


def test_without_a_keep_alive_the_broker_ends_no_session_behind_a_cut() -> None:
    lab, _ = behind_a_cut(0)
    assert not [row for row in lab.told if row[2] == SessionEvent.LOST]
    lab, _ = behind_a_cut(60 * SECOND_US)
    assert {who for _, who, what in lab.told if what == SessionEvent.LOST} == set(range(N))


def test_a_device_without_a_keep_alive_notices_when_tcp_gives_its_next_reading_up() -> None:
    _, noticed_us = behind_a_cut(0)
    assert CUT_US + TCP_GIVES_UP_US < noticed_us <= CUT_US + TCP_GIVES_UP_US + 7 * SECOND_US
    _, noticed_us = behind_a_cut(60 * SECOND_US)
    assert noticed_us <= CUT_US + 120 * SECOND_US


def test_over_datagrams_nobody_ever_notices_and_a_healed_link_goes_on_with_the_session() -> None:
    fleet = plan(0, N, keep_alive_us=0, qos=0)
    fleet = replace(fleet, segments=tuple(replace(part, link="datagram") for part in fleet.segments))
    lab, noticed_us = behind_a_cut(0, fleet)
    assert noticed_us == -1
    lab.world.heal(ALL, END_US, "both")
    lab.until(END_US + MINUTE_US)
    assert (lab.world.fleet.state == State.ONLINE).all()
    assert max(lab.arrived_us.values()) > END_US
    assert lab.missing() == 0


def test_a_keep_alive_of_hours_is_noticed_between_one_and_two_of_them() -> None:
    fleet = plan(keep_alive_us=90 * MINUTE_US, buffer=10)
    lab = Lab.make(fleet)
    lab.until(CUT_US)
    lab.world.cut(ALL, CUT_US, "both")
    due_us = lab.world.fleet.due_us
    assert (due_us >= CUT_US + 90 * MINUTE_US).all()
    assert (due_us < CUT_US + 180 * MINUTE_US).all()
    assert len(np.unique(due_us)) == N
