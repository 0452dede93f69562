"""Sessions, boots, and the observed state of a device, rule by rule."""

from __future__ import annotations

import numpy as np
import pytest

from tests.detectors.lab import Lab, delivery, registry_of
from twinstorm.detectors.core import Core
from twinstorm.detectors.sessions import Sessions
from twinstorm.twin.flow import SECOND_US, BrokerCounters, Observed, SessionEvent, SessionEvents

MOTOR, CLIMATE = 0, 4
"""First of each in a fleet of one site with four motors (1 Hz) and two climate sensors (every 30 s)."""


def small() -> Lab:
    return Lab.start(registry_of(sites=("a-1",), motors=4, climate=2))


def states(lab: Lab, device: int, seconds: int) -> list[Observed]:
    """State at the end of each second, equal neighbours once."""
    seen: list[Observed] = []
    for _ in range(seconds):
        lab.play()
        state = Observed(lab.core.observed(lab.second * SECOND_US)[device])
        if not seen or seen[-1] is not state:
            seen.append(state)
    return seen


def events(*rows: tuple[int, int, SessionEvent, int]) -> SessionEvents:
    """(at_us, device, what, boot)"""
    at_us, device, what, boot = (np.array(column) for column in zip(*rows, strict=True))
    return SessionEvents(at_us.astype(np.int64), device.astype(np.int32), what.astype(np.uint8), boot.astype(np.int32))


def test_a_device_is_unknown_until_something_is_heard() -> None:
    core = Core(registry_of(sites=("a-1",)), [], None, 0)
    assert set(core.observed(SECOND_US)) == {Observed.UNKNOWN}
    core.sessions(events((1_000, 0, SessionEvent.BORN, 1)))
    core.ingest(delivery([1], [1], arrived_us=2_000))
    assert core.observed(SECOND_US)[:3].tolist() == [Observed.ONLINE, Observed.ONLINE, Observed.UNKNOWN]


def test_a_silent_session_is_degraded_after_three_periods_and_offline_after_the_keep_alive() -> None:
    lab = small()
    lab.play(30)
    lab.power_off([MOTOR])
    assert states(lab, MOTOR, 9) == [Observed.ONLINE], "the last reading arrived at 29.02 s"
    assert states(lab, MOTOR, 80) == [Observed.DEGRADED]
    assert states(lab, MOTOR, 3) == [Observed.OFFLINE], "1.5 keep-alives of 60 s"


def test_a_device_with_a_long_period_is_given_three_of_them() -> None:
    lab = small()
    lab.play(31)
    lab.power_off([CLIMATE])
    assert states(lab, CLIMATE, 89) == [Observed.ONLINE]
    assert states(lab, CLIMATE, 3) == [Observed.OFFLINE], "three periods are as long as 1.5 keep-alives here"


def test_a_lost_session_is_reconnecting_for_30_s() -> None:
    lab = small()
    lab.play(30)
    lab.drop([MOTOR])
    assert states(lab, MOTOR, 30) == [Observed.RECONNECTING]
    assert states(lab, MOTOR, 30) == [Observed.OFFLINE]
    lab.reconnects([MOTOR])
    assert states(lab, MOTOR, 5) == [Observed.ONLINE]


def test_a_will_after_long_silence_does_not_make_a_device_reconnecting() -> None:
    lab = small()
    lab.play(30)
    lab.power_off([MOTOR])
    lab.play(91)
    lab.tell([MOTOR], SessionEvent.LOST)
    assert states(lab, MOTOR, 10) == [Observed.OFFLINE]


def test_a_reboot_shows_until_the_first_reading() -> None:
    lab = small()
    lab.play(30)
    lab.drop([MOTOR, CLIMATE])
    lab.play(5)
    lab.boots([MOTOR, CLIMATE])
    lab.play()
    now = lab.core.observed(lab.second * SECOND_US)
    assert now[MOTOR] == Observed.ONLINE, "it sent something in the same second"
    assert now[CLIMATE] == Observed.RECONNECTING, "it samples every 30 s"
    assert states(lab, CLIMATE, 60)[-1] == Observed.ONLINE


def test_who_never_sends_births_is_judged_by_readings() -> None:
    registry = registry_of(sites=("a-1",), motors=4, climate=2)
    core = Core(registry, [], None, 0)
    core.ingest(delivery([0], [1], arrived_us=1_000))
    at = {second: Observed(core.observed(second * SECOND_US)[0]) for second in (5, 11, 95)}
    assert at == {5: Observed.ONLINE, 11: Observed.DEGRADED, 95: Observed.OFFLINE}


def test_since_names_the_pane_in_which_the_state_changed() -> None:
    lab = small()
    lab.play(30)
    assert lab.core.since_us[MOTOR] == SECOND_US
    lab.drop([MOTOR])
    lab.play(40)
    assert lab.core.since_us[MOTOR] == 61 * SECOND_US, "offline 30 s after the session ended at 30.001 s"
    assert lab.core.since_us[MOTOR + 1] == SECOND_US


def test_looking_changes_nothing() -> None:
    lab = small()
    lab.play(5)
    before = lab.core.since_us.copy()
    lab.core.observed(500 * SECOND_US)
    assert np.array_equal(lab.core.since_us, before)


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_events_of_one_device_in_one_batch_are_played_in_order() -> None:
    sessions = Sessions(3)
    sessions.take(
        events(
            (10, 0, SessionEvent.BORN, 1),
            (10, 1, SessionEvent.BORN, 1),
            (20, 0, SessionEvent.CLOSED, 0),
            (30, 0, SessionEvent.BORN, 2),
            (30, 1, SessionEvent.TAKEN_OVER, 0),
            (40, 0, SessionEvent.LOST, 0),
            (50, 0, SessionEvent.BORN, 3),
        )
    )
    assert sessions.live.tolist() == [True, True, False]
    assert sessions.connects.tolist() == [3, 1, 0]
    assert sessions.born_us[:2].tolist() == [50, 10]
    assert sessions.ended_us[0] == 40
    assert sessions.reboots == 2, "two new boot numbers after the first"


def test_the_first_boot_number_is_no_reboot_whatever_it_is() -> None:
    sessions = Sessions(2)
    sessions.take(events((1, 0, SessionEvent.BORN, 17), (2, 0, SessionEvent.BORN, 17), (3, 0, SessionEvent.BORN, 16)))
    assert (sessions.reboots, sessions.rebooted.tolist()) == (0, [False, False])
    sessions.take(events((4, 0, SessionEvent.BORN, 18)))
    assert (sessions.reboots, sessions.rebooted.tolist()) == (1, [True, False])
    sessions.turn()
    assert (sessions.reboots, sessions.rebooted.tolist()) == (0, [False, False])


def test_a_boot_that_only_readings_show_counts_once() -> None:
    registry = registry_of(sites=("a-1",), motors=4, climate=2)
    core = Core(registry, [], None, 0)
    core.sessions(events((0, 0, SessionEvent.BORN, 1)))
    core.ingest(delivery([0], [1], arrived_us=1_000))
    core.ingest(delivery([0], [2], boot=2, arrived_us=500_000))
    core.sessions(events((600_000, 0, SessionEvent.BORN, 2)))
    assert core.close_pane(SECOND_US, BrokerCounters()).reboots == 1
    assert core.reboots == 1


@pytest.mark.parametrize("device", [-1, 6, 1 << 30])
def test_events_of_strangers_are_ignored(device: int) -> None:
    core = Core(registry_of(sites=("a-1",), motors=4, climate=2), [], None, 0)
    core.sessions(events((0, device, SessionEvent.BORN, 1), (0, 1, SessionEvent.BORN, 1)))
    assert np.flatnonzero(core.session_live).tolist() == [1]


def test_the_device_page_has_its_facts() -> None:
    lab = small()
    lab.play(5)
    core = lab.core
    assert (core.boot[MOTOR], core.connects[MOTOR], core.last_seq[MOTOR]) == (1, 1, 5)
    assert core.last_arrival_us[MOTOR] == 4 * SECOND_US + 20_000
    assert core.newest_values(MOTOR) == [20.0, 20.0]
    assert core.newest_values(CLIMATE) == [20.0]
    core.ingest(delivery([MOTOR], [6], values=[[np.nan, 1.5]]))
    assert core.newest_values(MOTOR) == [None, 1.5]
