"""Locust's side of the comparison: users with a paho client each, publishing the same documents as fast as they can.

Run by `locust -f`, in whatever environment has it; prints ``RESULT`` and the messages a second of its last seconds.
"""

from __future__ import annotations

import datetime
import json
import os
import time
from typing import Any

import paho.mqtt.client as mqtt
from locust import User, constant, events, task  # type: ignore[import-not-found]
from paho.mqtt.enums import CallbackAPIVersion

PORT, QOS = int(os.environ["PEER_PORT"]), int(os.environ["PEER_QOS"])
TOPIC, DOCUMENT = os.environ["PEER_TOPIC"], json.loads(os.environ["PEER_DOCUMENT"])
SETTLE_S = float(os.environ["PEER_SETTLE_S"])
"""Until everybody is connected and warm."""

sent: list[float] = []


class Device(User):  # type: ignore[misc]
    """Publishes, waits for the acknowledgement at QoS 1, tells locust, and again."""

    wait_time = constant(0)
    number = 0

    def on_start(self) -> None:
        Device.number += 1
        self.name = f"s-0/motors-{Device.number:04}"
        self.seq = 0
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"locust-{Device.number}")
        self.client.connect("127.0.0.1", PORT, 300)
        self.client.loop_start()

    def on_stop(self) -> None:
        self.client.loop_stop()

    @task  # type: ignore[untyped-decorator]
    def publish(self) -> None:
        began = time.perf_counter()
        self.seq += 1
        now = datetime.datetime.now(datetime.UTC).isoformat()
        payload = json.dumps({**DOCUMENT, "seq": self.seq, "timestamp": now})
        info = self.client.publish(TOPIC.format(self.name), payload, QOS)
        if QOS:
            info.wait_for_publish()
        ended = time.perf_counter()
        sent.append(ended)
        took_ms = (ended - began) * 1e3
        self.environment.events.request.fire(
            request_type="mqtt", name="publish", response_time=took_ms, response_length=len(payload), exception=None
        )


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def begin(**_: Any) -> None:
    global began_s
    began_s = time.perf_counter()


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def tell(**_: Any) -> None:
    counted = [at for at in sent if at > began_s + SETTLE_S]
    os.write(1, f"RESULT {len(counted) / max(counted[-1] - counted[0], 1e-9)}\n".encode())


began_s = 0.0
