"""Objectives of freshness that ask for more than devices send are told before a run."""

from __future__ import annotations

from twinstorm.scenarios.language.freshness import freshness_notes
from twinstorm.scenarios.language.reader import read


def notes(objective: str, processor: str = "") -> list[str]:
    return freshness_notes(
        read(
            f"""storm: 1
name: seldom
story: Devices that are heard seldom.
duration: 30 min
fleet:
  devices: 110
  sites: [oslo]
  segments:
    air: {{kind: environment, devices: 50, every: 30 s, through: edges}}
    eyes: {{kind: camera, devices: 50, every: 5 min}}
    edges: {{kind: gateway, devices: 10, every: 30 s{processor}}}
objectives:
  fresh: {{sli: freshness, at_least: 90 %, {objective}}}
""",
            "seldom.storm.yaml",
        )
    )


def test_a_within_not_longer_than_a_period_is_told_with_the_segments_that_are_stale_in_between() -> None:
    (told,) = notes("within: 60 s")
    assert told.startswith("objective `fresh` asks for a reading within 1 min, but ")
    assert "`eyes` every 5 min" in told
    assert "`air`" not in told
    assert told.endswith("Write a `within` of more than 5 min")
    assert notes("within: 5 min"), "a reading that is as old is too old"
    assert not notes("within: 301 s")


def test_devices_are_heard_as_seldom_as_the_processor_of_their_gateway_passes_them_on() -> None:
    thinned = ", gateway: {processor: {every: 2 min}}"
    assert not notes("within: 90 s, of: segment=air")
    (told,) = notes("within: 90 s, of: segment=air", thinned)
    assert "`air` every 2 min (`processor` of `edges`)" in told
    assert "more than 2 min" in told
    assert not notes("within: 90 s, of: segment=edges", thinned), "what a gateway says of itself passes no processor"


def test_an_objective_is_told_of_its_own_devices_alone() -> None:
    assert not notes("within: 60 s, of: kind=environment")
    assert notes("within: 60 s, of: site=oslo")
