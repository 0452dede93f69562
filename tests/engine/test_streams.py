"""What scenarios ask of the stream of readings, in whole runs: it is found, told, and changes nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinstorm.scenarios.engine import memory
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.record.read import open_run
from twinstorm.scenarios.record.recorder import Recorder
from twinstorm.scenarios.reports.ending import ending
from twinstorm.scenarios.reports.streams import stream_sections
from twinstorm.scenarios.result import RunResult, WindowResult
from twinstorm.twin.flow import SECOND_US

FILE = """storm: 1
name: streams
story: One of two sites goes dark for a minute.
duration: 5 min
fleet:
  devices: 60
  sites: [fra-1, sin-1]
  segments:
    motors: {kind: motor, share: 50 %, every: 1 s}
    rooms: {kind: environment, share: 50 %, every: 5 s}
steps:
  - {name: outage, at: 2 min, fault: power-outage, target: site=fra-1, lasts: 1 min}
expect:
  - {ledger: delivered, at_least: 1}
"""
WINDOWS = """windows:
  heat: {of: motor.winding_temperature_c, by: site, every: 30 s, width: 1 min}
  rooms: {of: environment.temperature_c, figure: count, by: site, every: 10 s, lateness: 1 s}
  spells: {of: motor.current_a, figure: count, by: device, gap: 20 s, lateness: 1 s}
"""
EXPECTED = """  - never: window(heat, least)[site=sin-1] < 20
  - eventually: window(rooms)[site=fra-1] = 0
    after: outage
  - never: window(rooms)[site=sin-1] != 30
  - {at: 2 min, that: "window(spells) < 0"}
"""


DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "detection.md"


def made(more: str = "", text: str = FILE, seed: int = 3) -> Engine:
    return build(read(text + more, "streams.storm.yaml"), RunOptions(seed=seed))


def finished(engine: Engine) -> RunResult:
    engine.play()
    assert engine.ledger().difference == 0
    return result_of(engine, speed=0.0, wall_s=0.0, repeat="")


def told(result: RunResult) -> dict[str, WindowResult]:
    return {found.name: found for found in result.windows}


def test_windows_are_asked_by_expectations_and_told_in_the_end() -> None:
    result = finished(made(EXPECTED + WINDOWS))
    verdicts = [each.verdict for each in result.expectations]
    assert verdicts == ["held", "held", "held", "held", "inconclusive"], "before its first session has ended"
    heat, rooms, spells = result.windows
    assert (heat.name, heat.of, heat.unit, heat.every_s, heat.width_s) == (
        "heat",
        "motor.winding_temperature_c",
        "C",
        30.0,
        60.0,
    )
    # The last one ends at 4 min 30 s: that of 5 min is open when the run ends.
    assert heat.closed == 9
    assert {key.key: key.windows for key in rooms.top} == {"sin-1": 29, "fra-1": 22}
    assert rooms.top[0].most == 30.0
    # Of fra-1 alone a session has ended: the other site speaks on, and so does fra-1 since it is back.
    assert (spells.closed, spells.keys, len(spells.top)) == (15, 15, 10)
    assert (heat.late, rooms.late) == (0, 0)


def test_what_is_told_can_be_read() -> None:
    result = finished(made(WINDOWS))
    assert any(
        line.startswith("window rooms: count of environment.temperature_c by site, 29 cl") for line in ending(result)
    )
    (section,) = stream_sections(result)
    kept, keys = section.tables
    assert [row[2] for row in kept.rows] == ["1 min every 30 s", "10 s", "sessions, gap 20 s"]
    assert ("rooms", "sin-1", "29", "30", "30", "30") in keys.rows
    assert "Of 15 keys of spells those 10 with the greatest figures." in section.lines
    assert stream_sections(finished(made())) == []


def test_who_keeps_windows_plays_the_same_run() -> None:
    plain, kept = finished(made()), finished(made(WINDOWS))
    assert kept.digest == plain.digest
    assert kept.ledger == plain.ledger
    assert plain.windows == []


@pytest.mark.parametrize("stop_us", [125_400_000, 170_000_001])
def test_stopped_and_gone_on_it_has_the_same_figures(stop_us: int) -> None:
    whole = finished(made(EXPECTED + WINDOWS))
    engine = made(EXPECTED + WINDOWS)
    engine.advance(stop_us)
    again = finished(Engine.load(engine.save()))
    assert again.windows == whole.windows
    assert again.expectations == whole.expectations


def test_a_window_can_end_a_run() -> None:
    stop = "stop_when:\n  when: window(rooms)[site=fra-1] = 0\n"
    result = finished(made(stop + WINDOWS))
    assert result.ended == "stopped"
    assert 120 <= result.simulated_s <= 145


def test_what_a_clock_far_ahead_says_is_misdated_and_in_no_window() -> None:
    text = FILE.replace("every: 5 s", "every: 5 s, clock: {offset: 1 h}")
    rooms = told(finished(made(WINDOWS, text)))["rooms"]
    assert (rooms.closed, rooms.top) == (0, [])
    assert rooms.misdated > 30 * 40


def test_what_waited_in_a_buffer_for_too_long_is_late() -> None:
    text = FILE.replace("fault: power-outage, target: site=fra-1", "fault: broker-outage")
    rooms, heat = (told(finished(made(WINDOWS, text)))[name] for name in ("rooms", "heat"))
    assert rooms.late > 100
    assert heat.late > 100
    assert max(key.windows for key in rooms.top) < 29


def test_windows_of_devices_count_in_the_memory_of_a_run() -> None:
    text = FILE.replace("devices: 60", "devices: 1000000")
    plain = memory.needed_bytes(read(text, "streams.storm.yaml"))
    by_site = memory.needed_bytes(read(text + WINDOWS.partition("  spells")[0], "streams.storm.yaml"))
    wide = "windows:\n  w: {of: motor.current_a, by: device, every: 1 s, width: 1000 s}\n"
    by_device = memory.needed_bytes(read(text.replace("5 min", "20 min") + wide, "streams.storm.yaml"))
    assert by_site - plain < 100 * 2**20
    assert by_device - plain > 500_000 * 1000 * 32


def test_look_up_is_that_of_the_newest_window() -> None:
    engine = made(WINDOWS)
    engine.advance(61 * SECOND_US)
    figure = engine.core.streams
    assert figure is not None
    assert engine.look_up("window(rooms)", None, 0) == 30.0
    assert engine.look_up("window(heat)", None, 0) == figure.figures["heat"].value(None)


ROUTES = """routes:
  hot: {topic: fleet/+/fra-1/#, when: winding_temperature_c > 20, to: alarm}
  trim:
    when: winding_temperature_c > 20
    to: command
    keep: [temperature_f]
    becomes: {winding_temperature_c: {name: temperature_f, unit: F}}
    takes: 10/s
  odd: {topic: fleet/+/+/+/telemetry, when: humidity_pct > 0 and battery_pct <= 100, to: dead-letter}
"""
ROUTED = """  - {alarm: hot, within: 10 s, target: site=fra-1, severity: ticket}
  - {no_alarm: hot, target: site=sin-1}
  - eventually: routed(trim) > 3000
  - never: routed(odd) > produced
"""


def test_rules_send_readings_on_raise_alarms_and_lose_nothing() -> None:
    result = finished(made(ROUTED + ROUTES))
    assert [each.verdict for each in result.expectations] == ["held"] * 5
    hot, trim, odd = result.routes
    assert sum(each.taken for each in result.routes) + result.unrouted == result.ledger.delivered
    for each in result.routes:
        assert each.taken == each.delivered + each.waiting + each.dead
    # Fifteen motors speak each second, and ten are taken.
    assert trim.delivered == pytest.approx(10 * 300, abs=10)
    assert trim.retried > trim.dead > 500
    assert hot.taken == hot.delivered
    assert odd.dead == odd.taken > 1000
    assert result.ledger.lost == finished(made()).ledger.lost, "what a rule takes for dead has been delivered"
    assert [sorted(one.told) for one in trim.newest] == [["temperature_f"]] * 3
    assert trim.newest[0].told["temperature_f"] > 68
    assert [alarm.name for alarm in result.alarms if alarm.name == "hot"][:1] == ["hot"]


def test_what_rules_did_can_be_read() -> None:
    result = finished(made(ROUTES))
    lines = ending(result)
    assert any(line.startswith("route trim to command: ") and " retried, " in line for line in lines)
    assert f"routes: {result.unrouted:,} readings went nowhere" in lines
    (section,) = stream_sections(result)
    assert [row[0] for row in section.tables[0].rows] == ["hot", "trim", "odd"]
    assert {row[0] for row in section.tables[1].rows} == {"trim"}
    assert any("nothing is sent to devices" in line for line in section.lines)


def test_rules_without_alarms_play_the_same_run() -> None:
    plain = finished(made())
    sent = finished(made(ROUTES.replace("to: alarm", "to: store")))
    assert (sent.digest, sent.ledger) == (plain.digest, plain.ledger)


def test_stopped_and_gone_on_it_has_sent_the_same() -> None:
    whole = finished(made(ROUTES))
    engine = made(ROUTES)
    engine.advance(130_500_000)
    again = finished(Engine.load(engine.save()))
    assert (again.routes, again.unrouted, again.digest) == (whole.routes, whole.unrouted, whole.digest)


def test_a_rule_on_whose_topics_nobody_speaks_is_told() -> None:
    notes = finished(made("routes:\n  cold: {topic: fleet/+/oslo/#, to: store}\n")).notes
    assert "route `cold` takes nothing: no device speaks on its topics" in notes


def test_topics_are_those_of_the_wire_of_a_segment() -> None:
    text = FILE.replace("every: 5 s", "every: 5 s, codec: cbor")
    result = finished(made("routes:\n  packed: {topic: fleet/+/+/+/telemetry.cbor, to: store}\n", text))
    assert result.routes[0].taken == pytest.approx(30 * 60, rel=0.2)
    assert result.unrouted > 15 * 300


def test_what_was_stored_stands_in_the_record(tmp_path: Path) -> None:
    scenario = read(FILE + ROUTES, "streams.storm.yaml")
    recorder = Recorder.start(scenario, seed=3, out=tmp_path)
    engine = made(ROUTES)
    engine.sinks = (recorder,)
    result = finished(engine)
    recorder.close(result)
    run = open_run(str(recorder.folder))
    rows = run.routed()
    assert {row.rule for row in rows} == {"trim"}
    assert {row.target for row in rows} == {"command"}
    assert len(rows) == result.routes[1].delivered
    assert rows[0].told["temperature_f"] > 68
    assert {letter.reason for letter in run.letters()} == {"route `odd`", "route `trim`"}


JOINS = """windows:
  heat: {of: motor.winding_temperature_c, by: site, every: 10 s}
  load: {of: motor.current_a, by: site, every: 10 s}
joins:
  warm: {left: motor.winding_temperature_c, right: environment.temperature_c, before: 5 s, after: 0 s, above: 20}
correlations:
  together: {left: heat, right: load, over: 20}
"""
JOINED = """  - {alarm: warm, within: 20 s, severity: ticket}
  - eventually: difference(warm)[site=sin-1] > 20
  - eventually: pairs(warm) > 1000
  - eventually: correlation(together)[site=sin-1] > 0.5
  - {at: 10 s, that: correlation(together) > 0}
"""


def test_joins_and_correlations_are_asked_raise_alarms_and_are_told() -> None:
    result = finished(made(JOINED + JOINS))
    assert [each.verdict for each in result.expectations] == ["held"] * 5 + ["inconclusive"], "too few windows yet"
    (join,) = result.joins
    assert {key.key for key in join.top} == {"fra-1", "sin-1"}
    assert join.pairs == sum(key.pairs for key in join.top)
    # A motor at a site of 15 rooms, each of which speaks every five seconds: 15 partners, or 30 at its instant.
    assert join.pairs / (15 * 15 * 2 * 280) == pytest.approx(1.2, rel=0.2)
    (correlation,) = result.correlations
    assert set(correlation.top) == {"fra-1", "sin-1"}
    assert all(-1 <= value <= 1 for value in correlation.top.values())


def test_what_joins_and_correlations_found_can_be_read() -> None:
    result = finished(made(JOINS))
    lines = ending(result)
    assert any(
        line.startswith("join warm: motor.winding_temperature_c with environment.temperature_c") for line in lines
    )
    assert any(line.startswith("correlation together: heat with load, ") for line in lines)
    assert [section.title for section in stream_sections(result)] == ["Windows", "Joins", "Correlations"]


def test_a_join_without_an_alarm_plays_the_same_run_also_after_a_stop() -> None:
    text = JOINS.replace(", above: 20", "")
    plain, joined = finished(made()), finished(made(text))
    assert (joined.digest, joined.ledger) == (plain.digest, plain.ledger)
    engine = made(text)
    engine.advance(131_500_000)
    again = finished(Engine.load(engine.save()))
    assert (again.joins, again.correlations) == (joined.joins, joined.correlations)


def test_what_waits_for_partners_counts_in_the_memory_of_a_run() -> None:
    text = FILE.replace("devices: 60", "devices: 1000000")
    found = [memory.needed_bytes(read(text + more, "streams.storm.yaml")) for more in ("", JOINS)]
    assert found[1] - found[0] > 500_000 * 15 * 16


SILENCES = """continuity: {}
"""
SILENT = """  - eventually: dead_sensors = 3
    after: drop
    within: 15 s
  - never: dead_sensors[site=sin-1] > 0
  - eventually: dead_links[site=fra-1] = 30
    after: outage
    within: 30 s
  - never: dead_links[site=sin-1] > 0
"""
DROP = """  - name: drop
    at: 1 min
    fault: sensor-dropout
    target: kind=motor site=fra-1 first=3
    with: {channel: current_a}
"""
DROPPED = FILE.replace("expect:", f"{DROP}expect:")


def test_a_dead_sensor_is_told_from_a_dead_link() -> None:
    result = finished(made(SILENT + SILENCES, DROPPED))
    assert [each.verdict for each in result.expectations] == ["held"] * 5
    found = result.continuity
    assert found is not None
    assert (found.dead_sensors, found.dead_links, found.never) == (3, 0, 0)
    assert all(name.startswith("fra-1/motors-") and name.endswith(" current_a") for name in found.sensors)
    line = next(line for line in ending(result) if line.startswith("continuity: "))
    assert line.startswith("continuity: 3 dead sensors (fra-1/motors-")
    assert line.endswith(" current_a, ...), 0 dead links")
    assert [section.title for section in stream_sections(result)] == ["Continuity"]


def test_in_the_dark_links_are_dead_and_no_sensors() -> None:
    engine = made(SILENCES, DROPPED)
    engine.advance(150 * SECOND_US)
    assert engine.look_up("dead_links", None, 0) == 30.0
    assert engine.look_up("dead_sensors", None, 0) == 0.0, "of a device that is silent nobody knows its sensors"
    again = Engine.load(engine.save())
    assert finished(again).continuity == finished(engine).continuity


def test_patience_is_a_setting() -> None:
    engine = made("continuity: {periods: 50, least: 50 s}\n", DROPPED)
    engine.advance(109 * SECOND_US)
    assert engine.look_up("dead_sensors", None, 0) == 0.0
    engine.advance(113 * SECOND_US)
    assert engine.look_up("dead_sensors", None, 0) == 3.0


def test_who_listens_plays_the_same_run_and_needs_more_memory() -> None:
    plain, heard = finished(made()), finished(made(SILENCES))
    assert (heard.digest, heard.ledger, plain.continuity) == (plain.digest, plain.ledger, None)
    found = [memory.needed_bytes(read(FILE + more, "streams.storm.yaml")) for more in ("", SILENCES)]
    assert found[1] - found[0] == 60 * (16 * 6 + 24)


def test_a_device_that_the_registry_lacks_has_no_dead_link() -> None:
    lack = "  - {name: lack, at: 1 min, fault: stale-registry, target: site=sin-1, with: {entries: missing}}"
    engine = made(SILENCES, FILE.replace("expect:", f"{lack}\nexpect:"))
    engine.advance(115 * SECOND_US)
    assert engine.look_up("dead_links", None, 0) == 0.0


def test_the_example_of_the_document_says_what_stands_there() -> None:
    told = DOCUMENT.read_text().partition("## Streams at work")[2]
    scenario, lines = told.split("```yaml\n")[1].split("```")[0], told.split("```\n")[2].splitlines()
    result = finished(build(read(scenario, "hot-hall.storm.yaml"), RunOptions(seed=1)))
    assert result.verdict == "held"
    assert len(lines) > 5
    assert [line for line in ending(result) if line in lines] == lines
    alarm = next(alarm for alarm in result.alarms if alarm.name == "hot")
    assert alarm.at_s - 180 == 965
