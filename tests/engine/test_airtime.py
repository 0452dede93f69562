"""Segments that have no time on their link for what they are to send are told, before a run and after it."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine.airtime import Turn, airtime_notes, note_of
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.catalogue import FAST_LINKS
from twinstorm.scenarios.language.reader import library_names, load, read
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.network import LINKS


def written(words: str, kind: str = "environment", link: str = "lorawan-sf12") -> str:
    return f"""storm: 1
name: talkers
story: Too much to say.
duration: 30 min
fleet:
  devices: 5
  sites: [oslo]
  segments:
    air: {{kind: {kind}, share: 100 %, link: {link}, {words}}}
expect:
  - {{ledger: delivered, at_least: 0}}
"""


def notes(words: str, **rest: str) -> list[str]:
    return airtime_notes(read(written(words, **rest), "talkers.storm.yaml"))


def test_a_period_shorter_than_time_on_air_and_silence_is_told_with_the_one_that_fits() -> None:
    (told,) = notes("every: 10 s")
    assert "segment `air`" in told
    assert "`lorawan-sf12`" in told
    assert "a reading every 10 s takes" in told
    fits_s = float(told.split("the shortest period that fits is ")[1].split(" s")[0])
    assert "of silence after it" in told
    assert "with a `keep_alive` as long" in told
    assert not notes(f"every: {fits_s} s, keep_alive: {fits_s} s"), "it does fit"
    assert notes(f"every: {fits_s - 0.001:.3f} s, keep_alive: 1 h"), "and nothing shorter"


def test_pings_that_break_the_duty_cycle_are_told_with_the_keep_alive_that_does_not() -> None:
    (told,) = notes("every: 20 min")
    assert "pings every 1 min" in told
    fits_s = float(told.split("write a `keep_alive` of ")[1].split(" s")[0])
    assert not notes(f"every: 20 min, keep_alive: {fits_s} s")
    assert notes(f"every: 20 min, keep_alive: {fits_s - 0.01:.3f} s")


def test_a_link_without_a_duty_cycle_is_as_full_as_its_rate() -> None:
    (told,) = notes("every: 200 ms", kind="motor", link="nb-iot")
    assert "silence" not in told
    assert not notes("every: 1 s", kind="motor", link="nb-iot")
    assert not notes("every: 100 ms", kind="motor", link="ethernet")


def test_fast_links_are_those_whose_messages_take_no_time() -> None:
    assert set(FAST_LINKS) == {name for name, link in LINKS.items() if not link.air_us(100)}


def test_pings_end_where_the_keep_alive_reaches_the_period() -> None:
    reading, ping = Turn(SECOND_US, 99 * SECOND_US), Turn(SECOND_US // 2, 49 * SECOND_US + SECOND_US // 2)
    assert note_of(100 * SECOND_US, 100 * SECOND_US, reading, ping) == ""
    assert "write a `keep_alive` of 100 s or more" in note_of(100 * SECOND_US, 60 * SECOND_US, reading, ping)


@pytest.mark.parametrize("name", library_names())
def test_scenarios_of_the_library_have_the_time(name: str) -> None:
    assert airtime_notes(load(name)) == []


def test_the_note_is_one_of_the_run_and_tells_what_the_ledger_shows() -> None:
    def played(words: str) -> tuple[list[str], float]:
        engine = build(read(written(words), "talkers.storm.yaml"), RunOptions(seed=1))
        engine.play()
        ledger = engine.ledger()
        return result_of(engine, speed=0.0, wall_s=0.0, repeat="").notes, ledger.delivered / ledger.produced

    told, share = played("every: 10 s")
    assert any("segment `air` has no time on" in note for note in told)
    assert share < 0.1
    told, share = played("every: 250 s, keep_alive: 250 s")
    assert not any("has no time on" in note for note in told)
    assert share > 0.8
