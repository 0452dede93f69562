"""Everything that may arrive and should not: counted in one place, kept with its reason, and nothing raises."""

from __future__ import annotations

import json
import tracemalloc
from collections import Counter
from dataclasses import replace
from typing import Any

import cbor2
import numpy as np
import pytest

from tests.detectors.lab import registry_of
from twinstorm.detectors.core import Core
from twinstorm.detectors.deadletters import BODY_BYTES, KEPT, MOST_REASONS
from twinstorm.twin.flow import SECOND_US, BrokerCounters, Delivery, Message, Readings
from twinstorm.twin.wire.inbox import Inbox

FLEET = registry_of(sites=("a-1", "b-1"), motors=2, climate=1)
ME, OTHER = FLEET.names[0], FLEET.names[1]
TOPIC = f"fleet/default/{ME}/telemetry"
SOUND: dict[str, Any] = {
    "deviceId": ME,
    "deviceType": "motor",
    "timestamp": "2030-01-07T00:00:00Z",
    "measurements": {"winding_temperature_c": 20.0, "current_a": 5.0},
    "boot": 1,
    "seq": 2,
    "schema": 1,
}
ORIGIN_US = 1_893_974_400_000_000
HEAT = b'"winding_temperature_c": 20.0'


def document(**changes: Any) -> bytes:
    return json.dumps(SOUND | changes).encode()


def with_heat(number: bytes) -> bytes:
    return document().replace(HEAT, b'"winding_temperature_c": ' + number)


ACCEPTED, REPEATED, NOTHING = "accepted", "repeated", "not ours"
CASES: dict[str, tuple[bytes, str, str]] = {
    # name: payload, topic, what becomes of it, where a letter is named by the beginning of its reason
    "a sound one": (document(), TOPIC, ACCEPTED),
    "null": (b"null", TOPIC, "Expected `object`"),
    "an array": (b"[]", TOPIC, "Expected `object`"),
    "nothing": (b"", TOPIC, "Input data was truncated"),
    "no UTF-8": (b'{"deviceId":"\xff"}', TOPIC, ""),
    "text for a number": (with_heat(b'"20"'), TOPIC, "Expected `float | object | null`"),
    "true for a number": (with_heat(b"true"), TOPIC, "Expected `float | object | null`"),
    "a list for a number": (with_heat(b"[20.0]"), TOPIC, "Expected `float | object | null`"),
    "a number for a name": (document(deviceId=7), TOPIC, "Expected `str`"),
    "a sequence in text": (document(seq="2"), TOPIC, "Expected `int`"),
    "a sequence below 0": (document(seq=-1), TOPIC, "Expected `int` >= 0"),
    "a sequence beyond 2^53": (document(seq=2**53), TOPIC, "boot or sequence number out of range"),
    "a sequence beyond 2^64": (document(seq=2**64), TOPIC, ""),
    "boot 0": (document(boot=0), TOPIC, "Expected `int` >= 1"),
    "NaN": (with_heat(b"NaN"), TOPIC, "JSON is malformed"),
    "Infinity": (with_heat(b"Infinity"), TOPIC, "JSON is malformed"),
    "-Infinity": (with_heat(b"-Infinity"), TOPIC, "JSON is malformed"),
    "1e400": (with_heat(b"1e400"), TOPIC, "Number out of range"),
    "1e39, beyond float32": (with_heat(b"1e39"), TOPIC, "value out of range"),
    "NaN in CBOR": (cbor2.dumps(SOUND | {"measurements": {"current_a": float("nan")}}), TOPIC + ".cbor", "'current_a'"),
    "out of range": (with_heat(b"150.2"), TOPIC, "value out of range"),
    "an unknown field": (document(measurements={"pressure_bar": 1.0}), TOPIC, "motor has no such measurement"),
    "keys twice": (
        document().replace(b'"boot": 1', b'"boot": 9, "boot": 1'),
        TOPIC,
        "the key `boot` stands there twice",
    ),
    "keys twice, one with an escape": (
        document().replace(b'"boot": 1', rb'"b\u006fot": 9, "boot": 1'),
        TOPIC,
        "the key `boot` stands there twice",
    ),
    "keys twice, in what nobody looks at": (
        document().replace(b'"boot": 1', b'"extra": [{"a": 1, "a" : 1}], "boot": 1'),
        TOPIC,
        "the key `a` stands there twice",
    ),
    "a key in two objects": (document(extra=[{"boot": 1}, {"boot": 2}], more="boot: 1"), TOPIC, ACCEPTED),
    "keys twice in CBOR": (
        bytes([cbor2.dumps(SOUND)[0] + 1]) + cbor2.dumps("seq") + cbor2.dumps(1) + cbor2.dumps(SOUND)[1:],
        TOPIC + ".cbor",
        "",
    ),
    "deep nesting": (b'{"extra":' + b"[" * 30_000 + b"]" * 30_000 + b"}", TOPIC, "nested too deeply"),
    "deep nesting in CBOR": (b"\xa1\x65extra" + b"\x81" * 60_000, TOPIC + ".cbor", ""),
    "5 MB": (b" " * 5_000_000, TOPIC, "5000000 bytes"),
    "stamp of 1970": (document(timestamp="1970-01-01T00:00:00Z"), TOPIC, ACCEPTED),
    "stamp of 2262": (document(timestamp="2262-04-12T00:00:00Z"), TOPIC, ACCEPTED),
    "stamp without a zone": (document(timestamp="2030-01-07T00:00:00"), TOPIC, "Expected `datetime` with a timezone"),
    "a sequence used before": (document(seq=1), TOPIC, REPEATED),
    "unknown schema": (document(schema=7), TOPIC, "unknown schema 7"),
    "unknown kind": (document(deviceType="toaster"), TOPIC, "unknown device type"),
    "another kind": (document(deviceType="climate", measurements={}), TOPIC, "the device is of another kind"),
    "unknown device": (document(deviceId="a-1/ghost"), "fleet/default/a-1/ghost/telemetry", "unknown device"),
    "in another's name": (document(deviceId=OTHER), TOPIC, "the document names another device"),
    "no topic of ours": (document(), "fleet/default/telemetry", "no topic of this profile"),
    "another tenant's topic": (document(), f"fleet/acme/{ME}/telemetry", NOTHING),
}


def sent(messages: list[Message]) -> Delivery:
    """As the modelled broker passes on what a fault made of readings of a sound device."""
    n = len(messages)
    zero = np.zeros(n, np.int64)
    one = np.zeros(n, np.int32)
    values = np.full((n, 2), 20.0, np.float32)
    readings = Readings("motor", one, one + 1, zero + 2, zero, zero, values, duplicate=True, wire=tuple(messages))
    return Delivery(readings, zero + SECOND_US // 2, SECOND_US // 2)


def core_that_heard_one() -> tuple[Core, Inbox]:
    core, inbox = Core(FLEET, [], None, 0), Inbox(FLEET, ORIGIN_US)
    core.ingest(inbox.opened(sent([Message(TOPIC, document(seq=1))])))
    assert core.accepted == 1
    return core, inbox


@pytest.mark.parametrize("name", CASES)
def test_what_arrives_is_counted_once_and_kept_with_its_reason(name: str) -> None:
    payload, topic, becomes = CASES[name]
    core, inbox = core_that_heard_one()
    core.ingest(inbox.opened(sent([Message(topic, payload)])))
    pane = core.close_pane(SECOND_US, BrokerCounters())
    dead = sum(core.dead_letters.values())
    assert Counter(accepted=core.accepted - 1, repeated=core.repeated, dead=dead) == Counter(
        accepted=int(becomes == ACCEPTED),
        repeated=int(becomes == REPEATED),
        dead=int(becomes not in (ACCEPTED, REPEATED, NOTHING)),
    )
    assert pane.dead_letters == dead
    assert core.misdated == int(name.startswith("stamp of"))
    if dead:
        (letter,) = core.newest_dead_letters
        assert letter.reason.startswith(becomes)
        assert letter.arrived_us == SECOND_US // 2
        assert letter.source in (topic, ME)
        assert letter.is_reading or letter.body == payload[:BODY_BYTES]
        assert letter.is_reading or letter.whole == (len(payload) <= BODY_BYTES)


def test_all_of_it_in_one_delivery_is_the_sum_and_harms_nobody() -> None:
    core, inbox = core_that_heard_one()
    core.ingest(inbox.opened(sent([Message(topic, payload) for payload, topic, _ in CASES.values()])))
    becomes = Counter(wanted if wanted in (ACCEPTED, REPEATED, NOTHING) else "dead" for _, _, wanted in CASES.values())
    # Of those with one number the first counts, whatever is wrong with the others.
    unsound = sum(wanted == "value out of range" for _, _, wanted in CASES.values())
    assert core.accepted == 2
    assert core.repeated == becomes[REPEATED] + becomes[ACCEPTED] - 1 + unsound
    assert sum(core.dead_letters.values()) == becomes["dead"] - unsound
    core.ingest(inbox.opened(sent([Message(TOPIC, document(seq=3))])))
    assert core.accepted == 3


def test_memory_does_not_grow_with_what_is_refused() -> None:
    """Each reason and payload another one, long ones among them."""
    core, inbox = core_that_heard_one()

    def flood(first: int, count: int) -> None:
        for number in range(first, first + count):
            payload = json.dumps(SOUND | {"schema": number + 2, "extra": "x" * 6_000}).encode()
            core.ingest(inbox.opened(sent([Message(TOPIC, payload)])))

    flood(0, KEPT + 100)
    tracemalloc.start()
    try:
        flood(KEPT + 100, 100)
        before = tracemalloc.get_traced_memory()[0]
        flood(KEPT + 200, KEPT)
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert len(core.newest_dead_letters) == KEPT
    assert len(core.dead_letters) <= MOST_REASONS + 1
    assert sum(core.dead_letters.values()) == 2 * KEPT + 200
    # The letters that were there before tracing are replaced by as many that are traced.
    assert grown < (KEPT + 100) * (BODY_BYTES + 2_000)
    assert all(len(letter.body) <= BODY_BYTES and not letter.whole for letter in core.newest_dead_letters)


def test_letters_are_handed_on_once_and_the_newest_if_there_are_too_many() -> None:
    core, inbox = core_that_heard_one()
    message = Message(TOPIC, b"?")
    told = core.letters_noted
    core.ingest(inbox.opened(sent([message] * 3)))
    assert len(core.letters_after(told)) == 3
    told = core.letters_noted
    assert core.letters_after(told) == []
    core.ingest(inbox.opened(sent([message] * (KEPT + 5))))
    assert len(core.letters_after(told)) == KEPT
    assert core.letters_noted == KEPT + 8


def test_a_refused_reading_keeps_what_it_said_whatever_is_wrong_with_it() -> None:
    core, _ = core_that_heard_one()
    good = sent([]).readings
    assert good is not None
    columns = replace(
        good,
        device=np.zeros(1, np.int32),
        boot=np.ones(1, np.int32),
        seq=np.full(1, 5),
        device_time_us=np.full(1, 7),
        sent_us=np.zeros(1, np.int64),
        values=np.array([[np.inf, np.nan]], np.float32),
        wire=(),
    )
    for broken in (
        columns,
        replace(columns, seq=np.empty(0, np.int64)),
        replace(columns, values=np.ones(1, np.float32)),
    ):
        core.ingest(Delivery(broken, np.zeros(1, np.int64), 0))
    assert [letter.is_reading for letter in core.newest_dead_letters] == [True] * 3
