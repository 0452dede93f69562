"""Small trouble hides no great one: who is called when both are there."""

from __future__ import annotations

from twinstorm.detectors.core import Core
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read

TEXT = """storm: 1
name: masking
story: Something small is wrong, and then something great.
duration: 26 min
warm_up: 1 min
fleet:
  devices: 20
  sites: [oslo, bergen]
  segments:
    motors: {{kind: motor, share: 100 %, every: 1 s}}
detectors: {{silence: {{severity: page}}, {also}}}
objectives:
  connected: {{sli: connectivity, at_least: 99 %, burn: run}}
steps:
{steps}
"""


def played(steps: str, also: str = "reboot-storm: {}") -> Core:
    engine = build(read(TEXT.format(steps=steps, also=also), "masking.storm.yaml"), RunOptions(seed=42))
    engine.play()
    return engine.core


def pages(core: Core) -> list[tuple[str, str]]:
    return [(alarm.name, alarm.group) for alarm in core.alarms if alarm.severity == "page" and not alarm.suppressed]


def test_who_took_one_silent_device_is_called_when_all_fall_silent() -> None:
    core = played(
        "  - {name: one, at: 2 min, fault: power-outage, target: site=oslo first=1, lasts: 15 min}\n"
        "  - {name: taken, at: 4 min, acknowledge: silence}\n"
        "  - {name: everybody, at: 6 min, fault: power-outage, target: all, lasts: 3 min}\n"
    )
    assert pages(core) == [("silence", "all")]
    assert [incident.title for incident in core.incidents] == [
        "1 device fell silent, no group",
        "20 devices fell silent, all",
    ]


def test_a_second_outage_pages_when_the_first_is_long_over() -> None:
    core = played(
        "  - {name: first, at: 2 min, fault: power-outage, target: site=oslo, lasts: 1 min}\n"
        "  - {name: second, at: 18 min, fault: power-outage, target: all, lasts: 3 min}\n"
    )
    assert pages(core) == [("silence", "site=oslo"), ("silence", "all")]


def test_what_nobody_can_read_hides_no_outage() -> None:
    core = played(
        "  - {name: noise, at: 2 min, fault: payload-corruption, target: site=bergen first=1, lasts: 9 min,"
        " with: {share: 50 %, bits: 40}}\n"
        "  - {name: taken, at: 4 min, acknowledge: dead-letters}\n"
        "  - {name: dark, at: 6 min, fault: power-outage, target: site=oslo, lasts: 3 min}\n",
        also="dead-letters: {}",
    )
    assert pages(core) == [("silence", "site=oslo")]
    titles = [incident.title for incident in core.incidents]
    assert titles == ["the service hears what nobody can read, all", "10 devices fell silent, site=oslo"]
