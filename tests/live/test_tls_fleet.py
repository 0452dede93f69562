"""The two ends of a live run over TLS: what holds without it holds with it, and what TLS adds."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from tests.live.test_paho_fleet import (
    Line,
    N,
    fleet_plan,
    made,
    test_a_broker_outage_is_told_and_what_nobody_acknowledged_is_sent_again,
    test_a_cut_downwards_lets_readings_arrive_unacknowledged,
    test_a_long_cut_is_noticed_by_the_broker_alone_and_no_fin_gets_through,
    test_a_short_cut_keeps_session_and_readings,
    test_births_and_readings_arrive_in_order_and_are_acknowledged,
)
from twinstorm.broker.run_certificates import RunCertificates
from twinstorm.twin.fleet import grow
from twinstorm.twin.flow import DeviceEvent

__all__ = [
    "made",
    "test_a_broker_outage_is_told_and_what_nobody_acknowledged_is_sent_again",
    "test_a_cut_downwards_lets_readings_arrive_unacknowledged",
    "test_a_long_cut_is_noticed_by_the_broker_alone_and_no_fin_gets_through",
    "test_a_short_cut_keeps_session_and_readings",
    "test_births_and_readings_arrive_in_order_and_are_acknowledged",
]
"""They run here with the `line` of this file."""


def certified() -> RunCertificates:
    return RunCertificates(grow(fleet_plan()).names, datetime.now(UTC))


@pytest.fixture(scope="module")
def papers() -> Iterator[RunCertificates]:
    found = certified()
    yield found
    found.close()


@pytest.fixture
def line(made: list[Line], papers: RunCertificates) -> Line:
    made.append(Line(tls=papers))
    return made[0]


def test_strangers_certificates_are_refused_and_nobody_waits(made: list[Line], papers: RunCertificates) -> None:
    """The broker is the right one and the fleet trusts it; what the fleet shows comes from elsewhere."""
    other = certified()
    other.devices = {name: replace(own, ca=papers.core.ca) for name, own in other.devices.items()}
    made.append(line := Line(tls=papers, strangers=other))
    line.connect()
    line.until(lambda: len(line.told) == N)
    other.close()
    assert line.told == line.each([DeviceEvent.REFUSED])
    assert line.broker.refusals.total() == N
    assert line.broker_sessions() == 0


def test_a_broker_that_is_not_the_right_one_is_not_told_who_is_there(
    made: list[Line],
    papers: RunCertificates,
) -> None:
    other = certified()
    made.append(line := Line(tls=papers, strangers=other))
    line.connect()
    line.until(lambda: len(line.told) == N)
    other.close()
    assert line.told == line.each([DeviceEvent.REFUSED])
    assert line.broker.counters(0).attempts == 1  # the core


def test_a_port_that_shakes_no_hands_tells_nothing_and_blocks_nobody(
    made: list[Line],
    papers: RunCertificates,
) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(N)
        made.append(line := Line(port=mute.getsockname()[1], core=False, tls=papers))
        line.connect()
        line.quiet()
        line.fleet.silence(line.all, 0, line.none, "both")
        line.quiet()
        line.fleet.resume(line.all, 0, np.ones(N, np.bool_))
        line.connect(tries=1)
        line.quiet()
    assert line.told == {}
    assert line.longest_poll_s < 1.0
