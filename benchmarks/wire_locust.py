"""locust with paho, if this machine has it: its messages a second against the same broker, with the same documents."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.wire_brokers import MissingPeer
from benchmarks.wire_fleet import registry_of
from twinstorm.twin.wire.codecs import Sender, encode_reading
from twinstorm.twin.wire.layout import layouts

USERS = 100
SETTLE_S = 4.0
VARIABLE = "TWINSTORM_LOCUST"


def locust_command() -> str:
    """Path of `locust`.

    Raises:
        MissingPeer: it is not here.
    """
    beside = Path(sys.executable).with_name("locust")
    found = os.environ.get(VARIABLE) or shutil.which("locust") or (str(beside) if beside.is_file() else None)
    if found is None:
        raise MissingPeer(f"no locust here (pip install locust paho-mqtt into any environment; {VARIABLE}=its locust)")
    return found


def messages_per_s(port: int, qos: int, lasts_s: float) -> float:
    """At QoS 1 acknowledged ones.

    Raises:
        MissingPeer: see `locust_command`.
    """
    registry = registry_of(5, qos)
    layout = layouts(dict(registry.channels))["motor"]
    values = [channel.lowest + (channel.highest - channel.lowest) / 3 for channel in registry.channels["motor"]]
    document = encode_reading(Sender("s-0/motors-0001", "motor", "motors", "1.0.0"), layout, 1, 1, 10**15, values)
    environment = os.environ | {
        "PEER_PORT": str(port),
        "PEER_QOS": str(qos),
        "PEER_TOPIC": "fleet/default/{}/telemetry",
        "PEER_DOCUMENT": document.decode(),
        "PEER_SETTLE_S": str(SETTLE_S),
    }
    words = [locust_command(), "-f", str(Path(__file__).with_name("locust_peer.py")), "--headless", "--only-summary"]
    words += ["-u", str(USERS), "-r", str(USERS), "-t", f"{math.ceil(SETTLE_S + lasts_s)}s", "--skip-log"]
    ran = subprocess.run(
        words, check=False, env=environment, capture_output=True, text=True, timeout=SETTLE_S + lasts_s + 60
    )
    for line in ran.stdout.splitlines():
        if line.startswith("RESULT "):
            return float(line.split()[1])
    raise RuntimeError(f"locust said nothing: {ran.stderr[-500:]}")
