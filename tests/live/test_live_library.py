"""The library over real sockets: what a scenario says in virtual time it says live too, plain and over TLS."""

from __future__ import annotations

import pytest

from benchmarks.library import play, way_to_play
from twinstorm.scenarios.engine.live_checks import problems
from twinstorm.scenarios.language.reader import library_names, load


@pytest.mark.parametrize("name", library_names())
@pytest.mark.parametrize("tls", [False, True])
def test_nothing_of_the_library_is_refused_live(name: str, tls: bool) -> None:
    how = way_to_play(name)
    scenario = load(name, devices=how.devices)
    assert problems(scenario, live=True, speed=how.speed, broker_url=None, hold_open=False, yes=False, tls=tls) == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", library_names())
@pytest.mark.parametrize("way", ["live", "live TLS"])
def test_the_verdict_of_the_library_is_the_same_on_every_way(name: str, way: str) -> None:
    asked = play(name, "virtual")
    found = play(name, way)
    assert asked.verdict == "held"
    assert (found.verdict, found.missed) == ("held", ())
