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
broker: {{offline_queue: 100000}}
detectors: {{chatter: {{}}, strange-topics: {{}}, backlog: {{}}, odd-hours: {{train: 1 h}}}}
{steps}
"""


def played(steps: str, minutes: int = 12) -> Core:
    text = TEXT.format(steps=steps and "steps:\n" + steps, minutes=minutes)
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
