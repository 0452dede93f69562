"""Certificates of a fleet end: a ticket comes in time, names the batch, and costs a calm fleet nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.test_leaps import one_by_one
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.reports.scoring import score_of
from twinstorm.scenarios.result import RunResult
from twinstorm.twin.flow import DAY_US, MINUTE_US, NEVER_US, SECOND_US, Int

FILE = """storm: 1
name: papers
story: The certificates of one batch of three end soon.
duration: 10 min
warm_up: 1 min
fleet:
  devices: 60
  sites: [fra-1, sin-1]
  segments:
    presses: {kind: environment, devices: 20, certificate_batch: spring, certificate_expires: 20 d}
    rooms: {kind: environment, devices: 40, certificate_batch: autumn, certificate_expires: 730 d}
steps:
  - {name: watch, at: 1 min, mark: from here on alarms count}
expect:
  - {alarm: expiring-certificates, after: watch, within: 10 s, target: certificate_batch=spring}
  - {count: alarms, at_most: 1}
"""
CALM = "expect:\n  - {no_alarm: any}\n"


def made(text: str = FILE, seed: int = 1) -> Engine:
    return build(read(text, "papers.storm.yaml"), RunOptions(seed=seed))


def finished(engine: Engine) -> RunResult:
    engine.play()
    return result_of(engine, speed=0.0, wall_s=0.0, repeat="")


def dates_of(text: str, seed: int = 1) -> Int:
    found = made(text, seed).registry.certificate_expires_us
    assert found is not None
    return found


def slow(text: str = FILE, days: str = "3 d", every: str = "1 h") -> str:
    """The same for days, of devices that speak seldom."""
    return text.replace("environment,", f"environment, every: {every},").replace("10 min", days)


def test_one_ticket_names_the_batch() -> None:
    result = finished(made())
    assert result.verdict == "held", result.expectations
    (alarm,) = result.alarms
    assert (alarm.severity, alarm.group, alarm.devices) == ("ticket", "certificate_batch=spring", 20)
    assert alarm.cause == "certificate_batch=spring (lift 3.0)"
    assert alarm.says == "the first ends 20.0 d after the start"
    assert alarm.resolved_s is None


def test_certificates_that_end_in_two_years_raise_nothing() -> None:
    text = FILE.replace("20 d", "730 d").split("steps:")[0] + CALM
    assert finished(made(text)).verdict == "held"


def test_a_ticket_comes_when_the_limit_is_reached_and_days_cost_little(monkeypatch: pytest.MonkeyPatch) -> None:
    leapt_s = []
    close = Engine._close_panes

    def counted(self: Engine, first_us: int, last_us: int) -> None:
        leapt_s.append((last_us - first_us) // SECOND_US + 1)
        close(self, first_us, last_us)

    monkeypatch.setattr(Engine, "_close_panes", counted)
    engine = made(slow(FILE.replace("20 d", "31 d")).split("steps:")[0])
    engine.play()
    (alarm,) = engine.core.alarms
    assert alarm.at_us == DAY_US
    assert sum(leapt_s) > 0.9 * 3 * DAY_US / SECOND_US, "while the ticket is open, too"


def test_leaps_change_nothing() -> None:
    text = slow(FILE.replace("20 d", "30 d 30 min"), "2 h", "1 min").split("steps:")[0]
    text = text.replace("730 d", "30 d 1 h .. 30 d 90 min").replace("certificate_batch: autumn, ", "")
    played, stepped = made(text), one_by_one(made(text))
    played.play()
    told = [[(alarm.group, alarm.at_us, alarm.score) for alarm in each.core.alarms] for each in (played, stepped)]
    assert told[0] == told[1]
    assert told[0][0][:2] == ("certificate_batch=spring", 30 * MINUTE_US)
    assert len(told[0]) == 3, "then the first of the others, then most of these"
    assert played.wiring.log.digest() == stepped.wiring.log.digest()


@pytest.mark.nightly
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("days", "tickets"), [(400, []), (100, [70 * DAY_US])])
def test_a_year(days: int, tickets: list[int]) -> None:
    text = f"""storm: 1
name: papers
story: A year of meters, whose certificates end in it or after it.
duration: 52 w
warm_up: 1 h
fleet:
  devices: 3
  segments: {{meters: {{kind: meter, share: 100 %, every: 1 d, keep_alive: none, certificate_expires: {days} d}}}}
"""
    engine = made(text)
    engine.play()
    assert [alarm.at_us for alarm in engine.core.alarms] == tickets


def test_a_run_that_is_saved_while_a_ticket_is_open_goes_on() -> None:
    text = FILE.replace("expect:", "  - {at: 5 min, certified: certificate_batch=spring}\nexpect:")
    expected = finished(made(text))
    assert expected.alarms[0].resolved_s == pytest.approx(301, abs=1)
    engine = made(text)
    for at_us in (30 * SECOND_US, 2 * MINUTE_US, 6 * MINUTE_US):
        engine.advance(at_us)
        engine = Engine.load(engine.save())
    resumed = finished(engine)
    assert resumed.digest == expected.digest
    assert resumed.alarms == expected.alarms


def test_the_end_of_an_expiry_brings_new_certificates() -> None:
    text = FILE.split("expect:")[0] + (
        "  - {name: ends, at: 3 min, fault: certificate-expiry, target: certificate_batch=spring, lasts: 2 min}\n"
    )
    result = finished(made(text))
    tickets = [alarm for alarm in result.alarms if alarm.name == "expiring-certificates"]
    assert [alarm.resolved_s for alarm in tickets] == [300.0]
    silence = next(alarm for alarm in result.alarms if alarm.name == "silence")
    assert silence.fault == "ends"
    assert "certificates" not in silence.suppressed, "the ticket explains no silence"
    assert silence.incident != tickets[0].incident


def test_no_score_counts_a_ticket_that_no_fault_explains() -> None:
    score = score_of(finished(made()), 60.0)
    assert (score.total.alarms, score.total.precision) == (0, None)


def test_dates_are_those_of_a_batch_or_drawn_by_the_seed() -> None:
    batch = FILE.split("steps:")[0].replace("20 d", "20 d .. 40 d")
    registry = made(batch).registry
    spring = registry.segment == registry.segments.index("presses")
    assert len(np.unique(dates_of(batch)[spring])) == 1
    assert set(dates_of(batch)[~spring].tolist()) == {730 * DAY_US}
    lone = batch.replace("certificate_batch: spring, ", "")
    each = dates_of(lone)
    assert len(np.unique(each[spring])) == 20
    assert ((each[spring] >= 20 * DAY_US) & (each[spring] <= 40 * DAY_US)).all()
    assert (each % SECOND_US == 0).all()
    assert np.array_equal(each, dates_of(lone))
    assert not np.array_equal(each, dates_of(lone, seed=2))


def test_who_says_nothing_has_no_date_and_changes_no_digest() -> None:
    text = FILE.split("steps:")[0]
    half = made(text.replace(", certificate_expires: 730 d", ""))
    assert half.registry.certificate_expires_us is not None
    assert np.count_nonzero(half.registry.certificate_expires_us == NEVER_US) == 40
    none = made(text.replace(", certificate_expires: 730 d", "").replace(", certificate_expires: 20 d", ""))
    assert none.registry.certificate_expires_us is None
    assert "expiring-certificates" not in [each.name for each in none.core._panel]
    assert finished(none).alarms == []
