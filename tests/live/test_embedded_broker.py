"""The embedded broker: what stock amqtt gets wrong, who may do what, and an end that never hangs."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.live.raw_mqtt import PUBACK, Client, packet, text, until
from twinstorm.broker.admission import Admission
from twinstorm.broker.cloud_end import CLIENT_ID
from twinstorm.broker.embedded import EmbeddedBroker, device_topics
from twinstorm.broker.limits import Limits
from twinstorm.twin.queues import gcra

LARGEST_PACKET_BYTES = Limits().packet_bytes
ONE, TWO = "fra-1/motors-0001", "fra-1/motors-0002"


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    made = EmbeddedBroker([ONE, TWO], now_us=lambda: int(time.monotonic() * 1e6))
    made.open()
    yield made
    made.close()


def device(broker: EmbeddedBroker, one: Client, name: str = ONE, **options: object) -> int:
    password = dict(zip((ONE, TWO), broker.device_passwords, strict=True))[name]
    return one.connect(name, name, password, **options)  # type: ignore[arg-type]


def core(broker: EmbeddedBroker, one: Client, topic: str = "fleet/#") -> Client:
    assert one.connect("core", *broker.core_credentials) == 0
    assert one.subscribe(topic) in (0, 1)
    return one


def test_a_wrong_password_touches_nothing_of_the_session_that_is_there(broker, client) -> None:  # type: ignore[no-untyped-def]
    listener, one, thief = core(broker, client()), client(), client()
    assert device(broker, one) == 0
    assert thief.connect(ONE, ONE, "guess") == 5
    assert thief.is_closed()
    one.publish(device_topics(ONE)[0], b"still here")
    assert listener.message().payload == b"still here"


def test_strangers_are_counted_and_a_core_that_is_kept_away_is_none(broker, client) -> None:  # type: ignore[no-untyped-def]
    core(broker, client())
    assert device(broker, client()) == 0
    before = broker.counters(0)
    assert (before.unauthorised, before.strangers) == (0, 0)
    assert client().connect(TWO, TWO, "guess") == 5
    broker.core_leaves(0)
    assert client().connect("core", *broker.core_credentials) == 5
    assert client().connect("core", broker.core_credentials[0], "guess") == 5
    after = broker.counters(0)
    assert (after.unauthorised, after.strangers, after.attempts) == (2, 2, before.attempts)
    broker.core_returns(0)
    core(broker, client())
    assert broker.counters(0).strangers == 2


def test_an_identity_is_bound_to_its_client_id_and_its_topics(broker, client) -> None:  # type: ignore[no-untyped-def]
    listener, one, other = core(broker, client()), client(), client()
    password = broker.device_passwords[0]
    assert other.connect(TWO, ONE, password) == 5
    assert device(broker, one) == 0
    one.publish(device_topics(TWO)[0], b"forged")
    one.publish(device_topics(ONE)[0], b"mine")
    assert listener.message().payload == b"mine"
    assert one.subscribe("fleet/#") == 0x80


def test_a_silent_device_is_closed_after_one_and_a_half_keep_alives_and_its_will_is_told(broker, client) -> None:  # type: ignore[no-untyped-def]
    listener, one = core(broker, client()), client()
    began = time.monotonic()
    assert device(broker, one, keep_alive=1, will=(device_topics(ONE)[1], b"gone")) == 0
    assert listener.message().payload == b"gone"
    assert 1.4 < time.monotonic() - began < 4.0
    assert one.is_closed()
    assert broker.counters(0).expired == 1


@pytest.mark.parametrize("clean", [True, False])
def test_a_takeover_ends_the_old_connection_tells_its_will_and_serves_the_new_one(broker, client, clean) -> None:  # type: ignore[no-untyped-def]
    listener, old, new = core(broker, client()), client(), client()
    telemetry, state = device_topics(ONE)
    assert device(broker, old, clean=clean, will=(state, b"gone")) == 0
    assert device(broker, new, clean=clean) == 0
    assert old.is_closed()
    new.publish(telemetry, b"new")
    assert [listener.message().payload for _ in range(2)] == [b"gone", b"new"]
    assert broker.counters(0).takeovers == 1


def test_connections_that_vanish_right_after_connect_leave_no_session(broker, client) -> None:  # type: ignore[no-untyped-def]
    for _ in range(50):
        one = client()
        assert device(broker, one) == 0
        one.reset()
    assert until(lambda: broker.counters(0).sessions == 0)


def test_retained_messages_reach_only_those_who_subscribed(broker, client) -> None:  # type: ignore[no-untyped-def]
    one, other, late = client(), client(), client()
    assert device(broker, one) == 0
    one.publish(device_topics(ONE)[0], b"kept", retain=True)
    assert one.read()[0] == PUBACK
    assert device(broker, other, TWO) == 0
    other.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        other.message()
    listener = core(broker, late)
    kept = listener.message()
    assert (kept.topic, kept.payload, kept.retain) == (device_topics(ONE)[0], b"kept", True)


def test_a_message_is_delivered_at_the_smaller_qos(broker, client) -> None:  # type: ignore[no-untyped-def]
    listener, one = core(broker, client()), client()
    assert device(broker, one) == 0
    one.publish(device_topics(ONE)[0], b"plain", qos=0)
    assert listener.message().qos == 0


def test_a_publish_to_no_topic_ends_the_connection(broker, client) -> None:  # type: ignore[no-untyped-def]
    one = client()
    assert device(broker, one) == 0
    one.publish("", b"x")
    assert one.is_closed()


def test_a_publish_with_a_wildcard_reaches_nobody_and_ends_the_connection(broker, client) -> None:  # type: ignore[no-untyped-def]
    listener, one = core(broker, client()), client()
    assert device(broker, one) == 0
    one.publish("fleet/default/fra-1/+/telemetry", b"wild")
    assert one.is_closed()
    again = client()
    assert device(broker, again) == 0
    again.publish(device_topics(ONE)[0], b"tame")
    assert listener.message().payload == b"tame"


def test_an_oversized_packet_ends_its_connection_and_nobody_elses(broker, client) -> None:  # type: ignore[no-untyped-def]
    listener, one, other = core(broker, client()), client(), client()
    assert device(broker, one) == 0
    assert device(broker, other, TWO) == 0
    one.send(packet(0x32, b"")[:1] + b"\xff\xff\xff\x7f" + bytes(64))
    assert one.is_closed()
    other.publish(device_topics(TWO)[0], b"x" * 1_000)
    assert listener.message().payload == b"x" * 1_000
    assert LARGEST_PACKET_BYTES < 2**28


def test_a_first_packet_that_is_no_connect_ends_the_connection(broker, client) -> None:  # type: ignore[no-untyped-def]
    for raw in (b"GET / HTTP/1.1\r\n\r\n", packet(0xC0, b""), b"\x10\x02\x00\x04"):
        one = client()
        one.send(raw)
        one.socket.shutdown(socket.SHUT_WR)
        assert one.is_closed()


def test_devices_meet_the_token_bucket_once_the_run_has_begun(broker, client) -> None:  # type: ignore[no-untyped-def]
    assert device(broker, client()) == 0
    broker.begin(Admission(Fraction(1, 1_000), burst=1, queue=0))
    assert device(broker, client(), TWO) == 0
    refused = client()
    assert device(broker, refused) == 3
    assert refused.is_closed()
    core(broker, client())
    counters = broker.counters(0)
    assert (counters.refused, counters.attempts) == (1, 3)


def test_an_outage_resets_everybody_refuses_and_comes_back_empty_on_the_same_port(broker, client) -> None:  # type: ignore[no-untyped-def]
    one = client()
    assert device(broker, one) == 0
    port = broker.port
    assert broker.stop(0) == 1
    assert one.is_closed()
    with pytest.raises(ConnectionRefusedError):
        Client(port)
    assert not broker.counters(0).up
    broker.start(0)
    assert broker.port == port
    assert device(broker, client()) == 0


def test_a_silent_outage_answers_nobody_until_it_ends(broker, client) -> None:  # type: ignore[no-untyped-def]
    one, other = client(), client()
    assert device(broker, one) == 0
    assert broker.stop(0, silent=True) == 1
    one.send(packet(0xC0, b""))
    assert not one.is_closed(within_s=0.3)
    late = client()
    late.send(packet(0x10, text("MQTT") + bytes([4, 2, 0, 60]) + text("x")))
    assert not late.is_closed(within_s=0.3)
    broker.start(0)
    assert one.is_closed()
    assert other.is_closed()


def test_a_guest_takes_nobodys_session_over(broker, client) -> None:  # type: ignore[no-untyped-def]
    one, owner = client(), client()
    assert device(broker, one) == 0
    assert owner.connect(CLIENT_ID, *broker.core_credentials) == 0
    guest = broker.guest_credentials()
    assert client().connect(ONE, *guest) == 5
    assert client().connect(CLIENT_ID, *guest) == 5
    assert client().connect(ONE, *broker.core_credentials) == 5
    one.ping()
    owner.ping()
    assert broker.counters(0).takeovers == 0


def test_guests_come_in_only_when_invited(broker, client) -> None:  # type: ignore[no-untyped-def]
    assert client().connect("any", "guest", "") == 5
    user, password = broker.guest_credentials()
    guest = client()
    assert guest.connect("any", user, password) == 0
    assert guest.subscribe("fleet/#") == 1


def test_it_ends_within_two_seconds_whoever_is_connected(client, broker) -> None:  # type: ignore[no-untyped-def]
    idle, half_open = client(), client()
    assert device(broker, idle) == 0
    half_open.send(b"\x10\x20\x00")
    stalled = core(broker, client())
    talker = client()
    assert device(broker, talker, TWO) == 0
    for _ in range(40):
        talker.publish(device_topics(TWO)[0], b"x" * 60_000, qos=0)
    assert stalled.socket.fileno() >= 0
    began = time.monotonic()
    broker.close()
    broker.close()
    assert time.monotonic() - began < 2.0


@given(
    st.lists(st.integers(0, 3_000_000), max_size=40).map(sorted),
    st.integers(1, 50),
    st.integers(1, 7),
    st.integers(1, 5),
    st.integers(0, 5),
)
def test_admission_equals_the_modelled_bucket(arrivals: list[int], p: int, q: int, burst: int, queue: int) -> None:
    rate = Fraction(p, q)
    door = Admission(rate, burst, queue)
    starts = [door.offer(at_us) for at_us in arrivals]
    interval = rate.denominator * 1_000_000
    scaled = np.array(arrivals, np.int64) * rate.numerator
    passed = gcra(0, scaled, interval, (burst - 1 + queue) * interval)
    expected = [
        -(-max(at, tat - burst * interval) // rate.numerator) if ok else None
        for at, tat, ok in zip(scaled.tolist(), passed.tat.tolist(), passed.passed.tolist(), strict=True)
    ]
    assert starts == expected
