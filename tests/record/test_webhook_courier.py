"""Alarms that are sent while a run goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from tests.hook_receiver import Receiver, babbling, receiving
from tests.record.recorded import result
from twinstorm.scenarios.engine.run import Run, RunOptions
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.webhook import NotDelivered, Webhook, payloads
from twinstorm.scenarios.webhook_courier import Courier

STARTED = "2026-01-01T00:00:00+00:00"
STORM = """storm: 1
name: told
story: A power cut that somebody is told of while it goes on.
duration: 5 min
warm_up: 30 s
fleet:
  devices: 60
  sites: [a, b, c]
  keep_alive: 20 s
  segments: {motors: {kind: motor, share: 100 %, every: 5 s}}
steps:
  - {name: dark, at: 1 min, fault: power-outage, target: site=a, lasts: 1 min}
"""


class Slow(Webhook):
    """Takes messages only when it is let, and fails if it is told to."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1/")
        self.may, self.fails = threading.Event(), False
        self.taken: list[Mapping[str, Any]] = []

    def send(self, documents: Sequence[Mapping[str, Any]]) -> int:
        assert self.may.wait(20)
        if self.fails:
            raise NotDelivered("nobody is there")
        self.taken += documents
        return len(documents)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def courier(hook: Webhook) -> Courier:
    return Courier(hook, "told", "told-1", STARTED)


def test_each_change_of_an_incident_is_told_and_the_last_one_is_as_the_report_has_it(receiver: Receiver) -> None:
    sender = courier(Webhook(receiver.url))
    told = Run(read(STORM, "told.storm.yaml"), RunOptions(seed=1), [sender]).execute()
    assert (sender.lost, sender.trouble) == (0, "")
    bodies = [json.loads(body) for body, _ in receiver.taken()]
    assert len(bodies) == sender.sent
    last = {body["groupKey"]: body for body in bodies}
    wanted = payloads(told, receiver="twinstorm", started_at=STARTED, run="told-1")
    assert [last[document["groupKey"]] for document in wanted] == wanted
    assert len(wanted) == len(last) > 0
    assert {document["status"] for document in wanted} == {"resolved"}


def test_of_an_incident_that_changes_faster_than_it_is_told_only_the_newest_state_is() -> None:
    hook = Slow()
    sender, base = courier(hook), result()
    for number in range(50):
        alarm = msgspec.structs.replace(base.alarms[0], devices=number + 1)
        sender.incident(base.incidents[0], [alarm])
    hook.may.set()
    sender.close(None)
    assert sender.sent == len(hook.taken) <= 2
    assert hook.taken[-1]["alerts"][0]["annotations"]["summary"].endswith(": 50 devices")


def test_a_receiver_that_takes_nothing_costs_messages_and_no_run() -> None:
    hook = Slow()
    hook.fails = True
    hook.may.set()
    sender, base = courier(hook), result()
    sender.incident(base.incidents[0], base.alarms)
    sender.close(None)
    assert (sender.sent, sender.lost, sender.trouble) == (0, 1, "nobody is there")


def test_a_receiver_that_never_answers_does_not_hold_the_end_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinstorm.scenarios.webhook_courier.PATIENCE_S", 0.05)
    hook = Slow()
    sender, base = courier(hook), result()
    sender.incident(base.incidents[0], base.alarms)
    sender.close(None)
    assert sender.lost == 1
    assert "longer than 0.05 s" in sender.trouble
    hook.may.set()


def test_a_receiver_that_does_not_speak_http_loses_messages_and_is_told() -> None:
    base = result()
    with babbling(b"SSH-2.0-OpenSSH_9.2\r\n") as url:
        sender = courier(Webhook(url, wait=lambda _: None))
        sender.incident(base.incidents[0], base.alarms)
        sender.close(None)
    assert (sender.sent, sender.lost) == (0, 1)
    assert "webhook: 1 of 1 messages were lost: http://127.0.0.1:" in sender.complaint
    assert "it does not speak HTTP: BadStatusLine: SSH-2.0-OpenSSH_9.2" in sender.complaint


class Raising(Webhook):
    """Raises what no receiver can be blamed for."""

    def __init__(self, error: BaseException) -> None:
        super().__init__("http://127.0.0.1:1/")
        self.may, self._error = threading.Event(), error
        self.is_asked = threading.Event()

    def send(self, documents: Sequence[Mapping[str, Any]]) -> int:
        self.is_asked.set()
        assert self.may.wait(20)
        raise self._error


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("error", "said"),
    [(RuntimeError("a bug"), "RuntimeError: a bug"), (SystemExit(), "sending has ended")],
    ids=["the thread goes on", "the thread ends"],
)
def test_what_a_bug_of_the_sender_loses_is_counted(error: BaseException, said: str) -> None:
    hook = Raising(error)
    sender, base = courier(hook), result()
    for number in (1, 2, 3):
        incident = msgspec.structs.replace(base.incidents[0], number=number)
        sender.incident(incident, [msgspec.structs.replace(base.alarms[0], incident=number)])
        assert hook.is_asked.wait(20)
    hook.may.set()
    sender.close(None)
    sender.close(None)
    assert sender.complaint == f"webhook: 3 of 3 messages were lost: {said}"


def test_an_incident_of_suppressed_alarms_is_told_to_nobody() -> None:
    hook = Slow()
    hook.may.set()
    sender, base = courier(hook), result()
    sender.incident(base.incidents[0], [msgspec.structs.replace(base.alarms[0], suppressed="maintenance")])
    sender.close(None)
    assert (sender.sent, sender.lost) == (0, 0)
