"""Documents to bytes and back; and whatever else arrives."""

from __future__ import annotations

import json
import math
import struct
from typing import Any

import cbor2
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstorm.twin.machines.environment import Environment
from twinstorm.twin.machines.motor import Motor
from twinstorm.twin.wire import codecs
from twinstorm.twin.wire.codecs import (
    LARGEST_PAYLOAD_BYTES,
    Reading,
    Sender,
    State,
    decode_reading,
    decode_state,
    encode_birth,
    encode_reading,
    encode_will,
)
from twinstorm.twin.wire.layout import layouts
from twinstorm.twin.wire.profile import CODEC_NAMES

LAYOUTS = layouts({"motor": Motor.channels, "environment": Environment.channels})
MOTOR = Sender("fra-2/motors-0042", "motor", "motors", "2.4.1")
VALUES = (61.2, 0.78, 0.68, 0.4, 21.03, 1480.5)
START_US = 1_893_974_400_000_000  # 2030-01-07T00:00:00Z
each_codec = pytest.mark.parametrize("codec", CODEC_NAMES)


def payload(codec: str = "json", time_us: int = START_US + 500_000) -> bytes:
    return encode_reading(MOTOR, LAYOUTS["motor"], 3, 42, time_us, VALUES, codec)


def document(**changes: Any) -> dict[str, Any]:
    """A good telemetry document as plain data, with some top fields replaced; None removes one."""
    told: dict[str, Any] = json.loads(payload()) | changes
    return {name: value for name, value in told.items() if value is not None}


def pack(told: Any, codec: str) -> bytes:
    if codec == "json":
        return json.dumps(told).encode()
    return cbor2.dumps(told) if codec == "cbor" else msgspec.msgpack.encode(told)


def reason(told: Any, codec: str = "json") -> str:
    found = decode_reading(told if isinstance(told, bytes) else pack(told, codec), codec, LAYOUTS)
    assert isinstance(found, str), found
    return found


# --- the document -----------------------------------------------------------------------------------------------------


def test_the_document_has_the_fields_that_engineers_know() -> None:
    assert json.loads(payload()) == {
        "deviceId": "fra-2/motors-0042",
        "deviceType": "motor",
        "timestamp": "2030-01-07T00:00:00.500000Z",
        "location": {"facility": "fra-2", "line": "motors", "station": "motors-0042", "coordinates": None},
        "measurements": {
            "winding_temperature_c": 61.2,
            "vibration": {"x": 0.78, "y": 0.68, "z": 0.4},
            "current_a": 21.03,
            "speed_rpm": 1480.5,
        },
        "metadata": {
            "firmware_version": "2.4.1",
            "battery_level": None,
            "signal_strength": None,
            "last_maintenance": None,
        },
        "quality": {"accuracy": None, "calibration_date": None, "status": "good"},
        "boot": 3,
        "seq": 42,
        "schema": 1,
    }


def test_other_codecs_carry_the_same_document() -> None:
    same = json.loads(payload())
    assert cbor2.loads(payload("cbor")) == same
    packed = msgspec.msgpack.decode(payload("msgpack"))
    assert packed.pop("timestamp").isoformat() == "2030-01-07T00:00:00.500000+00:00"
    same.pop("timestamp")
    assert packed == same


@each_codec
def test_a_reading_comes_back(codec: str) -> None:
    found = decode_reading(payload(codec), codec, LAYOUTS)
    assert found == Reading("fra-2/motors-0042", "motor", 3, 42, START_US + 500_000, VALUES)


@each_codec
@given(
    boot=st.integers(1, 2**31 - 1),
    seq=st.integers(0, 2**63 - 1),
    time_us=st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
    values=st.lists(st.integers(-32_768, 32_767), min_size=4, max_size=4),
    silent=st.sets(st.integers(0, 3)),
)
def test_any_reading_comes_back(
    codec: str, boot: int, seq: int, time_us: int, values: list[int], silent: set[int]
) -> None:
    layout = LAYOUTS["environment"]
    row = [
        math.nan if i in silent else float(np.float32(q) * np.float32(channel.step) + np.float32(channel.offset))
        for i, (q, channel) in enumerate(zip(values, layout.channels, strict=True))
    ]
    sender = Sender("a/b", "environment")
    found = decode_reading(encode_reading(sender, layout, boot, seq, time_us, row, codec), codec, LAYOUTS)
    assert isinstance(found, Reading)
    assert (found.boot, found.seq, found.time_us) == (boot, seq, time_us)
    assert np.array_equal(layout.on_grid(np.array([found.values]))[0], np.array(row, np.float32), equal_nan=True)


def test_a_name_without_site_cannot_be_encoded() -> None:
    with pytest.raises(ValueError, match="SITE/DEVICE"):
        encode_reading(Sender("press", "motor"), LAYOUTS["motor"], 1, 1, START_US, VALUES)


def test_a_clock_beyond_the_calendar_cannot_be_encoded() -> None:
    with pytest.raises(OverflowError):
        payload(time_us=1 << 62)


@each_codec
def test_devices_may_add_fields(codec: str) -> None:
    told = document(weather={"deep": [1, {"x": None}]}, quality={"status": "good", "by": "me"})
    assert isinstance(decode_reading(pack(told, codec), codec, LAYOUTS), Reading)


@each_codec
def test_only_what_is_needed_must_be_there(codec: str) -> None:
    told = document(location=None, metadata=None, quality=None, measurements={"current_a": 5})
    found = decode_reading(pack(told, codec), codec, LAYOUTS)
    assert isinstance(found, Reading)
    assert found.values[4] == 5.0


@each_codec
@pytest.mark.parametrize(
    ("stamp", "time_us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:07.25Z", 7_250_000),
        ("2262-04-11T23:47:16.854776Z", 9_223_372_036_854_776),
        ("2262-04-12T00:00:00Z", 9_223_372_800_000_000),
        ("2030-01-07T02:00:00+02:00", START_US),
        ("9999-12-31T23:59:59.999999Z", 253_402_300_799_999_999),
    ],
)
def test_strange_clocks_are_read_as_they_stand(codec: str, stamp: str, time_us: int) -> None:
    """A device without a set clock says 1970; nanoseconds in 64 bits end in 2262."""
    found = decode_reading(pack(document(timestamp=stamp), codec), codec, LAYOUTS)
    assert isinstance(found, Reading)
    assert found.time_us == time_us


# --- what is wrong ----------------------------------------------------------------------------------------------------


@each_codec
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"timestamp": "2030-01-07T00:00:00"}, "timezone"),
        ({"timestamp": "yesterday"}, "timestamp"),
        ({"timestamp": 5}, "timestamp"),
        ({"timestamp": None}, "timestamp"),
        ({"seq": -1}, "seq"),
        ({"seq": 1.5}, "seq"),
        ({"seq": "42"}, "seq"),
        ({"seq": True}, "seq"),
        ({"boot": 0}, "boot"),
        ({"boot": 2**31}, "boot"),
        ({"deviceId": 7}, "deviceId"),
        ({"deviceId": ""}, "deviceId"),
        ({"deviceId": "x" * 201}, "deviceId"),
        ({"deviceType": "toaster"}, "unknown device type: 'toaster'"),
        ({"measurements": None}, "measurements"),
        ({"measurements": []}, "measurements"),
        ({"measurements": {"current_a": "5"}}, "measurements"),
        ({"measurements": {"current_a": True}}, "measurements"),
        ({"measurements": {"current_a": [5.0]}}, "measurements"),
        ({"measurements": {"vibration": {"x": {"x": 1.0}}}}, "measurements"),
        ({"measurements": {"temperature_c": 5.0}}, "motor has no such measurement: 'temperature_c'"),
        ({"metadata": {"battery_level": "full"}}, "battery_level"),
        ({"location": {"facility": "a", "coordinates": {"latitude": 91.0, "longitude": 0.0}}}, "latitude"),
    ],
)
def test_wrong_types_and_values_are_named(codec: str, changes: dict[str, Any], words: str) -> None:
    assert words in reason(document(**changes), codec)


@each_codec
@pytest.mark.parametrize("schema", [0, 2, 7, -1])
def test_an_unknown_schema_is_the_reason_whatever_else_differs(codec: str, schema: int) -> None:
    assert reason(document(schema=schema), codec) == f"unknown schema {schema}"
    assert reason({"schema": schema, "device": 12}, codec) == f"unknown schema {schema}"


@each_codec
def test_a_schema_must_be_told_as_a_number(codec: str) -> None:
    assert "schema" in reason(document(schema=None), codec)
    assert "schema" in reason(document(schema="1"), codec)
    assert "schema" in reason(document(schema=True), codec)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" + "0" * 400, "0x10", "01"])
def test_numbers_that_json_or_floats_do_not_have(number: str) -> None:
    broken = payload().replace(b"61.2", number.encode())
    assert number.encode() in broken
    assert reason(broken)


@pytest.mark.parametrize("codec", ["cbor", "msgpack"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_binary_codecs_refuse_nan_and_infinity_as_well(codec: str, number: float) -> None:
    assert "not finite" in reason(document(measurements={"current_a": number}), codec)
    assert "not finite" in reason(
        document(deviceType="environment", measurements={}, metadata={"battery_level": number}), codec
    )


def test_equal_keys_in_json_are_invalid() -> None:
    assert reason(payload().replace(b'"seq":42', b'"seq":1,"seq":43')) == "the key `seq` stands there twice"


KEYS = st.sampled_from(["a", "b", ":a", 'a"', "a\\", " ", "\u00e9"]) | st.text(max_size=2)


@given(st.data())
def test_keys_are_told_apart_however_they_are_written(data: st.DataObject) -> None:
    def written(deep: int) -> str:
        if not deep or data.draw(st.booleans()):
            return json.dumps(data.draw(KEYS | st.none()), ensure_ascii=data.draw(st.booleans()))
        keys = data.draw(st.lists(KEYS, max_size=3))
        equal.append(len(set(keys)) < len(keys))
        pairs = [f"{json.dumps(key)}{data.draw(st.sampled_from(['', ' ']))}:{written(deep - 1)}" for key in keys]
        return "{" + ", ".join(pairs) + "}"

    equal = [False]
    text = '{"x": ' + written(3) + "}"
    assert isinstance(codecs.plain(text.encode(), "json"), str) == any(equal)


def test_equal_keys_in_cbor_are_invalid() -> None:
    plain = pack(document(), "cbor")
    twice = bytes([plain[0] + 1]) + cbor2.dumps("seq") + cbor2.dumps(1) + plain[1:]
    assert "duplicate" in reason(twice, "cbor").lower()


def test_five_megabytes_are_not_looked_into() -> None:
    assert reason(b" " * 5_000_000) == f"5000000 bytes; a document has at most {LARGEST_PAYLOAD_BYTES}"
    assert reason(b"\x81" * (LARGEST_PAYLOAD_BYTES + 1), "cbor").endswith(str(LARGEST_PAYLOAD_BYTES))


@pytest.mark.parametrize(
    ("codec", "nested"),
    [
        ("json", b'{"extra":' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
        ("json", b'{"measurements":' + b'{"x":' * 10_000 + b"1" + b"}" * 10_000 + b"}"),
        ("json", b"[" * 60_000),
        ("cbor", b"\xa1\x65extra" + b"\x81" * 60_000),
        ("cbor", b"\xd8\x1c" * 30_000),
        ("cbor", b"\xc6" * 60_000),
        ("msgpack", b"\x81\xa5extra" + b"\x91" * 60_000),
        ("msgpack", b"\x81\xacmeasurements" + b"\x81\xa1x" * 20_000),
    ],
)
def test_deep_nesting_is_refused(codec: str, nested: bytes) -> None:
    assert len(nested) <= LARGEST_PAYLOAD_BYTES
    assert reason(nested, codec)


@pytest.mark.parametrize(
    ("codec", "broken"),
    [
        ("json", b""),
        ("json", b"\xff\xfe"),
        ("json", b"null"),
        ("json", b"true"),
        ("json", b"temperature=61.2"),
        ("json", b'{"deviceId":"\xed\xa0\x80"}'),
        ("json", b'{"deviceId":"\\ud800"}'),
        ("json", b"\xef\xbb\xbf{}"),
        ("json", payload()[:-1]),
        ("json", payload() + b"x"),
        ("json", payload("cbor")),
        ("cbor", b""),
        ("cbor", payload()),
        ("cbor", payload("cbor")[:-1]),
        ("cbor", b"\x9b" + b"\xff" * 8),
        ("cbor", b"\x5b\x7f" + b"\xff" * 7),
        ("cbor", b"\xd8\x1d\x00"),
        ("cbor", b"\xd8\x1c\x81\xd8\x1d\x00"),
        ("cbor", b"\xa1\x80\x00"),
        ("cbor", b"\xc4\x82\x1b\x7f" + b"\xff" * 7 + b"\x01"),
        ("msgpack", b""),
        ("msgpack", b"\xc1"),
        ("msgpack", b"\xdf\xff\xff\xff\xff"),
        ("msgpack", payload("msgpack")[:-1]),
        ("msgpack", payload("msgpack") + b"\x00"),
        ("msgpack", payload()),
    ],
)
def test_payloads_that_are_no_document(codec: str, broken: bytes) -> None:
    found = reason(broken, codec)
    assert 0 < len(found) < 200
    assert found.isascii()
    assert found.isprintable()
    assert isinstance(decode_state(broken, codec), str)


def test_cbor_numbers_that_only_cbor_has() -> None:
    for number in (cbor2.CBORTag(4, [10**6, 1]), cbor2.CBORTag(2, b"\xff" * 300), cbor2.CBORTag(30, [1, 0])):
        assert reason(document(measurements={"current_a": number}), "cbor")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(max_size=8),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=8), inside, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(sorted(document()))


@settings(max_examples=300)
@given(st.binary(max_size=200), st.sampled_from(CODEC_NAMES))
def test_any_bytes_are_a_reading_or_a_reason(broken: bytes, codec: str) -> None:
    assert isinstance(decode_reading(broken, codec, LAYOUTS), Reading | str)
    assert isinstance(decode_state(broken, codec), State | str)


@settings(max_examples=300)
@given(st.sampled_from(CODEC_NAMES), st.integers(0, 10_000), st.binary(min_size=1, max_size=6), st.integers(0, 6))
def test_a_good_payload_with_some_bytes_changed(codec: str, place: int, noise: bytes, cut: int) -> None:
    good = payload(codec)
    place %= len(good)
    found = decode_reading(good[:place] + noise + good[place + cut :], codec, LAYOUTS)
    assert isinstance(found, Reading | str)
    if isinstance(found, Reading):
        assert all(math.isnan(value) or math.isfinite(value) for value in found.values)


@settings(max_examples=300)
@given(st.sampled_from(CODEC_NAMES), FIELDS, PLAIN)
def test_a_good_document_with_a_field_of_any_kind(codec: str, name: str, value: Any) -> None:
    told = document()
    told[name] = value
    found = decode_reading(pack(told, codec), codec, LAYOUTS)
    assert isinstance(found, Reading | str)
    if isinstance(found, str):
        assert found.isascii()


@given(st.binary(max_size=30))
def test_cbor_tags_of_any_kind_never_raise(inside: bytes) -> None:
    for tag in range(24):
        assert isinstance(decode_reading(bytes([0xC0 | tag]) + inside, "cbor", LAYOUTS), str)
    for tag in (24, 25, 28, 29, 30, 35, 36, 37, 52, 54, 100, 256, 258, 260, 261, 1004, 43_000, 55_799):
        assert isinstance(decode_reading(b"\xd9" + struct.pack(">H", tag) + inside, "cbor", LAYOUTS), str)


# --- births and wills -------------------------------------------------------------------------------------------------


def test_a_birth_says_who_which_boot_and_when() -> None:
    found = decode_state(encode_birth(MOTOR, 4, START_US))
    assert found == State("fra-2/motors-0042", True, 4, START_US)
    assert json.loads(encode_birth(MOTOR, 4, START_US)) == {
        "deviceId": "fra-2/motors-0042",
        "deviceType": "motor",
        "state": "online",
        "boot": 4,
        "timestamp": "2030-01-07T00:00:00Z",
        "firmware_version": "2.4.1",
        "schema": 1,
    }


def test_a_will_says_who_and_which_boot_but_not_when() -> None:
    assert decode_state(encode_will(MOTOR, 4)) == State("fra-2/motors-0042", False, 4, None)


@each_codec
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state": "asleep"}, "state"),
        ({"boot": 0}, "boot"),
        ({"deviceId": ""}, "deviceId"),
        ({"schema": 9}, "unknown schema 9"),
        ({"timestamp": "noon"}, "timestamp"),
    ],
)
def test_wrong_births_are_named(codec: str, changes: dict[str, Any], words: str) -> None:
    told = json.loads(encode_birth(MOTOR, 4, START_US)) | changes
    found = decode_state(pack(told, codec), codec)
    assert isinstance(found, str)
    assert words in found


def test_a_reading_is_no_birth_and_a_birth_no_reading() -> None:
    assert isinstance(decode_state(payload()), str)
    assert isinstance(decode_reading(encode_birth(MOTOR, 1, START_US), "json", LAYOUTS), str)
