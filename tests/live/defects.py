"""What a broker must do, as packets that show it: one case for everything that stock amqtt 0.12.1 gets wrong.

A case is a function of a `Stand`. What it needs, every broker can do; the steps that decide stand in `decides()`, so
that a broker that fails elsewhere is not taken for one that has the defect.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.live.brokers import IN_FLIGHT, PASSWORDS, STALLED_S, WAITING_MESSAGES, UnderTest
from tests.live.raw_mqtt import (
    CONNECT,
    DISCONNECT,
    PATIENCE_S,
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    SUBACK,
    SUBSCRIBE,
    UNSUBSCRIBE,
    RawClient,
    packet,
    publish,
    text,
    until,
)

OWN = "dev/one/telemetry"
STATE = "dev/one/state"
KEEP_ALIVE_S = 1
MANY = 100
"""Messages of 100,000 bytes that no kernel keeps for a client."""
QUIET_S = 0.3
"""Long enough for a message that should not come, and for a broker that acknowledges before it acts."""


class DefectError(AssertionError):
    """The broker does what it must not."""


class Stand:
    """A broker and the clients of one case.

    Args:
        patience_s: how long that which decides may take. What comes before it has its time.
    """

    def __init__(self, broker: UnderTest, patience_s: float) -> None:
        self.broker, self.patience_s = broker, patience_s
        self._now_s = PATIENCE_S
        self._clients: list[RawClient] = []

    def client(self, receive_bytes: int | None = None) -> RawClient:
        made = RawClient(self.broker.port, receive_bytes, patience_s=self._now_s)
        self._clients.append(made)
        return made

    @contextmanager
    def decides(self) -> Iterator[None]:
        """What the broker does from here on shows whether it is right."""
        self._have(self.patience_s)
        try:
            yield
        except (AssertionError, TimeoutError, ConnectionError) as error:
            raise DefectError(f"{type(error).__name__}: {error}") from error
        finally:
            self._have(PATIENCE_S)

    def _have(self, patience_s: float) -> None:
        self._now_s = patience_s
        for made in self._clients:
            made.patience_s = patience_s
            if made.socket.fileno() >= 0:
                made.socket.settimeout(patience_s)

    def ask(
        self, user: str | None, client_id: str | None = None, password: str | None = None, **options: Any
    ) -> RawClient:
        """A client whose CONNECT is sent."""
        made = self.client()
        given = PASSWORDS[user] if user is not None and password is None else password
        made.send_connect(client_id or user or "nobody", user, given, **options)
        return made

    def enter(self, user: str | None = "one", **options: Any) -> RawClient:
        made = self.ask(user, **options)
        assert made.connack() == 0
        return made

    def watcher(self, topic: str = "dev/#", qos: int = 1, **options: Any) -> RawClient:
        made = self.enter("watcher", **options)
        assert made.subscribe(topic, qos) == qos
        return made

    def close(self) -> None:
        for made in self._clients:
            made.close()


@dataclass(frozen=True)
class Case:
    """Something a broker must do.

    Attributes:
        asks: what, in a sentence.
        play: raises `DefectError` if it does not.
        defect: it is one of stock amqtt's; else both are right, and it is here for the other brokers.
        is_slow: it takes more than three seconds.
        from_python: only there stock amqtt has the defect.
    """

    name: str
    asks: str
    play: Callable[[Stand], None]
    defect: bool
    is_slow: bool
    from_python: tuple[int, int] = (3, 11)

    @property
    def is_defect_here(self) -> bool:
        """In stock amqtt, on this Python."""
        return self.defect and sys.version_info >= self.from_python


CASES: dict[str, Case] = {}


def case(
    asks: str, *, defect: bool = True, is_slow: bool = False, from_python: tuple[int, int] = (3, 11)
) -> Callable[[Callable[[Stand], None]], Any]:
    def keep(play: Callable[[Stand], None]) -> Callable[[Stand], None]:
        name = play.__name__.replace("_", "-")
        CASES[name] = Case(name, asks, play, defect, is_slow, from_python)
        return play

    return keep


def quiet(client: RawClient) -> None:
    """Nothing comes."""
    client.socket.settimeout(QUIET_S)
    try:
        first, body = client.read()
    except TimeoutError:
        return
    finally:
        client.socket.settimeout(client.patience_s)
    raise AssertionError(f"{first:#x} {body!r} came")


# --- silence and ends -------------------------------------------------------------------------------------------------


@case("who is silent for one and a half keep-alives is closed, and the will is told")
def keep_alive(stand: Stand) -> None:
    watcher = stand.watcher()
    silent = stand.enter(keep_alive_s=KEEP_ALIVE_S, will=(STATE, b"gone"))
    with stand.decides():
        assert silent.ends(2.5 * KEEP_ALIVE_S) != "open"
        assert watcher.message().payload == b"gone"


@case("a packet that takes longer than that ends the connection, and its rest is not read as packets")
def stretched_packet(stand: Stand) -> None:
    watcher = stand.watcher()
    slow = stand.enter(keep_alive_s=KEEP_ALIVE_S)
    slow.send(publish(OWN, bytes(100))[:60])
    with stand.decides():
        assert slow.ends(2.5 * KEEP_ALIVE_S) != "open"
        quiet(watcher)


@case(
    "a connection that closes right after CONNECT ends its session, and the will is told",
    from_python=(3, 12),  # before, asyncio gave it a turn in between
)
def closed_at_once(stand: Stand) -> None:
    watcher = stand.watcher()
    for number in range(5):
        stand.ask("one", will=(STATE, b"%d" % number)).close()
        with stand.decides():
            assert watcher.message().payload == b"%d" % number


# --- takeovers --------------------------------------------------------------------------------------------------------


@case("a second connection of a client ends the first one")
def takeover_clean(stand: Stand) -> None:
    old = stand.enter()
    stand.enter()
    with stand.decides():
        assert old.ends() != "open"


@case("who takes a session over gets its messages")
def takeover_messages(stand: Stand) -> None:
    stand.watcher(clean=False)
    new = stand.enter("watcher", clean=False)
    stand.enter().send(publish(OWN, b"x", qos=1))
    with stand.decides():
        assert new.message().payload == b"x"


@case("a takeover tells the will of the old connection, not of the new one")
def takeover_will(stand: Stand) -> None:
    watcher = stand.watcher()
    stand.enter(clean=False, will=(STATE, b"old"))
    stand.enter(clean=False, will=(STATE, b"new"))
    with stand.decides():
        assert watcher.message().payload == b"old"


# --- who may ----------------------------------------------------------------------------------------------------------


def _thief(stand: Stand, clean: bool) -> None:
    watcher = stand.watcher(clean=clean)
    assert stand.ask("watcher", password="guess", clean=clean).connack() != 0
    stand.enter().send(publish(OWN, b"x", qos=1))
    with stand.decides():
        assert watcher.message().payload == b"x"


@case("a wrong password does not end the session that has that client id")
def thief_of_a_clean_session(stand: Stand) -> None:
    _thief(stand, True)


@case("nor one that is kept")
def thief_of_a_kept_session(stand: Stand) -> None:
    _thief(stand, False)


@case("who is refused leaves no session behind")
def refused_sessions(stand: Stand) -> None:
    for number in range(5):
        refused = stand.ask("one", f"one-{number}", "guess")
        assert refused.connack() != 0
        refused.close()
    with stand.decides():
        assert until(lambda: stand.broker.sessions() == 0, stand.patience_s)


@case("who has subscribed to nothing gets no retained messages")
def retained_greeting(stand: Stand) -> None:
    stand.watcher("#")
    one = stand.enter()
    one.send(publish("dev/one/kept", b"x", qos=1, retain=True))
    assert one.read()[0] == PUBACK
    assert one.ends(QUIET_S) == "open"
    with stand.decides():
        quiet(stand.enter("two"))


@case("retained messages reach only those who may receive them")
def retained_rights(stand: Stand) -> None:
    watcher = stand.enter("watcher")
    watcher.send(publish("closed/kept", b"secret", qos=1, retain=True))
    assert watcher.read()[0] == PUBACK
    assert watcher.ends(QUIET_S) == "open"
    two = stand.enter("two")
    two.send(packet(SUBSCRIBE, b"\x00\x01" + text("#") + b"\x01"))
    with stand.decides():
        assert two.read()[0] == SUBACK
        quiet(two)


@case("messages wait for a kept session whose client gave no name")
def nameless_queue(stand: Stand) -> None:
    nobody = stand.enter(None, clean=False)
    assert nobody.subscribe("dev/#") == 1
    nobody.send(packet(DISCONNECT))
    assert nobody.ends() != "open"
    one = stand.enter()
    one.send(publish(OWN, b"x", qos=1))
    assert one.read()[0] == PUBACK
    assert one.ends(QUIET_S) == "open"
    with stand.decides():
        assert stand.enter(None, clean=False).message().payload == b"x"


# --- messages ---------------------------------------------------------------------------------------------------------


@case("a message is delivered at the smaller of both QoS")
def smaller_qos(stand: Stand) -> None:
    watcher = stand.watcher()
    stand.enter().send(publish(OWN, b"x", qos=0))
    with stand.decides():
        assert watcher.message().qos == 0


@case("a second subscription to a filter has its own QoS")
def subscribed_again(stand: Stand) -> None:
    watcher = stand.watcher(qos=0)
    assert watcher.subscribe("dev/#", 1) == 1
    stand.enter().send(publish(OWN, b"x", qos=1))
    with stand.decides():
        assert watcher.message().qos == 1


def _interrupted(stand: Stand, qos: int, silent_s: float = 0.0) -> None:
    first = stand.watcher(qos=qos, clean=False)
    one = stand.enter()
    one.send(publish(OWN, b"x", qos=qos))
    if qos == 2:
        assert one.read()[0] == PUBREC
        one.send(packet(PUBREL, b"\x00\x07"))
    sent = first.message(acknowledge=False)
    if silent_s:
        assert first.ends(silent_s) == "open"
    first.reset()
    with stand.decides():
        told = stand.enter("watcher", clean=False).message()
        assert (told.payload, told.dup, told.number) == (b"x", True, sent.number)


@case("a message at QoS 1 that a break interrupts is sent again, marked as such")
def unacknowledged_1(stand: Stand) -> None:
    _interrupted(stand, 1)


@case("and one at QoS 2")
def unacknowledged_2(stand: Stand) -> None:
    _interrupted(stand, 2)


@case("also after the client has been silent for longer than five seconds", is_slow=True)
def unacknowledged_long(stand: Stand) -> None:
    _interrupted(stand, 1, 5.5)


def _away(stand: Stand, count: int = 1) -> None:
    """So many messages for a watcher that is away."""
    watcher = stand.watcher(clean=False)
    watcher.send(packet(DISCONNECT))
    assert watcher.ends() != "open"
    one = stand.enter()
    for number in range(1, count + 1):
        one.send(publish(OWN, b"%d" % number, qos=1, number=number))
        assert one.read()[0] == PUBACK
    assert one.ends(QUIET_S) == "open"


@case("a message that waited for a session is not marked as retained")
def waited_is_not_retained(stand: Stand) -> None:
    _away(stand)
    with stand.decides():
        assert not stand.enter("watcher", clean=False).message().retain


@case("who does not acknowledge what waited is answered all the same")
def waited_holds_nothing_up(stand: Stand) -> None:
    _away(stand)
    watcher = stand.enter("watcher", clean=False)
    with stand.decides():
        watcher.socket.settimeout(3.0)
        assert watcher.subscribe("all/#") == 1


@case(f"no more than {WAITING_MESSAGES} messages wait for a session, if that is its limit")
def waiting_has_an_end(stand: Stand) -> None:
    _away(stand, 3 * WAITING_MESSAGES)
    watcher = stand.enter("watcher", clean=False)
    with stand.decides():
        for _ in range(WAITING_MESSAGES):
            watcher.message()
        quiet(watcher)


@case(f"no more than {IN_FLIGHT} messages are under way to who acknowledges none, if that is its limit")
def in_flight(stand: Stand) -> None:
    watcher, one = stand.watcher(), stand.enter()
    for number in range(1, 2 * IN_FLIGHT + 1):
        one.send(publish(OWN, b"%d" % number, qos=1, number=number))
        assert one.read()[0] == PUBACK
    first = watcher.message(acknowledge=False)
    for _ in range(IN_FLIGHT - 1):
        watcher.message(acknowledge=False)
    with stand.decides():
        quiet(watcher)
        watcher.send(packet(PUBACK, struct.pack(">H", first.number)))
        assert watcher.message().payload == b"%d" % (IN_FLIGHT + 1)


@case(f"who takes nothing of what was sent for {STALLED_S:g} s is cut, if that is its limit")
def stalled(stand: Stand) -> None:
    silent = stand.client(receive_bytes=4_096)
    silent.send_connect("silent", "watcher", PASSWORDS["watcher"])
    assert silent.connack() == 0
    assert silent.subscribe("dev/#", 0) == 0
    watcher, one = stand.watcher(qos=0), stand.enter()
    for _ in range(MANY):
        one.send(publish(OWN, bytes(100_000)))
        assert len(watcher.message().payload) == 100_000
    assert one.ends(2.0 * STALLED_S) == "open"
    with stand.decides():
        assert silent.ends() != "open"


@case("a second PUBREL is answered")
def second_pubrel(stand: Stand) -> None:
    one = stand.enter()
    one.send(publish(OWN, b"x", qos=2))
    assert one.read()[0] == PUBREC
    one.send(packet(PUBREL, b"\x00\x07"))
    assert one.read()[0] == PUBCOMP
    one.send(packet(PUBREL, b"\x00\x07"))
    with stand.decides():
        assert one.read() == (PUBCOMP, b"\x00\x07")


@case("a filter that nothing will be delivered for is refused: shared subscriptions are not of MQTT 3.1.1")
def shared_subscription(stand: Stand) -> None:
    watcher = stand.enter("watcher")
    granted = watcher.subscribe("$share/group/dev/#")
    stand.enter().send(publish(OWN, b"x", qos=1))
    with stand.decides():
        assert granted == 0x80 or watcher.message().payload == b"x"


@case("a message at QoS 2 that is sent again before it is released is delivered once", defect=False)
def repeated_2(stand: Stand) -> None:
    watcher, one = stand.watcher(qos=0), stand.enter()
    first = publish(OWN, b"x", qos=2)
    one.send(first)
    assert one.read()[0] == PUBREC
    one.send(bytes([first[0] | 8]) + first[1:])
    with stand.decides():
        assert one.read()[0] == PUBREC
        one.send(packet(PUBREL, b"\x00\x07"))
        assert one.read()[0] == PUBCOMP
        assert watcher.message().payload == b"x"
        quiet(watcher)


@case("what is sent again to a session comes in its first order")
def order_of_repetitions(stand: Stand) -> None:
    first, one = stand.watcher(clean=False), stand.enter()
    for number in range(1, 6):
        one.send(publish(OWN, b"%d" % number, qos=1, number=number))
        assert one.read()[0] == PUBACK
    told = [first.message(acknowledge=False) for _ in range(5)]
    first.send(packet(PUBACK, struct.pack(">H", told[2].number)))
    first.reset()
    with stand.decides():
        again = stand.enter("watcher", clean=False)
        assert [again.message().payload for _ in range(4)] == [b"1", b"2", b"4", b"5"]


@case("DISCONNECT takes the will back", defect=False)
def will_taken_back(stand: Stand) -> None:
    watcher, one = stand.watcher(), stand.enter(will=(STATE, b"gone"))
    one.send(packet(DISCONNECT))
    with stand.decides():
        assert one.ends() != "open"
        quiet(watcher)


@case("a clean CONNECT ends the kept session of that client", defect=False)
def clean_after_kept(stand: Stand) -> None:
    watcher = stand.watcher(clean=False)
    watcher.send(packet(DISCONNECT))
    assert watcher.ends() != "open"
    again = stand.ask("watcher")
    with stand.decides():
        assert again.read() == (0x20, b"\x00\x00")
        stand.enter().send(publish(OWN, b"x"))
        quiet(again)


@case("CONNACK says whether a session was kept", defect=False)
def session_present(stand: Stand) -> None:
    for present in (0, 1):
        one = stand.ask("one", clean=False)
        with stand.decides():
            assert one.read() == (0x20, bytes([present, 0]))
        one.send(packet(DISCONNECT))
        assert one.ends() != "open"


@case("a message that is retained is not marked so for those who are there, and is for those who come", defect=False)
def retained_mark(stand: Stand) -> None:
    early, one = stand.watcher(), stand.enter()
    one.send(publish(OWN, b"x", qos=1, retain=True))
    assert one.read()[0] == PUBACK
    with stand.decides():
        assert not early.message().retain
        late = stand.enter("watcher", client_id="late")
        late.send(packet(SUBSCRIBE, b"\x00\x01" + text("dev/#") + b"\x01"))
        kinds = sorted(late.read()[0] & 0xF1 for _ in range(2))
        assert kinds == [0x31, SUBACK], kinds


@case("an empty retained message deletes the one that is kept", defect=False)
def retained_deleted(stand: Stand) -> None:
    one = stand.enter()
    for payload in (b"x", b""):
        one.send(publish(OWN, payload, qos=1, retain=True))
        assert one.read()[0] == PUBACK
    assert one.ends(QUIET_S) == "open"
    with stand.decides():
        quiet(stand.watcher())


@case("who subscribes again gets retained messages again", defect=False)
def retained_again(stand: Stand) -> None:
    one = stand.enter()
    one.send(publish(OWN, b"x", qos=1, retain=True))
    assert one.read()[0] == PUBACK
    assert one.ends(QUIET_S) == "open"
    watcher = stand.watcher()
    with stand.decides():
        assert watcher.message().retain
        watcher.send(packet(SUBSCRIBE, b"\x00\x02" + text("dev/#") + b"\x01"))
        assert watcher.message().retain


@case("an UNSUBSCRIBE from what nobody has subscribed to is answered", defect=False)
def unsubscribed_from_nothing(stand: Stand) -> None:
    one = stand.enter()
    one.send(packet(UNSUBSCRIBE, b"\x00\x05" + text("nothing/#")))
    with stand.decides():
        assert one.read() == (0xB0, b"\x00\x05")


@case("each filter of a SUBSCRIBE has its answer, in their order", defect=False)
def answers(stand: Stand) -> None:
    watcher = stand.enter("watcher")
    filters = text("a") + b"\x02" + text("b/#") + b"\x00" + text("+/c") + b"\x01"
    watcher.send(packet(SUBSCRIBE, b"\x00\x09" + filters))
    with stand.decides():
        assert watcher.read() == (SUBACK, b"\x00\x09\x02\x00\x01")


@case("a filter that is none is refused, or ends the connection", defect=False)
def bad_filter(stand: Stand) -> None:
    for asked in ("a+/b", "#/a", "a/#b"):
        watcher = stand.enter("watcher")
        with stand.decides(), suppress(ConnectionError):
            assert watcher.subscribe(asked) == 0x80


@case("`dev/#` is also about `dev`, and `+` is about an empty level", defect=False)
def edges_of_filters(stand: Stand) -> None:
    talker = stand.enter("watcher", client_id="talker")
    parent, level = stand.watcher("dev/#", client_id="parent"), stand.watcher("+/x", client_id="level")
    talker.send(publish("dev", b"1", qos=1) + publish("/x", b"2", qos=1))
    with stand.decides():
        assert (parent.message().payload, level.message().payload) == (b"1", b"2")


@case("without a keep-alive nobody is closed for his silence", defect=False)
def no_keep_alive(stand: Stand) -> None:
    one = stand.enter(keep_alive_s=0)
    assert one.ends(2.5 * KEEP_ALIVE_S) == "open"
    one.send(packet(PINGREQ))
    with stand.decides():
        assert one.read()[0] == PINGRESP


@case("of a clean session nothing is left for the next one, which wants to be kept")
def clean_keeps_nothing(stand: Stand) -> None:
    watcher = stand.watcher()
    watcher.send(packet(DISCONNECT))
    assert watcher.ends() != "open"
    again = stand.enter("watcher", clean=False)
    stand.enter().send(publish(OWN, b"x", qos=1))
    with stand.decides():
        quiet(again)


@case("a will that is to be retained is", defect=False)
def retained_will(stand: Stand) -> None:
    one = stand.client()
    body = text("MQTT") + bytes([4, 0xEE]) + b"\x00\x3c" + text("one") + text(STATE) + text("gone")
    one.send(packet(CONNECT, body + text("one") + text(PASSWORDS["one"])))
    assert one.connack() == 0
    one.reset()
    with stand.decides():
        assert until(lambda: _retained(stand) == b"gone", stand.patience_s)


def _retained(stand: Stand) -> bytes:
    """What somebody who comes now gets first; empty: nothing."""
    late = stand.watcher()
    late.socket.settimeout(QUIET_S)
    try:
        kept = late.message()
        return kept.payload if kept.retain else b""
    except TimeoutError:
        return b""
    finally:
        late.close()


# --- bytes ------------------------------------------------------------------------------------------------------------


@case("a publish below `$` is dropped, or ends the connection; it does not make it deaf")
def dollar(stand: Stand) -> None:
    watcher, one = stand.watcher(), stand.enter("watcher", client_id="other")
    one.send(publish("$x/y", b"x"))
    with stand.decides():
        if one.ends(QUIET_S) == "open":
            one.send(publish(OWN, b"after"))
            assert watcher.message().payload == b"after"


@case("a publish to no topic ends the connection")
def no_topic(stand: Stand) -> None:
    one = stand.enter()
    one.send(publish("", b"x"))
    with stand.decides():
        assert one.ends() != "open"


@case("what is within a packet that is none is not read as packets")
def smuggled(stand: Stand) -> None:
    watcher, one = stand.watcher(), stand.enter()
    one.send(publish("dev/one/+", publish(OWN, b"smuggled")))
    with stand.decides():
        assert one.ends() != "open"
        quiet(watcher)


@case("a packet of 256 MiB ends the connection before it is there")
def oversized(stand: Stand) -> None:
    one = stand.enter()
    one.send(b"\x30\xff\xff\xff\x7f" + text(OWN))
    with stand.decides():
        assert one.ends() != "open"


@case("a first packet that is no CONNECT ends the connection")
def first_packet(stand: Stand) -> None:
    stranger = stand.client()
    stranger.send(packet(PINGREQ))
    with stand.decides():
        assert stranger.ends() != "open"


@case("who says nothing after connecting is closed within 12 s", is_slow=True)
def no_connect(stand: Stand) -> None:
    stranger = stand.client()
    with stand.decides():
        assert stranger.ends(12.0) != "open"


_SUBSCRIBE_X = text("x") + b"\x01"

BYTES: dict[str, tuple[str, bytes, bool]] = {
    "qos-3": ("a publish at QoS 3", publish(OWN, b"x", qos=3), True),
    "qos-3-asked": ("a subscription at QoS 3", packet(SUBSCRIBE, b"\x00\x01" + text("x") + b"\x03"), True),
    "no-filters": ("a SUBSCRIBE without filters", packet(SUBSCRIBE, b"\x00\x01"), True),
    "no-filters-left": ("an UNSUBSCRIBE without filters", packet(UNSUBSCRIBE, b"\x00\x01"), True),
    "subscribe-flags": ("a SUBSCRIBE with wrong flags", packet(0x80, b"\x00\x01" + _SUBSCRIBE_X), True),
    "pubrel-flags": ("a PUBREL with wrong flags", packet(0x60, b"\x00\x01"), True),
    "ping-flags": ("a PINGREQ with wrong flags", packet(0xC1), True),
    "ping-body": ("a PINGREQ with a body", packet(PINGREQ, b"x"), True),
    "cut-filters": ("a list of filters that is cut short", packet(SUBSCRIBE, b"\x00\x01\x00\x09a"), True),
    "topic-utf8": ("a topic that is no UTF-8", publish(b"dev/one/\xff", b"x"), True),
    "topic-nul": ("a topic with U+0000", publish(b"dev/one/\x00", b"x"), True),
    "topic-surrogate": ("a topic with a surrogate", publish(b"dev/one/\xed\xa0\x80", b"x"), True),
    "filter-utf8": ("a filter that is no UTF-8", packet(SUBSCRIBE, b"\x00\x01" + text(b"\xff") + b"\x00"), True),
    "filter-nul": ("a filter with U+0000", packet(SUBSCRIBE, b"\x00\x01" + text(b"a\x00") + b"\x00"), True),
    "filter-empty": ("an empty filter", packet(SUBSCRIBE, b"\x00\x01" + text("") + b"\x00"), True),
    "publish-id-0": ("a publish at QoS 1 with number 0", publish(OWN, b"x", qos=1, number=0), True),
    "subscribe-id-0": ("a SUBSCRIBE with number 0", packet(SUBSCRIBE, b"\x00\x00" + _SUBSCRIBE_X), True),
    "repeated-qos-0": ("a repetition at QoS 0", bytes([0x38]) + publish(OWN, b"x")[1:], True),
    "second-connect": ("a second CONNECT", b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x", False),
    "connack": ("what only a broker may send", packet(0x20, b"\x00\x00"), True),
    "type-0": ("packet type 0", b"\x00\x00", False),
    "type-15": ("packet type 15", b"\xf0\x00", False),
    "long-length": ("a length of five bytes", b"\x30\xff\xff\xff\xff\x01", True),
}
"""What ends a connection: how it is called, the bytes, and whether stock amqtt lets it go on."""


def _ended_by(raw: bytes) -> Callable[[Stand], None]:
    def play(stand: Stand) -> None:
        one = stand.enter()
        one.send(raw)
        with stand.decides():
            assert one.ends() != "open"

    return play


CONNECTS: dict[str, tuple[str, int, bytes, bool]] = {
    "will-qos-3": ("a will at QoS 3", 0x1E, text("x") + text(STATE) + text("x"), True),
    "will-qos-without-will": ("the QoS of a will that is none", 0x0A, text("x"), True),
    "will-retain-without-will": ("a will to retain that is none", 0x22, text("x"), True),
    "reserved-flag": ("a reserved flag", 0x03, text("x"), False),
    "password-without-user": ("a password without a user", 0x42, text("x") + text("y"), False),
    "connect-tail": ("more than the packet", 0x02, text("x") + b"more", True),
    "client-id-utf8": ("a client id that is no UTF-8", 0x02, text(b"\xff"), True),
    "client-id-nul": ("a client id with U+0000", 0x02, text(b"a\x00"), True),
    "cut-connect": ("a CONNECT that lacks what its flags promise", 0xC2, text("x"), True),
}
"""What a CONNECT must not say: how it is called, its flags, what follows, and whether stock amqtt lets it in."""


def _let_in_with(flags: int, rest: bytes) -> Callable[[Stand], None]:
    def play(stand: Stand) -> None:
        one = stand.client()
        one.send(packet(0x10, text("MQTT") + bytes([4, flags]) + struct.pack(">H", 60) + rest))
        with stand.decides():
            try:
                assert one.connack() != 0
            except ConnectionError:
                return
            assert one.ends() != "open"

    return play


for _name, (_asks, _raw, _defect) in BYTES.items():
    CASES[_name] = Case(_name, f"{_asks} ends the connection", _ended_by(_raw), _defect, False)
for _name, (_asks, _flags, _rest, _defect) in CONNECTS.items():
    CASES[_name] = Case(_name, f"{_asks} in a CONNECT ends the connection", _let_in_with(_flags, _rest), _defect, False)
