"""The end of a client of paho's that has a thread of its own."""

from __future__ import annotations

import paho.mqtt.client as paho


def leave(client: paho.Client) -> None:
    """Take leave of the broker, and leave no socket: the pair that woke its thread paho leaves to the collector of
    garbage, which tells some later test of it."""
    client.disconnect()
    client.loop_stop()
    client._reset_sockets()
