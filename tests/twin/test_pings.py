"""Pings take their time of the transmitter, and keep the duty cycle of the link."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.twin.worlds import Lab, plan
from twinstorm.twin.flow import HOUR_US, MINUTE_US, SECOND_US
from twinstorm.twin.network import LINKS, PING_BYTES, Links

N = 6
PING = Links.of((LINKS["lorawan-sf12"],)).ping_size()
TURN_US = int(PING.air_us[0] + PING.rest_us[0])
"""A ping and the silence after it: more than two minutes."""


def lab_of(keep_alive_us: int, link: str = "lorawan-sf12", every_us: int = 40 * MINUTE_US) -> Lab:
    base = plan(0, N, keep_alive_us=keep_alive_us)
    parts = tuple(replace(part, link=link, every_us=every_us) for part in base.segments)
    return Lab.make(replace(base, segments=parts), connect_rate=None)


def waits_us(lab: Lab) -> list[int]:
    """How long after its sampling each reading arrived."""
    fleet = lab.world.fleet
    return [
        at_us - int(fleet.phase_us[who] + (seq - 1) * fleet.every_us[who])
        for (who, seq), at_us in lab.arrived_us.items()
    ]


def test_a_ping_is_on_air_and_then_keeps_the_silence_of_its_link() -> None:
    assert LINKS["lorawan-sf12"].air_us(PING_BYTES) == PING.air_us[0] > SECOND_US
    assert PING.rest_us[0] == 99 * PING.air_us[0]
    lab = lab_of(5 * MINUTE_US)
    uplinks, everybody = lab.world.uplinks, np.arange(N)
    lab.until(11 * MINUTE_US)
    said_us = uplinks._said_us.copy()
    uplinks.ping(everybody, 11 * MINUTE_US)
    # The reading at 0 s, then a ping every five minutes.
    assert (uplinks._said_us - said_us == 10 * MINUTE_US).all()
    assert (uplinks.free_us == uplinks._said_us + TURN_US).all()


def test_a_reading_waits_for_the_silence_after_a_ping_and_without_pings_it_does_not() -> None:
    calm, talkative = lab_of(0), lab_of(13 * MINUTE_US)
    for lab in (calm, talkative):
        lab.until(3 * HOUR_US)
        assert len(lab.arrived_us) >= 4 * N
        assert lab.missing() == 0
    # Pings at 13, 26 and 39 minutes: a reading at 40 waits for the rest of that turn.
    assert max(waits_us(calm)) < 20 * SECOND_US
    assert max(waits_us(talkative)) > TURN_US - 2 * MINUTE_US
    assert np.median(waits_us(talkative)) > np.median(waits_us(calm)) + 10 * SECOND_US


def test_pings_that_fill_the_duty_cycle_keep_readings_waiting_for_whole_turns() -> None:
    lab = lab_of(MINUTE_US)
    lab.until(3 * HOUR_US)
    assert max(waits_us(lab)) > 30 * SECOND_US
    assert lab.missing() == 0
    assert (lab.world.uplinks.free_us <= 3 * HOUR_US + 400 * SECOND_US).all(), "pings do not pile up"


@pytest.mark.parametrize("keep_alive_us", [MINUTE_US, 7 * MINUTE_US])
def test_however_often_somebody_asks_the_pings_are_the_same(keep_alive_us: int) -> None:
    asked, left = lab_of(keep_alive_us), lab_of(keep_alive_us)
    everybody = np.arange(N)
    asked.until(2 * HOUR_US, watch=lambda at_us: asked.world.uplinks.ping(everybody, at_us))
    left.until(2 * HOUR_US)
    left.world.uplinks.ping(everybody, 2 * HOUR_US)
    asked.world.uplinks.ping(everybody, 2 * HOUR_US)
    assert (asked.world.uplinks.free_us == left.world.uplinks.free_us).all()
    assert asked.arrived_us == left.arrived_us


def test_who_talks_often_enough_or_on_a_link_without_time_on_air_is_not_asked() -> None:
    assert lab_of(MINUTE_US, every_us=30 * SECOND_US).world.uplinks._rare is None
    assert lab_of(MINUTE_US, link="wifi").world.uplinks._rare is None
    assert lab_of(0).world.uplinks._rare is None
    rare = lab_of(MINUTE_US, link="nb-iot").world.uplinks._rare
    assert rare is not None
    assert rare.all()


def test_who_has_no_session_does_not_ping() -> None:
    lab = lab_of(5 * MINUTE_US)
    lab.until(MINUTE_US)
    lab.world.power_off(np.arange(N, dtype=np.int32), MINUTE_US)
    before = lab.world.uplinks.free_us.copy()
    lab.until(30 * MINUTE_US)
    lab.world.uplinks.ping(np.arange(N), 30 * MINUTE_US)
    assert (lab.world.uplinks.free_us == before).all()
