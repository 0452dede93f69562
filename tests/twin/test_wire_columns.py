"""Columns: many readings in one message, in typed arrays that other programs can read too."""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.twin.worlds import carried
from twinstorm.twin.fleet import grow
from twinstorm.twin.flow import Delivery
from twinstorm.twin.machines.kind import catalogue
from twinstorm.twin.wire import columns
from twinstorm.twin.wire.columns import Columns, Lengths, decode, encode, topics_of
from twinstorm.twin.wire.desk import UNCARRIED, Desk
from twinstorm.twin.wire.inbox import Inbox, Letter

KIND = "motor"
CHANNELS = {KIND: tuple(channel.name for channel in catalogue()[KIND].channels)}
WIDTH = len(CHANNELS[KIND])
GATEWAY = "s-0/edge-1"


def some(names: list[str], which: list[int]) -> Columns:
    n = len(which)
    values = np.arange(n * WIDTH, dtype=np.float32).reshape(n, WIDTH)
    numbers = np.arange(n, dtype=np.int64)
    return Columns.of(
        KIND, "\n".join(names), np.array(which, np.uint16), np.ones(n, np.int32), numbers + 5, numbers + 10**15, values
    )


def message(**changes: Any) -> bytes:
    document = cbor2.loads(encode(GATEWAY, CHANNELS[KIND], some(["s-0/a", "s-0/b"], [0, 1])))
    return cbor2.dumps({**document, **changes})


def test_what_is_encoded_is_decoded() -> None:
    one = some(["s-0/a", "s-0/b"], [1, 0, 1])
    assert decode(encode(GATEWAY, CHANNELS[KIND], one), GATEWAY, CHANNELS) == one


def test_the_arrays_are_those_of_rfc_8746_in_little_endian_order() -> None:
    document = cbor2.loads(encode(GATEWAY, CHANNELS[KIND], some(["s-0/a", "s-0/b"], [0, 1])))
    tags = {name: told.tag for name, told in document.items() if isinstance(told, cbor2.CBORTag)}
    assert tags == {"device": 69, "boot": 70, "seq": 71, "timestamp": 79, "values": 85}
    assert struct.unpack("<2H", document["device"].value) == (0, 1)
    assert struct.unpack("<2q", document["timestamp"].value) == (10**15, 10**15 + 1)
    # Channel after channel: the second number is the first channel of the second row.
    assert struct.unpack_from("<2f", document["values"].value) == (0.0, float(WIDTH))


@given(names=st.lists(st.text("abé/-", min_size=1, max_size=40), min_size=1, max_size=40), rows=st.integers(1, 300))
def test_lengths_are_known_without_encoding(names: list[str], rows: int) -> None:
    one = some(names, [row % len(names) for row in range(rows)])
    names_bytes = sum(len(name.encode()) for name in names)
    length = Lengths.of(GATEWAY, KIND, CHANNELS[KIND]).payload(rows, len(names), names_bytes)
    assert length == len(encode(GATEWAY, CHANNELS[KIND], one))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "premature"),
        (b"{}", ""),
        (b"\x9f\xff", "indefinite"),
        (b"\x80", "are a map"),
        (bytes(columns.LARGEST_BYTES + 1), "at most"),
        (message(schema=2), "unknown schema"),
        (message(schema=None), "no schema"),
        (message(gateway="s-0/other"), "another gateway"),
        (message(deviceType="toaster"), "unknown device type"),
        (message(deviceType=["motor"]), "unknown device type"),
        (message(channels=["load_pct"]), "not those of motor"),
        (message(devices=["s-0/a", "s-0/b"]), "not told by name"),
        (message(seq=cbor2.CBORTag(67, bytes(16))), "seq is no column of uint64"),
        (message(boot=[1, 1]), "boot is no column of uint32"),
        (message(device=cbor2.CBORTag(69, bytes(3))), "rows"),
        (message(device=cbor2.CBORTag(69, b"")), "0 rows"),
        (message(device=cbor2.CBORTag(69, bytes(2_002))), "1001 rows"),
        (message(timestamp=cbor2.CBORTag(79, bytes(8))), "differ in length"),
        (message(values=cbor2.CBORTag(85, bytes(7))), "differ in length"),
    ],
)
def test_what_is_no_columns_is_told_and_never_raises(payload: bytes, reason: str) -> None:
    told = decode(payload, GATEWAY, CHANNELS)
    assert isinstance(told, str)
    assert reason in told


@given(st.data())
def test_damaged_columns_never_raise(data: st.DataObject) -> None:
    payload = bytearray(message())
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    decode(bytes(payload), GATEWAY, CHANNELS)
    topics_of(columns.topic(GATEWAY), bytes(payload))


def test_the_readings_of_a_message_are_told_by_the_topics_of_their_devices() -> None:
    payload = encode(GATEWAY, CHANNELS[KIND], some(["s-0/a", "s-0/b"], [1, 0, 1]))
    own = topics_of(columns.topic(GATEWAY), payload)
    assert own == tuple(f"fleet/default/s-0/{name}/telemetry" for name in "bab")
    assert topics_of("fleet/default/s-0/a/telemetry", b"x") == ("fleet/default/s-0/a/telemetry",)
    assert topics_of(columns.topic(GATEWAY), b"x") == ()


# --- the desk ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def desk() -> tuple[Desk, Inbox, list[str], int]:
    fleet = grow(carried())
    registry = fleet.registry({part.kind: catalogue()[part.kind].channels for part in fleet.plan.segments})
    inbox = Inbox(registry, 1_000)
    gateway = int(fleet.gateway[0])
    behind = [name for name, carrier in zip(registry.names, fleet.carrier.tolist(), strict=True) if carrier == 1]
    return Desk(registry, inbox), inbox, [name for name in behind if "motors" in name], gateway


def take(desk: Desk, inbox: Inbox, gateway: int, one: Columns) -> tuple[str, tuple[Delivery, ...]]:
    name = inbox._registry.names[gateway]
    topic = columns.topic(name)
    letter = inbox.letter(topic)
    assert isinstance(letter, Letter)
    return desk.take(letter, topic, encode(name, CHANNELS[KIND], one), 7_000), desk.deliveries()


def test_messages_of_one_kind_become_one_delivery_with_what_they_say(desk: tuple[Desk, Inbox, list[str], int]) -> None:
    at, inbox, names, gateway = desk
    name = inbox._registry.names[gateway]
    topic = columns.topic(name)
    letter = inbox.letter(topic)
    assert isinstance(letter, Letter)
    one = some(names[:2], [1, 0])
    for arrived_us in (5_000, 6_000):
        assert at.take(letter, topic, encode(name, CHANNELS[KIND], one), arrived_us) == ""
    (delivery,) = at.deliveries()
    assert at.deliveries() == ()
    readings = delivery.readings
    assert readings is not None
    assert [inbox._registry.names[who] for who in readings.device.tolist()] == [names[1], names[0]] * 2
    assert readings.seq.tolist() == [5, 6, 5, 6]
    assert readings.device_time_us.tolist() == [10**15 - 1_000, 10**15 - 999] * 2
    assert delivery.arrived_us.tolist() == [5_000, 5_000, 6_000, 6_000]
    assert readings.values[1].tolist() == [float(number) for number in range(WIDTH, 2 * WIDTH)]


def test_rows_of_others_are_malformed_and_the_rest_counts(desk: tuple[Desk, Inbox, list[str], int]) -> None:
    at, inbox, names, gateway = desk
    other = next(name for name in inbox._registry.names if "motors" in name and name not in names)
    wrong, (delivery,) = take(at, inbox, gateway, some([names[0], other, "s-9/nobody"], [0, 1, 2, 0, 3]))
    assert wrong == ""
    assert [letter.reason for letter in delivery.malformed] == [
        UNCARRIED,
        "unknown device: 's-9/nobody'",
        "a row points to no device",
    ]
    assert delivery.readings is not None
    assert delivery.readings.seq.tolist() == [5, 8]
    assert {inbox._registry.names[who] for who in delivery.readings.device.tolist()} == {names[0]}


def test_a_message_of_strangers_alone_has_no_readings(desk: tuple[Desk, Inbox, list[str], int]) -> None:
    at, inbox, _, gateway = desk
    _, (delivery,) = take(at, inbox, gateway, some(["s-9/nobody"], [0, 0]))
    assert delivery.readings is None
    assert len(delivery.malformed) == 2


def test_numbers_that_are_too_large_turn_negative_for_ingest_to_refuse(
    desk: tuple[Desk, Inbox, list[str], int],
) -> None:
    at, inbox, names, gateway = desk
    odd = replace(some(names[:1], [0]), seq=b"\xff" * 8, boot=b"\xff" * 4)
    _, (delivery,) = take(at, inbox, gateway, odd)
    assert delivery.readings is not None
    assert (delivery.readings.seq.tolist(), delivery.readings.boot.tolist()) == ([-1], [-1])
