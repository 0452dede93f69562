"""What the embedded broker tells about itself in `$SYS`, by hand-made packets."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import pytest

from tests.live.raw_mqtt import Client, publish
from twinstorm.broker.door import Door
from twinstorm.broker.embedded import EmbeddedBroker, device_topics
from twinstorm.broker.limits import Limits
from twinstorm.broker.sys_topics import COUNTERS, CUTS, DEPTHS, DROPS, REFUSALS, ROOT

ONE = "fra-1/motors-0001"
TELEMETRY = device_topics(ONE)[0]
ALL = {
    "version",
    "uptime_s",
    *COUNTERS.values(),
    *DEPTHS,
    *(f"refused/{name}" for name in REFUSALS.values()),
    *(f"cut/{name}" for name in CUTS.values()),
    *(f"dropped/{name}" for name in DROPS),
}


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    made = EmbeddedBroker([ONE], now_us=lambda: 0, limits=Limits(in_flight=1, queue_messages=100), sys_every_s=0.05)
    made.open()
    yield made
    made.close()


def guest(broker: EmbeddedBroker, made: Client, client_id: str = "guest") -> Client:
    assert made.connect(client_id, *broker.guest_credentials()) == 0
    return made


def told(one: Client) -> dict[str, str]:
    """One round of it, from the first topic to the last."""
    found: dict[str, str] = {}
    while True:
        message = one.message()
        name = message.topic.removeprefix(ROOT)
        if name == "version":
            found = {}
        found[name] = message.payload.decode()
        if name == "subscriptions" and "version" in found:
            return found


def test_it_tells_everything_at_once_to_who_asks_and_again_and_again(
    broker: EmbeddedBroker, client: Callable[[], Client]
) -> None:
    one = guest(broker, client())
    assert one.subscribe("$SYS/#") in (0, 1)
    first = one.message()
    assert first.topic.startswith(ROOT)
    assert told(one).keys() == ALL
    assert told(one)["clients/connected"] == "1"
    late = guest(broker, client(), "late")
    assert late.subscribe(f"{ROOT}version") == 1
    assert late.message().retain


def test_numbers_are_those_of_what_happened(broker: EmbeddedBroker, client: Callable[[], Client]) -> None:
    listener, one, watcher = guest(broker, client()), client(), guest(broker, client(), "watcher")
    assert client().connect("x", "guest", "guess") == 5
    assert listener.subscribe("fleet/#") == 1
    assert one.connect(ONE, ONE, broker.device_passwords[0]) == 0
    for number in range(1, 104):
        one.send(publish(TELEMETRY, b"x", qos=1, number=number, retain=number == 103))
        assert one.read() == (0x40, struct.pack(">H", number))
    assert watcher.subscribe(f"{ROOT}#") == 1
    told(watcher)
    now = told(watcher)
    wanted = {
        "connects/admitted": 3,
        "refused/credentials": 1,
        "clients/connected": 3,
        "messages/in": 103,
        "dropped/queue_messages": 2,
        "queue/messages": 100,
        "in_flight/out": 1,
        "queue/bytes": 100 * (len(TELEMETRY) + 1),
        "retained/messages": 1,
        "subscriptions": 2,
    }
    assert {name: int(now[name]) for name in wanted} == wanted
    assert int(now["bytes/in"]) > 103 * len(publish(TELEMETRY, b"x", qos=1))
    assert int(now["bytes/out"]) > 103 * 4  # PUBACKs


def test_nobody_gets_it_without_asking_for_it_and_no_device_at_all(
    broker: EmbeddedBroker, client: Callable[[], Client]
) -> None:
    everything, watcher, one = guest(broker, client()), guest(broker, client(), "watcher"), client()
    assert everything.subscribe("#") == 1
    assert watcher.subscribe("$SYS/#") == 1
    for _ in range(2):
        told(watcher)
    assert one.connect(ONE, ONE, broker.device_passwords[0]) == 0
    assert one.subscribe("$SYS/#") == 0x80
    one.send(publish(TELEMETRY, b"x"))
    assert everything.message().topic == TELEMETRY


def test_it_is_not_among_what_a_restart_keeps_and_goes_on_afterwards(
    broker: EmbeddedBroker, client: Callable[[], Client]
) -> None:
    broker.restart(with_state=True)
    one = guest(broker, client())
    assert one.subscribe("$SYS/#") == 1
    told(one)
    state = broker.close()
    assert state is not None
    assert state.retained == ()


def test_a_broker_that_was_not_asked_to_tells_nothing() -> None:
    quiet = EmbeddedBroker([ONE], now_us=lambda: 0, door=Door(any_topic=True))
    quiet.open()
    one = Client(quiet.port)
    guest(quiet, one)
    assert one.subscribe("$SYS/#") == 1
    one.ping()
    assert quiet.counters(0).messages_out == 0
    one.close()
    quiet.close()
