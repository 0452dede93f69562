"""Gateways over real sockets: one client speaks for many, its buffer and its services are those of virtual time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from tests.live.raw_mqtt import Client, until
from tests.live.test_live_storm import play
from tests.twin.worlds import carried
from twinstorm.broker.device_end import WINDOW, LiveDeviceEnd
from twinstorm.broker.embedded import EmbeddedBroker, device_topics
from twinstorm.detectors.core import Core
from twinstorm.scenarios import library
from twinstorm.scenarios.result import RunResult
from twinstorm.twin.fleet import grow
from twinstorm.twin.flow import Delivery, DeviceEvent, Identities, Readings
from twinstorm.twin.machines.kind import catalogue

FLEET = """storm: 1
name: live-gateways
story: A short fault of gateways, for real sockets.
duration: {duration} s
warm_up: 3 s
start: 2030-01-07T08:00:00Z
fleet:
  devices: 28
  sites: [arn-1, fra-1]
  keep_alive: 12 s
  boot: 1 s .. 2 s
  link: ethernet
  reconnect: {{backoff: exponential, base: 500 ms, cap: 4 s, jitter: full, timeout: 3 s}}
  buffer: {{readings: 100, evict: oldest}}
  segments:
    modern: {{kind: gateway, devices: 2, every: 2 s, gateway: {{rate: 60/s, store: disk, spare: standby}}}}
    legacy: {{kind: gateway, devices: 2, every: 2 s, gateway: {{rate: 60/s, store: memory}}}}
    motors: {{kind: motor, devices: 16, {motors}, through: modern}}
    climate: {{kind: environment, devices: 8, {climate}, through: legacy}}
steps:
{steps}
objectives:
  connected: {{sli: connectivity, at_least: 1 %}}
"""


@pytest.fixture
def fleet(tmp_path: Path) -> Callable[..., Path]:
    def write(duration: int, *steps: str, motors: str = "every: 1 s", climate: str = "every: 2 s") -> Path:
        path = tmp_path / "live-gateways.storm.yaml"
        lines = "\n".join(f"  - {{{step}}}" for step in steps)
        path.write_text(FLEET.format(duration=duration, steps=lines, motors=motors, climate=climate), encoding="utf-8")
        return path

    return write


class Seen:
    """What reached the core of a run, in its order."""

    def __init__(self, path: Path, live: bool, **options: Any) -> None:
        self.values: dict[tuple[int, int], bytes] = {}
        self.order: dict[int, list[int]] = {}
        with patch.object(Core, "ingest", self._taking()):
            self.result = play(path, live=live, speed=5.0 if live else 0.0, **options)

    def _taking(self) -> Callable[[Core, Delivery], None]:
        def take(core: Core, delivery: Delivery) -> None:
            readings = delivery.readings
            if readings is not None:
                present = readings.present if readings.present is not None else np.ones(len(readings.device), bool)
                for row in np.flatnonzero(present).tolist():
                    device, seq = int(readings.device[row]), int(readings.seq[row])
                    if (device, seq) not in self.values:
                        self.order.setdefault(device, []).append(seq)
                    self.values[device, seq] = readings.values[row].tobytes()
            INGEST(core, delivery)

        return take

    def alarms(self, *names: str) -> set[tuple[str, str]]:
        return {(alarm.name, alarm.fault or "") for alarm in self.result.alarms if not names or alarm.name in names}

    def share_of(self, other: Seen) -> float:
        return len(self.values.keys() & other.values.keys()) / max(len(self.values), len(other.values))


INGEST = Core.ingest


def evidence(result: RunResult) -> dict[str, dict[str, int]]:
    return {fault.name: {what: count for what, count in fault.evidence.items() if count} for fault in result.faults}


# --- the same on both clocks ------------------------------------------------------------------------------------------


def test_a_lost_uplink_modelled_and_live_tells_the_same_readings_in_order_and_the_same_alarms(
    fleet: Callable[..., Path],
) -> None:
    """A cut behind which sessions end: the core loses everybody, gateways keep all, and tell it oldest first."""
    path = fleet(54, "name: night, at: 6 s, fault: partition, target: kind=gateway, lasts: 30 s")
    # Whole seconds on the wire at 5x: two keep-alives are over well before the cut is.
    path.write_text(path.read_text().replace("keep_alive: 12 s", "keep_alive: 10 s"), encoding="utf-8")
    modelled, live = Seen(path, live=False), Seen(path, live=True)
    for seen in (modelled, live):
        assert sorted(seen.order) == list(range(28))
        assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in seen.order.values())
        assert not seen.result.ledger.lost
        assert evidence(seen.result)["night"] == {"sessions_cut_off": 4}
    assert modelled.share_of(live) >= 0.9
    common = modelled.values.keys() & live.values.keys()
    assert {key: modelled.values[key] for key in common} == {key: live.values[key] for key in common}
    assert ("silence", "night") in modelled.alarms()
    assert modelled.alarms() == live.alarms()


def test_machines_that_crash_keep_what_is_on_a_disk_and_lose_what_is_in_memory(fleet: Callable[..., Path]) -> None:
    path = fleet(
        46,
        "name: dark, at: 8 s, fault: partition, target: kind=gateway, lasts: 24 s",
        "name: crash, at: 20 s, fault: gateway-crash, target: kind=gateway, lasts: 3 s",
    )
    modelled, live = Seen(path, live=False), Seen(path, live=True)
    for seen in (modelled, live):
        assert evidence(seen.result)["crash"]["gateways_stopped"] == 4
        assert set(seen.result.ledger.lost) == {"power"}
        assert all(seqs == sorted(seqs) for seqs in seen.order.values())
    # Twelve seconds of eight devices that speak every two, and what six readings of each gateway were.
    lost = [sum(seen.result.ledger.lost.values()) for seen in (modelled, live)]
    assert 40 <= min(lost) <= max(lost) <= 90
    motors = [device for device, seqs in live.order.items() if len(seqs) > 40]
    assert len(motors) == 16
    assert all(live.order[device] == list(range(1, len(live.order[device]) + 1)) for device in motors)


def test_each_service_that_stops_leaves_its_evidence_and_the_ledger_closes(fleet: Callable[..., Path]) -> None:
    services = ("broker", "processor", "buffer", "forwarder")
    steps = [
        f"name: {service}, at: {8 + 10 * nth} s, fault: gateway-crash, target: kind=gateway, with: "
        f"{{service: {service}}}, lasts: 4 s"
        for nth, service in enumerate(services)
    ]
    steps.append(
        "name: failover, at: 48 s, fault: gateway-failover, target: segment=modern, with: {takeover: 2 s}, lasts: 6 s"
    )
    modelled, live = Seen(fleet(66, *steps), live=False), Seen(fleet(66, *steps), live=True)
    for seen in (modelled, live):
        found = evidence(seen.result)
        assert all(found[service]["services_stopped"] == 4 for service in services)
        assert found["broker"]["sessions_ended"] == 24
        assert found["failover"] == {"machines_failed": 2, "spares_called": 2}
        assert sum(seen.result.ledger.lost.values()) <= 0.02 * seen.result.ledger.produced
        assert all(seqs == sorted(seqs) for seqs in seen.order.values())
    assert modelled.share_of(live) >= 0.9
    assert modelled.alarms("silence") == live.alarms("silence")


def test_a_full_disk_lets_the_buffer_grow_no_more(fleet: Callable[..., Path]) -> None:
    path = fleet(
        40,
        "name: dark, at: 6 s, fault: partition, target: kind=gateway, lasts: 20 s",
        "name: full, at: 12 s, fault: disk-full, target: segment=modern, lasts: 14 s",
    )
    for seen in (Seen(path, live=False), Seen(path, live=True)):
        assert set(seen.result.ledger.lost) == {"evicted"}
        assert 150 <= seen.result.ledger.lost["evicted"] == evidence(seen.result)["full"]["readings_evicted"] <= 240


def test_a_broker_that_dies_costs_what_it_had_and_gateways_send_the_rest_again(fleet: Callable[..., Path]) -> None:
    path = fleet(40, "name: dead, at: 10 s, fault: broker-outage, lasts: 5 s")
    live = Seen(path, live=True)
    assert live.result.faults[0].bit
    assert set(live.result.ledger.lost) <= {"outage"}
    assert sum(live.result.ledger.lost.values()) <= 30
    assert Counter(len(seqs) >= 15 for seqs in live.order.values())[True] == 28


def test_what_lies_behind_gateways_is_computed_as_in_virtual_time(fleet: Callable[..., Path]) -> None:
    """Slow and lossy links to gateways, power, a cut and payloads that faults change: one ledger, to the reading."""
    path = fleet(
        60,
        "name: dark, at: 10 s, fault: power-outage, target: site=fra-1, lasts: 6 s",
        "name: cut, at: 30 s, fault: partition, target: segment=motors, lasts: 6 s",
        "name: twice, at: 45 s, fault: payload-duplicate, target: all, lasts: 5 s",
        "name: noise, at: 50 s, fault: payload-corruption, target: all, lasts: 5 s",
        motors="every: 1 s, link: datagram",
        climate="every: 20 s, link: lorawan",
    )
    modelled, live = Seen(path, live=False), Seen(path, live=True)
    assert set(modelled.result.ledger.lost) == {"qos0", "corrupt"}
    assert live.result.ledger.lost == modelled.result.ledger.lost
    assert evidence(live.result) == evidence(modelled.result)
    assert modelled.share_of(live) >= 0.98


def test_a_broker_that_is_not_ours_hears_gateways_and_their_devices(fleet: Callable[..., Path], mosquitto: Any) -> None:
    path = fleet(40, "name: dark, at: 6 s, fault: partition, target: kind=gateway, lasts: 22 s")
    live = Seen(path, live=True, broker_url=mosquitto.url)
    assert not live.result.ledger.lost
    assert sorted(live.order) == list(range(28))
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in live.order.values())
    assert ("silence", "dark") in live.alarms()


def test_gateway_night_live(tmp_path: Path) -> None:
    """The library's own, a sixth as long and with a quarter of the fleet, at 25 times its pace."""
    text = (Path(library.__file__).parent / "gateway-night.storm.yaml").read_text(encoding="utf-8")
    for written, shorter in (
        ("duration: 90 min", "duration: 15 min"),
        ("warm_up: 5 min", "warm_up: 2 min"),
        ("devices: 400", "devices: 100"),
        ("at: 10 min", "at: 3 min"),
        ("lasts: 1 h", "lasts: 6 min"),
        ("at: 42 min", "at: 7 min"),
        ("night + 20 min", "night + 5 min"),
    ):
        assert text.count(written) == 1
        text = text.replace(written, shorter)
    path = tmp_path / "gateway-night.storm.yaml"
    path.write_text(text, encoding="utf-8")
    result = play(path, speed=25.0)  # a slow machine has 14 s to see it recovered
    assert [each for each in result.expectations if each.verdict != "held"] == []
    assert result.verdict == "held"


# --- one connection for many ------------------------------------------------------------------------------------------


class Uplink:
    """The device end of one gateway and one device behind it, on sockets; nobody else does anything."""

    def __init__(self, durable: bool) -> None:
        self.plan = carried(1, 0, gateways=2, durable=durable)
        fleet = grow(self.plan)
        self.names = list(fleet.names)
        self.gateway, self.device = (int(fleet.gateway[0]), int(np.flatnonzero(fleet.carrier)[0]))
        through = {self.names[self.device]: self.names[self.gateway]}
        self.broker = EmbeddedBroker(self.names, now_us=lambda: 0, through=through)
        port = self.broker.open()
        self.end = LiveDeviceEnd(
            host="127.0.0.1",
            port=port,
            passwords=self.broker.device_passwords,
            plan=self.plan,
            speed=Fraction(1),
            now_us=lambda: 0,
        )
        self.end.open(Identities(self.names, fleet.keep_alive_us, fleet.qos, speaker=fleet.speaker))
        self.listener = Client(port)
        assert self.listener.connect("core", *self.broker.core_credentials) == 0
        assert self.listener.subscribe("fleet/#") in (0, 1)
        self.tries = 0

    def connect(self) -> None:
        zero = np.zeros(1, np.int64)
        self.tries += 1
        self.end.offer(zero, np.array([self.gateway], np.int32), zero + self.tries, zero)
        self.end.commit(1)
        assert until(lambda: DeviceEvent.CONNECTED in self.end.poll(0).what)

    def publish(self, device: int, kind: str, seq: int) -> None:
        channels = catalogue()[kind].channels
        values = np.array([[each.lowest for each in channels]], np.float32)
        zero, who = np.zeros(1, np.int64), np.array([device], np.int32)
        boot, number = np.ones(1, np.int32), np.array([seq], np.int64)
        self.end.publish(Readings(kind, who, boot, number, zero, zero, values), zero)

    def close(self) -> None:
        self.end.close()
        self.listener.close()
        self.broker.close()


@pytest.fixture
def uplink() -> Iterator[Callable[[bool], Uplink]]:
    made: list[Uplink] = []

    def make(durable: bool) -> Uplink:
        made.append(Uplink(durable))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("durable", [True, False])
def test_what_a_gateway_sent_unacknowledged_into_a_power_cut_is_sent_again_if_it_lies_on_a_disk(
    uplink: Callable[[bool], Uplink], durable: bool
) -> None:
    line = uplink(durable)
    line.connect()
    who, none = np.array([line.gateway], np.int32), np.zeros(1, np.int64)
    line.end.silence(who, 0, none, "both")  # nothing of it leaves the machine
    line.publish(line.device, "motor", 1)
    line.publish(line.gateway, "gateway", 1)
    assert line.end.unacknowledged_each()[[line.device, line.gateway]].tolist() == [1, 1]
    line.end.disconnect(who, none, none, abrupt=True)
    line.end.resume(who, 0, np.zeros(1, np.bool_))
    assert line.end.in_doubt_each[[line.device, line.gateway]].tolist() == [not durable, 1]
    line.connect()
    line.publish(line.device, "motor", 2)
    topic, told = device_topics(line.names[line.device])[0], [0]
    while told[-1] != 2:
        message = line.listener.message()
        if message.topic == topic:
            told.append(json.loads(message.payload)["seq"])
    assert told[1:] == ([1, 2] if durable else [2])


def test_a_gateway_with_a_full_window_is_backed_up_until_it_is_acknowledged(
    uplink: Callable[[bool], Uplink],
) -> None:
    line = uplink(True)
    line.connect()
    gateway, who = np.array([line.gateway]), np.array([line.gateway], np.int32)
    line.end.silence(who, 0, np.zeros(1, np.int64), "down")
    for seq in range(1, WINDOW):
        line.publish(line.device, "motor", seq)
    assert not line.end.backed_up(gateway).any()
    line.publish(line.device, "motor", WINDOW)
    assert line.end.backed_up(gateway).all()
    line.end.resume(who, 0, np.ones(1, np.bool_))

    def acknowledged() -> bool:
        line.end.poll(0)
        return line.end.unacknowledged() == 0

    assert until(acknowledged)
    assert not line.end.backed_up(gateway).any()


# --- identity ---------------------------------------------------------------------------------------------------------

GATEWAY, OTHER, BEHIND, DIRECT = "arn-1/edge-0001", "arn-1/edge-0002", "arn-1/motors-0001", "arn-1/motors-0002"
NAMES = (GATEWAY, OTHER, BEHIND, DIRECT)


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    made = EmbeddedBroker(NAMES, now_us=lambda: 0, through={BEHIND: GATEWAY})
    made.open()
    yield made
    made.close()


def test_a_gateway_speaks_for_its_devices_and_for_nobody_else(
    broker: EmbeddedBroker, client: Callable[[], Client]
) -> None:
    passwords = dict(zip(NAMES, broker.device_passwords, strict=True))
    listener, gateway, other = client(), client(), client()
    assert listener.connect("core", *broker.core_credentials) == 0
    assert listener.subscribe("fleet/#") in (0, 1)
    assert gateway.connect(GATEWAY, GATEWAY, passwords[GATEWAY]) == 0
    assert other.connect(OTHER, OTHER, passwords[OTHER]) == 0
    other.publish(device_topics(BEHIND)[0], b"of another gateway")
    other.ping()
    gateway.publish(device_topics(DIRECT)[0], b"of a device that speaks for itself")
    gateway.publish(device_topics(BEHIND)[0], b"carried")
    gateway.publish(device_topics(GATEWAY)[0], b"its own")
    assert [listener.message().payload for _ in range(2)] == [b"carried", b"its own"]


def test_a_device_behind_a_gateway_has_no_credentials(broker: EmbeddedBroker, client: Callable[[], Client]) -> None:
    assert dict(zip(NAMES, broker.device_passwords, strict=True))[BEHIND] == ""
    assert client().connect(BEHIND, BEHIND, "") == 5


# --- gateways that gather ---------------------------------------------------------------------------------------------


@pytest.fixture
def gathering(fleet: Callable[..., Path]) -> Callable[..., Path]:
    def write(*given: Any, **more: Any) -> Path:
        path = fleet(*given, **more)
        path.write_text(path.read_text().replace("rate: 60/s", "rate: 60/s, batch: {readings: 50, every: 1 s}"))
        return path

    return write


def test_columns_bring_the_same_readings_on_both_clocks_also_after_a_partition(gathering: Callable[..., Path]) -> None:
    path = gathering(26, "name: dark, at: 6 s, fault: partition, target: kind=gateway, lasts: 6 s")
    modelled, live = Seen(path, live=False), Seen(path, live=True)
    assert not live.result.ledger.lost
    common = modelled.values.keys() & live.values.keys()
    assert len(common) > 0.9 * len(modelled.values)
    assert all(modelled.values[key] == live.values[key] for key in common)
    assert all(order == sorted(order) for order in live.order.values())
    sent = {part.segment: part for part in live.result.traffic}
    # Sixteen motors at 1 Hz behind two gateways are two messages a second.
    assert 0 < sent["modern"].forwarded < 3 * 26


def test_columns_that_the_broker_drops_are_lost_reading_by_reading(gathering: Callable[..., Path]) -> None:
    path = gathering(
        16, "name: shed, at: 5 s, fault: dropped-packets, target: segment=modern, lasts: 5 s, with: {share: 100 %}"
    )
    result = play(path, live=True, speed=5.0)
    dropped = result.faults[0].evidence["messages_dropped"]
    assert result.ledger.lost["shed"] > 4 * dropped
    assert sum(result.ledger.lost.values()) == result.ledger.lost["shed"]
