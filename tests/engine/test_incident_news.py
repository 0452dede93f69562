"""Who is told of incidents while a run goes on, and of what people do with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.hook_receiver import Receiver, receiving
from twinstorm.scenarios.engine.attended import Attended
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.engine.server import EngineRequest, WebhookRequest
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.protocol import Acknowledge, Event, Frame, MarkWrong
from twinstorm.scenarios.result import AlarmResult, EventRow, IncidentResult, PaneRow, RunResult
from twinstorm.scenarios.webhook import SIGNATURE, sign
from twinstorm.twin.flow import SECOND_US

FILE = """storm: 1
name: dark
story: Two sites lose their power, one after the other.
duration: 8 min
warm_up: 30 s
fleet:
  devices: 60
  sites: [a, b, c]
  keep_alive: 20 s
  segments: {motors: {kind: motor, share: 100 %, every: 5 s}}
steps:
  - {name: dark, at: 1 min, fault: power-outage, target: site=a, lasts: 1 min}
  - {name: again, at: 5 min, fault: power-outage, target: site=b, lasts: 1 min}
expect:
  - {ledger: delivered, at_least: 1}
"""


class Listener:
    """A sink that counts who asked it what it is."""

    def __init__(self) -> None:
        self.told: list[tuple[IncidentResult, list[AlarmResult]]] = []

    def incident(self, incident: IncidentResult, alarms: Sequence[AlarmResult]) -> None:
        self.told.append((incident, list(alarms)))

    def event(self, row: EventRow) -> None: ...
    def pane(self, row: PaneRow) -> None: ...
    def close(self, result: RunResult | None, why: str = "") -> None: ...


class Untouchable(Sequence[Listener]):
    """Sinks that nobody may look at."""

    def __len__(self) -> int:
        raise AssertionError("somebody looked")

    def __getitem__(self, place: object) -> Listener:  # type: ignore[override]
        raise AssertionError("somebody looked")


def made() -> tuple[Engine, Listener]:
    engine, listener = build(read(FILE, "dark.storm.yaml"), RunOptions(seed=1)), Listener()
    engine.sinks = (listener,)
    return engine, listener


def test_where_nothing_changed_no_sink_is_asked() -> None:
    engine, _ = made()
    engine._news.tell(Untouchable(), set())
    with pytest.raises(AssertionError, match="somebody looked"):
        engine._news.tell(Untouchable(), {1})


def test_each_change_comes_with_all_alarms_of_the_incident_and_no_other() -> None:
    engine, listener = made()
    engine.play()
    assert {incident.number for incident, _ in listener.told} == {each.number for each in engine.core.incidents}
    assert len(engine.core.incidents) > 1
    for incident, alarms in listener.told:
        assert alarms
        assert {alarm.incident for alarm in alarms} == {incident.number}
    last = {incident.number: [alarm.number for alarm in alarms] for incident, alarms in listener.told}
    for number, numbers in last.items():
        assert numbers == [alarm.number for alarm in engine.core.alarms if alarm.incident == number]


def test_a_snapshot_knows_the_alarms_that_were() -> None:
    engine, _ = made()
    engine.advance(100 * SECOND_US)
    again, listener = Engine.load(engine.save()), Listener()
    again.sinks = (listener,)
    again.play()
    first = [alarms for incident, alarms in listener.told if incident.number == 1]
    assert [alarm.number for alarm in first[-1]] == [each.number for each in again.core.alarms if each.incident == 1]


# --- on the screen ----------------------------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def attended(tmp_path: Path, webhook: WebhookRequest) -> Attended:
    path = tmp_path / "dark.storm.yaml"
    path.write_text(FILE, encoding="utf-8")
    sent: list[Event] = []
    request = EngineRequest(
        scenario=str(path), seed=1, speed=0.0, out=str(tmp_path / "runs"), webhook=webhook, socket=""
    )
    run = Attended(request, sent.append)
    run.begin()
    return run


def test_what_people_do_on_the_screen_is_sent_while_the_run_goes_on(tmp_path: Path, receiver: Receiver) -> None:
    run = attended(tmp_path, WebhookRequest(url=receiver.url, key=b"secret"))
    engine = run.session.engine
    engine.advance(100 * SECOND_US)
    frame: Frame = run.session.frame()
    row = next(each for each in frame.incidents if each.state == "open")
    run.session.obey(Acknowledge(incident=row.number))
    taken = received(receiver, "acknowledged_at")
    assert taken["status"] == "firing"
    assert taken["groupLabels"]["incident"] == f"INC-{row.number}"
    run.session.obey(MarkWrong(alarm=row.newest_alarm))
    wrong = received(receiver, "marked_wrong")
    alert = next(each for each in wrong["alerts"] if "marked_wrong" in each["annotations"])
    assert (alert["status"], alert["annotations"]["marked_wrong"]) == ("resolved", "somebody said so")
    while not run.over:
        run.go_on()
    ended = run.end()
    assert "webhook" not in ended.text


def received(receiver: Receiver, annotation: str) -> dict[str, Any]:
    """The next message in which an alert has this annotation; the courier is another thread, so it is waited for."""
    for _ in range(50):
        body, headers = receiver.got.get(timeout=20)
        assert headers[SIGNATURE] == sign(body, b"secret")
        document: dict[str, Any] = json.loads(body)
        if any(annotation in alert["annotations"] for alert in document["alerts"]):
            return document
    raise AssertionError(f"no message has {annotation}")


def test_a_receiver_that_is_not_there_is_told_at_the_end(tmp_path: Path, receiver: Receiver) -> None:
    receiver.answers = [404] * 100
    run = attended(tmp_path, WebhookRequest(url=receiver.url))
    while not run.over:
        run.go_on()
    last = run.end().text.splitlines()[-1]
    assert last.startswith("webhook: ")
    assert "messages were lost" in last
    assert "it answers 404" in last
