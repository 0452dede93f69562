"""Objectives: verdict after the warm-up, error budget, burn."""

from __future__ import annotations

import numpy as np
import pytest

from tests.detectors.lab import Lab, registry_of
from twinstorm.detectors.core import Core
from twinstorm.detectors.objectives import Objective
from twinstorm.twin.flow import SECOND_US, BrokerCounters

FLEET = registry_of(sites=("a-1", "b-1"), motors=4, climate=1)
N = len(FLEET)


def test_nothing_is_judged_during_the_warm_up() -> None:
    lab = Lab.start(FLEET, [Objective("up", "connectivity", at_least=0.9)], warm_up_s=10)
    lab.drop(range(N))
    lab.play(5)
    lab.reconnects(range(N))
    lab.play(5)
    assert lab.core.objective("up").verdict == "no data"
    assert lab.core.objective("up").value is None
    assert lab.core.objective_window("up", 10 * SECOND_US) == 0.5, "a screen may look all the same"
    lab.play(5)
    standing = lab.core.objective("up")
    assert (standing.verdict, standing.value, standing.total) == ("held", 1.0, 5 * N)
    assert standing.first_broken_us is None


def test_the_bound_itself_holds() -> None:
    lab = Lab.start(FLEET, [Objective("up", "connectivity", at_least=0.9)])
    lab.drop([0])
    lab.play(10)
    assert lab.core.objective("up").verdict == "held"
    lab.drop([1])
    lab.play(1)
    assert lab.core.objective("up").verdict == "missed"


def test_broken_seconds_are_named_even_if_the_run_holds() -> None:
    lab = Lab.start(FLEET, [Objective("up", "connectivity", at_least=0.9)])
    lab.play(20)
    lab.drop([0, 1])
    lab.play(3)
    lab.reconnects([0, 1])
    lab.play(77)
    standing = lab.core.objective("up")
    assert standing.verdict == "held"
    assert (standing.first_broken_us, standing.last_broken_us) == (20 * SECOND_US, 23 * SECOND_US)


def test_only_its_devices_count() -> None:
    objectives = [Objective("at-b", "connectivity", at_least=0.99, mask=FLEET.site == 1)]
    lab = Lab.start(FLEET, objectives)
    lab.drop(np.flatnonzero(FLEET.site == 0))
    pane = lab.play(1)[0]
    assert pane.slis == {"at-b": (5, 5)}
    assert lab.core.objective("at-b").verdict == "held"


def test_budget_and_burn_of_a_share() -> None:
    """90 % of 100 device-seconds: ten may be lost; four are."""
    lab = Lab.start(FLEET, [Objective("up", "connectivity", at_least=0.9)])
    lab.play(6)
    lab.drop([0])
    lab.play(4)
    standing = lab.core.objective("up")
    assert standing.budget_left == pytest.approx(1 - 4 / 10)
    assert lab.core.burn("up", 4 * SECOND_US) == pytest.approx(1.0), "one in ten is the rate allowed"
    assert lab.core.burn("up", 8 * SECOND_US) == pytest.approx(0.5)


def test_the_budget_of_a_run_of_known_length() -> None:
    """Of 60 judged seconds 6 may be lost by everybody; after 10 of them 4 are gone."""
    core = Core(FLEET, [Objective("up", "connectivity", at_least=0.9)], None, 5 * SECOND_US, run_us=65 * SECOND_US)
    lab = Lab.start(FLEET)
    lab.core = core
    lab.reconnects(range(N))
    lab.play(11)
    lab.drop(range(N))
    lab.play(4)
    assert core.objective("up").budget_left == pytest.approx(1 - 4 / 6)
    lab.play(4)
    assert core.objective("up").budget_left == pytest.approx(1 - 8 / 6), "overspent"


def test_a_promise_of_everything_has_no_budget() -> None:
    lab = Lab.start(FLEET, [Objective("up", "connectivity", at_least=1.0)])
    lab.play(3)
    assert lab.core.objective("up").verdict == "held"
    assert lab.core.objective("up").budget_left is None
    assert lab.core.burn("up", SECOND_US) is None


def test_a_rate_at_most_has_a_budget_of_events() -> None:
    """10 devices for 36 s are a tenth of a device-hour: at most 30 an hour allows three reboots."""
    lab = Lab.start(FLEET, [Objective("steady", "reboot_rate", at_most=30.0)])
    lab.play(30)
    lab.boots([0])
    lab.boots([1])
    lab.play(6)
    standing = lab.core.objective("steady")
    assert (standing.value, standing.unit, standing.verdict) == (20.0, "%", "held")
    assert standing.budget_left == pytest.approx(1 / 3)
    assert lab.core.burn("steady", 6 * SECOND_US) == pytest.approx(2 / 0.5)
    lab.boots([2, 3])
    lab.play(1)
    assert lab.core.objective("steady").verdict == "missed"


def test_the_published_burn_rates() -> None:
    """At 99.9 %, one error in a thousand burns at 1, and 1.44 % of errors at 14.4."""
    registry = registry_of(sites=("a-1",), motors=1_000, climate=0)
    for lost, burn in ((1, 1.0), (14, 14.0), (1_000, 1_000.0)):
        lab = Lab.start(registry, [Objective("up", "connectivity", at_least=0.999)])
        lab.drop(range(lost))
        lab.core.close_pane(SECOND_US, BrokerCounters())
        assert lab.core.burn("up", SECOND_US) == pytest.approx(burn)
