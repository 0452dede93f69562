"""Profiles of files and codecs: documents there and back, topics, and how long messages really are."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.machines.environment import Environment
from twinstorm.twin.machines.kind import catalogue
from twinstorm.twin.machines.motor import Motor
from twinstorm.twin.network import LINKS, SpokenLink
from twinstorm.twin.wire.codecs import Reading, Sender, State, codec_of
from twinstorm.twin.wire.layout import layouts
from twinstorm.twin.wire.profile import CODEC_NAMES, TWINSTORM
from twinstorm.twin.wire.sizes import Said, said
from twinstorm.twin.wire.spec import READING_SOURCES, TIMES, Flat, Spec, Template, UnfitTemplateError
from twinstorm.twin.wire.wires import BUILT_IN, Ear, Wire

LAYOUTS = layouts({"motor": Motor.channels, "environment": Environment.channels})
MOTOR = Sender("fra-2/motors-0042", "motor", "motors", "2.4.1")
VALUES = (61.2, 0.78, 0.68, 0.4, 21.03, 1480.5)
START_US = 1_893_974_400_000_000  # 2030-01-07T00:00:00Z
PLANT = Spec("plant", Template("plant/{site}/{device}/telemetry"), Template("plant/{site}/{device}/state"), Flat())
each_codec = pytest.mark.parametrize("codec", CODEC_NAMES)


def flat(**changes: Any) -> Wire:
    return Wire(spec=replace(PLANT, flat=Flat(**changes)))


def read(wire: Wire, payload: bytes, kind: str = "motor", sender: Sender = MOTOR) -> Reading | str:
    address = wire.address(wire.telemetry_topic(sender))
    assert address is not None
    return wire.decode_reading(payload, address, kind, LAYOUTS)


def reason(wire: Wire, **document: Any) -> str:
    found = read(wire, json.dumps(document).encode())
    assert isinstance(found, str), found
    return found


def test_a_flat_document_is_a_field_a_channel_beside_a_few_others() -> None:
    wire = flat(
        reading=(("ts", "time"), ("boot", "boot"), ("n", "seq"), ("fw", "firmware"), ("rssi", "ignored")),
        channels=(("speed_rpm", "speed"),),
    )
    told = json.loads(wire.encode_reading(MOTOR, LAYOUTS["motor"], 3, 42, START_US, (math.nan, *VALUES[1:])))
    assert told == {
        "ts": "2030-01-07T00:00:00Z",
        "boot": 3,
        "n": 42,
        "fw": "2.4.1",
        "winding_temperature_c": None,
        "vibration_x_mm_s": 0.78,
        "vibration_y_mm_s": 0.68,
        "vibration_z_mm_s": 0.4,
        "current_a": 21.03,
        "speed": 1480.5,
    }


@given(
    codec=st.sampled_from(CODEC_NAMES),
    time=st.sampled_from(TIMES),
    more=st.lists(st.sampled_from([one for one in READING_SOURCES if one not in (*TIMES, "boot", "seq")]), unique=True),
    boot=st.integers(1, 2**31 - 1),
    seq=st.integers(0, 2**53),
    time_ms=st.integers(-(10**12), 4 * 10**12),
)
def test_what_a_flat_profile_says_it_understands(
    codec: str, time: str, more: list[str], boot: int, seq: int, time_ms: int
) -> None:
    fields = {"t": time, "boot": "boot", "seq": "seq"} | {f"f_{source}": source for source in more}
    wire = replace(flat(reading=tuple(fields.items()), channels=(("current_a", "i"),)), codec=codec)
    payload = wire.encode_reading(MOTOR, LAYOUTS["motor"], boot, seq, time_ms * 1_000, VALUES)
    assert codec_of(payload) == codec
    assert read(wire, payload) == Reading(MOTOR.name, "motor", boot, seq, time_ms * 1_000, VALUES)


def test_births_and_wills_of_a_flat_profile() -> None:
    wire = Wire(spec=PLANT, codec="cbor")
    address = wire.address("plant/fra-2/motors-0042/state")
    assert address is not None
    birth, will = wire.encode_birth(MOTOR, 3, START_US), wire.encode_will(MOTOR, 3)
    assert json.loads(birth) == {"ts": START_US // 1_000, "state": "online", "boot": 3}
    assert wire.decode_state(birth, address) == State(MOTOR.name, True, 3, START_US)
    assert wire.decode_state(will, address) == State(MOTOR.name, False, 3, None)
    assert wire.decode_state(b'{"state": "asleep", "boot": 1}', address) == "the state is neither online nor offline"
    assert wire.decode_state(b'{"state": "online", "mood": 1}', address) == "no such field: 'mood'"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"ts": 1, "mood": 3}, "motor has no such field: 'mood'"),
        ({"ts": 1, "current_a": "3"}, "'current_a' is no number"),
        ({"ts": 1, "current_a": True}, "'current_a' is no number"),
        ({"ts": 1, "current_a": 10**400}, "'current_a' is not finite"),
        ({"current_a": 3}, "the time stamp is missing or is none"),
        ({"ts": "now"}, "the time stamp is missing or is none"),
        ({"ts": 10**30}, "the time stamp is missing or is none"),
        ({"ts": 1, "seq": -1}, "boot or sequence number is no number in range"),
        ({"ts": 1, "boot": 1.5}, "boot or sequence number is no number in range"),
    ],
)
def test_other_flat_documents_are_refused_with_a_reason(document: dict[str, Any], why: str) -> None:
    assert reason(flat(), **document) == why


def test_a_flat_document_may_name_its_device_kind_and_schema_but_no_others() -> None:
    fields = (("ts", "time_s"), ("boot", "boot"), ("seq", "seq"), ("id", "name"), ("v", "schema"), ("kind", "kind"))
    wire = flat(reading=fields)
    assert reason(wire, ts=1, id="fra-2/motors-0043") == "the document names another device than the topic"
    assert reason(wire, ts=1, v=2) == "unknown schema 2"
    assert reason(wire, ts=1, kind="toaster") == "unknown device type: 'toaster'"


def test_a_guest_that_numbers_nothing_is_numbered_by_its_time_stamps() -> None:
    found = read(flat(), b'{"ts": 1893974400500, "temperature_c": 21.4}', "environment")
    assert isinstance(found, Reading)
    assert (found.boot, found.seq, found.time_us) == (1, 1_893_974_400_500, START_US + 500_000)


@given(st.binary(max_size=60))
def test_no_bytes_make_a_flat_reader_raise(payload: bytes) -> None:
    assert isinstance(read(flat(), payload), str | Reading)


def test_a_field_that_another_kind_has_renamed_keeps_its_name() -> None:
    wire = flat(channels=(("supply_c", "temperature_c"),))
    sensor = Sender("fra-2/halls-0001", "environment", "halls", "1.0.0")
    values = tuple((channel.lowest + channel.highest) / 2 for channel in Environment.channels)
    payload = wire.encode_reading(sender=sensor, layout=LAYOUTS["environment"], boot=1, seq=1, time_us=0, values=values)
    assert isinstance(read(wire, payload, "environment", sensor), Reading)


# --- topics -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("plant/{site}/telemetry", "the placeholder `{device}` is missing"),
        ("plant/{site}/{site}/{device}", "the placeholder `{site}` stands here twice"),
        ("plant/{site}/{decive}", "unknown placeholder `{decive}`"),
        ("plant/{site}-{device}", "a placeholder stands alone in its level"),
        ("plant/{site.__class__}/{device}", "unknown placeholder `{site.__class__}`"),
        ("{site}/{device}", "a topic begins with a word, not with a placeholder"),
        ("plant//{site}/{device}", "a topic has no empty level"),
        ("plant/+/{site}/{device}", "a topic has no `+`, `#`, `$`, blanks or control characters"),
        ("$share/{site}/{device}", "a topic has no `+`, `#`, `$`, blanks or control characters"),
        ("p/{site}/{device}/" + "x" * 2_000, "the topic is too long"),
    ],
)
def test_a_template_that_is_none_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(UnfitTemplateError) as raised:
        Template(text).check()
    assert raised.value.message == why


LEVELS = st.text(st.characters(exclude_characters="/+#\x00", codec="utf-8"), min_size=1, max_size=20)


@given(LEVELS, LEVELS, st.sampled_from(CODEC_NAMES))
def test_a_topic_of_a_template_says_what_it_was_built_from(site: str, device: str, codec: str) -> None:
    template = Template("p/{kind}/{device}/x/{site}/{codec}")
    template.check()
    topic = template.topic({"site": site, "device": device, "kind": "motor", "codec": codec})
    address = template.address(topic, "telemetry")
    assert address is not None
    assert (address.name, address.channel, address.codec) == (f"{site}/{device}", "telemetry", codec)
    assert template.address(TWINSTORM.telemetry_topic("a", "b"), "telemetry") is None


def test_the_core_hears_every_profile_of_the_run_and_the_built_in_one() -> None:
    ear = Ear([None, Wire("cbor", PLANT), Wire("json", PLANT)])
    assert ear.core_filters == ("plant/+/+/telemetry", "plant/+/+/state", *TWINSTORM.core_filters)
    assert ear.roots == ("plant", "fleet")
    for wire in (BUILT_IN, Wire("json", PLANT)):
        for topic in (wire.telemetry_topic(MOTOR), wire.state_topic(MOTOR)):
            found = ear.address(topic)
            assert found is not None
            assert found[0].name == MOTOR.name
            assert found[1].spec == wire.spec
            assert ear.is_own(topic)
    assert ear.is_elsewhere("fleet/elsewhere/fra-2/motors-0042/telemetry")
    assert ear.address("plant/fra-2/motors-0042/gossip") is None


@each_codec
def test_standard_documents_on_other_topics_are_told_apart_by_their_first_byte(codec: str) -> None:
    wire = Wire(codec, replace(PLANT, flat=None))
    payload = wire.encode_reading(MOTOR, LAYOUTS["motor"], 1, 1, START_US, VALUES)
    assert isinstance(read(wire, payload), Reading)


# --- lengths ----------------------------------------------------------------------------------------------------------


def measured(wire: Wire, kind: str = "motor") -> Said:
    return said(wire, ["fra-2/motors-0042"], "motors", kind, "2.4.1", catalogue()[kind].channels)


@pytest.mark.parametrize("kind", sorted(catalogue()))
def test_binary_codecs_are_shorter_and_flat_documents_shorter_still(kind: str) -> None:
    lengths = {codec: measured(Wire(codec), kind).reading for codec in CODEC_NAMES}
    assert lengths["msgpack"] <= lengths["cbor"] < lengths["json"]
    assert LINKS["lte-m"].reading_bytes(len(catalogue()[kind].channels)) == pytest.approx(lengths["json"], rel=0.15)
    assert measured(Wire("json", PLANT), kind).reading < lengths["msgpack"]


@each_codec
def test_no_reading_of_the_middle_is_longer_than_the_longest(codec: str) -> None:
    for kind in catalogue():
        one = measured(Wire(codec, PLANT), kind)
        assert 0 < one.reading <= one.longest


def test_headers_follow_the_topic_where_every_message_carries_it() -> None:
    short = SpokenLink.of(LINKS["lte-m"], replace(measured(BUILT_IN), topic=12))
    assert short.overhead_bytes == LINKS["lte-m"].overhead_bytes - 30
    assert SpokenLink.of(LINKS["datagram"], replace(measured(BUILT_IN), topic=12)).overhead_bytes == 60


def test_readings_are_packed_on_radios_that_pack_unless_documents_are_flat() -> None:
    radio = LINKS["lorawan"]
    packed = SpokenLink.of(radio, measured(Wire("cbor")))
    assert packed.reading_bytes(6) == packed.longest_bytes(6) == radio.reading_bytes(6)
    plain = SpokenLink.of(radio, measured(Wire("cbor", PLANT)))
    assert plain.reading_bytes(6) == measured(Wire("cbor", PLANT)).reading > 3 * radio.reading_bytes(6)


def test_a_gateway_sends_on_what_its_devices_say_whatever_it_says_itself() -> None:
    theirs = measured(Wire("cbor", PLANT))
    uplinks = (LINKS["lte-m"], SpokenLink.of(LINKS["lte-m"], measured(Wire("json", PLANT))))
    whole = [link.cargo_bytes(6, theirs) + link.overhead_bytes for link in uplinks]
    assert whole[0] == whole[1] == theirs.reading + 100 + theirs.topic - 42
    assert [link.cargo_bytes(6, None) + link.overhead_bytes for link in uplinks] == [340 + 180 + 100] * 2
