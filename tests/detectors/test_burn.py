"""Burn alarms: thresholds by the formula, exact windows, when they come and when they are over."""

from __future__ import annotations

import random

import numpy as np
import pytest

from tests.detectors.lab import Lab, registry_of
from twinstorm.detectors.burn import (
    MONTH_US,
    WORKBOOK,
    Burning,
    BurnWatch,
    Spend,
    Spent,
    as_tickets,
    rules_of,
    scaled,
)
from twinstorm.detectors.burn_alarms import BurnAlarms
from twinstorm.detectors.objectives import Objective
from twinstorm.detectors.series import ROOM_RUNS, Totals
from twinstorm.twin.flow import DAY_US, HOUR_US, MINUTE_US, SECOND_US, Severity

FLEET = registry_of(sites=("a-1", "b-1"), motors=4, climate=1)
N = len(FLEET)
HOUR_RULES = rules_of(HOUR_US, scaled(HOUR_US))
"""Of a budget of an hour: windows of 5 s, 30 s, 2 min and 6 min."""


def burning(**more: object) -> Burning:
    return Burning(HOUR_RULES, **more)  # type: ignore[arg-type]


def lab_of(*objectives: Objective, warm_up_s: int = 0) -> Lab:
    # Silence would explain everything first.
    return Lab.start(FLEET, objectives, warm_up_s, **{"connect-storm": {}})


def names(lab: Lab) -> list[tuple[str, str]]:
    return [(alarm.name, alarm.severity) for alarm in lab.core.alarms]


# --- thresholds -------------------------------------------------------------------------------------------------------


def test_a_scaled_catalogue_keeps_the_thresholds() -> None:
    for period_us in (HOUR_US, 10 * HOUR_US, DAY_US, MONTH_US):
        found = [rule.burn for rule in rules_of(period_us, scaled(period_us))]
        assert found == pytest.approx([14.4, 6.0, 3.0, 1.0])
    assert [rule.long_us // SECOND_US for rule in HOUR_RULES] == [5, 30, 120, 360]
    assert [rule.short_us // SECOND_US for rule in HOUR_RULES] == [1, 3, 10, 30]


def test_windows_that_are_no_whole_seconds_have_the_threshold_of_those_that_are_taken() -> None:
    period_us = 20 * MINUTE_US
    first = rules_of(period_us, scaled(period_us))[0]
    assert (first.long_us, first.short_us) == (2 * SECOND_US, SECOND_US)
    assert first.burn == pytest.approx(0.02 * 1200 / 2)


@pytest.mark.parametrize(
    ("window_us", "burn", "seconds"), [(10 * MINUTE_US, 1.0, 0.6), (36 * HOUR_US, 1.0, 129.6), (HOUR_US, 14.4, 51.84)]
)
def test_the_time_that_a_full_outage_takes_from_clean(window_us: int, burn: float, seconds: float) -> None:
    """(1 - SLO) / error rate x window x burn, for 99.9 %, counted in milliseconds."""
    panes = window_us // 1_000
    down = next(down for down in range(1, panes) if Spent(down, 0.001 * panes, panes, panes).burn(panes) > burn)  # type: ignore[operator]
    assert down / 1_000 == pytest.approx(seconds, abs=0.002)


def test_what_was_before_the_run_counts_as_clean() -> None:
    spent = Spent(bad=10, allowed=1.0, total=100, covered=10)
    assert spent.burn(10) == 10.0
    assert spent.burn(100) == 1.0
    assert Spent(0, 0.0, 0, 10).burn(10) is None, "without data there is no burn"


# --- windows ----------------------------------------------------------------------------------------------------------


def test_windows_are_exact_and_memory_is_bounded() -> None:
    chance = random.Random(7)
    kept = 3_000
    totals, every = Totals(kept), []
    for _ in range(6_000):
        counts = (chance.randrange(3), 3)
        panes = chance.choice((1, 1, 1, 5))
        totals.add(*counts, panes)
        every += [counts] * panes
        assert totals.runs <= 2 * kept + ROOM_RUNS
    assert len(totals) == len(every)
    for panes in [1, 2, 3, 59, 60, 1_000, kept - 1, kept]:
        assert totals.last(panes) == tuple(np.sum(every[-panes:], axis=0))


def test_equal_panes_cost_nothing() -> None:
    totals = Totals()
    totals.add(9, 10, 10**6)
    totals.add(0, 10)
    totals.add(9, 10, 10**6)
    assert totals.runs == 3
    assert totals.last(10**6 + 1) == (9 * 10**6, 10 * 10**6 + 10)
    assert totals.last(10**6 + 3) == (9 * (10**6 + 2), 10 * (10**6 + 3))


# --- alarms -----------------------------------------------------------------------------------------------------------


def test_an_outage_of_all_is_one_page_by_the_name_of_its_objective() -> None:
    lab = lab_of(Objective("up", "connectivity", at_least=0.99, burning=burning()))
    lab.play(60)
    lab.drop(range(N))
    lab.play(5)
    assert names(lab) == [("up-burn", "page")], "a ticket waits while a page is up"
    alarm, incident = lab.core.alarms[0], lab.core.incidents[0]
    assert alarm.at_us == 61 * SECOND_US, "one second of five is burn 20, of which 14.4 are allowed"
    assert len(alarm.device) == N
    assert incident.title == f"{N} devices burnt the error budget of up 20x too fast, all"


def test_a_slow_burn_is_a_ticket() -> None:
    """One device of ten is burn 10 of 99 %: above 6 for a page only if it lasted for 18 of 30 s, so let it blink."""
    lab = lab_of(Objective("up", "connectivity", at_least=0.99, burning=burning()))
    for _ in range(20):
        lab.drop([3])
        lab.play(4)
        lab.reconnects([3])
        lab.play(6)
    assert {severity for _, severity in names(lab)} == {"ticket"}


def test_rules_of_a_part_of_the_fleet_are_tickets() -> None:
    here = FLEET.site == 0
    quiet = Burning(as_tickets(HOUR_RULES))
    objective = Objective("up", "connectivity", at_least=0.99, mask=here, of="site=a-1", burning=quiet)
    lab = lab_of(objective)
    lab.play(10)
    lab.drop(range(N))
    lab.play(5)
    assert names(lab) == [("up-burn", "ticket")]
    assert lab.core.alarms[0].group == "site=a-1"
    assert lab.core.alarms[0].device.tolist() == np.flatnonzero(here).tolist()


def test_an_alarm_ends_a_minute_after_its_burn() -> None:
    lab = lab_of(Objective("up", "connectivity", at_least=0.99, burning=burning()))
    lab.play(10)
    lab.drop(range(N))
    lab.play(5)
    lab.reconnects(range(N))
    lab.play(200)
    page = lab.core.alarms[0]
    assert page.resolved_us is not None
    # The short window of 6x, three seconds, is the last to be clean.
    assert 60 <= page.resolved_us // SECOND_US - 15 <= 65


def test_nothing_of_the_warm_up_burns() -> None:
    lab = lab_of(Objective("up", "connectivity", at_least=0.99, burning=burning()), warm_up_s=20)
    lab.drop(range(N))
    lab.play(19)
    lab.reconnects(range(N))
    lab.play(30)
    assert names(lab) == []


def test_a_single_bad_event_of_few_is_not_believed() -> None:
    """Of 99.9 % one bad of 20 is burn 50, but of 20 events 0.02 are allowed: it says nothing."""
    watch = BurnWatch(Burning(rules_of(HOUR_US, (Spend(0.02, 5 * SECOND_US, Severity.PAGE),))))

    class Few:
        total, bad = 20, 1

        def spent(self, panes: int) -> Spent:
            return Spent(self.bad, self.total * 0.001, self.total, panes)

    few = Few()
    assert not watch.step(SECOND_US, few)
    few.total, few.bad = 100, 2
    assert set(watch.step(2 * SECOND_US, few)) == {Severity.PAGE}
    strict = BurnWatch(Burning(watch.burning.rules, least=1_000))
    assert not strict.step(SECOND_US, few)


def test_without_data_an_alarm_stays_what_it_is() -> None:
    watch = BurnWatch(Burning(rules_of(HOUR_US, (Spend(0.02, 5 * SECOND_US, Severity.PAGE),))))

    class Silent:
        total = 1_000

        def spent(self, panes: int) -> Spent:
            return Spent(self.total, self.total * 0.001, self.total, panes)

    budget = Silent()
    assert watch.step(SECOND_US, budget)
    budget.total = 0
    assert all(watch.step(second * SECOND_US, budget) for second in range(2, 200)), "nothing says that it is over"


def test_objectives_that_ask_for_no_alarm_raise_none() -> None:
    lab = lab_of(Objective("up", "connectivity", at_least=0.99))
    assert isinstance(lab.core._burns, BurnAlarms)
    lab.drop(range(N))
    lab.play(60)
    assert names(lab) == []


def test_what_has_no_devices_is_an_alarm_of_the_service() -> None:
    lab = lab_of(Objective("drained", "backlog", at_least=0.9, burning=burning(least=1)))
    lab.play(10)
    lab.counters = type(lab.counters)(queue=5_000)
    lab.play(60)
    assert names(lab)[0][0] == "drained-burn"
    assert lab.core.incidents[0].title.startswith("the service burnt the error budget of drained ")


def test_the_workbook_is_made_for_thirty_days() -> None:
    assert sum(spend.share for spend in WORKBOOK) == pytest.approx(0.27)
    assert [rule.short_us // MINUTE_US for rule in rules_of(MONTH_US)] == [5, 30, 120, 360]
