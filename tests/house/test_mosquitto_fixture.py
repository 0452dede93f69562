"""The fixture that other tests rely on: a broker that answers, alone, and ends with its test."""

from __future__ import annotations

import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Mosquitto

pytest_plugins = ("pytester",)


def test_a_retained_message_comes_back_from_the_broker(mosquitto: Mosquitto, mosquitto_sub: str) -> None:
    publish = mosquitto_sub.replace("mosquitto_sub", "mosquitto_pub")
    where = ["-h", mosquitto.host, "-p", str(mosquitto.port), "-t", "house/greeting"]
    subprocess.run([publish, *where, "-r", "-q", "1", "-m", "good morning"], check=True, timeout=10)
    heard = subprocess.run(
        [mosquitto_sub, *where, "-C", "1", "-W", "5"], check=True, capture_output=True, text=True, timeout=10
    )
    assert heard.stdout == "good morning\n"
    assert any("house/greeting" in line for line in mosquitto.log)


def test_a_killed_broker_is_seen_to_be_dead(mosquitto: Mosquitto) -> None:
    assert mosquitto.process.poll() is None
    mosquitto.process.kill()
    mosquitto.process.wait(timeout=10)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((mosquitto.host, mosquitto.port), timeout=5)


@pytest.mark.parametrize(("demanded", "outcome"), [("0", "skipped"), ("1", "errors")])
@pytest.mark.parametrize(
    ("fixture", "demand"), [("mosquitto", "TWINSTORM_REQUIRE_MOSQUITTO"), ("promtool", "TWINSTORM_REQUIRE_PROMETHEUS")]
)
def test_a_missing_program_skips_here_and_fails_in_the_build(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    fixture: str,
    demand: str,
    demanded: str,
    outcome: str,
) -> None:
    conftest = request.config.rootpath / "tests" / "conftest.py"
    nowhere = conftest.read_text().replace('"/usr/sbin", "/usr/local/sbin"', "")
    pytester.makeconftest(nowhere)
    pytester.makepyfile(f"def test_wants_it({fixture}):\n    assert {fixture}\n")
    monkeypatch.setenv("PATH", str(pytester.path))
    monkeypatch.setenv(demand, demanded)
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:asyncio")
    result.assert_outcomes(**{outcome: 1})
