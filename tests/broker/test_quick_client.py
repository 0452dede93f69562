"""paho with its costs taken out keeps paho's promises: against a broker's end of a socket that a test plays."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from twinstorm.broker.device_end import FleetClient
from twinstorm.broker.quick_client import QuickClient
from twinstorm.broker.raw_client import RawClient, puback_packet, publish_packet, published

CONNACK = b"\x20\x02\x00\x00"


class Pair:
    """A client, and the end that it talks to."""

    def __init__(self) -> None:
        self.acked: list[int] = []
        self.client = QuickClient(CallbackAPIVersion.VERSION2, client_id="one", protocol=paho.MQTTv311)
        self.client.max_inflight_messages_set(0x7FFF)
        self.client.on_publish = self._note
        self.ours: Any = None
        self.connect()

    def _note(self, client: paho.Client, data: Any, mid: int, reason: Any, properties: Any) -> None:
        self.acked.append(mid)

    def connect(self, answer: bytes = CONNACK) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.ours, self.theirs = ours, RawClient(("", 0))
        self.theirs.socket = theirs
        self.client._host, self.client._port = "nowhere", 1
        self.client._create_socket_connection = lambda: ours  # type: ignore[method-assign]
        self.client.reconnect()
        self.theirs.wait_for(1)
        theirs.sendall(answer)
        self.client.loop_read()

    def close(self) -> None:
        self.theirs.socket.close()
        self.client._sock_close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    made = Pair()
    yield made
    made.close()


def test_what_is_sent_is_the_packet_that_paho_would_send(pair: Pair) -> None:
    number = pair.client.say(b"a/b", b"quick", 1)
    same = pair.client.publish("a/b", b"quick", 1).mid
    arrived = list(pair.theirs.receive())
    assert [published(body, first) for first, body in arrived] == [
        (number.to_bytes(2, "big"), b"quick"),
        (same.to_bytes(2, "big"), b"quick"),
    ]
    assert arrived[0][0] == arrived[1][0]


def test_acknowledgements_are_told_once_however_they_are_cut(pair: Pair) -> None:
    numbers = [pair.client.say(b"a", b"", 1) for _ in range(3)]
    stream = b"".join(puback_packet(number.to_bytes(2, "big")) for number in (*numbers, numbers[0]))
    for at in range(0, len(stream), 3):
        pair.theirs.socket.sendall(stream[at : at + 3])
        pair.client.loop_read()
    assert pair.acked == numbers
    assert not pair.client._out_messages
    assert pair.client._inflight_messages == 0


def test_what_nobody_acknowledged_goes_out_again_marked_and_in_order(pair: Pair) -> None:
    numbers = [pair.client.say(b"a", bytes([row]), 1) for row in range(3)]
    pair.theirs.socket.sendall(puback_packet(numbers[1].to_bytes(2, "big")))
    pair.client.loop_read()
    pair.close()
    pair.client.loop_read()
    pair.connect()
    again = [(first, published(body, first)) for first, body in pair.theirs.receive() if first >> 4 == 3]
    assert [(first & 8, data) for first, (_, data) in again] == [(8, b"\x00"), (8, b"\x02")]


def test_what_was_released_is_never_published_again_though_a_connection_got_no_answer(pair: Pair) -> None:
    pair.client._clean_session = False
    released, unheard = (pair.client.say(b"a", bytes([row]), 2).to_bytes(2, "big") for row in range(2))
    pair.theirs.socket.sendall(b"\x50\x02" + released)
    pair.client.loop_read()
    for answer in (b"", CONNACK):
        pair.close()
        pair.client.loop_read()
        pair.connect(answer)
    pair.client.loop_read()
    arrived = list(pair.theirs.receive())
    assert [body for first, body in arrived if first == 0x62] == [released]
    assert [(first & 8, published(body, first)) for first, body in arrived if first >> 4 == 3] == [
        (8, (unheard, b"\x01"))
    ]
    pair.theirs.socket.sendall(b"\x70\x02" + released)
    pair.client.loop_read()
    assert pair.acked == [int.from_bytes(released, "big")]


def test_a_full_socket_holds_the_rest_in_order(pair: Pair) -> None:
    payload = bytes(100_000)
    for row in range(20):
        pair.client.say(b"a", bytes([row]) + payload, row % 2)
    assert pair.client.want_write()
    got: list[int] = []
    while len(got) < 20:
        got += [published(body, first)[1][0] for first, body in pair.theirs.receive()]
        pair.client.loop_write()
    assert got == list(range(20))
    assert not pair.client.want_write()


def test_what_the_socket_does_not_take_is_no_sign_of_life(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: bytes) -> int:
        raise BlockingIOError

    pair.client._last_msg_out = 0.0
    monkeypatch.setattr(pair.client, "_sock_send", full)
    pair.client.say(b"a", b"x", 1)
    assert pair.client._last_msg_out == 0.0


def test_a_message_among_acknowledgements_is_heard(pair: Pair) -> None:
    heard: list[bytes | bytearray] = []
    pair.client.on_message = lambda client, data, message: heard.append(message.payload)
    number = pair.client.say(b"a", b"", 1)
    acknowledgement = puback_packet(number.to_bytes(2, "big"))
    pair.theirs.socket.sendall(publish_packet("down", b"now") + acknowledgement + publish_packet("down", b"then"))
    pair.client.loop_read()
    assert (heard, pair.acked) == ([b"now", b"then"], [number])


def test_a_refused_write_ends_the_connection_as_paho_does(pair: Pair) -> None:
    lost: list[Callable[..., None]] = []
    pair.client.on_disconnect = lambda *arguments: lost.append(arguments[0])
    pair.theirs.socket.close()
    for _ in range(3):
        pair.client.say(b"a", b"x", 1)
    assert len(lost) == 1
    assert len(pair.client._out_messages) >= 1


def test_a_connect_that_fails_at_once_leaves_no_socket() -> None:
    client = FleetClient(CallbackAPIVersion.VERSION2)
    client._host, client._port = "255.255.255.255", 1  # of everybody: TCP reaches one
    with pytest.raises(OSError, match=r"denied|unreachable"):
        client._create_socket_connection()
