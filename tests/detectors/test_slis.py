"""Each SLI by a case that can be counted by hand; windows, masks and what is asked wrongly."""

from __future__ import annotations

import numpy as np
import pytest

from tests.detectors.lab import Lab, delivery, registry_of
from twinstorm.detectors.core import Core
from twinstorm.detectors.objectives import Objective
from twinstorm.twin.flow import SECOND_US, BrokerCounters

FLEET = registry_of(sites=("a-1", "b-1"), motors=4, climate=1)
"""Motors 0 to 3 at a-1, 4 to 7 at b-1; climate sensor 8 at a-1, 9 at b-1."""
AT_A = FLEET.site == 0
N = len(FLEET)


def test_connectivity_counts_device_seconds_with_a_session() -> None:
    lab = Lab.start(FLEET)
    lab.play(10)
    lab.drop([0, 1, 8])
    lab.play(5)
    lab.reconnects([0])
    lab.play(5)
    core = lab.core
    assert core.sli("connectivity", None, 20 * SECOND_US) == (200 - 5 * 3 - 5 * 2) / 200
    assert core.sli("connectivity", None, 10 * SECOND_US) == (100 - 5 * 3 - 5 * 2) / 100
    assert core.sli("connectivity", AT_A, 10 * SECOND_US) == (50 - 25) / 50
    assert core.sli("connectivity", ~AT_A, 10 * SECOND_US) == 1.0
    assert core.sli("connectivity", None, 5 * SECOND_US) == (50 - 10) / 50


def test_freshness_is_judged_by_arrival_and_counts_devices_that_are_off() -> None:
    """One device sends once, at 0.02 s; the others never: fresh for as many panes as `within` has seconds."""
    core = Core(FLEET, [Objective("fresh", "freshness", at_least=0.5, within_us=5 * SECOND_US)], None, 0)
    core.ingest(delivery([0], [1], arrived_us=20_000))
    panes = [core.close_pane(second * SECOND_US, BrokerCounters()).slis["fresh"] for second in range(1, 9)]
    assert panes == [(1, N)] * 5 + [(0, N)] * 3
    assert core.sli("freshness", None, 8 * SECOND_US, within_us=5 * SECOND_US) == 5 / 80
    assert core.sli("freshness", None, 8 * SECOND_US) == 8 / 80, "the default is two minutes"


def test_a_reading_that_arrived_exactly_within_ago_is_not_fresh() -> None:
    core = Core(FLEET, [Objective("fresh", "freshness", at_least=0.5, within_us=2 * SECOND_US)], None, 0)
    core.ingest(delivery([0, 1], [1, 1], arrived_us=[1_000_000, 1_000_001]))
    panes = [core.close_pane(second * SECOND_US, BrokerCounters()).slis["fresh"][0] for second in (1, 2, 3, 4)]
    assert panes == [2, 2, 1, 0]


def test_reboot_rate_is_per_device_hour_and_counts_a_device_once_a_second() -> None:
    lab = Lab.start(FLEET)
    lab.play(5)
    lab.boots([0, 9])
    lab.boots([9])
    pane = lab.play()[0]
    lab.play(4)
    assert pane.reboots == 3, "the count of boots; the SLI counts devices"
    assert lab.core.sli("reboot_rate", None, 10 * SECOND_US) == 2 * 3600 / (10 * N)
    assert lab.core.sli("reboot_rate", AT_A, 10 * SECOND_US) == 1 * 3600 / (10 * 5)
    assert lab.core.sli("reboot_rate", None, 4 * SECOND_US) == 0.0


def test_backlog_counts_panes_under_the_limit_and_has_no_devices() -> None:
    core = Core(FLEET, [Objective("queue", "backlog", at_least=0.5, limit=10)], None, 0)
    for second, queue in enumerate([0, 9, 10, 999, 1_000, 0], start=1):
        core.close_pane(second * SECOND_US, BrokerCounters(queue=queue))
    assert core.objective("queue").value == 3 / 6
    assert core.sli("backlog", None, 6 * SECOND_US) == 5 / 6, "under 1,000 by default"
    assert core.sli("backlog", AT_A, 6 * SECOND_US) is None


def test_no_pane_is_no_data() -> None:
    core = Core(FLEET, [], None, 0)
    for name in ("connectivity", "freshness", "reboot_rate", "backlog"):
        assert core.sli(name, None, SECOND_US) is None
        assert core.sli(name, AT_A, SECOND_US) is None


def test_nobody_matched_is_no_data() -> None:
    lab = Lab.start(FLEET)
    lab.play(3)
    assert lab.core.sli("connectivity", np.zeros(N, np.bool_), SECOND_US) is None


def test_a_window_of_devices_is_exact_for_a_minute_and_the_fleet_s_for_the_run() -> None:
    lab = Lab.start(FLEET)
    lab.play(50)
    lab.drop([0])
    lab.play(100)
    core = lab.core
    everybody = np.ones(N, np.bool_)
    for window_s in (1, 7, 60):
        assert core.sli("connectivity", everybody, window_s * SECOND_US) == core.sli(
            "connectivity", None, window_s * SECOND_US
        )
    assert core.sli("connectivity", None, 150 * SECOND_US) == (1500 - 100) / 1500
    assert core.sli("connectivity", None, 10_000 * SECOND_US) == (1500 - 100) / 1500
    with pytest.raises(ValueError, match="last 60 s"):
        core.sli("connectivity", AT_A, 61 * SECOND_US)


def test_a_window_is_rounded_up_to_whole_panes() -> None:
    lab = Lab.start(FLEET)
    lab.play(5)
    lab.drop([0])
    lab.play(1)
    assert lab.core.sli("connectivity", None, 1) == 0.9
    assert lab.core.sli("connectivity", None, SECOND_US + 1) == 19 / 20


def test_seconds_in_which_nobody_looked_are_no_data_and_a_fragment_is_not_judged() -> None:
    lab = Lab.start(FLEET, [Objective("up", "connectivity", at_least=0.5)])
    lab.play(3)
    core = lab.core
    core.close_pane(6 * SECOND_US, BrokerCounters())
    assert core.objective("up").total == 4 * N
    assert core.sli("connectivity", AT_A, 4 * SECOND_US) == 1.0
    fragment = core.close_pane(6_500_000, BrokerCounters())
    assert fragment.slis == {"up": (0, 0)}
    assert core.objective("up").total == 4 * N


def test_readings_of_a_fragment_are_counted() -> None:
    core = Core(FLEET, [], None, 0)
    core.ingest(delivery([0, 0], [1, 1]))
    pane = core.close_pane(500_000, BrokerCounters())
    assert (pane.accepted, pane.repeated) == (1, 1)
    assert core.close_pane(SECOND_US, BrokerCounters()).accepted == 0


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("conectivity", {}, "unknown SLI `conectivity`; allowed: anomaly_rate, auth_errors, "),
        ("freshness", {"percentile": 99}, "SLI `freshness` has no setting `percentile`; allowed: within"),
        ("connectivity", {"within_us": 1}, "SLI `connectivity` has no setting `within`; allowed: none"),
        ("freshness", {"within_us": 7}, "not tracked"),
    ],
)
def test_what_cannot_be_asked_is_said(name: str, settings: dict[str, int], message: str) -> None:
    core = Core(FLEET, [], None, 0)
    with pytest.raises(ValueError, match=message):
        core.sli(name, None, SECOND_US, **settings)


def test_an_objective_on_a_wrong_sli_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="unknown SLI `uptime`"):
        Core(FLEET, [Objective("up", "uptime", at_least=0.9)], None, 0)
    with pytest.raises(ValueError, match="two objectives"):
        Core(FLEET, [Objective("up", "connectivity", at_least=0.9)] * 2, None, 0)
    with pytest.raises(ValueError, match="exactly one"):
        Core(FLEET, [Objective("up", "connectivity")], None, 0)
