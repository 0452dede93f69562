"""Alarms sent to a receiver of Alertmanager's webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from tests.hook_receiver import Receiver, babbling, receiving
from tests.record.recorded import result
from twinstorm.scenarios.webhook import SIGNATURE, NotDelivered, Webhook, payloads, problem_of

STARTED = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def documents() -> list[dict[str, Any]]:
    return payloads(result(), receiver="twinstorm", started_at=STARTED, run="storm-42")


def test_an_incident_is_a_group_and_an_alarm_an_alert_of_alertmanager() -> None:
    (document,) = documents()
    # The keys of template.Data and webhook.Message of Alertmanager 0.25 and later.
    assert sorted(document) == [
        "alerts",
        "commonAnnotations",
        "commonLabels",
        "externalURL",
        "groupKey",
        "groupLabels",
        "receiver",
        "status",
        "truncatedAlerts",
        "version",
    ]
    assert (document["version"], document["status"], document["receiver"]) == ("4", "firing", "twinstorm")
    (alert,) = document["alerts"]
    assert alert["labels"]["alertname"] == "silence"
    assert (alert["status"], alert["startsAt"]) == ("firing", "2026-01-01T00:02:41.000Z")
    assert alert["endsAt"] == "0001-01-01T00:00:00Z"
    assert len(alert["fingerprint"]) == 16
    assert document["commonLabels"] == alert["labels"]


def test_what_is_over_is_resolved_and_what_was_suppressed_is_not_sent() -> None:
    base = result()
    over = msgspec.structs.replace(base.alarms[0], resolved_s=300.0, runbook="https://example.org/silence")
    hidden = msgspec.structs.replace(base.alarms[0], name="reboot-storm", suppressed="INC-1 is acknowledged")
    changed = msgspec.structs.replace(base, alarms=[over, hidden])
    (document,) = payloads(changed, receiver="r", started_at=STARTED, run="storm-42")
    (alert,) = document["alerts"]
    assert (document["status"], alert["status"], alert["endsAt"]) == (
        "resolved",
        "resolved",
        "2026-01-01T00:05:00.000Z",
    )
    assert alert["annotations"]["runbook_url"] == "https://example.org/silence"
    hidden_only = msgspec.structs.replace(base, alarms=[hidden])
    assert payloads(hidden_only, receiver="r", started_at=STARTED, run="storm-42") == []


def test_a_message_is_signed_and_its_body_arrives(receiver: Receiver) -> None:
    assert Webhook(receiver.url, b"secret").send(documents()) == 1
    ((body, headers),) = receiver.taken()
    signature = headers[SIGNATURE]
    assert json.loads(body) == documents()[0]
    assert signature == "sha256=" + hmac.new(b"secret", body, hashlib.sha256).hexdigest()


def test_a_receiver_that_is_down_is_tried_again_with_longer_waits(receiver: Receiver) -> None:
    receiver.answers = [503, 500, 429]
    waits: list[float] = []
    Webhook(receiver.url, wait=waits.append).send(documents())
    assert waits == [0.5, 1.0, 2.0]
    assert [SIGNATURE in headers for _, headers in receiver.taken()] == [False] * 4


@pytest.mark.parametrize(("answers", "tries"), [((503,) * 9, 4), ((400,), 1), ((302,), 1)])
def test_one_that_refuses_is_told(receiver: Receiver, answers: tuple[int, ...], tries: int) -> None:
    receiver.answers = list(answers)
    with pytest.raises(NotDelivered, match=f"it answers {answers[0]}; 0 of 1 were sent"):
        Webhook(receiver.url, wait=lambda _: None).send(documents())
    assert len(receiver.taken()) == tries


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 what 200\r\n\r\n", b"x" * 70_000 + b"\r\n"])
def test_one_that_does_not_speak_http_is_told_so(answer: bytes) -> None:
    waits: list[float] = []
    with babbling(answer) as url, pytest.raises(NotDelivered, match=r"it does not speak HTTP: .*; 0 of 1 were sent"):
        Webhook(url, wait=waits.append).send(documents())
    assert len(waits) == 3


@pytest.mark.parametrize(
    ("url", "anywhere", "why"),
    [
        ("http://127.0.0.1:9/", False, ""),
        ("http://localhost:9/", False, ""),
        ("http://[::1]:9/", False, ""),
        ("https://example.org/hook", False, "`example.org` is another machine: alarms go there with --yes only"),
        ("https://example.org/hook", True, ""),
        ("http://127.0.0.1" + ".example.org/", False, "`127.0.0.1.example.org` is another machine"),
        ("file:///etc/passwd", True, "is no address of a webhook"),
        ("127.0.0.1:9000", True, "is no address of a webhook"),
        ("http://127.0.0.1:http/", True, "is no address of a webhook"),
        ("http://127.0.0.1:0/", True, "is no address of a webhook"),
    ],
)
def test_nothing_leaves_this_machine_unasked(url: str, anywhere: bool, why: str) -> None:
    found = problem_of(url, anywhere=anywhere)
    assert (why in found) if why else not found
