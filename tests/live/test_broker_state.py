"""A broker that dies and comes back with what it knew, or without: by hand-made packets, and by a file."""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.live.raw_mqtt import DISCONNECT, PUBACK, PUBCOMP, PUBREC, PUBREL, RawClient, packet, publish, until
from twinstorm.broker.broker_state import BrokerState, StateError, read_state, write_state
from twinstorm.broker.embedded import EmbeddedBroker, device_topics

ONE = "fra-1/motors-0001"
TELEMETRY, STATE = device_topics(ONE)


class Stand:
    """A broker, and clients that keep their sessions."""

    def __init__(self) -> None:
        self.broker = EmbeddedBroker([ONE], now_us=lambda: 0)
        self.broker.open()
        self.clients: list[RawClient] = []

    def come(self, client_id: str = "kept", present: int = 0, *, clean: bool = False) -> RawClient:
        """A guest; `present`: whether the broker knows its session."""
        return self._enter(client_id, *self.broker.guest_credentials(), present=present, clean=clean)

    def device(self, present: int = 0) -> RawClient:
        return self._enter(ONE, ONE, self.broker.device_passwords[0], present=present, clean=False)

    def core(self, present: int = 0) -> RawClient:
        return self._enter("core", *self.broker.core_credentials, present=present, clean=False)

    def _enter(self, client_id: str, user: str, password: str, *, present: int, clean: bool) -> RawClient:
        made = RawClient(self.broker.port)
        self.clients.append(made)
        made.send_connect(client_id, user, password, clean=clean)
        assert made.read() == (0x20, bytes([present, 0]))
        return made

    def say(self, one: RawClient, payload: bytes, number: int = 7, **options: bool) -> None:
        """At QoS 1, until it is acknowledged."""
        one.send(publish(TELEMETRY, payload, qos=1, number=number, **options))
        while True:
            first, body = one.read()
            if first == PUBACK:
                assert body == struct.pack(">H", number)
                return


@pytest.fixture
def stand() -> Iterator[Stand]:
    made = Stand()
    yield made
    for client in made.clients:
        client.close()
    made.broker.close()


def test_with_state_a_session_gets_what_it_had_not_acknowledged_again_and_what_waited_once(stand: Stand) -> None:
    listener, one = stand.come(), stand.device()
    assert listener.subscribe("fleet/#") == 1
    stand.say(one, b"known")
    assert listener.message().payload == b"known"
    stand.say(one, b"under way")
    under_way = listener.message(acknowledge=False)
    listener.send(packet(DISCONNECT))
    assert listener.ends() == "closed"
    stand.say(one, b"waits")
    assert stand.broker.restart(with_state=True) == 1
    assert one.ends() == "reset"
    again = stand.come(present=1)
    told = [again.message() for _ in range(2)]
    assert [(m.payload, m.dup, m.retain) for m in told] == [(b"under way", True, False), (b"waits", False, False)]
    assert told[0].number == under_way.number != told[1].number
    stand.say(stand.device(present=1), b"next")
    assert again.message().payload == b"next"


def test_without_state_everybody_starts_anew_and_what_waited_for_the_core_is_counted(stand: Stand) -> None:
    core, one = stand.core(), stand.device()
    assert core.subscribe("fleet/#") == 1
    stand.say(one, b"under way", retain=True)
    core.message(acknowledge=False)
    assert stand.broker.restart(with_state=False) == 1
    assert stand.broker.lost_readings() == {ONE: 1}
    again = stand.core()
    assert again.subscribe("fleet/#") == 1
    stand.say(stand.device(), b"next")
    assert again.message().payload == b"next"


@pytest.mark.parametrize("received", [False, True], ids=["before PUBREC", "after PUBREC"])
def test_a_message_at_qos_2_to_a_client_goes_on_where_it_was(stand: Stand, received: bool) -> None:
    listener, one = stand.come(), stand.device()
    assert listener.subscribe("fleet/#", 2) == 2
    one.send(publish(TELEMETRY, b"once", qos=2))
    assert one.read()[0] == PUBREC
    one.send(packet(PUBREL, struct.pack(">H", 7)))
    number = struct.pack(">H", listener.message(acknowledge=False).number)
    if received:
        listener.send(packet(PUBREC, number))
        assert listener.read() == (PUBREL, number)
    stand.broker.restart(with_state=True)
    again = stand.come(present=1)
    if not received:
        told = again.message(acknowledge=False)
        assert (told.payload, told.qos, told.dup) == (b"once", 2, True)
        assert struct.pack(">H", told.number) == number
        again.send(packet(PUBREC, number))
    assert again.read() == (PUBREL, number)
    again.send(packet(PUBCOMP, number))
    again.ping()
    assert until(lambda: stand.broker.counters(0).queue == 0)


def test_a_message_at_qos_2_from_a_client_is_passed_on_once_when_it_is_released_afterwards(stand: Stand) -> None:
    core, one = stand.core(), stand.device()
    assert core.subscribe("fleet/#") == 1
    number = struct.pack(">H", 7)
    one.send(publish(TELEMETRY, b"once", qos=2))
    assert one.read() == (PUBREC, number)
    stand.broker.restart(with_state=True)
    core, one = stand.core(present=1), stand.device(present=1)
    for _ in range(2):
        one.send(packet(PUBREL, number))
        assert one.read() == (PUBCOMP, number)
    stand.say(one, b"next")
    assert [core.message().payload for _ in range(2)] == [b"once", b"next"]


def test_without_state_a_client_that_goes_on_at_qos_2_is_answered_and_nothing_hangs(stand: Stand) -> None:
    one = stand.device()
    one.send(publish(TELEMETRY, b"promised", qos=2))
    assert one.read()[0] == PUBREC
    stand.broker.restart(with_state=False)
    assert stand.broker.lost_readings() == {ONE: 1}, "PUBREC was a promise"
    one = stand.device()
    one.send(packet(PUBREL, struct.pack(">H", 7)))
    assert one.read()[0] == PUBCOMP


@pytest.mark.parametrize("silent", [False, True])
def test_an_outage_may_keep_the_state_too(stand: Stand, silent: bool) -> None:
    core, one = stand.core(), stand.device()
    assert core.subscribe("fleet/#") == 1
    stand.say(one, b"under way")
    core.message(acknowledge=False)
    assert stand.broker.stop(0, silent=silent, with_state=True) == 1
    stand.broker.start(0)
    told = stand.core(present=1).message()
    assert (told.payload, told.dup) == (b"under way", True)
    assert stand.broker.lost_readings() == {}


def test_a_restart_within_an_outage_changes_nothing(stand: Stand) -> None:
    stand.broker.stop(0)
    assert stand.broker.restart(with_state=True) == 0
    assert not stand.broker.counters(0).up
    stand.broker.start(0)
    assert stand.broker.counters(0).up


def test_clean_sessions_end_with_the_broker_and_retained_messages_stay(stand: Stand) -> None:
    stand.come("clean", clean=True).subscribe("fleet/#")
    one = stand.device()
    stand.say(one, b"kept", retain=True)
    stand.broker.restart(with_state=True)
    late = stand.come("late")
    assert late.subscribe("fleet/#") == 1
    kept = late.message()
    assert (kept.payload, kept.retain) == (b"kept", True)
    stand.come("clean")


def lose_nothing(stand: Stand, restarts: int) -> None:
    """A device that repeats until it is answered, a listener that acknowledges now and then, a broker that dies."""
    listener, one = stand.come(), stand.device()
    assert listener.subscribe("fleet/#") == 1
    got: list[tuple[bytes, bool]] = []
    said = 0
    for restart in range(restarts):
        for _ in range(3):
            said += 1
            stand.say(one, b"%d" % said, number=said % 60_000 + 1)
        for read in range(restart % 4):
            message = listener.message(acknowledge=bool((restart + read) % 3))
            got.append((message.payload, message.dup))
        # Perhaps it is taken, perhaps not: nobody can tell, so it is said again.
        said += 1
        one.send(publish(TELEMETRY, b"%d" % said, qos=1, number=said % 60_000 + 1))
        stand.broker.restart(with_state=True)
        listener, one = stand.come(present=1), stand.device(present=1)
        stand.say(one, b"%d" % said, number=said % 60_000 + 1)
    stand.say(one, b"last")
    while not got or got[-1][0] != b"last":
        message = listener.message()
        got.append((message.payload, message.dup))
    twice = {b"%d" % (4 * restart + 4) for restart in range(restarts)}
    assert {payload for payload, _ in got} == {b"last", *(b"%d" % number for number in range(1, said + 1))}
    for number in range(1, said + 1):
        fresh = sum(1 for payload, dup in got if payload == b"%d" % number and not dup)
        assert fresh <= (2 if b"%d" % number in twice else 1), "repeated without saying so"


def test_no_acknowledged_message_is_lost_over_restarts_with_state(stand: Stand) -> None:
    lose_nothing(stand, 8)


@pytest.mark.nightly
def test_no_acknowledged_message_is_lost_over_fifty_restarts_with_state(stand: Stand) -> None:
    lose_nothing(stand, 50)


def test_another_process_goes_on_from_a_file_that_only_its_owner_may_read(stand: Stand, tmp_path: Path) -> None:
    path = tmp_path / "state"
    listener, one = stand.come(), stand.device()
    assert listener.subscribe("fleet/#") == 1
    stand.say(one, b"under way", retain=True)
    listener.message(acknowledge=False)
    state = stand.broker.close()
    assert state is not None
    write_state(path, state)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not any(password.encode() in path.read_bytes() for password in stand.broker.device_passwords)
    stand.broker = EmbeddedBroker([ONE], now_us=lambda: 0)
    stand.broker.open(read_state(path))
    told = stand.come(present=1).message()
    assert (told.payload, told.dup) == (b"under way", True)
    late = stand.come("late")
    assert late.subscribe("fleet/#") == 1
    assert late.message().retain


def test_files_that_hold_no_state_are_told(tmp_path: Path) -> None:
    path = tmp_path / "state"
    assert read_state(path) is None
    older = msgspec.msgpack.encode({"schema": "twinstorm/broker-state/0", "sessions": [], "retained": []})
    for wrong in (b"", b"{}", older, msgspec.msgpack.encode(BrokerState())[:-1]):
        path.write_bytes(wrong)
        with pytest.raises(StateError, match=str(path)):
            read_state(path)
