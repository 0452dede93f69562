"""`twinstorm calibrate`: what it prints, writes and refuses."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from tests.cli.conftest import Ran, command
from tests.conftest import Mosquitto
from twinstorm.scenarios.language.reader import load

__all__ = ["command"]

Command = Callable[..., Ran]

SCENARIO = """storm: 1
name: mine
story: One motor and a broker that was measured.
duration: 1 min
fleet: {devices: 1, segments: {motors: {kind: motor, share: 100 %}}}
objectives: {connected: {sli: connectivity, at_least: 90 %}}
"""
TWINSTORM = Path(sys.executable).with_name("twinstorm")


def calibrate(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TWINSTORM, "calibrate", "--quick", *words], cwd=folder, capture_output=True, text=True)


def test_what_it_writes_is_a_broker_that_a_scenario_can_have(mosquitto: Mosquitto, tmp_path: Path) -> None:
    ran = calibrate(tmp_path, "--yes", "--broker", mosquitto.url, "--out", "mine.yaml")
    assert ran.returncode == 0, ran.stderr
    written = (tmp_path / "mine.yaml").read_text()
    assert ran.stdout.endswith(written)
    assert "measured: connects, plain" in ran.stderr
    path = tmp_path / "mine.storm.yaml"
    path.write_text(SCENARIO + written)
    broker = load(str(path)).broker
    assert broker.handshake_us is not None
    assert 1 <= broker.handshake_us < 1_000_000
    assert broker.message_rate is not None


def test_json_tells_machine_and_figures(mosquitto: Mosquitto, tmp_path: Path) -> None:
    ran = calibrate(tmp_path, "--yes", "--broker", mosquitto.url, "--json", "--no-progress")
    document = msgspec.json.decode(ran.stdout)
    assert ran.stderr == ""
    assert document["schema"] == "twinstorm/calibration/1"
    assert document["machine"]["cores"] >= 1
    assert document["figures"][0]["name"] == "connects, plain"


def test_ctrl_c_ends_it_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    words = [str(TWINSTORM), "calibrate", "--quick"]
    process = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "measured: connects, plain" in process.stderr.readline()
    children = psutil.Process(process.pid).children()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert (out, "closing all connections" in err, "Traceback" in err) == ("", True, False)
    assert len(children) >= 2
    assert not psutil.wait_procs(children, timeout=5)[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--broker", "mqtt://broker.example"), "broker.example:1883 is on another machine"),
        (("--broker", "mqtt://127.0.0.1"), "127.0.0.1:1883 was not started by this command"),
        (("--broker", "http://127.0.0.1"), "mqtt://"),
        (("--credentials", "login"), "its own passwords"),
        (("--broker", "mqtts://127.0.0.1"), "--tls-port"),
        (("--yes", "--broker", "mqtt://ana:secret@127.0.0.1"), "--credentials FILE"),
        (("--ca", "ca.pem"), "certificates of its own"),
        (("--broker", "mqtt://127.0.0.1", "--tls-port", "8883"), "--ca"),
        (("--broker", "mqtt://127.0.0.1", "--tls-port", "8883", "--ca", "none.pem", "--yes"), "--ca or --cert"),
        (("--out", "none/mine.yaml"), "not a folder"),
    ],
)
def test_what_does_not_go_together_is_refused(words: tuple[str, ...], says: str, command: Command) -> None:
    ran = command("calibrate", *words)
    assert ran.code == 2
    assert says in ran.err
