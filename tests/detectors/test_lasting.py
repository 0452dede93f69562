"""Answers that are kept while nothing changes them are those of a core that looks at every device in every pane."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.detectors.lab import Lab, registry_of
from twinstorm.detectors.alarms import Changes
from twinstorm.detectors.contract import Batch
from twinstorm.detectors.core import Core
from twinstorm.detectors.lasting import FOR_NOW, UNKNOWN_NEWS, Hold, Lasting, News
from twinstorm.detectors.objectives import Objective
from twinstorm.detectors.panel import Panel
from twinstorm.detectors.panes import Pane
from twinstorm.detectors.series import Series
from twinstorm.detectors.silence import Silence
from twinstorm.detectors.slis import Connectivity, Freshness, RebootRate, Sli
from twinstorm.twin.flow import MINUTE_US, NEVER_US, SECOND_US, BrokerCounters, SessionEvent

FLEET = registry_of(sites=("a-1", "b-1"), motors=6, climate=3, climate_every_us=5 * SECOND_US)
N = len(FLEET)
AT_A = FLEET.site == 0
OBJECTIVES = (
    Objective("fresh", "freshness", at_least=0.9, within_us=8 * SECOND_US),
    Objective("fresh at a", "freshness", at_least=0.9, within_us=8 * SECOND_US, mask=AT_A),
    Objective("up", "connectivity", at_least=0.9, mask=AT_A),
    Objective("calm", "reboot_rate", at_most=0.5),
    Objective("queue", "backlog", at_least=0.9, limit=5),
)

DEVICES = st.lists(st.integers(0, N - 1), min_size=1, max_size=N, unique=True)
ACTS = st.one_of(
    st.tuples(st.just("play"), st.integers(1, 25)),
    st.tuples(st.sampled_from(["off", "drop", "boot", "reconnect", "lost"]), DEVICES),
    st.tuples(st.just("connect"), st.integers(1, 40)),
    st.tuples(st.sampled_from(["skip", "fragment", "save"]), st.just(0)),
)


@contextmanager
def every_pane() -> Iterator[None]:
    """Nothing is kept: the simple way, in which every pane looks at every device."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Hold, "still", lambda self, now_us, news: False)
        patch.setattr(Panel, "_rests", lambda self, detector, batch: False)
        yield


def play(acts: list[tuple[str, int | list[int]]]) -> tuple[list[Pane], Core]:
    lab = Lab.start(FLEET, OBJECTIVES, warm_up_s=5)
    panes: list[Pane] = []
    for what, value in acts:
        match what:
            case "play":
                panes += lab.play(value)  # type: ignore[arg-type]
            case "off":
                lab.power_off(value)
            case "drop":
                lab.drop(value)
            case "boot":
                lab.boots(value)
            case "reconnect":
                lab.reconnects(value)
            case "lost":
                lab.tell(value, SessionEvent.LOST)
            case "connect":
                lab.connect(value, refused=value // 2)  # type: ignore[arg-type, operator]
            case "skip":
                lab.second += 3
                panes += lab.play()
            case "fragment":
                panes.append(lab.core.close_pane(lab.second * SECOND_US + 500_000, lab.counters))
            case "save":
                lab.core = pickle.loads(pickle.dumps(lab.core))
    return panes, lab.core


def seen(core: Core, panes: list[Pane]) -> list[object]:
    """All that a core concludes, comparable."""
    now_us = panes[-1].at_us if panes else 0
    told = [
        (pane.at_us, dict(pane.slis), pane.live_sessions, len(pane.new_alarms), len(pane.resolved_alarms))
        for pane in panes
    ]
    alarms = [(one.name, one.at_us, one.group, one.resolved_us, one.device.tolist()) for one in core.alarms]
    windows = [core.sli(name, AT_A, 40 * SECOND_US) for name in ("freshness", "connectivity", "reboot_rate")]
    standings = [core.objective(one.name) for one in OBJECTIVES]
    return [told, alarms, windows, standings, core.since_us.tolist(), core.observed(now_us).tolist()]


@given(st.lists(ACTS, max_size=25))
@settings(max_examples=60, deadline=None)
def test_kept_answers_are_those_of_a_core_that_looks_at_everybody_in_every_pane(
    acts: list[tuple[str, int | list[int]]],
) -> None:
    acts = [*acts, ("play", 3)]
    panes, core = play(acts)
    with every_pane():
        simple_panes, simple = play(acts)
    assert seen(core, panes) == seen(simple, simple_panes)


def _spied(good: Callable[[Any, Batch], Any], looks: list[Sli]) -> Callable[[Any, Batch], Any]:
    def spy(self: Any, batch: Batch) -> Any:
        looks.append(self)
        return good(self, batch)

    return spy


def test_a_calm_minute_looks_at_devices_only_when_the_oldest_reading_gets_old(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab.start(FLEET, OBJECTIVES)
    lab.play(70)
    looks: list[Sli] = []
    for sli in (Freshness, Connectivity, RebootRate):
        monkeypatch.setattr(sli, "good", _spied(sli.good, looks))
    lab.play(60)
    assert {type(sli) for sli in looks} == {Freshness}
    assert looks.count(Freshness(within_us=8 * SECOND_US)) <= 20, "readings come every 5 s: it looks again after 3 to 8"
    assert looks.count(Freshness()) <= 1


def test_in_a_calm_minute_nobody_is_searched_for_silence_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[int] = []
    original = Silence.quiet

    def spy(self: Silence, batch: Batch) -> Lasting | None:
        searched.append(batch.now_us)
        return original(self, batch)

    monkeypatch.setattr(Silence, "quiet", spy)
    lab = Lab.start(FLEET, OBJECTIVES, warm_up_s=5)
    lab.play(65)
    assert 0 < len(searched) < 15


def _judged(lab: Lab, seconds: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """Panes of the next seconds at which the core really looks."""
    looks: list[int] = []
    original = Core._judge

    def spy(self: Core, batch: Batch, changes: Changes) -> Any:
        looks.append(batch.now_us)
        return original(self, batch, changes)

    monkeypatch.setattr(Core, "_judge", spy)
    lab.play(seconds)
    return len(looks)


def test_calm_seconds_are_counted_and_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab.start(FLEET, OBJECTIVES, warm_up_s=5)
    lab.play(65)
    assert 0 < _judged(lab, 60, monkeypatch) <= 30


def test_devices_that_are_not_fresh_are_waited_for_and_cost_no_look(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = registry_of(motors=1, climate=4, climate_every_us=MINUTE_US)
    motors = int(np.count_nonzero(slow.every_us < MINUTE_US))
    lab = Lab.start(slow, (OBJECTIVES[0],), warm_up_s=5)
    lab.play(70)
    before = lab.core.objective("fresh")
    assert _judged(lab, 60, monkeypatch) <= 25
    after = lab.core.objective("fresh")
    assert after.total - before.total == 60 * len(slow)
    assert after.good - before.good == 60 * motors + 8 * (len(slow) - motors), "fresh for 8 s of a minute"


def test_one_detector_that_must_see_every_pane_is_shown_every_pane(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Silence, "pass_by")
    lab = Lab.start(FLEET, OBJECTIVES, warm_up_s=5)
    lab.play(65)
    assert _judged(lab, 10, monkeypatch) == 10


def test_an_answer_lasts_until_its_instant_or_until_news_can_change_it() -> None:
    hold = Hold()
    assert not hold.still(SECOND_US, News()), "nothing was ever answered"
    hold.renew(Lasting(10 * SECOND_US, reading_us=4 * SECOND_US))
    assert hold.still(2 * SECOND_US, News())
    assert hold.still(3 * SECOND_US, News(reading_us=2_500_000, session_us=2_500_000, reboot_us=2_500_000))
    assert hold.still(6 * SECOND_US, News())
    assert not hold.still(7 * SECOND_US, News()), "who was heard at 2.5 s may be silent too long from 6.5 s on"
    hold.renew(Lasting(NEVER_US, session_us=0))
    assert hold.still(100 * SECOND_US, News(reading_us=99 * SECOND_US))
    assert not hold.still(101 * SECOND_US, News(session_us=100_500_000))
    hold.renew(FOR_NOW)
    assert not hold.still(102 * SECOND_US, News())


def test_panes_without_a_change_share_their_bits() -> None:
    lab = Lab.start(FLEET)
    lab.play(10)
    series = next(each for each in lab.core._series if each.sli.name == "connectivity")
    assert isinstance(series, Series)
    before = series.newest
    lab.play(5)
    assert series.newest is before
    lab.drop([0])
    lab.play()
    assert series.newest is not before


def test_a_batch_that_says_nothing_of_news_is_looked_at_anew() -> None:
    """As those of whoever builds batches by hand."""
    core = Core(FLEET, [], None, 0)
    core.close_pane(SECOND_US, BrokerCounters())
    series = Series(Freshness(within_us=MINUTE_US), N)
    batch = core._batch(SECOND_US, BrokerCounters(), News())
    late = np.full(N, SECOND_US, np.int64)
    series.close(replace(batch, last_arrival_us=late, news=UNKNOWN_NEWS))
    assert series.fleet.last(1) == (N, N)
    series.close(replace(batch, now_us=2 * SECOND_US, last_arrival_us=late - 2 * MINUTE_US, news=UNKNOWN_NEWS))
    assert series.fleet.last(1) == (0, N)
