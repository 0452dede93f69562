"""Indicators of events, each by a case that can be counted by hand, and the trap that is known of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.detectors.lab import CHANNELS, Lab, delivery, registry_of
from twinstorm.detectors.battery import BatteryPace
from twinstorm.detectors.core import Core
from twinstorm.detectors.objectives import Objective
from twinstorm.detectors.tally import OLDEST_US
from twinstorm.twin.flow import HOUR_US, MINUTE_US, NEVER_US, SECOND_US, BrokerCounters

FLEET = registry_of(sites=("a-1", "b-1"), motors=4, climate=1)
AT_A = FLEET.site == 0
N = len(FLEET)
NONE = BrokerCounters()


def core_of(*objectives: Objective) -> Core:
    return Core(FLEET, objectives, {}, 0)


def counts(core: Core, second: int, counters: BrokerCounters = NONE) -> dict[str, tuple[int, int]]:
    return dict(core.close_pane(second * SECOND_US, counters).slis)


def test_completeness_counts_fields_of_what_is_accepted_once() -> None:
    core = core_of(Objective("whole", "completeness", at_least=0.98), Objective("a", "completeness", 0.98, mask=AT_A))
    values = np.array([[20.0, np.nan], [20.0, 3.0]], np.float32)
    core.ingest(delivery([0, 4], [1, 1], values=values))
    core.ingest(delivery([0, 4], [1, 1], values=values))
    assert counts(core, 1) == {"whole": (3, 4), "a": (1, 2)}
    assert counts(core, 2) == {"whole": (0, 0), "a": (0, 0)}, "a reading that never came has no fields"
    core.ingest(delivery(range(4), [2, 2, 2, 2], values=np.full((4, len(CHANNELS["motor"])), 9999.0), dense=True))
    assert counts(core, 3)["whole"] == (0, 0), "a dead letter is incomplete in no way that counts"
    assert core.objective("whole").value == 3 / 4


def test_every_way_into_the_core_is_counted() -> None:
    lab = Lab.start(FLEET, [Objective("whole", "completeness", at_least=0.98)], silence={})
    panes = lab.play(31)
    assert panes[0].slis["whole"] == (8 * 2 + 2, 8 * 2 + 2), "eight motors of two channels, two sensors of one"
    assert panes[1].slis["whole"] == (16, 16)


def test_processed_in_time_judges_only_dates_that_can_be_right() -> None:
    core = core_of(Objective("soon", "processed_in_time", at_least=0.95, within_us=2 * SECOND_US))
    sent = delivery([0, 1, 2, 3, 4], [1] * 5, arrived_us=10 * SECOND_US)
    assert sent.readings is not None
    dates = np.array([9, 8, 7, 16, 0]) * SECOND_US
    dates[4] = OLDEST_US - 1
    core.ingest(replace(sent, readings=replace(sent.readings, device_time_us=dates)))
    assert counts(core, 10)["soon"] == (2, 3), "one is late, one from the future, one from long ago"


def test_ingress_errors_are_dead_letters_and_no_repeats() -> None:
    core = core_of(Objective("in", "ingress_errors", at_most=0.005))
    core.ingest(delivery([0, 1], [1, 1]))
    core.ingest(delivery([0], [1]))
    core.ingest(delivery([2], [1], values=9999.0))
    assert counts(core, 1)["in"] == (1, 4)
    assert counts(core, 2)["in"] == (0, 0)
    assert core.objective("in").verdict == "missed"


def test_auth_errors_are_no_refusals_for_want_of_room() -> None:
    core = core_of(Objective("who", "auth_errors", at_most=0.001))
    assert counts(core, 1, BrokerCounters(attempts=10, refused=6, unauthorised=2))["who"] == (2, 10)
    assert counts(core, 2, BrokerCounters(attempts=30, refused=26, unauthorised=2))["who"] == (0, 20)
    assert counts(core, 3, BrokerCounters(attempts=5, unauthorised=1))["who"] == (1, 5), "a broker that began anew"
    assert counts(core, 4, BrokerCounters(attempts=6, unauthorised=4, strangers=3))["who"] == (3, 4)


def test_a_broker_that_does_not_tell_gives_no_data() -> None:
    core = core_of(Objective("who", "auth_errors", at_most=0.001))
    assert counts(core, 1, BrokerCounters(attempts=10, refused=6))["who"] == (0, 0)
    assert core.objective("who").verdict == "no data"


def test_a_backlog_drains_when_it_was_empty_and_not_when_it_is_short() -> None:
    core = core_of(Objective("drain", "backlog_drain", at_least=1.0, within_us=3 * SECOND_US))
    queues = [0, 5_000, 10, 0, 1, 1, 1, 1, 1, 0]
    good = [counts(core, second, BrokerCounters(queue=queue))["drain"][0] for second, queue in enumerate(queues, 1)]
    assert good == [1, 1, 1, 1, 1, 1, 0, 0, 0, 1]


def test_a_broker_that_brings_no_readings_is_not_available() -> None:
    core = core_of(Objective("there", "availability", at_least=0.9999, within_us=2 * SECOND_US))
    core.ingest(delivery([0], [1], arrived_us=500_000))
    up, down = BrokerCounters(), BrokerCounters(up=False)
    assert [counts(core, second, up)["there"][0] for second in (1, 2, 3)] == [1, 1, 0]
    core.ingest(delivery([0], [2], arrived_us=3_500_000))
    assert counts(core, 4, down)["there"] == (0, 1)
    assert counts(core, 5, up)["there"] == (1, 1)


def test_anomaly_rate_counts_scores_and_not_alarms() -> None:
    lab = Lab.start(FLEET, [Objective("odd", "anomaly_rate", at_most=0.01)], silence={"hold": "1 h"})
    lab.play(60)
    lab.power_off([0])
    panes = lab.play(30)
    assert not lab.core.alarms
    assert panes[0].slis["odd"] == (0, N)
    assert panes[-1].slis["odd"] == (1, N)


def test_a_planned_reboot_is_none() -> None:
    lab = Lab.start(FLEET, [Objective("calm", "reboot_rate", at_most=0.01)])
    lab.play(2)
    lab.core.expect_reboots(np.array([1, 2], np.int32), 60 * SECOND_US)
    lab.boots([0, 1])
    assert lab.play()[0].slis["calm"] == (1, N)
    lab.boots([1])
    assert lab.play()[0].slis["calm"] == (1, N), "an announcement is good for one"
    lab.play(60)
    lab.boots([2])
    assert lab.play()[0].slis["calm"] == (1, N), "it came too late"


def test_planned_work_is_left_out_of_connectivity_and_of_nothing_else() -> None:
    lab = Lab.start(
        FLEET,
        [
            Objective("up", "connectivity", at_least=0.99),
            Objective("a", "connectivity", at_least=0.99, mask=AT_A),
            Objective("fresh", "freshness", at_least=0.5),
        ],
    )
    lab.play(2)
    lab.core.begin_window("work", AT_A)
    lab.drop([0, 1, 4])
    slis = lab.play()[0].slis
    assert (slis["up"], slis["a"], slis["fresh"][1]) == ((4, 5), (0, 0), N)
    lab.core.end_window("work")
    slis = lab.play()[0].slis
    assert (slis["up"], slis["a"]) == ((7, N), (3, 5))


@pytest.mark.parametrize(
    ("sli", "took_s", "good"),
    [
        ("update_success", [1, 10**6, None], 2),
        ("command_latency", [1, 5, 6, None], 2),
        ("latency_to_act", [5, 5.000001], 1),
        ("latency_to_act_edge", [0.2, 0.3], 1),
    ],
)
def test_what_is_reported_counts_and_without_reports_there_is_no_data(
    sli: str, took_s: list[float | None], good: int
) -> None:
    core = core_of(Objective("x", sli, at_least=0.95))
    assert counts(core, 1)["x"] == (0, 0)
    assert core.objective("x").verdict == "no data"
    took_us = np.array([NEVER_US if each is None else round(each * SECOND_US) for each in took_s], np.int64)
    core.report(sli, np.zeros(len(took_us), np.int32), took_us)
    assert counts(core, 2)["x"] == (good, len(took_s))
    assert counts(core, 3)["x"] == (0, 0), "an hour without a command is neither good nor bad"


def level_of(pace: BatteryPace, levels: list[float]) -> list[int]:
    """For how many days a battery would last, minute by minute."""
    told = []
    for minute, level in enumerate(levels):
        assert pace.is_due(minute * MINUTE_US)
        pace.look(minute * MINUTE_US, np.array([level], np.float32))
        told.append(int(pace.lasts_us[0] // (24 * HOUR_US)))
    return told


def test_a_battery_is_judged_by_its_pace_over_an_hour() -> None:
    pace = BatteryPace(1)
    days = level_of(pace, [90 - minute / 60 for minute in range(240)])
    assert set(days[:60]) == {0}, "nothing is known yet"
    assert set(days[61:]) == {4}, "one per cent an hour is a hundred hours"


def test_a_charge_is_no_negative_drain() -> None:
    pace = BatteryPace(1)
    level_of(pace, [50.0 - minute / 60 for minute in range(90)])
    assert pace.lasts_us[0] > 0
    pace.look(91 * MINUTE_US, np.array([100.0], np.float32))
    assert pace.lasts_us[0] == 0, "another battery: nothing is known of it"
    pace.look(92 * MINUTE_US, np.array([np.nan], np.float32))
    assert pace.lasts_us[0] == 0


def test_events_that_nobody_asks_for_are_not_counted() -> None:
    core = core_of(Objective("up", "connectivity", at_least=0.9))
    assert core._counting is None
    assert core._ingest.taps == []
