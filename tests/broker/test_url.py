"""Addresses of brokers."""

from __future__ import annotations

import pytest

from twinstorm.broker.url import BrokerUrl, Login, parse_url


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mqtt://me@localhost", BrokerUrl("localhost", 1883, "me")),
        ("mqtts://127.0.0.1", BrokerUrl("127.0.0.1", 8883, secure=True)),
        ("ws://127.0.0.1:9001", BrokerUrl("127.0.0.1", 9001, path="/mqtt")),
        ("wss://m%40e@127.0.0.1/a/b", BrokerUrl("127.0.0.1", 443, "m@e", secure=True, path="/a/b")),
    ],
)
def test_an_address_says_how_a_broker_is_reached(text: str, found: BrokerUrl) -> None:
    assert parse_url(text) == found


@pytest.mark.parametrize(
    "wrong",
    ["amqp://x", "localhost:1883", "mqtt://", "mqtt://x:99999", "mqtt://x/y", "ws://x/y?z", "mqtt://me:p%40ss@x"],
)
def test_what_is_no_address_is_refused_with_one_that_is(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"(mqtt|ws)://") as refused:
        parse_url(wrong)
    assert "p%40ss" not in str(refused.value)


def test_only_this_machine_is_loopback() -> None:
    assert parse_url("mqtt://127.0.0.1:1884").is_loopback
    assert parse_url("ws://LOCALHOST").is_loopback
    assert not parse_url("mqtt://broker.example").is_loopback


def test_no_password_is_shown() -> None:
    assert "p@ss" not in repr(Login("me", "p@ss")) + repr(BrokerUrl("x", password="p@ss"))
