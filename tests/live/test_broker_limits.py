"""Limits of the embedded broker by hand-made packets: what is dropped, cut, refused or held up, and that it counts."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import pytest

from tests.live.raw_mqtt import (
    PINGREQ,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    RawClient,
    packet,
    publish,
    until,
)
from tests.live.test_live_ledger import play
from twinstorm.broker.embedded import EmbeddedBroker, device_topics
from twinstorm.broker.limits import Limits

ONE, TWO = "fra-1/motors-0001", "fra-1/motors-0002"
TELEMETRY, STATE = device_topics(ONE)
PONG = (0xD0, b"")


class Stand:
    """A broker with some limits, and its clients."""

    def __init__(self, limits: Limits, **options: Any) -> None:
        self.broker = EmbeddedBroker([ONE, TWO], now_us=lambda: 0, limits=limits, **options)
        self.broker.open()
        self.clients: list[RawClient] = []

    def client(self, receive_bytes: int | None = None) -> RawClient:
        self.clients.append(RawClient(self.broker.port, receive_bytes))
        return self.clients[-1]

    def device(self, name: str = ONE, receive_bytes: int | None = None, **options: Any) -> RawClient:
        made = self.client(receive_bytes)
        password = self.broker.device_passwords[(ONE, TWO).index(name)]
        made.send_connect(name, name, password, **options)
        assert made.connack() == 0
        return made

    def listener(self, qos: int = 1, *, receive_bytes: int | None = None, clean: bool = True) -> RawClient:
        """The core."""
        made = self.client(receive_bytes)
        made.send_connect("core", *self.broker.core_credentials, clean=clean)
        assert made.connack() == 0
        assert made.subscribe("fleet/#", qos) == qos
        return made

    def say(self, one: RawClient, payloads: list[bytes], topic: str = TELEMETRY) -> None:
        """At QoS 1, each acknowledged."""
        for number, payload in enumerate(payloads, 1):
            one.send(publish(topic, payload, qos=1, number=number))
            assert one.read() == (PUBACK, struct.pack(">H", number))

    def counted(self, name: str) -> int:
        return self.broker._count[name]

    @property
    def drops(self) -> dict[str, int]:
        return dict(self.broker._drops)


@pytest.fixture
def stand() -> Iterator[Callable[..., Stand]]:
    made: list[Stand] = []

    def make(*, broker: dict[str, Any] | None = None, **limits: Any) -> Stand:
        made.append(Stand(Limits(**limits), **(broker or {})))
        return made[-1]

    yield make
    for one in made:
        for client in one.clients:
            client.close()
        one.broker.close()


def acknowledge(one: RawClient, number: int, kind: int = PUBACK) -> None:
    one.send(packet(kind, struct.pack(">H", number)))


def is_quiet(one: RawClient) -> bool:
    """Whatever waits for it is held back: an answer to a ping comes first."""
    one.send(packet(PINGREQ))
    return one.read() == PONG


# --- packets ----------------------------------------------------------------------------------------------------------


def test_a_packet_of_the_limit_passes_and_a_byte_more_ends_its_connection(stand: Callable[..., Stand]) -> None:
    here = stand(packet_bytes=200)
    core, one = here.listener(), here.device(will=(STATE, b"gone"))
    room = 200 - 2 - len(TELEMETRY)
    one.send(publish(TELEMETRY, bytes(room)))
    assert core.message().payload == bytes(room)
    one.send(publish(TELEMETRY, bytes(room + 1)))
    assert one.ends() != "open"
    assert core.message().payload == b"gone"
    assert (here.counted("oversized"), here.counted("malformed")) == (1, 0)


# --- the window -------------------------------------------------------------------------------------------------------


def test_no_more_than_the_window_is_under_way_at_qos_1(stand: Callable[..., Stand]) -> None:
    here = stand(in_flight=2)
    core, one = here.listener(), here.device()
    here.say(one, [b"1", b"2", b"3", b"4"])
    sent = [core.message(acknowledge=False) for _ in range(2)]
    assert is_quiet(core)
    acknowledge(core, sent[1].number)
    assert core.message(acknowledge=False).payload == b"3"
    assert is_quiet(core)
    acknowledge(core, sent[1].number)  # once more, and of nothing
    acknowledge(core, 999)
    assert is_quiet(core)
    acknowledge(core, sent[0].number)
    assert core.message(acknowledge=False).payload == b"4"


def test_a_place_in_the_window_is_free_when_an_exchange_at_qos_2_is_complete(stand: Callable[..., Stand]) -> None:
    here = stand(in_flight=1)
    core, one = here.listener(qos=2), here.device()
    for number in (1, 2):
        one.send(publish(TELEMETRY, b"%d" % number, qos=2, number=number))
        assert one.read()[0] == PUBREC
        acknowledge(one, number, PUBREL)
        assert one.read()[0] == PUBCOMP
    first = core.message(acknowledge=False)
    acknowledge(core, first.number)  # PUBACK is no answer at QoS 2
    assert is_quiet(core)
    acknowledge(core, first.number, PUBREC)
    assert core.read() == (PUBREL, struct.pack(">H", first.number))
    assert is_quiet(core)
    acknowledge(core, first.number, PUBCOMP)
    assert core.message(acknowledge=False).payload == b"2"


@pytest.mark.parametrize(
    "limit", [{"in_flight": 2}, {"queue_bytes": 2 * (1 + len(TELEMETRY))}], ids=["messages", "bytes"]
)
def test_a_client_that_never_releases_what_it_sent_at_qos_2_is_cut(
    stand: Callable[..., Stand], limit: dict[str, int]
) -> None:
    here = stand(**limit)
    one = here.device(clean=False)
    for number in (1, 2, 2):  # the last one once more
        one.send(publish(TELEMETRY, b"%d" % number, qos=2, number=number))
        assert one.read() == (PUBREC, struct.pack(">H", number))
    acknowledge(one, 1, PUBREL)
    assert one.read()[0] == PUBCOMP
    one.send(publish(TELEMETRY, b"3", qos=2, number=3))
    assert one.read()[0] == PUBREC
    one.send(publish(TELEMETRY, b"4", qos=2, number=4))
    assert one.ends() != "open"
    assert here.counted("unreleased") == 1
    again = here.device(clean=False)
    acknowledge(again, 3, PUBREL)
    assert again.read() == (PUBCOMP, struct.pack(">H", 3))


# --- queues -----------------------------------------------------------------------------------------------------------


def test_the_newest_beyond_the_queue_of_a_client_are_dropped_and_counted(stand: Callable[..., Stand]) -> None:
    here = stand(in_flight=1, broker={"core_per_s": Fraction(1_000_000), "core_queue": 2})
    core, one = here.listener(), here.device()
    here.say(one, [b"1"])
    first = core.message(acknowledge=False)
    here.say(one, [b"2", b"3", b"4", b"5"])
    assert here.drops == {"queue_messages": 2}
    assert here.broker.overflown_readings() == {ONE: 2}
    assert here.broker.counters(0).dropped == 2
    acknowledge(core, first.number)
    assert [core.message().payload for _ in range(2)] == [b"2", b"3"]
    here.say(one, [b"6"])
    assert core.message().payload == b"6"


def test_a_guests_queue_has_the_limit_of_every_client(stand: Callable[..., Stand]) -> None:
    here = stand(in_flight=1, queue_messages=1)
    guest, one = here.client(), here.device()
    guest.send_connect("guest", *here.broker.guest_credentials())
    assert guest.connack() == 0
    assert guest.subscribe("fleet/#") == 1
    here.say(one, [b"1"])
    guest.message(acknowledge=False)
    here.say(one, [b"2", b"3"])
    assert here.drops == {"queue_messages": 1}
    assert here.broker.overflown_readings() == {}, "no reading of the core's is lost"


def test_bytes_that_wait_have_a_limit_too(stand: Callable[..., Stand]) -> None:
    here = stand(in_flight=1, queue_bytes=2 * (100 + len(TELEMETRY)))
    core, one = here.listener(), here.device()
    here.say(one, [b"1"])
    first = core.message(acknowledge=False)
    here.say(one, [b"a" * 100, b"b" * 100, b"c"])
    assert here.drops == {"queue_bytes": 1}
    acknowledge(core, first.number)
    assert [core.message().payload[:1] for _ in range(2)] == [b"a", b"b"]
    here.say(one, [b"d" * 200])
    assert core.message().payload == b"d" * 200


@pytest.mark.parametrize(
    ("limit", "cause"),
    [({"offline_messages": 2}, "offline_messages"), ({"offline_bytes": 2 * (1 + len(TELEMETRY))}, "offline_bytes")],
)
def test_the_newest_beyond_the_queue_of_an_absent_client_are_dropped(
    stand: Callable[..., Stand], limit: dict[str, int], cause: str
) -> None:
    here = stand(**limit)
    here.listener(clean=False).close()
    one = here.device()
    assert until(lambda: here.broker.clients == 1)
    here.say(one, [b"1", b"2", b"3", b"4"])
    one.send(publish(TELEMETRY, b"at QoS 0 nothing waits"))
    assert is_quiet(one)
    assert here.drops == {cause: 2}
    assert here.broker.overflown_readings() == {ONE: 2}
    core = here.client()
    core.send_connect("core", *here.broker.core_credentials, clean=False)
    assert core.connack() == 0
    assert [core.message().payload for _ in range(2)] == [b"1", b"2"]
    assert is_quiet(core)


# --- slow consumers ---------------------------------------------------------------------------------------------------


def test_a_client_that_takes_nothing_is_cut_and_what_it_has_not_got_is_counted(stand: Callable[..., Stand]) -> None:
    here = stand(drain_s=0.3)
    stalled, one = here.listener(qos=0, receive_bytes=4_096), here.device()
    guest = here.client()
    guest.send_connect("guest", *here.broker.guest_credentials())
    assert guest.connack() == 0
    assert guest.subscribe(STATE) == 1
    for _ in range(200):
        one.send(publish(TELEMETRY, bytes(60_000)))
    assert is_quiet(one), "who publishes is not held up by it"
    assert until(lambda: here.counted("slow_consumers") == 1)
    assert until(lambda: here.broker.clients == 2)
    assert stalled.ends() != "open"
    assert here.drops["disconnected"] > 0
    one.send(publish(STATE, b"still here"))
    assert guest.message().payload == b"still here"


def test_a_client_that_does_not_read_its_answers_is_not_read_from_and_then_cut(stand: Callable[..., Stand]) -> None:
    here = stand(drain_s=0.5, write_buffer_bytes=1_024)
    flood = here.device(receive_bytes=4_096)
    for writer, _ in here.broker._links.open.values():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    flood.socket.settimeout(0.05)
    raw = publish(TELEMETRY, b"x", qos=1) * 500
    sent = 0
    with contextlib.suppress(TimeoutError, ConnectionError):
        while sent < 200_000:
            flood.send(raw)
            sent += 500
    assert until(lambda: here.counted("slow_consumers") == 1)
    assert here.broker.counters(0).messages_in < sent + 500 < 200_000
    here.device(TWO)


# --- connects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("raw", [b"", b"\x10\x20\x00\x04MQ"], ids=["nothing", "half a CONNECT"])
def test_who_does_not_ask_in_time_is_closed(stand: Callable[..., Stand], raw: bytes) -> None:
    here = stand(connect_s=0.2)
    silent = here.client()
    began_s = time.monotonic()
    silent.send(raw)
    assert silent.ends() != "open"
    assert time.monotonic() - began_s > 0.19
    assert here.counted("connect_timeouts") == here.broker.turned_away == 1


def test_connects_beyond_the_rate_are_refused_before_anything_is_checked(stand: Callable[..., Stand]) -> None:
    here = stand(connects_per_s=Fraction(1, 1_000), connects_burst=2)
    here.device(ONE)
    here.device(TWO)
    for user in (ONE, "nobody"):
        refused = here.client()
        refused.send_connect(user, user, "guess")
        assert refused.connack() == 3
        assert refused.ends() == "closed"
    assert (here.counted("too_many_connects"), here.counted("unauthorised")) == (2, 0)
    assert here.broker.turned_away == 2


# --- publishers -------------------------------------------------------------------------------------------------------


def test_a_client_is_read_no_faster_than_its_rate_and_loses_nothing(stand: Callable[..., Stand]) -> None:
    here = stand(publishes_per_s=Fraction(20), publishes_burst=2)
    core, fast, other = here.listener(), here.device(), here.device(TWO)
    began_s = time.monotonic()
    fast.send(b"".join(publish(TELEMETRY, b"%d" % number) for number in range(8)))
    other.send(publish(device_topics(TWO)[0], b"mine"))
    got = [core.message().payload for _ in range(9)]
    assert time.monotonic() - began_s > 0.29
    assert [payload for payload in got if payload != b"mine"] == [b"%d" % number for number in range(8)]
    assert got.index(b"mine") < 7, "others are not slowed"
    assert 1 <= here.counted("throttled") <= 6, "all beyond the burst, unless the machine paused meanwhile"


def test_a_client_that_is_held_up_is_cut_at_once(stand: Callable[..., Stand]) -> None:
    here = stand(publishes_per_s=Fraction(1, 1_000))
    held = here.device(will=(STATE, b"gone"))
    core = here.listener()
    held.send(publish(TELEMETRY, b"1") + publish(TELEMETRY, b"2"))
    assert core.message().payload == b"1"
    assert until(lambda: here.counted("throttled") == 1)
    assert here.broker.kick([ONE]) == 1
    assert core.message().payload == b"gone"


def test_what_reaches_the_core_in_a_time_has_the_limit_of_the_scenario(stand: Callable[..., Stand]) -> None:
    here = stand(broker={"core_per_s": Fraction(20), "core_queue": 4, "speed": Fraction(2)})
    core, one = here.listener(), here.device()
    began_s = time.monotonic()
    here.say(one, [b"%d" % number for number in range(12)])
    dropped = here.broker.overflown_readings()[ONE]
    assert 6 <= dropped <= 7
    got = [core.message().payload for _ in range(12 - dropped)]
    assert got[:4] == [b"0", b"1", b"2", b"3"]
    assert time.monotonic() - began_s > (len(got) - 1) / 40 - 0.01
    assert is_quiet(core)


SLOW_CORE = """storm: 1
name: ledger
story: The broker passes on half of what the fleet says, and keeps little of the rest.
duration: 10 s
broker: {messages: {rate: 12/s, queue: 20}}
fleet:
  devices: 24
  segments: {m: {kind: motor, share: 100 %, every: 1 s}}
expect:
  - {ledger: lost, at_most: 90 %}
"""


def test_messages_beyond_the_limit_of_the_scenario_enter_the_ledger_of_a_live_run() -> None:
    ledger = play(SLOW_CORE, 4.0).ledger
    assert 0.3 * ledger.produced < ledger.lost["queue_full"] < 0.6 * ledger.produced


# --- the limits -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [{"in_flight": 0}, {"in_flight": 65_536}, {"packet_bytes": 1 << 28}, {"drain_s": 0.0}, {"queue_bytes": -1}],
)
def test_limits_that_let_nothing_through_or_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(**wrong)
