"""The two ends of a live run against the embedded broker: fifty paho clients, no world, no clock but the wall's."""

from __future__ import annotations

import gc
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.live.paho_end import leave
from twinstorm.broker.cloud_end import LiveCloudEnd
from twinstorm.broker.device_end import LiveDeviceEnd
from twinstorm.broker.door import Door
from twinstorm.broker.embedded import EmbeddedBroker, device_topics
from twinstorm.broker.run_certificates import RunCertificates
from twinstorm.twin.fleet import FleetPlan, SegmentPlan, grow
from twinstorm.twin.flow import SECOND_US, DeviceEvent, Identities, Malformed, Readings, SessionEvent
from twinstorm.twin.machines.kind import catalogue
from twinstorm.twin.reconnect import ReconnectPolicy
from twinstorm.twin.wire.inbox import EXCERPT_BYTES

N = 50
KEEP_ALIVE_S = 2
WITHIN_S = 15.0
QUIET_S = 0.3
"""How long nothing must happen where nothing may."""


def fleet_plan(qos: int = 1) -> FleetPlan:
    segment = SegmentPlan(
        name="motors",
        kind="motor",
        devices=(N // 2, N - N // 2),
        every_us=SECOND_US,
        link="ethernet",
        keep_alive_us=KEEP_ALIVE_S * SECOND_US,
        boot_us=(SECOND_US, SECOND_US),
        reconnect=ReconnectPolicy("exponential", "full", SECOND_US, 60 * SECOND_US, 10 * SECOND_US),
        buffer_readings=40,
        evict_oldest=True,
        qos=qos,
        firmware="1.0.0",
    )
    return FleetPlan((("arn-1", "arn"), ("fra-1", "fra")), (segment,))


class Line:
    """A fleet, a broker and a core, moved together by `until`.

    Args:
        port: where the fleet connects; None: to the broker.
        core: whether there is one.
        tls: certificates for all; with `strangers`, those that the fleet shows instead.
    """

    def __init__(
        self,
        port: int | None = None,
        passwords: tuple[str, ...] | None = None,
        core: bool = True,
        tls: RunCertificates | None = None,
        strangers: RunCertificates | None = None,
        qos: int = 1,
    ) -> None:
        plan = fleet_plan(qos)
        fleet = grow(plan)
        self._channels = catalogue()["motor"].channels
        self.names = list(fleet.names)
        self.all = np.arange(N, dtype=np.int32)
        self.none = np.zeros(N, np.int64)
        self.seq = np.zeros(N, np.int64)
        self.told: dict[int, list[DeviceEvent]] = {}
        self.arrived: dict[int, list[int]] = {}
        self.sessions: list[tuple[int, SessionEvent]] = []
        self.malformed: list[Malformed] = []
        self.longest_poll_s = 0.0
        self._poller = threading.Event()
        server = None if tls is None else tls.server
        self.broker = EmbeddedBroker(self.names, now_us=lambda: 0, tls=server, door=Door(any_topic=True))
        self.port = self.broker.open()
        self.fleet = LiveDeviceEnd(
            host="127.0.0.1",
            port=port or self.port,
            passwords=passwords or self.broker.device_passwords,
            plan=plan,
            speed=Fraction(1),
            now_us=lambda: 0,
            tls=(strangers or tls).devices if tls is not None else None,
        )
        self.fleet.open(Identities(self.names, fleet.keep_alive_us, fleet.qos))
        self.cloud: LiveCloudEnd | None = None
        if core:
            user, password = self.broker.core_credentials if tls is None else (None, None)
            self.cloud = LiveCloudEnd(
                host="127.0.0.1",
                port=self.port,
                username=user,
                password=password,
                registry=fleet.registry({"motor": self._channels}),
                now_us=lambda: 0,
                qos=max(qos, 1),
                tls=None if tls is None else tls.core,
            )
            self.cloud.start()

    def close(self) -> None:
        self.fleet.close()
        if self.cloud is not None:
            self.cloud.close()
        self.broker.close()

    def poll(self) -> None:
        began = time.monotonic()
        outcome = self.fleet.poll(0)
        self.longest_poll_s = max(self.longest_poll_s, time.monotonic() - began)
        for who, what in zip(outcome.device.tolist(), outcome.what.tolist(), strict=True):
            self.told.setdefault(who, []).append(DeviceEvent(what))
        if self.cloud is None:
            return
        seen = self.cloud.poll(0)
        whats = zip(seen.sessions.device.tolist(), seen.sessions.what.tolist(), strict=True)
        self.sessions += [(who, SessionEvent(what)) for who, what in whats]
        for delivery in seen.deliveries:
            self.malformed += delivery.malformed
            if delivery.readings is not None:
                for who, seq in zip(delivery.readings.device.tolist(), delivery.readings.seq.tolist(), strict=True):
                    self.arrived.setdefault(who, []).append(seq)

    def until(self, condition: Callable[[], bool], within_s: float = WITHIN_S) -> None:
        """Poll until it holds."""
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, f"not within {within_s:g} s"
            self.poll()
            self._poller.wait(0.002)

    def quiet(self, lasts_s: float = QUIET_S) -> None:
        """Go on for a while."""
        deadline = time.monotonic() + lasts_s
        self.until(lambda: time.monotonic() >= deadline, lasts_s + 5.0)

    def connect(self, device: Any = None, tries: int = 0) -> None:
        who = self.all if device is None else device
        zeros = np.zeros(len(who), np.int64)
        self.fleet.offer(zeros, who, zeros + tries, zeros)
        self.fleet.commit(len(who))

    def online(self, device: Any = None, tries: int = 0) -> None:
        """Connect, announce, and see the births arrive."""
        who = self.all if device is None else device
        before = {each: len(self.told.get(each, ())) for each in who.tolist()}
        self.connect(who, tries)
        self.until(lambda: all(len(self.told.get(each, ())) > count for each, count in before.items()))
        assert all(self.told[each][-1] is DeviceEvent.CONNECTED for each in before)
        born = self.count(SessionEvent.BORN)
        self.fleet.announce(who, np.ones(len(who), np.int32), np.zeros(len(who), np.int64))
        self.until(lambda: self.count(SessionEvent.BORN) >= born + len(who))

    def count(self, what: SessionEvent) -> int:
        return sum(told is what for _, told in self.sessions)

    def all_told(self, what: DeviceEvent) -> bool:
        """Whether this is the last that every device heard."""
        return len(self.told) == N and all(events[-1] is what for events in self.told.values())

    def publish(self, times: int = 1) -> None:
        middle = np.array([(each.lowest + each.highest) / 2 for each in self._channels], np.float32)
        for _ in range(times):
            self.seq += 1
            readings = Readings(
                kind="motor",
                device=self.all,
                boot=np.ones(N, np.int32),
                seq=self.seq.copy(),
                device_time_us=self.none,
                sent_us=self.none,
                values=np.tile(middle, (N, 1)),
            )
            self.fleet.publish(readings, self.none)

    def everything_arrived(self) -> bool:
        return all(len(set(self.arrived.get(who, ()))) == self.seq[who] for who in self.all.tolist())

    def everything_acknowledged(self) -> bool:
        return self.everything_arrived() and self.fleet.unacknowledged() == 0

    def broker_sessions(self) -> int:
        return self.broker.counters(0).sessions

    def each(self, value: Any) -> dict[int, Any]:
        return dict.fromkeys(self.all.tolist(), value)


@pytest.fixture
def made() -> Iterator[list[Line]]:
    lines: list[Line] = []
    yield lines
    for line in lines:
        line.close()


@pytest.fixture
def line(made: list[Line]) -> Line:
    made.append(Line())
    return made[0]


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


# --- the good day -----------------------------------------------------------------------------------------------------


def test_births_and_readings_arrive_in_order_and_are_acknowledged(line: Line) -> None:
    line.online()
    assert sorted(who for who, what in line.sessions if what is SessionEvent.BORN) == line.all.tolist()
    line.publish(20)
    assert line.fleet.unacknowledged() > 0
    line.until(line.everything_acknowledged)
    assert line.arrived == line.each(list(range(1, 21)))
    assert line.fleet.unacknowledged_each().tolist() == [0] * N
    assert line.told == line.each([DeviceEvent.CONNECTED])
    assert line.malformed == []


def test_idle_devices_stay_online_by_their_pings(line: Line) -> None:
    line.online()
    line.quiet(1.5 * KEEP_ALIVE_S + 1.5)
    assert line.broker_sessions() == N
    assert line.broker.counters(0).expired == 0
    assert line.told == line.each([DeviceEvent.CONNECTED])


def test_close_leaves_no_thread_and_no_socket() -> None:
    gc.collect()  # what earlier tests left open is theirs
    before, threads = open_descriptors(), threading.active_count()
    line = Line()
    line.online()
    line.publish(3)
    line.fleet.disconnect(line.all[:5], line.none[:5], line.none[:5], abrupt=True)
    line.fleet.silence(line.all[5:10], 0, line.none[:5], "both")
    line.connect(line.all[5:8], tries=1)
    line.close()
    assert threading.active_count() == threads
    assert open_descriptors() == before


# --- who cannot come in -----------------------------------------------------------------------------------------------


def test_a_wrong_password_is_refused(made: list[Line]) -> None:
    made.append(line := Line(passwords=("wrong",) * N))
    line.connect()
    line.until(lambda: len(line.told) == N)
    line.quiet()
    assert line.told == line.each([DeviceEvent.REFUSED])
    assert line.broker_sessions() == 0


def test_a_closed_port_refuses(made: list[Line]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        made.append(line := Line(port=taken.getsockname()[1], core=False))
        line.connect()
        line.until(lambda: len(line.told) == N)
        line.quiet()
    assert line.told == line.each([DeviceEvent.REFUSED])


def test_a_port_that_never_answers_tells_nothing_and_blocks_nobody(made: list[Line]) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen(N)
        made.append(line := Line(port=mute.getsockname()[1], core=False))
        line.connect()
        line.quiet(KEEP_ALIVE_S + 1.5)
        line.connect(tries=1)
        line.quiet()
    assert line.told == {}
    assert line.longest_poll_s < 1.0


# --- broker and power -------------------------------------------------------------------------------------------------


def test_a_broker_outage_is_told_and_what_nobody_acknowledged_is_sent_again(line: Line) -> None:
    line.online()
    line.publish(2)
    line.until(line.everything_acknowledged)
    assert line.broker.stop(0) == N
    line.publish(3)  # into sockets that nobody reads any more
    line.until(lambda: line.all_told(DeviceEvent.LOST))
    assert line.fleet.unacknowledged() == 3 * N
    line.until(lambda: line.count(SessionEvent.CLOSED) == N)
    line.connect(tries=1)
    line.until(lambda: line.all_told(DeviceEvent.REFUSED))
    line.broker.start(0)
    cloud = line.cloud
    assert cloud is not None
    line.until(lambda: cloud.counters(0).up)
    line.online(tries=2)
    line.until(line.everything_acknowledged)
    line.quiet()
    assert line.arrived == line.each([1, 2, 3, 4, 5])
    assert line.told == line.each(
        [DeviceEvent.CONNECTED, DeviceEvent.LOST, DeviceEvent.REFUSED, DeviceEvent.CONNECTED],
    )


def test_a_power_failure_is_not_told_and_the_will_follows_after_one_and_a_half_keep_alives(line: Line) -> None:
    line.online()
    off = line.all[:10]
    began = time.monotonic()
    line.fleet.disconnect(off, line.none[:10], line.none[:10], abrupt=True)
    line.quiet(KEEP_ALIVE_S - 0.5)
    assert line.broker_sessions() == N
    line.until(lambda: line.count(SessionEvent.LOST) == 10)
    assert time.monotonic() - began > 1.5 * KEEP_ALIVE_S - 1.2
    assert {who for who, what in line.sessions if what is SessionEvent.LOST} == set(off.tolist())
    assert line.broker_sessions() == N - 10
    line.online(off, tries=1)
    line.publish()
    line.until(line.everything_arrived)


# --- cuts -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["both", "up"])
def test_a_short_cut_keeps_session_and_readings(line: Line, direction: str) -> None:
    line.online()
    line.fleet.silence(line.all, 0, line.none, direction)
    line.publish(3)
    line.quiet()
    assert line.arrived == {}
    assert line.fleet.unacknowledged() == 3 * N
    line.fleet.resume(line.all, 0, np.ones(N, np.bool_))
    line.until(line.everything_acknowledged)
    assert line.arrived == line.each([1, 2, 3])
    assert line.told == line.each([DeviceEvent.CONNECTED])


def test_a_cut_downwards_lets_readings_arrive_unacknowledged(line: Line) -> None:
    line.online()
    line.fleet.silence(line.all, 0, line.none, "down")
    line.publish(3)
    line.until(line.everything_arrived)
    assert line.fleet.unacknowledged() == 3 * N
    line.fleet.resume(line.all, 0, np.ones(N, np.bool_))
    line.until(line.everything_acknowledged)
    assert line.told == line.each([DeviceEvent.CONNECTED])


@pytest.mark.parametrize(("qos", "behind", "at_last"), [(1, [1, 2, 3], [1, 2, 3, 1, 2, 3]), (2, [], [1, 2, 3])])
def test_only_at_qos_2_nothing_comes_twice_over_a_new_connection(
    made: list[Line], qos: int, behind: list[int], at_last: list[int]
) -> None:
    line = Line(qos=qos)
    made.append(line)
    line.online()
    line.fleet.silence(line.all, 0, line.none, "down")
    line.publish(3)
    line.quiet()
    assert line.arrived == (line.each(behind) if behind else {})
    assert line.fleet.unacknowledged() == 3 * N
    line.fleet.disconnect(line.all, line.none, line.none, abrupt=False)
    line.fleet.resume(line.all, 0, np.zeros(N, np.bool_))
    line.online(tries=1)
    line.until(line.everything_acknowledged)
    line.quiet()
    assert line.arrived == line.each(at_last)


def test_at_qos_2_a_device_that_lost_its_memory_is_heard_beside_what_it_never_released(made: list[Line]) -> None:
    line = Line(qos=2)
    made.append(line)
    line.online()
    line.fleet.silence(line.all, 0, line.none, "down")
    line.publish(2)
    line.quiet()
    line.fleet.disconnect(line.all, line.none, line.none, abrupt=True)
    line.fleet.resume(line.all, 0, np.zeros(N, np.bool_))
    line.online(tries=1)
    line.publish(3)
    line.until(lambda: line.fleet.unacknowledged() == 0 and len(line.arrived) == N)
    line.quiet()
    assert line.arrived == line.each([3, 4, 5])
    assert (line.fleet.in_doubt_each == 2).all()


def test_a_long_cut_is_noticed_by_the_broker_alone_and_no_fin_gets_through(line: Line) -> None:
    line.online()
    line.fleet.silence(line.all, 0, line.none, "both")
    line.publish(2)
    line.until(lambda: line.count(SessionEvent.LOST) == N)
    # Had a FIN got through, the broker would have lost them by it and not by their silence.
    assert line.broker.counters(0).expired == N
    line.fleet.disconnect(line.all, line.none, line.none, abrupt=False)  # when they notice is for the world to say
    line.connect(tries=1)
    line.quiet()
    assert line.told == line.each([DeviceEvent.CONNECTED])
    assert line.broker_sessions() == 0
    assert line.arrived == {}
    line.fleet.resume(line.all, 0, np.zeros(N, np.bool_))
    line.online(tries=2)
    line.until(line.everything_acknowledged)
    assert line.arrived == line.each([1, 2])


def test_a_device_that_notices_the_cut_first_does_not_tell_the_broker(line: Line) -> None:
    line.online()
    line.fleet.silence(line.all, 0, line.none, "both")
    line.fleet.disconnect(line.all, line.none, line.none, abrupt=False)
    line.quiet()
    assert line.broker_sessions() == N
    line.until(lambda: line.count(SessionEvent.LOST) == N)
    assert line.broker.counters(0).expired == N


def test_an_old_ping_is_not_held_against_a_connection_whose_cut_is_over(line: Line) -> None:
    line.online()
    line.fleet.silence(line.all, 0, line.none, "down")
    for each in line.fleet._lines.values():
        each.client._last_bytes_received -= 3 * KEEP_ALIVE_S  # it has heard nothing for long,
        each.client._ping_t = time.monotonic() - 2 * KEEP_ALIVE_S  # and its ping has no answer
    line.quiet()
    line.fleet.resume(line.all, 0, np.ones(N, np.bool_))
    line.quiet()
    assert line.told == line.each([DeviceEvent.CONNECTED])


# --- nonsense ---------------------------------------------------------------------------------------------------------


class Guest:
    """Another client of the broker, with a loop of its own, which that one lets speak in the name of devices."""

    def __init__(self, line: Line) -> None:
        user, password = line.broker.guest_credentials()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id="a-guest", reconnect_on_failure=False)
        self.client.username_pw_set(user, password)
        self.client.connect("127.0.0.1", line.port)
        self.client.loop_start()

    def say(self, topic: str, payload: bytes) -> None:
        self.client.publish(topic, payload, qos=1).wait_for_publish(WITHIN_S)

    def close(self) -> None:
        leave(self.client)


@pytest.fixture
def guest(line: Line) -> Iterator[Guest]:
    guest = Guest(line)
    yield guest
    guest.close()


def document(name: str, **changes: Any) -> bytes:
    told = {"deviceId": name, "deviceType": "motor", "timestamp": "2030-01-01T00:00:00Z", "measurements": {}}
    return json.dumps({**told, "boot": 1, "seq": 1, "schema": 1, **changes}).encode()


def state_document(name: str, state: str, boot: int) -> bytes:
    return json.dumps({"deviceId": name, "state": state, "boot": boot, "schema": 1}).encode()


def test_whatever_arrives_is_told_as_malformed_and_raises_nothing(line: Line, guest: Guest) -> None:
    mine, other = line.names[:2]
    telemetry, state = device_topics(mine)
    wrong: list[tuple[str, bytes]] = [
        (telemetry, b""),
        (telemetry, b"no json"),
        (telemetry, b"\xff\xfe\x00"),
        (telemetry, b"[" * 50_000),
        (telemetry, b"x" * 500_000),
        (telemetry, document(mine, seq="one")),
        (telemetry, document(mine, measurements=[1, 2])),
        (telemetry, document(mine, seq=-1)),
        (telemetry, document(mine, boot=10**30)),
        (telemetry, document(mine, seq=2**62)),
        (telemetry, document(mine, measurements={"winding_temperature_c": float("nan")})),
        (telemetry, document(mine, measurements={"no_such_channel": 1})),
        (telemetry, document(mine, deviceType="environment")),
        (telemetry, document(mine, schema=99)),
        (telemetry, document(other)),
        (telemetry.replace(mine, "arn-1/nobody-0001"), document("arn-1/nobody-0001")),
        (state, b"{}"),
        (state, state_document(other, "online", 1)),
        (f"{telemetry}.cbor", b"\x9f\x9f\x9f"),
        (f"{telemetry}.msgpack", b"\xc1"),
    ]
    for topic, payload in wrong:
        guest.say(topic, payload)
    line.until(lambda: len(line.malformed) >= len(wrong))
    line.quiet()
    assert [each.topic for each in line.malformed] == [topic for topic, _ in wrong]
    assert all(each.reason and each.reason.isascii() and len(each.reason) < 300 for each in line.malformed)
    assert all(len(each.payload) <= EXCERPT_BYTES for each in line.malformed)
    assert line.arrived == {}
    guest.say(telemetry, document(mine))  # and the right one is still taken
    line.until(lambda: line.arrived == {0: [1]})


def test_a_will_of_an_earlier_boot_ends_nothing(line: Line, guest: Guest) -> None:
    name = line.names[0]
    state = device_topics(name)[1]
    for what, boot in (("online", 2), ("offline", 1), ("offline", 2)):
        guest.say(state, state_document(name, what, boot))
    line.until(lambda: line.count(SessionEvent.LOST) == 1)
    line.quiet()
    assert line.sessions == [(0, SessionEvent.BORN), (0, SessionEvent.LOST)]


def test_five_megabytes_cost_the_sender_its_connection_and_nobody_else(line: Line, guest: Guest) -> None:
    line.online()
    gone = threading.Event()
    guest.client.on_disconnect = lambda *_: gone.set()
    guest.client.publish(device_topics(line.names[0])[0], bytes(5_000_000), qos=1)
    line.until(gone.is_set)
    line.publish(2)
    line.until(line.everything_acknowledged)
    assert line.broker_sessions() == N
    assert line.malformed == []
