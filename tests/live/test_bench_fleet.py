"""What the bench of the wire counts as sent has gone over the wire."""

from __future__ import annotations

from contextlib import closing

import pytest

from benchmarks.wire_brokers import mosquitto
from benchmarks.wire_fleet import FleetProcess, Order
from tests.conftest import require_command
from tests.live.raw_mqtt import Client


@pytest.mark.parametrize("qos", [0, 1])
def test_a_document_that_counts_has_reached_the_broker(qos: int) -> None:
    """`max_queued_messages` of that broker holds more than twenty of these."""
    require_command("mosquitto")
    with mosquitto() as (port, _), closing(Client(port)) as listener:
        listener.connect("listener", "", "")
        assert listener.subscribe("#", 0) == 0
        with FleetProcess(Order("127.0.0.1", port, 20, qos)) as fleet:
            fleet.connect()
            sent, _ = fleet.pace(400.0, 0.5)
            assert sent == 200
            topics = [listener.message(acknowledge=False).topic for _ in range(sent)]
            assert len(set(topics)) == 20
            rate = fleet.publish(0.2)
            assert rate > 0.0
            assert [listener.message(acknowledge=False) for _ in range(int(rate * 0.2))]
