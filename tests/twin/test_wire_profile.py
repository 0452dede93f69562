"""Topics: built and taken apart in one place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.twin.wire.profile import CODEC_NAMES, DOWN, TWINSTORM, UP, Address, Profile, parse_topic, site_and_device

LEVELS = st.text(st.characters(exclude_characters="/+#\x00", codec="utf-8"), min_size=1, max_size=20)


def matches(topic_filter: str, topic: str) -> bool:
    """MQTT's matching for filters with `+` alone."""
    wanted, found = topic_filter.split("/"), topic.split("/")
    return len(wanted) == len(found) and all(a in ("+", b) for a, b in zip(wanted, found, strict=True))


def test_topics_of_the_default_profile() -> None:
    assert TWINSTORM.telemetry_topic("fra-2", "motors-0042") == "fleet/default/fra-2/motors-0042/telemetry"
    assert TWINSTORM.state_topic("fra-2", "motors-0042") == "fleet/default/fra-2/motors-0042/state"
    assert TWINSTORM.topic("command", "fra-2", "motors-0042") == "fleet/default/fra-2/motors-0042/command"


def test_the_codec_is_named_by_the_last_level() -> None:
    binary = Profile(codec="cbor")
    assert binary.telemetry_topic("a", "b").endswith("/telemetry.cbor")
    assert binary.state_topic("a", "b").endswith("/state")
    assert TWINSTORM.topic("telemetry", "a", "b", "msgpack").endswith("/telemetry.msgpack")


@given(LEVELS, LEVELS, LEVELS, st.sampled_from(UP + DOWN), st.sampled_from(CODEC_NAMES))
def test_a_topic_says_what_it_was_built_from(tenant: str, site: str, device: str, channel: str, codec: str) -> None:
    profile = Profile(tenant=tenant)
    address = profile.parse_topic(profile.topic(channel, site, device, codec))
    assert address == Address(tenant, site, device, channel, codec)
    assert address.name == f"{site}/{device}"
    assert address.up == (channel in UP)
    assert site_and_device(address.name) == (site, device)


@given(st.text(max_size=60))
def test_parsing_any_text_never_raises(topic: str) -> None:
    address = parse_topic(topic)
    assert address is None or TWINSTORM.pattern.count("/") == topic.count("/")


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "fleet",
        "fleet/default/fra-2/motors-0042",
        "fleet/default/fra-2/motors-0042/telemetry/more",
        "fleet/default//motors-0042/telemetry",
        "/fleet/default/fra-2/motors-0042/telemetry",
        "other/default/fra-2/motors-0042/telemetry",
        "fleet/default/fra-2/motors-0042/gossip",
        "fleet/default/fra-2/motors-0042/telemetry.xml",
        "fleet/default/fra-2/motors-0042/telemetry.",
        "fleet/default/fra-2/motors-0042/telemetry.json",
        "fleet/default/+/motors-0042/telemetry",
        "fleet/default/fra-2/motors-0042/telemetry\n",
        "$SYS/broker/uptime",
    ],
)
def test_other_topics_are_nobodys(topic: str) -> None:
    assert parse_topic(topic) is None


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a#", "\x00"])
def test_names_that_would_break_a_topic_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="level"):
        TWINSTORM.telemetry_topic(name, "motors-0042")
    with pytest.raises(ValueError, match="level"):
        TWINSTORM.state_topic("fra-2", name)


def test_unknown_channels_and_codecs_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="telemetry, columns, events, state, ack"):
        TWINSTORM.topic("gossip", "a", "b")
    with pytest.raises(ValueError, match="json, cbor, msgpack"):
        TWINSTORM.topic("telemetry", "a", "b", "xml")


def test_a_topic_longer_than_mqtt_allows_is_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        TWINSTORM.telemetry_topic("a", "x" * 70_000)


@pytest.mark.parametrize("name", ["", "motors-0042", "/motors-0042", "fra-2/", "a/b/c"])
def test_names_of_devices_have_two_parts(name: str) -> None:
    with pytest.raises(ValueError, match="SITE/DEVICE"):
        site_and_device(name)


def test_the_core_hears_readings_in_every_codec_and_states_but_no_commands() -> None:
    filters = TWINSTORM.core_filters
    heard = [TWINSTORM.topic("telemetry", "a", "b", codec) for codec in CODEC_NAMES]
    heard.append(TWINSTORM.state_topic("a", "b"))
    assert all(sum(matches(f, topic) for f in filters) == 1 for topic in heard)
    silent = [TWINSTORM.topic(channel, "a", "b") for channel in DOWN]
    silent.append(Profile(tenant="other").telemetry_topic("a", "b"))
    assert not any(matches(f, topic) for f in filters for topic in silent)


def test_a_profile_of_other_topics() -> None:
    profile = Profile("plant", "acme/{site}/{tenant}/{device}/v1/{channel}")
    topic = profile.telemetry_topic("fra-2", "motors-0042")
    assert topic == "acme/fra-2/default/motors-0042/v1/telemetry"
    assert profile.parse_topic(topic) == Address("default", "fra-2", "motors-0042", "telemetry", "json")
    assert profile.parse_topic(TWINSTORM.telemetry_topic("fra-2", "motors-0042")) is None
