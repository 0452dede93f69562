"""A real device among twins: it connects by itself, the core keeps a twin of it, and sees that it runs hot."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.live.paho_end import leave
from twinstorm.broker.tls import ClientTls, client_context
from twinstorm.scenarios.engine.errors import BadRequest
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import load, read
from twinstorm.scenarios.result import EventRow, PaneRow, RunResult
from twinstorm.twin.machines.kind import catalogue
from twinstorm.twin.mirror import Mirror
from twinstorm.twin.places import spots
from twinstorm.twin.wire.codecs import Sender, encode_birth, encode_reading
from twinstorm.twin.wire.layout import Layout
from twinstorm.twin.wire.profile import TWINSTORM, site_and_device

SCENARIO = """storm: 1
name: real
story: One motor of five is no twin, and it runs hot.
duration: 16 s
warm_up: 3 s
fleet:
  devices: 5
  every: 1 s
  keep_alive: 12 s
  segments:
    twins: {kind: motor, share: 80 %}
    press: {kind: motor, share: 20 %, machine: {ambient: 20 C}, mirror: {real: true}}
detectors:
  limit: {channels: [residual_winding_temperature_c], highest: 8, hold: 1 s}
expect:
  - {ledger: lost, at_most: 0}
"""
HOTTER_C = 15.0
CONNECTED = "objectives: {there: {sli: connectivity, of: segment=press, at_least: 99 %}}\n"


class Device(threading.Thread):
    """Firmware of a motor that is hotter than it should be; told where and as whom by the line of a run's timeline."""

    def __init__(self, line: str, certificate: bool) -> None:
        super().__init__(daemon=True)
        where, _, papers = line.partition(": ")[2].partition(", client ids")
        host, _, port = where.rpartition(":")
        self.file = Path(papers.rpartition(": ")[2].partition(",")[0])
        self.name_on_wire, shown = self.file.read_text(encoding="utf-8").split()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self.name_on_wire)
        if certificate:
            ca = Path(papers.partition("authority ")[2].partition(":")[0])
            self.client.tls_set_context(client_context(ClientTls(ca, Path(shown))))
        else:
            self.client.username_pw_set(self.name_on_wire, shown)
        self.is_over = threading.Event()
        self.client.connect(host, int(port))

    def run(self) -> None:
        kind = catalogue()["motor"]
        sender, layout = Sender(self.name_on_wire, "motor"), Layout("motor", kind.channels)
        began_us = time.time_ns() // 1_000
        model = Mirror(kind, spots(["site-1"], np.zeros(1, np.int64)), {"ambient_c": 20.0}, (), 0)
        self.client.loop_start()
        self.client.publish(
            TWINSTORM.state_topic(*site_and_device(self.name_on_wire)),
            encode_birth(sender, 1, began_us),
            1,
            retain=True,
        )
        seq = 0
        while not self.is_over.wait(0.4):
            seq += 1
            now_us = time.time_ns() // 1_000
            unknown = np.full((1, len(kind.channels)), np.nan, np.float32)
            told = model.measure(np.zeros(1, np.intp), np.array([now_us - began_us]), unknown)[0]
            told[0] += HOTTER_C
            payload = encode_reading(sender, layout, 1, seq, now_us, told.tolist())
            self.client.publish(TWINSTORM.telemetry_topic(*site_and_device(self.name_on_wire)), payload, 1)
        leave(self.client)


class Starter:
    """Starts the device when the timeline says how it gets in."""

    def __init__(self, certificate: bool) -> None:
        self.devices: list[Device] = []
        self._certificate = certificate

    def event(self, row: EventRow) -> None:
        if row.name == "real-devices":
            self.devices.append(Device(row.text, self._certificate))
            self.devices[-1].start()

    def pane(self, row: PaneRow) -> None:
        """Nothing."""

    def close(self, result: RunResult | None, why: str = "") -> None:
        """Nothing."""


def played(tls: bool) -> tuple[RunResult, Sequence[Device]]:
    starter = Starter(tls)
    options = RunOptions(seed=3, live=True, speed=1.0, tls=tls)
    try:
        result = Run(read(SCENARIO, "real.storm.yaml"), options, [starter]).execute()
    finally:
        for device in starter.devices:
            device.is_over.set()
            device.join(10)
    return result, starter.devices


@pytest.mark.parametrize("tls", [False, True])
def test_a_real_device_that_runs_hot_is_told_from_twins_that_do_not(tls: bool) -> None:
    result, (device,) = played(tls)
    (alarm,) = [each for each in result.alarms if each.name == "limit"]
    assert [example.device for example in alarm.examples] == [device.name_on_wire]
    assert result.verdict == "held"
    (winding,) = [each for each in result.mirrors if each.channel == "winding_temperature_c"]
    assert winding.readings >= 8
    assert winding.mean is not None
    assert abs(winding.mean - HOTTER_C) < 3.0
    # Its readings are its own: the ledger is that of the twins.
    ledger = result.ledger
    assert ledger.produced == ledger.delivered + ledger.buffered + ledger.in_flight + sum(ledger.lost.values())
    assert ledger.produced <= 4 * 17
    assert [note for note in result.notes if note.startswith("1 real device")]
    assert not device.file.exists(), "what it got in with is gone with the run"


def test_in_virtual_time_a_twin_stands_in_for_it() -> None:
    text = SCENARIO.replace("{ledger: lost, at_most: 0}", "{no_alarm: limit}")
    result = Run(read(text, "real.storm.yaml"), RunOptions(seed=3)).execute()
    assert result.verdict == "held"
    assert result.ledger.produced == 5 * 16


def test_a_real_device_that_was_there_before_the_run_is_there_and_stays_on_a_broker_of_ones_own(mosquitto: Any) -> None:
    name, birth = "site-1/press-0001", encode_birth(Sender("site-1/press-0001", "motor"), 1, 1_000_000)
    topic = TWINSTORM.state_topic(*site_and_device(name))
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name)
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    client.publish(topic, birth, 1, retain=True).wait_for_publish(5)
    text = SCENARIO.replace("duration: 16 s", "duration: 6 s").replace("detectors:", CONNECTED + "detectors:")
    options = RunOptions(seed=3, live=True, speed=1.0, broker_url=mosquitto.url)
    result = Run(read(text, "real.storm.yaml"), options).execute()
    kept: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    client.on_message = lambda _client, _data, message: kept.put(bytes(message.payload))
    client.subscribe(topic)
    assert kept.get(timeout=5) == birth
    leave(client)
    (objective,) = result.objectives
    assert (objective.value, objective.missed_from_s) == (1.0, None), "its session began with the run"


def test_real_devices_stand_in_no_crowd(tmp_path: Path) -> None:
    path = tmp_path / "real.storm.yaml"
    path.write_text(SCENARIO.replace("devices: 5", "devices: 50\n  cohort: 5"), encoding="utf-8")
    with pytest.raises(BadRequest, match="real devices cannot stand in a crowd"):
        Run(load(str(path)), RunOptions(seed=3, live=True)).execute()
