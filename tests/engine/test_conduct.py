"""Detectors on how devices behave at the door: found where something is wrong, by name, and nothing in calm."""

from __future__ import annotations

import pytest

from twinstorm.detectors.core import Core
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read

TEXT = """storm: 1
name: conduct
story: Devices that behave, and some that do not.
duration: {minutes} min
warm_up: 2 min
fleet:
  devices: 40
  sites: [arn-1, fra-1]
  link: ethernet
  buffer: {{readings: 500, evict: oldest}}
  segments:
    motors: {{kind: motor, share: 50 %, every: 1 s}}
    rooms: {{kind: environment, share: 50 %, every: 30 s}}
broker: {{{broker}}}
detectors: {{chatter: {{}}, strange-topics: {{}}, {backlog}, odd-hours: {{train: 1 h}}}}
{more}
{steps}
"""


def played(
    steps: str,
    minutes: int = 12,
    more: str = "",
    broker: str = "offline_queue: 100000",
    backlog: str = "backlog: {}",
) -> Core:
    steps = steps and "steps:\n" + steps
    text = TEXT.format(steps=steps, minutes=minutes, more=more, broker=broker, backlog=backlog)
    engine = build(read(text, "conduct.storm.yaml"), RunOptions(seed=7))
    engine.play()
    assert engine.ledger().difference == 0
    return engine.core


def alarms(core: Core) -> list[tuple[str, str]]:
    return [(alarm.name, alarm.group) for alarm in core.alarms]


def test_nobody_is_blamed_in_calm_nor_for_what_was_kept_through_an_outage() -> None:
    assert alarms(played("")) == []
    core = played("  - {name: dark, at: 4 min, fault: partition, target: site=fra-1, lasts: 2 min}\n")
    assert "chatter" not in dict(alarms(core))


@pytest.mark.parametrize(("target", "within_s"), [("segment=motors", 10), ("segment=rooms", 180)])
def test_who_sends_four_times_as_often_is_found(target: str, within_s: int) -> None:
    core = played(
        f"  - {{name: peak, at: 4 min, fault: peak, target: '{target}', lasts: 4 min, with: {{factor: 4}}}}\n"
    )
    (alarm,) = core.alarms
    assert (alarm.name, alarm.group) == ("chatter", target)
    assert 0 < alarm.at_us / 1e6 - 240 <= within_s


def test_one_that_chatters_alone_is_a_ticket() -> None:
    steps = "  - {name: peak, at: 4 min, fault: peak, target: id=arn-1/motors-0001, lasts: 4 min, with: {factor: 4}}\n"
    (alarm,) = played(steps).alarms
    assert (alarm.name, alarm.severity.name, len(alarm.device)) == ("chatter", "TICKET", 1)


def test_messages_on_topics_of_others_are_found() -> None:
    steps = "  - {name: astray, at: 4 min, fault: misrouted, target: segment=motors share=20%, lasts: 2 min}\n"
    (alarm,) = played(steps).alarms
    assert alarm.name == "strange-topics"
    assert 0 < alarm.at_us / 1e6 - 240 <= 10
    assert alarm.resolved_us is not None


def test_what_waits_for_a_minute_is_found() -> None:
    steps = "  - {name: away, at: 4 min, fault: core-outage, lasts: 2 min}\n"
    found = [alarm for alarm in played(steps).alarms if alarm.name == "backlog"]
    assert len(found) == 1
    assert 60 <= found[0].at_us / 1e6 - 240 <= 64


NEAR_CAPACITY = "processing: {service: 47500 us, partitions: 8, consumers: 1}\n"
"""21.05 readings a second, of which 20 come each second and 20 more each half a minute: worked off in 19 s."""
SOON = "backlog: {within: 10 s}"


def test_a_pool_near_its_capacity_has_no_backlog() -> None:
    core = played("", minutes=8, more=NEAR_CAPACITY, backlog=SOON)
    assert core.intake is not None
    assert core.intake.figures.deepest > 15
    assert alarms(core) == []


def test_a_queue_of_the_broker_that_is_passed_in_time_is_no_backlog() -> None:
    assert alarms(played("", minutes=8, broker="messages: {rate: 21/s}", backlog=SOON)) == []


def test_what_waits_for_a_pool_that_is_too_small_is_found_when_it_has_waited_for_a_minute() -> None:
    (alarm,) = played("", minutes=8, more=NEAR_CAPACITY.replace("47500 us", "100 ms")).alarms[:1]
    assert alarm.name == "backlog"
    # 20.7 come and 10 go: what comes at t is processed at 2.07 t, so that the first has waited for 60 s at t = 116 s.
    assert 116 <= alarm.at_us / 1e6 <= 124
