"""Whole live runs: real sockets, paho clients, the embedded broker or Mosquitto, and the same answer as the model."""

from __future__ import annotations

import errno
import multiprocessing
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from twinstorm.broker.embedded import EmbeddedBroker
from twinstorm.broker.own_loop import NotAnswered
from twinstorm.detectors.core import Core
from twinstorm.scenarios.engine.errors import BadRequest, Unavailable
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.result import EventRow, PaneRow, RunResult
from twinstorm.twin.flow import Delivery

FOREIGN = """
  - {recovered: 90 %, of: outage}
  - {count: refused, at_most: 1000}
  - {count: reboots, at_most: 1000}
  - {alarm: reboot-storm, after: outage, within: 15 s}
  - {no_alarm: any, to: outage}
  - {never: refused > 1000}
"""

STORM = """storm: 1
name: live-storm
story: A short storm for real sockets.
duration: {duration} s
warm_up: 3 s
start: 2030-01-07T08:00:00Z
fleet:
  devices: 25
  sites: [arn-1, fra-1, fra-2, fra-3, sin-1]
  keep_alive: 12 s
  boot: 1 s .. 2 s
  reconnect: {{backoff: exponential, base: 500 ms, cap: 4 s, jitter: full, timeout: 3 s}}
  buffer: {{readings: 100, evict: oldest}}
  segments:
    motors: {{kind: motor, share: 80 %, every: 1 s, link: ethernet}}
    climate: {{kind: environment, share: 20 %, every: 3 s, link: wifi}}
broker:
  connects: {{rate: 10/s, burst: 3, queue: 3}}
objectives:
  connected: {{sli: connectivity, at_least: 50 %}}
steps:
  - name: outage
    at: 8 s
    fault: {fault}
    {target}
    lasts: 3 s
expect:
  - {{ledger: lost, at_most: 50 %}}
"""


@pytest.fixture
def storm(tmp_path: Path) -> Callable[..., Path]:
    def write(duration: int = 30, fault: str = "power-outage", target: str = "target: site=fra-*") -> Path:
        path = tmp_path / "live-storm.storm.yaml"
        path.write_text(STORM.format(duration=duration, fault=fault, target=target), encoding="utf-8")
        return path

    return write


def play(path: Path, *settings: str, **options: Any) -> RunResult:
    result = Run(load(str(path), settings), RunOptions(seed=5, **{"live": True, "speed": 5.0, **options})).execute()
    ledger = result.ledger
    lost = sum(ledger.lost.values())
    assert ledger.produced == ledger.delivered + ledger.buffered + ledger.in_flight + lost
    assert "unexplained" not in ledger.lost
    assert multiprocessing.active_children() == []
    return result


def test_a_storm_over_real_sockets_ends_with_everybody_back(storm: Callable[..., Path]) -> None:
    result = play(storm())
    assert result.verdict == "held"
    assert result.counts["reboots"] == 15
    assert result.counts["attempts"] >= 15
    assert result.faults[0].evidence == {"devices_without_power": 15, "devices_booted": 15}
    assert "reboot-storm" in {alarm.name for alarm in result.alarms}
    assert result.digest.startswith("live:")


@pytest.mark.parametrize(
    ("fault", "target"),
    [
        ("partition", "target: site=fra-*"),
        ("broker-outage", ""),
        ("core-outage", ""),
        ("sensor-stuck", "target: all"),
        ("clock-lost", "target: all"),
        ("peak", "target: all"),
    ],
)
def test_every_fault_leaves_evidence_live(storm: Callable[..., Path], fault: str, target: str) -> None:
    result = play(storm(fault=fault, target=target or "# it takes no target"))
    assert result.faults[0].bit
    assert result.verdict == "held"


def test_what_an_absent_core_misses_is_kept_up_to_the_limit_and_the_rest_is_lost_by_name(
    storm: Callable[..., Path],
) -> None:
    path = storm(fault="core-outage", target="# it takes no target")
    result = play(path, "broker.offline_queue=20", speed=2.0)
    assert result.faults[0].evidence["sessions_out_of_sight"] == 25
    # And what was on its way when the connection broke: a burst of all devices, or two if the machine paused.
    assert 20 <= result.faults[0].evidence["messages_kept"] <= 20 + 2 * 25
    assert set(result.ledger.lost) == {"queue_full"}
    # Three seconds of 22 readings each, and what is left of a fourth until the core has connected again.
    assert 20 <= result.ledger.lost["queue_full"] <= 90
    assert "silence" not in {alarm.name for alarm in result.alarms}


def test_what_still_waits_for_an_absent_core_at_the_end_is_in_flight(storm: Callable[..., Path]) -> None:
    path = storm(duration=14, fault="core-outage", target="# it takes no target")
    path.write_text(path.read_text().replace("    lasts: 3 s\n", ""), encoding="utf-8")
    ledger = play(path, speed=2.0).ledger
    assert ledger.in_flight >= 5 * 20
    assert not ledger.lost


def test_without_limits_in_the_file_the_storm_is_judged_on_mosquitto_as_anywhere(
    storm: Callable[..., Path], mosquitto: Any
) -> None:
    path = storm(duration=80)  # recovered means for a minute
    path.write_text(path.read_text().rstrip("\n") + FOREIGN, encoding="utf-8")
    result = play(path, "broker.connects=none", broker_url=mosquitto.url, speed=6.0)
    assert [each for each in result.expectations if each.verdict != "held"] == []
    assert result.verdict == "held"
    assert result.counts["reboots"] == 15


def test_crews_repair_live_what_stopped_and_whom_the_core_heard(storm: Callable[..., Path]) -> None:
    """Breakdowns by chance, and a condition that every running motor meets: both reach the totals of the run."""
    path = storm()
    text = path.read_text(encoding="utf-8") + (
        "  - {count: repairs, at_least: 5}\nmaintenance: {policy: condition, when: speed_rpm > 1000 for 3 s, crews: 3,"
        " travel: 1 s, repair: 1 s .. 2 s, breakdown: 60 s}\n"
    )
    path.write_text(text, encoding="utf-8")
    result = play(path)
    found = result.maintenance
    assert found is not None
    assert found.requests > found.breakdowns > 0
    assert found.repairs >= 5
    assert found.downtime_s > found.repairs
    assert result.verdict == "held"


def test_the_same_storm_on_mosquitto_and_mosquitto_sub_sees_it(
    storm: Callable[..., Path], mosquitto: Any, mosquitto_sub: str
) -> None:
    command = [mosquitto_sub, "-p", str(mosquitto.port), "-t", "fleet/+/+/+/telemetry", "-C", "50", "-W", "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as subscriber:
        path = storm()
        path.write_text(path.read_text().rstrip("\n") + FOREIGN, encoding="utf-8")
        result = play(path, broker_url=mosquitto.url)
        lines = subscriber.communicate(timeout=60)[0].splitlines()
    assert result.counts["reboots"] == 15
    assert len(lines) == 50
    assert any("winding_temperature_c" in line for line in lines)
    assert any("cannot be imposed" in note for note in result.notes)
    # What the missing limits could have changed is open, whatever was seen; the rest is judged as ever.
    reason = "limits on connects cannot be imposed on a foreign broker"
    judged = [(each.line, each.verdict, each.why) for each in sorted(result.expectations, key=lambda each: each.line)]
    verdicts = [(verdict, why) for line, verdict, why in judged if line]
    held, open_ = ("held", ""), ("inconclusive", reason)
    assert verdicts == [held, open_, open_, held, open_, held, open_]
    assert result.verdict == "inconclusive"


def test_modelled_and_live_tell_the_same_readings_and_alarms(storm: Callable[..., Path]) -> None:
    path = storm(duration=26)
    told: list[dict[tuple[int, int], bytes]] = []
    orders: list[dict[int, list[int]]] = []
    alarms: list[set[tuple[str, str]]] = []
    for live in (False, True):
        seen: dict[tuple[int, int], bytes] = {}
        order: dict[int, list[int]] = {}

        def take(
            core: Core,
            delivery: Delivery,
            seen: dict[tuple[int, int], bytes] = seen,
            order: dict[int, list[int]] = order,
        ) -> None:
            readings = delivery.readings
            if readings is not None:
                present = readings.present if readings.present is not None else np.ones(len(readings.device), bool)
                for row in np.flatnonzero(present).tolist():
                    device, seq = int(readings.device[row]), int(readings.seq[row])
                    seen[device, seq] = readings.values[row].tobytes()
                    order.setdefault(device, []).append(seq)
            INGEST(core, delivery)

        with patch.object(Core, "ingest", take):
            result = play(path, live=live, speed=4.0 if live else 0.0)
        told.append(seen)
        orders.append(order)
        alarms.append({(alarm.name, alarm.cause) for alarm in result.alarms})
    modelled, live_readings = told
    # Each device's readings arrive in order and without a gap. Only its last ones may still be in its buffer when the
    # run ends: a reconnect takes its own time on real sockets.
    for order in orders:
        assert sorted(order) == list(range(25))
        assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in order.values())
    common = modelled.keys() & live_readings.keys()
    assert len(common) >= 0.9 * max(len(modelled), len(live_readings))
    assert {key: modelled[key] for key in common} == {key: live_readings[key] for key in common}
    assert alarms[0] == alarms[1]


INGEST = Core.ingest


def test_an_interrupted_live_run_leaves_nothing_behind(storm: Callable[..., Path]) -> None:
    run = Run(load(str(storm(duration=300))), RunOptions(live=True, speed=3.0))
    timer = threading.Timer(6.0, run.interrupt)
    timer.start()
    result = run.execute()
    timer.join()
    assert result.ended == "interrupted"
    assert multiprocessing.active_children() == []


def test_a_broker_that_is_too_busy_to_answer_ends_the_run_and_says_what_to_try(storm: Callable[..., Path]) -> None:
    def busy(_: EmbeddedBroker) -> None:
        raise NotAnswered("no answer for 60 s")

    run = Run(load(str(storm(duration=10))), RunOptions(live=True, speed=5.0))
    with (
        patch.object(EmbeddedBroker, "kept_readings", busy),
        pytest.raises(Unavailable, match=r"embedded broker is not available: no answer for 60 s\. .*--speed"),
    ):
        run.execute()
    assert multiprocessing.active_children() == []


class At:
    """A sink that does something at an instant of the run, and remembers how it was closed."""

    def __init__(self, at_s: int, act: Callable[[], object]) -> None:
        self.at_s, self.act = at_s, act
        self.closed: tuple[RunResult | None, str] | None = None

    def event(self, row: EventRow) -> None: ...

    def pane(self, row: PaneRow) -> None:
        if row.at_s == self.at_s:
            self.act()

    def close(self, result: RunResult | None, why: str = "") -> None:
        self.closed = result, why


def kill_worker() -> None:
    for child in multiprocessing.active_children():
        child.kill()


def test_a_worker_that_is_killed_ends_the_run_and_says_so(storm: Callable[..., Path]) -> None:
    sink = At(5, kill_worker)
    run = Run(load(str(storm(duration=300))), RunOptions(live=True, speed=3.0), [sink])
    threads = threading.active_count()
    with pytest.raises(Unavailable, match=r"the worker process is not available: it ended with code -9"):
        run.execute()
    assert sink.closed is not None
    assert sink.closed[0] is None
    assert sink.closed[1] == "the worker process is not available: it ended with code -9"
    assert multiprocessing.active_children() == []
    assert threading.active_count() <= threads


@pytest.mark.parametrize("patience_s", [0.5, 60.0], ids=["in the run", "at its end"])
def test_a_broker_that_is_killed_ends_the_run_and_says_so(
    storm: Callable[..., Path], mosquitto: Any, patience_s: float
) -> None:
    sink = At(5, mosquitto.process.kill)
    run = Run(load(str(storm(duration=12))), RunOptions(live=True, speed=3.0, broker_url=mosquitto.url), [sink])
    threads = threading.active_count()
    with (
        patch("twinstorm.scenarios.engine.live_wiring.BROKER_GONE_S", patience_s),
        pytest.raises(Unavailable, match=f"the broker at 127.0.0.1:{mosquitto.port} is not available: it has been"),
    ):
        run.execute()
    assert sink.closed is not None
    assert sink.closed[0] is None
    assert multiprocessing.active_children() == []
    assert threading.active_count() <= threads


def test_an_embedded_broker_without_a_port_is_unavailable(
    storm: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_nothing(broker: EmbeddedBroker) -> int:
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))

    monkeypatch.setattr(EmbeddedBroker, "open", open_nothing)
    threads = threading.active_count()
    with pytest.raises(Unavailable, match=r"a port of 127\.0\.0\.1 .* is not available: Address already in use"):
        play(storm())
    assert threading.active_count() <= threads


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"speed": 10.0}, BadRequest, "keep-alive"),
        ({"broker_url": "mqtt://broker.example:1883"}, BadRequest, "--yes"),
        ({"broker_url": "http://127.0.0.1"}, BadRequest, "mqtt://host:port"),
        ({"broker_url": "mqtt://127.0.0.1:9"}, Unavailable, "127.0.0.1:9"),
    ],
)
def test_what_cannot_be_played_live_is_said_at_once(
    storm: Callable[..., Path], options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        play(storm(), **options)
    assert multiprocessing.active_children() == []
