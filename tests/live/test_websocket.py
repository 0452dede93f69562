"""The embedded broker over WebSocket: another's client gets in, and connections end as plain ones do."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.live.paho_end import leave
from tests.live.raw_mqtt import RawClient, packet, publish, until
from twinstorm.broker.door import Door
from twinstorm.broker.embedded import EmbeddedBroker, device_topics
from twinstorm.broker.limits import Limits
from twinstorm.broker.run_certificates import RunCertificates
from twinstorm.broker.tls import client_context

ONE = "fra-1/motors-0001"
TELEMETRY, STATE = device_topics(ONE)
HERE = ("127.0.0.1", 0)
MQTT = [Subprotocol("mqtt")]


class Framed(RawClient):
    """MQTT by hand in frames of another implementation; a frame a call."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection, self.rest = connection, b""

    def send(self, raw: bytes) -> None:
        self.connection.send(raw)

    def _exactly(self, count: int) -> bytes:
        while len(self.rest) < count:
            piece = self.connection.recv(timeout=5.0)
            assert isinstance(piece, bytes)
            self.rest += piece
        found, self.rest = self.rest[:count], self.rest[count:]
        return found

    def ends(self, within_s: float | None = None) -> str:
        try:
            while True:
                self.connection.recv(timeout=5.0 if within_s is None else within_s)
        except TimeoutError:
            return "open"
        except ConnectionClosed:
            return "closed"


class Stand:
    def __init__(self) -> None:
        self.broker = EmbeddedBroker([ONE], now_us=lambda: 0, door=Door(websocket=HERE))
        self.broker.open()
        self.url = f"ws://127.0.0.1:{self.broker.websocket_port}"
        self.made: list[ClientConnection] = []

    def framed(self, **options: Any) -> Framed:
        self.made.append(connect(self.url, **{"subprotocols": MQTT, "close_timeout": 0.2, **options}))
        return Framed(self.made[-1])

    def device(self, **options: Any) -> Framed:
        made = self.framed()
        made.send_connect(ONE, ONE, self.broker.device_passwords[0], **options)
        assert made.connack() == 0
        return made

    def guest(self) -> Framed:
        made = self.framed()
        made.send_connect("somebody", *self.broker.guest_credentials())
        assert made.connack() == 0
        return made

    def close(self) -> None:
        self.broker.close()
        for each in self.made:
            each.close()


@pytest.fixture
def stand() -> Iterator[Stand]:
    made = Stand()
    yield made
    made.close()


def test_packets_may_begin_and_end_anywhere_in_frames(stand: Stand) -> None:
    listener, one = stand.guest(), stand.device()
    assert listener.subscribe("fleet/#") == 1
    large = b"x" * 200_000
    both = publish(TELEMETRY, b"first", qos=1) + publish(TELEMETRY, large, qos=1, number=8)
    for begin in range(0, len(both), 90_001):
        one.send(both[begin : begin + 90_001])
    assert listener.message().payload == b"first"
    assert listener.message().payload == large
    one.ping()


def test_plain_clients_and_those_in_frames_hear_each_other(stand: Stand) -> None:
    listener, plain = stand.guest(), RawClient(stand.broker.port)
    assert listener.subscribe("fleet/#") == 1
    plain.send_connect(ONE, ONE, stand.broker.device_passwords[0])
    assert plain.connack() == 0
    plain.send(publish(TELEMETRY, b"plain"))
    assert listener.message().payload == b"plain"
    stand.device()  # takes the session over, whatever it comes by
    assert plain.ends() != "open"
    plain.close()


def test_a_client_of_another_make_gets_in(stand: Stand) -> None:
    heard: list[bytes] = []
    client = paho.Client(CallbackAPIVersion.VERSION2, transport="websockets", protocol=paho.MQTTv311)
    client.username_pw_set(*stand.broker.guest_credentials())
    told: Any = client
    told.on_connect = lambda *_: client.subscribe("fleet/#", 1)
    told.on_subscribe = lambda *_: client.publish("fleet/hello", b"there", 1)
    told.on_message = lambda _, __, message: heard.append(message.payload)
    client.connect("127.0.0.1", stand.broker.websocket_port)
    client.loop_start()
    assert until(lambda: heard == [b"there"])
    leave(client)


@pytest.mark.parametrize("options", [{"subprotocols": None}, {"subprotocols": [Subprotocol("chat")]}])
def test_whoever_does_not_ask_for_mqtt_is_told_so(stand: Stand, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidStatus) as refused:
        stand.framed(**options)
    assert refused.value.response.status_code == 400
    assert until(lambda: any("subprotocol" in why for why in stand.broker.refusals))


@pytest.mark.parametrize(
    "said", [b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", b"GET / HTTP/1.1\r\n\r\n\r\n", b"G\0\r\n\r\n"]
)
def test_what_is_no_websocket_is_turned_away(stand: Stand, said: bytes) -> None:
    noise = RawClient(stand.broker.websocket_port)
    noise.send(said)
    assert noise.ends() != "open"
    noise.close()
    assert until(lambda: stand.broker.refusals.total() == 1)
    stand.device()


def test_text_and_oversized_frames_end_the_connection(stand: Stand) -> None:
    for said in ("PINGREQ", b"\x30" * (1 << 21), packet(0x30, b"\0\1#")):
        one = stand.device()
        one.connection.send(said)
        assert one.ends() == "closed"
    assert until(lambda: stand.broker.counters(0).sessions == 0)


def test_pings_of_the_websocket_are_answered_and_a_goodbye_sends_the_will(stand: Stand) -> None:
    listener, one = stand.guest(), stand.device(will=(STATE, b"gone"))
    assert listener.subscribe("fleet/#") == 1
    assert one.connection.ping().wait(5.0)
    one.connection.close()
    assert listener.message().payload == b"gone"


def test_who_takes_no_pongs_is_read_no_further_and_cut() -> None:
    """Under a write buffer of 64 kB and a fifth of a second to take something."""
    limits = Limits(drain_s=0.2, write_buffer_bytes=65_536)
    broker = EmbeddedBroker([ONE], now_us=lambda: 0, door=Door(websocket=HERE), limits=limits)
    broker.open()
    flood = RawClient(broker.websocket_port, receive_bytes=4_096)
    flood.send(
        b"GET /mqtt HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: mqtt\r\n\r\n"
    )
    ping = bytes([0x89, 0x80 | 125]) + bytes(4) + b"p" * 125
    sent = 0
    flood.socket.settimeout(2.0)
    with contextlib.suppress(TimeoutError, ConnectionError):
        while sent < 100_000_000:
            flood.socket.sendall(ping * 500)
            sent += 500 * len(ping)
    assert sent < 50_000_000
    assert until(lambda: broker._count["slow_consumers"] == 1)
    flood.close()
    broker.close()


def test_an_outage_cuts_what_comes_in_frames_and_its_port_refuses(stand: Stand) -> None:
    one = stand.device()
    half = RawClient(stand.broker.websocket_port)
    half.send(b"GET /mqtt HTTP/1.1\r\n")
    assert stand.broker.stop(0) == 1
    assert one.ends() == "closed"
    assert half.ends() == "reset"
    half.close()
    with pytest.raises(ConnectionRefusedError):
        RawClient(stand.broker.websocket_port)
    stand.broker.start(0)
    stand.device()


def test_a_silent_outage_answers_nobody(stand: Stand) -> None:
    one = stand.device()
    assert stand.broker.stop(0, silent=True) == 1
    one.send(packet(0xC0))
    assert one.ends(within_s=0.2) == "open"
    stand.broker.start(0)
    assert one.ends() == "closed"


def test_a_client_that_does_not_read_is_cut_at_once() -> None:
    stand = Stand()
    slow = stand.guest()
    assert slow.subscribe("fleet/#", qos=0) == 0
    speaker = stand.device()
    for number in range(1, 40):
        speaker.send(publish(TELEMETRY, b"x" * 500_000, qos=1, number=number))
    began = time.monotonic()
    assert stand.broker.kick(["somebody"]) == 1
    stand.broker.close()
    assert time.monotonic() - began < 2.0
    stand.close()


def test_a_certificate_speaks_for_its_device_over_wss_too() -> None:
    papers = RunCertificates([ONE], datetime.now(UTC))
    broker = EmbeddedBroker([ONE], now_us=lambda: 0, tls=papers.server, door=Door(websocket=HERE))
    broker.open()
    url = f"wss://127.0.0.1:{broker.websocket_port}/mqtt"
    try:
        with closing(connect(url, subprotocols=MQTT, ssl=client_context(papers.devices[ONE]))) as connection:
            one = Framed(connection)
            one.send_connect(ONE, None, None)
            assert one.connack() == 0
    finally:
        broker.close()
        papers.close()


def test_the_second_listener_lets_nobody_else_in_unless_that_is_said() -> None:
    with pytest.raises(ValueError, match="lets other machines in"):
        Door(websocket=("0.0.0.0", 0))
