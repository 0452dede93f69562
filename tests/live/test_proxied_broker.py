"""A real paho client and a real broker with the fault proxy between them: MQTT lives with a bad network."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.live.paho_end import leave
from twinstorm.broker.embedded import EmbeddedBroker
from twinstorm.broker.proxy import FaultProxy
from twinstorm.broker.toxics import Bandwidth, Blackhole, Latency, Reset, Slicer, Stall, Toxic
from twinstorm.twin.radio import BurstLoss

WITHIN_S = 10.0


class Guest:
    """One client that listens to what it says itself; callbacks come from paho's thread."""

    def __init__(self, port: int, credentials: tuple[str, str]) -> None:
        self.connected: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self.heard: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.acknowledged: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.client = client = paho.Client(CallbackAPIVersion.VERSION2, "guest", protocol=paho.MQTTv311)
        client.username_pw_set(*credentials)
        client.reconnect_delay_set(1, 1)
        client.on_connect = self._ask
        client.on_subscribe = lambda *_: self.connected.put(True)
        client.on_message = lambda _, __, message: self.heard.put(bytes(message.payload))
        client.on_publish = lambda _, __, mid, *___: self.acknowledged.put(mid)
        client.connect("127.0.0.1", port, keepalive=30)
        client.loop_start()

    def _ask(self, *_: Any) -> None:
        self.client.subscribe("fleet/#", qos=1)

    def says(self, payload: bytes) -> None:
        self.client.publish("fleet/arn-1/guest", payload, qos=1)

    def close(self) -> None:
        leave(self.client)


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    broker = EmbeddedBroker(["arn-1/motors-0001"], now_us=lambda: 0)
    broker.open()
    yield broker
    broker.close()


def test_a_client_lives_with_delay_loss_slices_a_black_hole_and_a_reset(broker: EmbeddedBroker) -> None:
    proxy = FaultProxy("127.0.0.1", broker.port, groups=1, seed=1)
    (port,) = proxy.open()
    guest = Guest(port, broker.guest_credentials())
    try:
        guest.connected.get(timeout=WITHIN_S)
        toxics: dict[str, Toxic] = {
            "far": Latency(delay_s=0.01, jitter_s=0.01),
            "lossy": Stall(chain=BurstLoss(0.2, 0.6), first_s=0.002, longest_s=0.01),
            "narrow": Bandwidth(bytes_per_s=20_000.0),
            "sliced": Slicer(slice_bytes=7),
        }
        for name, toxic in toxics.items():
            proxy.set(0, name, toxic)
        said = [b"%d" % nth * 20 for nth in range(30)]
        for payload in said:
            guest.says(payload)
        assert [guest.heard.get(timeout=WITHIN_S) for _ in said] == said
        for _ in said:
            guest.acknowledged.get(timeout=WITHIN_S)
        for name in toxics:
            proxy.remove(0, name)

        proxy.set(0, "dark", Blackhole(direction="up"))
        guest.says(b"in the dark")
        with pytest.raises(queue.Empty):
            guest.heard.get(timeout=0.1)
        proxy.remove(0, "dark")
        assert guest.heard.get(timeout=WITHIN_S) == b"in the dark"

        proxy.set(0, "broken", Reset())
        guest.says(b"through the storm")
        while not proxy.counters(0).resets:
            with pytest.raises(queue.Empty):
                guest.connected.get(timeout=0.01)
        proxy.remove(0, "broken")
        guest.connected.get(timeout=WITHIN_S)
        assert guest.heard.get(timeout=WITHIN_S) == b"through the storm"
    finally:
        guest.close()
        proxy.close()
