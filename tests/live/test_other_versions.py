"""Clients of another MQTT than 3.1.1 are refused in words that they understand, and whoever runs the broker is told."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.live.paho_end import leave
from tests.live.raw_mqtt import CONNECT, RawClient, packet, text, until
from twinstorm.broker.embedded import EmbeddedBroker


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def broker(told: list[str]) -> Iterator[EmbeddedBroker]:
    made = EmbeddedBroker([], now_us=lambda: 0, tell=told.append)
    made.open()
    made.guest_credentials()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("name", "level", "properties", "version"), [("MQTT", 5, b"\0", "MQTT 5"), ("MQIsdp", 3, b"", "MQTT 3.1,")]
)
def test_another_version_gets_code_1_and_the_end_of_the_connection(
    broker: EmbeddedBroker, told: list[str], name: str, level: int, properties: bytes, version: str
) -> None:
    for _ in range(2):
        client = RawClient(broker.port)
        client.send(
            packet(CONNECT, text(name) + bytes([level, 2]) + struct.pack(">H", 60) + properties + text("sensor"))
        )
        assert client.connack() == 1
        assert client.ends() != "open"
        client.close()
    (line,) = told
    assert version in line
    assert "'sensor'" in line
    assert "set the client's version to 3.1.1" in line
    assert broker.remarks.lines() == [f"{line} (2 times)"]
    assert broker.turned_away == 2
    assert broker.counters(0).attempts == 0


@pytest.mark.parametrize(
    ("protocol", "says"),
    [(paho.MQTTv5, "Unsupported protocol version"), (paho.MQTTv31, "Unsupported protocol version")],
)
def test_a_client_library_understands_why(broker: EmbeddedBroker, protocol: Any, says: str) -> None:
    reasons: list[str] = []
    client: Any = paho.Client(CallbackAPIVersion.VERSION2, client_id="sensor", protocol=protocol)
    client.on_connect = lambda _, __, ___, reason, ____: reasons.append(str(reason))
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    assert until(lambda: says in reasons), reasons
    leave(client)
