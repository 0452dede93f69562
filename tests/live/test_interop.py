"""Eclipse's interoperability tests of MQTT 3.1.1 against `twinstorm broker`.

They are not ours and not kept here: TWINSTORM_INTEROP names the folder of a copy of their repository,
github.com/eclipse/paho.mqtt.testing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.live.broker_process import Running

RUNNER = Path(__file__).with_name("eclipse_runner.py")
FOLDER = os.environ.get("TWINSTORM_INTEROP", "")
ALL_TOGETHER_S = 110.0

TESTS = (
    "testBasic",
    "test_dollar_topics",
    "test_keepalive",
    "test_offline_message_queueing",
    "test_overlapping_subscriptions",
    "test_redelivery_on_reconnect",
    "test_retained_messages",
    "test_subscribe_failure",
    "test_unsubscribe",
    "test_zero_length_clientid",
    "will_message_test",
)

pytestmark = pytest.mark.skipif(
    not FOLDER, reason="TWINSTORM_INTEROP names no copy of github.com/eclipse/paho.mqtt.testing"
)


@pytest.fixture(scope="module")
def passed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bool]:
    """What became of each; they share clients and run in a row, 45 s in all."""
    running = Running(tmp_path_factory.mktemp("broker"))
    try:
        ran = subprocess.run(
            [sys.executable, RUNNER, FOLDER, str(running.port)],
            input=f"guest\n{running.credentials()['guest']}",
            capture_output=True,
            text=True,
            timeout=ALL_TOGETHER_S,
            check=False,
        )
    finally:
        running.end()
    assert ran.returncode == 0, ran.stderr
    sys.stderr.write(ran.stderr)
    return msgspec.json.decode(ran.stdout, type=dict[str, bool])


@pytest.mark.parametrize("name", TESTS)
def test_what_eclipse_asks_of_a_broker_holds(passed: dict[str, bool], name: str) -> None:
    assert passed[name]


def test_none_of_theirs_is_forgotten(passed: dict[str, bool]) -> None:
    assert sorted(passed) == sorted(TESTS)
