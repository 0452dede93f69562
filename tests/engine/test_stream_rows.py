"""What a screen is told of the processing core, in whole runs."""

from __future__ import annotations

import pytest

from twinstorm.scenarios.engine import frames
from twinstorm.scenarios.engine.frames import Watch
from twinstorm.scenarios.engine.paces import VirtualPace
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.engine.session import Session
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.protocol import AskStreams, Frame, ProcessingRow, StreamRow
from twinstorm.twin.flow import SECOND_US

FILE = """storm: 1
name: core
story: A broker comes back with all that the devices kept.
duration: 6 min
fleet:
  devices: 100
  sites: [fra-1, sin-1]
  buffer: {readings: 200}
  boot: 1 s .. 4 s
  reconnect: {base: 1 s, cap: 4 s}
  segments:
    motors: {kind: motor, share: 80 %, every: 1 s, qos: 1}
    rooms: {kind: environment, share: 20 %, every: 5 s}
steps:
  - {name: outage, at: 60 s, fault: broker-outage, lasts: 60 s}
expect:
  - {ledger: delivered, at_least: 1}
"""
ALL = """windows:
  heat: {of: motor.winding_temperature_c, by: site, every: 10 s, lateness: 2 s}
  load: {of: motor.current_a, by: site, every: 10 s, lateness: 2 s}
joins:
  gap: {left: motor.winding_temperature_c, right: environment.temperature_c, by: site, before: 10 s}
correlations:
  together: {left: heat, right: load, over: 6}
routes:
  hot: {when: winding_temperature_c > 20, to: store, keep: [winding_temperature_c]}
continuity: {least: 10 s}
stamps: {every: 10}
processing: {service: 8 ms, partitions: 4, consumers: 1, room: 3000, shed: oldest}
"""


def frame_at(at_s: int, more: str = "", text: str = FILE) -> Frame:
    engine = build(read(text + more, "core.storm.yaml"), RunOptions(seed=3))
    watch = Watch(engine)
    engine.sinks = (watch,)
    watch.streams = True
    engine.advance(at_s * SECOND_US)
    return watch.frame("running", 1.0, 1.0)


def rows_of(frame: Frame) -> dict[tuple[str, str], StreamRow]:
    return {(row.word, row.name): row for row in frame.streams}


def pool_of(frame: Frame) -> ProcessingRow:
    assert frame.processing is not None
    return frame.processing


def test_a_scenario_that_asks_for_nothing_shows_nothing() -> None:
    frame = frame_at(30)
    assert frame.streams == []
    assert not frame.has_streams
    assert frame.processing is None


def test_rows_are_made_only_while_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = build(read(FILE + ALL, "core.storm.yaml"), RunOptions(seed=3))
    session = Session(engine, VirtualPace(engine, 0.0, clock=lambda: 0.0))
    engine.advance(60 * SECOND_US)
    with monkeypatch.context() as patched:
        patched.setattr(frames, "stream_rows", None)  # whoever makes rows now fails
        unseen = session.frame()
    assert (unseen.streams, unseen.has_streams) == ([], True)
    assert unseen.processing is not None
    assert session.obey(AskStreams(on=True)) is None
    assert len(session.frame().streams) == 10
    session.obey(AskStreams(on=False))
    assert session.frame().streams == []
    engine.finish("stopped")
    assert len(session.frame().streams) == 10, "the last frame is all that is left to look at"


def test_every_word_has_a_row_in_the_order_of_the_stream() -> None:
    frame = frame_at(180, ALL)
    words = list(dict.fromkeys(row.word for row in frame.streams))
    assert words == [
        "processing", "windows", "joins", "correlations", "routes", "continuity", "stamps", "ingest",
    ]  # fmt: skip


def test_a_window_shows_what_its_keys_have_now() -> None:
    heat = rows_of(frame_at(50, ALL))["windows", "heat"]
    assert heat.unit == "C"
    assert sorted(key.name for key in heat.keys) == ["fra-1", "sin-1"]
    assert heat.figure == max(key.figure or 0.0 for key in heat.keys)
    assert heat.whose == f"greatest now, {heat.keys[0].name}"
    assert heat.trouble == ""


def test_before_its_first_window_closes_a_row_says_so() -> None:
    heat = rows_of(frame_at(5, ALL))["windows", "heat"]
    assert (heat.figure, heat.keys, heat.whose) == (None, [], "no window has closed yet")


def test_of_many_keys_the_ten_greatest_are_told() -> None:
    many = "windows:\n  heat: {of: motor.winding_temperature_c, by: device, every: 10 s}\n"
    heat = rows_of(frame_at(50, many))["windows", "heat"]
    figures = [key.figure or 0.0 for key in heat.keys]
    assert len(figures) == 10
    assert figures == sorted(figures, reverse=True)


def test_a_slow_core_says_how_far_behind_it_is_and_what_it_sheds() -> None:
    before, behind = pool_of(frame_at(50, ALL)), pool_of(frame_at(150, ALL))
    assert (before.lag_s, before.shed) == (0.0, 0)
    assert behind.policy == "room 3,000, then the oldest go"
    assert behind.waiting <= 3_000
    assert behind.shed > 0
    assert behind.lag_s > 5
    assert behind.processed_per_s == pytest.approx(125, rel=0.05)
    assert behind.took_s is not None
    row = rows_of(frame_at(150, ALL))["processing", "pool"]
    assert row.figure == behind.lag_s
    assert f"{behind.shed:,} shed" in row.trouble


def test_functions_tell_their_price() -> None:
    functions = "processing: {service: 20 ms, serverless: {cold: 300 ms, most: 1, price: 0.001}}\n"
    behind = pool_of(frame_at(150, functions))
    assert behind.functions
    assert behind.calls > 0
    assert behind.cost == pytest.approx(0.001 * behind.calls)
    assert behind.lag_s > 10, "one instance does 50 a second of the 84 that come"
    assert behind.policy == "no limit: none is shed"


def test_what_the_core_refuses_is_shown_without_being_asked_for() -> None:
    broken = FILE.replace("fault: broker-outage", "fault: payload-truncation, target: site=fra-1")
    (row,) = frame_at(100, text=broken).streams
    assert row.word == "ingest"
    refused = {word: count for word, count in row.counts.items() if word.startswith("refused: ")}
    assert sum(refused.values()) > 0
    assert row.trouble == f"{sum(refused.values()):,} dead letters"


def test_silence_names_sensors_and_links() -> None:
    dark = FILE.replace("fault: broker-outage", "fault: power-outage, target: site=fra-1")
    row = rows_of(frame_at(100, "continuity: {least: 10 s}\n", dark))["continuity", "now"]
    assert row.trouble == "50 dead links"
    assert row.lines[0].startswith("link fra-1/")


def test_mirrors_show_their_residuals() -> None:
    text = FILE.replace("qos: 1}", "qos: 1, mirror: {}}")
    row = rows_of(frame_at(50, text=text))["mirrors", "motors"]
    assert "80 devices" in row.of
    assert row.counts["readings"] > 0
    assert {key.name for key in row.keys} >= {"winding_temperature_c"}
