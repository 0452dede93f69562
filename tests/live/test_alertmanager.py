"""Webhooks beside those of Debian's Alertmanager: for one alert both send the same document."""

from __future__ import annotations

import json
import queue
import re
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.conftest import PROMETHEUS, require_command
from tests.hook_receiver import Receiver, receiving
from tests.record.recorded import result
from twinstorm.scenarios.webhook import payloads

WITHIN_S = 15.0
SETTINGS = """route: {{receiver: twinstorm, group_by: [incident, run], group_wait: 0s, group_interval: 1s}}
receivers: [{{name: twinstorm, webhook_configs: [{{url: "{url}"}}]}}]
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def alertmanager(receiver: Receiver, tmp_path: Path) -> Iterator[str]:
    """Address of an Alertmanager on a port that the system chose, alone and of no cluster."""
    settings = tmp_path / "alertmanager.yml"
    settings.write_text(SETTINGS.format(url=receiver.url))
    words = [
        require_command("prometheus-alertmanager", *PROMETHEUS),
        f"--config.file={settings}",
        f"--storage.path={tmp_path / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    ports: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    said: list[str] = []

    def listen() -> None:
        assert process.stderr is not None
        with process.stderr as lines:
            for line in lines:
                said.append(line)
                if found := re.search(r'"?Listening on"? address=127\.0\.0\.1:(\d+)', line):
                    ports.put(found[1])
        ports.put(None)

    reading = threading.Thread(target=listen)
    reading.start()
    try:
        port = ports.get(timeout=WITHIN_S)
        assert port is not None, "".join(said)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        reading.join()


def post(alertmanager: str, alerts: list[dict[str, Any]]) -> None:
    taken = ("labels", "annotations", "startsAt", "endsAt", "generatorURL")
    asked = [{key: alert[key] for key in taken if key in alert} for alert in alerts]
    request = urllib.request.Request(
        f"{alertmanager}/api/v2/alerts", json.dumps(asked).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:
        assert answer.status == 200


def shape(value: Any) -> Any:
    """Keys and types of a document."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in sorted(value.items())}
    return [shape(each) for each in value] if isinstance(value, list) else type(value).__name__


def instants(document: dict[str, Any]) -> list[tuple[datetime, datetime]]:
    return [
        (datetime.fromisoformat(alert["startsAt"]), datetime.fromisoformat(alert["endsAt"]))
        for alert in document["alerts"]
    ]


def without_times(document: dict[str, Any]) -> dict[str, Any]:
    """What must be the same; who sent it differs."""
    alerts = [{key: alert[key] for key in alert if key not in ("startsAt", "endsAt")} for alert in document["alerts"]]
    return {**document, "alerts": alerts, "externalURL": ""}


def test_of_one_alert_both_send_the_same_document(alertmanager: str, receiver: Receiver) -> None:
    base = result()
    firing = msgspec.structs.replace(base.alarms[0], runbook="https://example.org/silence")
    over = msgspec.structs.replace(firing, resolved_s=300.0)
    for alarm in (firing, over):
        of = msgspec.structs.replace(base, alarms=[alarm])
        (ours,) = payloads(of, receiver="twinstorm", started_at="2026-01-01T00:00:00Z", run="storm-42")
        alerts = [
            {key: each for key, each in alert.items() if key != "endsAt" or alarm is over} for alert in ours["alerts"]
        ]
        post(alertmanager, alerts)
        theirs = json.loads(receiver.got.get(timeout=WITHIN_S)[0])
        assert shape(ours) == shape(theirs)
        assert without_times(ours) == without_times(theirs)
        assert instants(ours) == instants(theirs)
    assert ours["status"] == "resolved"
