"""The embedded broker by hand-made packets: doors, takeovers, what ends a connection, what is never lost, outages."""

from __future__ import annotations

import gc
import struct
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
from amqtt.broker import Broker
from amqtt.session import Session

from tests.live.raw_mqtt import (
    CONNECT,
    DISCONNECT,
    PINGREQ,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    SUBSCRIBE,
    RawClient,
    packet,
    publish,
    text,
    until,
)
from twinstorm.broker import amqtt_connection, embedded
from twinstorm.broker.admission import Admission
from twinstorm.broker.amqtt_connection import RepairedHandler
from twinstorm.broker.embedded import EmbeddedBroker, device_topics
from twinstorm.broker.limits import Limits

LARGEST_PACKET_BYTES = Limits().packet_bytes
NAMES = [f"fra-1/motors-{number:04}" for number in range(1, 6)]
LARGEST_PACKET_BYTES = Limits().packet_bytes
ONE, TWO = NAMES[:2]
TELEMETRY, STATE = device_topics(ONE)


class Stand:
    """A broker and the clients of one test."""

    def __init__(self) -> None:
        self.now_us = 0
        self.broker = EmbeddedBroker(NAMES, now_us=lambda: self.now_us)
        self.broker.open()
        self.clients: list[RawClient] = []
        self.failures: list[dict[str, Any]] = []
        self.broker._own.loop.set_exception_handler(lambda _, context: self.failures.append(context))

    def client(self, receive_bytes: int | None = None) -> RawClient:
        self.clients.append(RawClient(self.broker.port, receive_bytes))
        return self.clients[-1]

    def ask(self, name: str = ONE, **options: Any) -> RawClient:
        """A device whose CONNECT is sent."""
        made = self.client()
        made.send_connect(name, name, self.broker.device_passwords[NAMES.index(name)], **options)
        return made

    def device(self, name: str = ONE, **options: Any) -> RawClient:
        made = self.ask(name, **options)
        assert made.connack() == 0
        return made

    def core(self, client_id: str = "core", topic: str = "fleet/#", qos: int = 1) -> RawClient:
        made = self.client()
        made.send_connect(client_id, *self.broker.core_credentials)
        assert made.connack() == 0
        assert made.subscribe(topic, qos) == qos
        return made

    def connected(self) -> list[tuple[Session, RepairedHandler]]:
        core = self.broker._core
        return [] if core is None else core.connected()

    def sessions(self) -> int:
        return self.broker.counters(0).sessions


@pytest.fixture
def stand() -> Iterator[Stand]:
    made = Stand()
    yield made
    for client in made.clients:
        client.close()
    made.broker.close()
    assert made.failures == []
    assert all(thread.name != "twinstorm-broker" for thread in threading.enumerate())


# --- the door ---------------------------------------------------------------------------------------------------------


def test_before_the_run_begins_everybody_is_let_in_and_counted_as_nothing(stand: Stand) -> None:
    for name in NAMES:
        stand.device(name)
    stand.broker.begin(Admission(Fraction(1), 1, 0))
    counters = stand.broker.counters(0)
    assert (counters.attempts, counters.admitted, counters.sessions) == (0, 0, 5)


def test_a_burst_enters_at_once_the_queue_waits_and_the_rest_is_refused(stand: Stand) -> None:
    stand.broker.begin(Admission(Fraction(1), burst=2, queue=1))
    began_s = time.monotonic()
    stand.device(NAMES[0])
    stand.device(NAMES[1])
    waiting = stand.ask(NAMES[2])
    assert until(lambda: stand.broker.counters(0).connecting == 1)
    assert time.monotonic() - began_s < 0.95
    refused = stand.ask(NAMES[3])
    assert refused.connack() == 3
    assert refused.ends() == "closed"
    assert waiting.connack() == 0
    assert time.monotonic() - began_s > 0.95
    counters = stand.broker.counters(0)
    assert (counters.attempts, counters.admitted, counters.refused, counters.connecting) == (4, 3, 1, 0)


def test_core_and_guests_are_never_limited(stand: Stand) -> None:
    stand.broker.begin(Admission(Fraction(1, 1_000), burst=1, queue=0))
    stand.device()
    for number in range(3):
        stand.core(f"core-{number}")
        guest = stand.client()
        guest.send_connect(f"guest-{number}", *stand.broker.guest_credentials())
        assert guest.connack() == 0


@pytest.mark.parametrize("given", ["", "None", "guest"])
def test_guests_stay_out_until_they_are_invited(stand: Stand, given: str) -> None:
    guest = stand.client()
    guest.send_connect("any", "guest", given)
    assert guest.connack() == 5
    assert guest.ends() == "closed"


def test_a_will_is_bound_to_the_rights_of_its_client(stand: Stand) -> None:
    forger = stand.ask(will=(device_topics(TWO)[1], b"gone"))
    assert forger.connack() == 5
    assert stand.sessions() == 0


# --- takeovers and ends -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clean", [True, False])
def test_the_will_of_the_old_connection_comes_before_the_birth_of_the_new_one(stand: Stand, clean: bool) -> None:
    core = stand.core()
    old = stand.device(clean=clean, will=(STATE, b"gone"))
    new = stand.device(clean=clean, will=(STATE, b"gone"))
    new.send(publish(STATE, b"born"))
    assert [core.message().payload for _ in range(2)] == [b"gone", b"born"]
    assert old.ends() != "open"
    assert stand.sessions() == 1
    new.ping()


def test_many_connections_for_one_name_at_once_leave_exactly_one(stand: Stand) -> None:
    clients = [stand.ask() for _ in range(8)]
    assert until(lambda: stand.broker.counters(0).admitted == 8)
    assert until(lambda: sum(client.ends(0.02) == "open" for client in clients) == 1)
    assert stand.sessions() == 1


def test_a_hundred_connections_that_vanish_leave_nothing(stand: Stand) -> None:
    for _ in range(100):
        stand.ask().reset()
    stand.device(TWO)  # connections are accepted in their order: now it has seen them all
    core = stand.broker._core
    assert core is not None
    assert until(lambda: len(stand.broker._links.open) == len(core._sessions) == 1)
    counters = stand.broker.counters(0)
    assert (counters.sessions, counters.connecting, counters.queue) == (1, 0, 0)


def test_connections_that_nobody_has_served_yet_are_closed_with_the_broker(stand: Stand) -> None:
    for _ in range(100):
        stand.client()
    stand.broker.close()  # a socket that is still open is reported as a warning, which fails
    gc.collect()


def test_what_was_sent_before_a_disconnect_arrives_and_no_will(stand: Stand) -> None:
    core = stand.core()
    last = stand.device(will=(STATE, b"gone"))
    last.send(b"".join(publish(TELEMETRY, b"%d" % n) for n in range(200)) + packet(DISCONNECT))
    last.close()
    assert [core.message().payload for _ in range(200)] == [b"%d" % n for n in range(200)]
    stand.device(TWO).send(publish(device_topics(TWO)[0], b"next"))
    assert core.message().payload == b"next"


def test_what_was_sent_before_a_break_arrives_before_the_will(stand: Stand) -> None:
    core = stand.core()
    last = stand.device(will=(STATE, b"gone"))
    last.send(b"".join(publish(TELEMETRY, b"%d" % n) for n in range(50)))
    last.close()
    assert [core.message().payload for _ in range(51)] == [*(b"%d" % n for n in range(50)), b"gone"]


def test_a_kicked_device_is_cut_and_its_will_is_told(stand: Stand) -> None:
    core = stand.core()
    kicked, spared = stand.device(will=(STATE, b"gone")), stand.device(TWO)
    assert stand.broker.kick([ONE, "nobody"]) == 1
    assert kicked.ends() != "open"
    assert core.message().payload == b"gone"
    spared.ping()
    assert stand.sessions() == 1


# --- bytes ------------------------------------------------------------------------------------------------------------


def test_a_packet_that_trickles_in_is_one_packet(stand: Stand) -> None:
    core = stand.core()
    slow = stand.device(keep_alive_s=2)
    for byte in publish(TELEMETRY, b"\xc0\x00\xe0\x00"):
        slow.send(bytes([byte]))
    slow.ping()
    assert core.message().payload == b"\xc0\x00\xe0\x00"


@pytest.mark.parametrize("part", [0, 1, 30], ids=["nothing", "half a header", "half a body"])
def test_a_device_that_stops_is_closed_after_one_and_a_half_keep_alives(stand: Stand, part: int) -> None:
    core = stand.core()
    began_s = time.monotonic()
    silent = stand.device(keep_alive_s=1, will=(STATE, b"gone"))
    assert [session.keep_alive for session, _ in stand.connected() if session.client_id == ONE] == [1.5]
    silent.send(publish(TELEMETRY, b"x" * 100)[:part])
    assert core.message().payload == b"gone"
    assert time.monotonic() - began_s > 1.4
    assert silent.ends() != "open"
    assert stand.broker.counters(0).expired == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x00",
        b"\xf0\x00",
        publish(TELEMETRY, b"x", qos=3),
        publish(b"\xff\xfe", b"x"),
        publish("", b"x"),
        publish("fleet/#", b"x"),
        packet(0x30, b"\xff\xff"),
        packet(0x80, b"\x00\x01" + text("a") + b"\x00"),
        packet(SUBSCRIBE, b"\x00\x01"),
        packet(SUBSCRIBE, b"\x00\x01" + text("a") + b"\x03"),
        packet(SUBSCRIBE, b"\x00\x01" + text("a") + b"\x01\x00\x09a"),
        packet(PUBACK, b"\x00"),
        packet(PINGREQ, b"more"),
        packet(0x20, b"\x00\x00"),
        packet(CONNECT, text("MQTT") + bytes([4, 2, 0, 60]) + text("x")),
        b"\x30\xff\xff\xff\xff\x01",
        bytes([0x30]) + b"\xff\xff\xff\x7f",
        bytes([0x32]) + packet(0, bytes(LARGEST_PACKET_BYTES + 1))[1:6],
    ],
    ids=lambda raw: raw[:12].hex(),
)
def test_bytes_that_are_no_packet_end_their_connection_and_nobody_elses(stand: Stand, raw: bytes) -> None:
    core, other = stand.core(), stand.device(TWO)
    wrong = stand.device(will=(STATE, b"gone"))
    wrong.send(raw + publish(TELEMETRY, b"smuggled"))
    assert wrong.ends() != "open"
    assert core.message().payload == b"gone"
    other.send(publish(device_topics(TWO)[0], b"fine"))
    assert core.message().payload == b"fine"


def test_a_packet_just_within_the_limit_passes(stand: Stand) -> None:
    core, big = stand.core(), stand.device()
    payload = bytes(LARGEST_PACKET_BYTES - 2 - len(TELEMETRY))
    big.send(publish(TELEMETRY, payload))
    assert core.message().payload == payload


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("published", "granted"), [(0, 1), (1, 0), (1, 1), (0, 0)])
def test_delivery_is_at_the_smaller_qos(stand: Stand, published: int, granted: int) -> None:
    core, one = stand.core(qos=granted), stand.device()
    one.send(publish(TELEMETRY, b"x", qos=published))
    assert core.message().qos == min(published, granted)


def test_a_second_subscription_replaces_the_first(stand: Stand) -> None:
    core, one = stand.core(qos=0), stand.device()
    assert core.subscribe("fleet/#", 1) == 1
    one.send(publish(TELEMETRY, b"a", qos=1, number=1) + publish(TELEMETRY, b"b", qos=1, number=2))
    assert [(m.payload, m.qos) for m in (core.message(), core.message())] == [(b"a", 1), (b"b", 1)]


def test_who_does_not_acknowledge_holds_up_neither_others_nor_itself(stand: Stand) -> None:
    mute, core, one = stand.core("mute"), stand.core(), stand.device()
    began_s = time.monotonic()
    for number in range(1, 21):
        one.send(publish(TELEMETRY, b"%d" % number, qos=1, number=number))
    assert [core.message().payload for _ in range(20)] == [b"%d" % n for n in range(1, 21)]
    assert [mute.message(acknowledge=False).payload for _ in range(20)] == [b"%d" % n for n in range(1, 21)]
    assert mute.subscribe("fleet/default/#") == 1
    assert time.monotonic() - began_s < 4.0, "upstream waits 5 s for every acknowledgement"
    assert until(lambda: stand.broker.counters(0).queue == 20)


def test_devices_are_not_read_from_while_too_much_waits_for_the_core(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqtt_connection, "BRAKE_AT", 10)
    monkeypatch.setattr(amqtt_connection, "GO_ON_AT", 5)
    core, one = stand.core(), stand.device()
    for number in range(1, 11):
        one.send(publish(TELEMETRY, b"%d" % number, qos=1, number=number))
    waiting = [core.message(acknowledge=False) for _ in range(10)]
    one.send(publish(TELEMETRY, b"11", qos=1, number=11))
    core.ping()
    assert stand.broker.counters(0).messages_in == 10
    for message in waiting:
        core.send(packet(PUBACK, struct.pack(">H", message.number)))
    assert core.message().payload == b"11"


def test_a_core_that_went_away_no_longer_holds_devices_up(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amqtt_connection, "BRAKE_AT", 1)
    monkeypatch.setattr(amqtt_connection, "GO_ON_AT", 0)
    core, one = stand.core(), stand.device()
    one.send(publish(TELEMETRY, b"1", qos=1, number=1))
    core.message(acknowledge=False)
    for number in (2, 3):
        one.send(publish(TELEMETRY, b"%d" % number, qos=1, number=number))
    core.reset()
    assert until(lambda: stand.broker.counters(0).messages_in == 3)


def test_a_kept_session_gets_what_it_missed_once_more_and_is_not_held_up(stand: Stand) -> None:
    user, password = stand.broker.guest_credentials()
    first = stand.client()
    first.send_connect("kept", user, password, clean=False)
    assert first.connack() == 0
    assert first.subscribe("fleet/#") == 1
    one = stand.device()
    one.send(publish(TELEMETRY, b"unacknowledged", qos=1, number=1))
    assert first.message(acknowledge=False).payload == b"unacknowledged"
    first.close()
    assert until(lambda: "kept" not in {session.client_id for session, _ in stand.connected()})
    one.send(publish(TELEMETRY, b"missed", qos=1, number=2))
    assert one.read()[0] == PUBACK
    again = stand.client()
    again.send_connect("kept", user, password, clean=False)
    assert again.connack() == 0
    told = [again.message(acknowledge=False) for _ in range(2)]
    assert [(m.payload, m.dup, m.retain) for m in told] == [
        (b"unacknowledged", True, False),
        (b"missed", False, False),
    ]
    began_s = time.monotonic()
    assert again.subscribe("fleet/default/#") == 1
    assert time.monotonic() - began_s < 4.0, "upstream waits 5 s for every acknowledgement"


def test_a_second_pubrel_is_answered_and_the_message_arrives_once(stand: Stand) -> None:
    core, one = stand.core(), stand.device()
    one.send(publish(TELEMETRY, b"exactly once", qos=2))
    assert one.read()[0] == PUBREC
    for _ in range(2):
        one.send(packet(PUBREL, struct.pack(">H", 7)))
        assert one.read()[0] == PUBCOMP
    one.send(publish(TELEMETRY, b"next"))
    assert [core.message().payload for _ in range(2)] == [b"exactly once", b"next"]


@pytest.mark.parametrize("received", [False, True], ids=["before PUBREC", "after PUBREC"])
def test_a_qos_2_message_that_a_break_interrupts_goes_on_where_it_was(stand: Stand, received: bool) -> None:
    def come() -> RawClient:
        made = stand.client()
        made.send_connect("kept", *stand.broker.guest_credentials(), clean=False)
        assert made.connack() == 0
        return made

    first, one = come(), stand.device()
    assert first.subscribe("fleet/#", 2) == 2
    one.send(publish(TELEMETRY, b"once", qos=2))
    assert one.read()[0] == PUBREC
    one.send(packet(PUBREL, struct.pack(">H", 7)))
    sent = first.message(acknowledge=False)
    assert (sent.payload, sent.qos, sent.dup) == (b"once", 2, False)
    number = struct.pack(">H", sent.number)
    if received:
        first.send(packet(PUBREC, number))
        assert first.read() == (PUBREL, number)
    first.reset()
    again = come()
    if not received:
        told = again.message(acknowledge=False)
        assert (told.payload, told.qos, told.dup, told.number) == (b"once", 2, True, sent.number)
        again.send(packet(PUBREC, number))
    assert again.read() == (PUBREL, number)
    again.send(packet(PUBCOMP, number))
    again.ping()
    assert until(lambda: stand.broker.counters(0).queue == 0)
    again.reset()
    last = come()
    last.send(packet(PINGREQ))
    assert last.read() == (0xD0, b"")


def test_a_qos_2_message_that_was_released_counts_though_its_sender_leaves_at_once(stand: Stand) -> None:
    core, one = stand.core(), stand.device()
    one.send(publish(TELEMETRY, b"last words", qos=2))
    assert one.read()[0] == PUBREC
    one.send(packet(PUBREL, struct.pack(">H", 7)) + packet(DISCONNECT))
    one.close()
    assert core.message().payload == b"last words"


def test_a_shared_subscription_is_refused(stand: Stand) -> None:
    guest = stand.client()
    guest.send_connect("any", *stand.broker.core_credentials)
    assert guest.connack() == 0
    assert guest.subscribe("$share/group/fleet/#") == 0x80


def test_what_is_published_below_dollar_is_acknowledged_and_reaches_nobody(stand: Stand) -> None:
    core, one = stand.core(topic="#"), stand.device()
    for topic in ("$SYS/x", "$x"):
        one.send(publish(topic, b"x", qos=1))
        assert one.read() == (PUBACK, b"\x00\x07")
    one.send(publish(TELEMETRY, b"mine"))
    assert core.message().payload == b"mine"


def test_retained_messages_reach_matching_subscribers_only(stand: Stand) -> None:
    one = stand.device()
    one.send(publish(TELEMETRY, b"kept", qos=1, retain=True))
    assert one.read()[0] == PUBACK
    other = stand.core("other", topic="fleet/default/sin-1/#")
    matching = stand.core("matching", topic=TELEMETRY)
    kept = matching.message()
    assert (kept.payload, kept.retain) == (b"kept", True)
    one.send(publish(STATE, b"x"))
    other.send(packet(PINGREQ))
    assert other.read() == (0xD0, b"")


# --- outages ----------------------------------------------------------------------------------------------------------


def test_a_stopped_broker_resets_refuses_and_returns_on_its_port(stand: Stand) -> None:
    one, half_open, port = stand.device(), stand.client(), stand.broker.port
    half_open.send(b"\x10\x20")
    assert until(lambda: len(stand.broker._links.open) == 2)
    assert stand.broker.stop(0) == 1
    assert one.ends() == half_open.ends() == "reset"
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            RawClient(port)
    assert stand.broker.stop(0) == 0
    assert not stand.broker._links.open
    stand.broker.start(0)
    with pytest.raises(ConnectionRefusedError):
        RawClient(port)  # the second outage goes on
    stand.broker.start(0)
    assert stand.broker.port == port
    stand.device()


def test_a_connect_in_the_queue_dies_with_the_broker(stand: Stand) -> None:
    stand.broker.begin(Admission(Fraction(1, 1_000), burst=1, queue=5))
    stand.device(NAMES[0])
    waiting = stand.ask(NAMES[1])
    assert until(lambda: stand.broker.counters(0).connecting == 1)
    stand.broker.stop(0)
    assert waiting.ends() == "reset"
    assert stand.broker.counters(0).connecting == 0
    stand.broker.start(0)
    stand.device(NAMES[1])


def test_a_silent_outage_answers_nothing_not_even_a_keep_alive_until_it_ends(stand: Stand) -> None:
    one, half_open = stand.device(keep_alive_s=1), stand.client()
    half_open.send(b"\x10")
    assert until(lambda: len(stand.broker._links.open) == 2)
    assert stand.broker.stop(0, silent=True) == 1
    one.send(packet(PINGREQ) + publish(TELEMETRY, b"x", qos=1))
    late = stand.ask(TWO)
    assert one.ends(1.8) == "open"
    assert half_open.ends(0.05) == late.ends(0.05) == "open"
    assert not stand.broker.counters(0).up
    stand.broker.start(0)
    assert one.ends() == half_open.ends() == late.ends() == "reset"
    assert not stand.broker._links.open
    stand.device()


def test_what_a_dying_broker_had_acknowledged_is_counted(stand: Stand) -> None:
    mute, one = stand.core(), stand.device()
    for number in range(1, 11):
        one.send(publish(TELEMETRY, b"x", qos=1, number=number))
    for _ in range(10):
        assert mute.message(acknowledge=False).payload == b"x"
    stand.broker.stop(0, silent=True)
    assert stand.broker.lost_readings() == {ONE: 10}


def test_after_a_restart_clients_wait_until_the_core_listens_and_nothing_is_acknowledged_in_vain(stand: Stand) -> None:
    stand.core()
    stand.device()
    stand.broker.restart(with_state=False)
    one = stand.ask()
    assert until(lambda: stand.broker.counters(0).connecting == 1)
    core = stand.core()
    assert one.connack() == 0
    one.send(publish(TELEMETRY, b"x", qos=1))
    assert core.message().payload == b"x"
    assert stand.broker.counters(0).connecting == 0
    assert stand.broker.lost_readings() == {}


def test_a_core_that_does_not_come_back_is_not_waited_for_long(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "CORE_BACK_S", 0.02)
    stand.core()
    stand.broker.restart(with_state=False)
    stand.device().send(publish(TELEMETRY, b"x", qos=1))
    assert until(lambda: stand.broker.lost_readings() == {ONE: 1})


def test_it_closes_within_two_seconds_with_idle_half_open_and_stalled_clients(stand: Stand) -> None:
    stand.device()
    stand.client().send(b"\x10\x20\x00")
    stand.client()
    stalled = stand.client(receive_bytes=4_096)
    stalled.send_connect("stalled", *stand.broker.core_credentials)
    assert stalled.connack() == 0
    assert stalled.subscribe("fleet/#", 1) == 1
    talker = stand.device(TWO)
    for _ in range(200):
        talker.send(publish(device_topics(TWO)[0], bytes(60_000)))
    talker.ping()
    core = stand.broker._core
    assert core is not None
    assert until(lambda: core.queued > 10), "the stalled client does stall"
    began_s = time.monotonic()
    stand.broker.close()
    stand.broker.close()
    assert time.monotonic() - began_s < 2.0


# --- repairs ----------------------------------------------------------------------------------------------------------


async def test_stock_amqtt_still_ignores_a_second_subscription() -> None:
    """Why `add_subscription` is replaced; if this fails, upstream has repaired it."""
    stock = Broker({"listeners": {"default": {"type": "external", "bind": "unused"}}, "plugins": {}})
    session = Session()
    session.client_id = "any"
    for qos in (0, 1):
        await Broker.add_subscription(stock, ("fleet/#", qos), session)
    assert [qos for _, qos in stock._subscriptions["fleet/#"]] == [0]


async def test_stock_amqtt_still_lets_a_closed_connection_be_waited_for_in_vain() -> None:
    """Why `start` and `handle_disconnect` are replaced: an end that nobody waited for yet is forgotten."""
    stock = RepairedHandler.__mro__[1]
    handler = stock(None)
    await handler.handle_disconnect(None)
    handler.handle_read_timeout()
    assert handler._disconnect_waiter is None
