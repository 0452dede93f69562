"""Alarms in people's hands: steps of a scenario and commands of a front end."""

from __future__ import annotations

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.paces import VirtualPace
from twinstorm.scenarios.engine.run import RunOptions, build
from twinstorm.scenarios.engine.session import Session
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.protocol import Acknowledge, Answered, MarkWrong
from twinstorm.scenarios.result import EventRow, PaneRow, RunResult

HEAD = """
storm: 1
name: desk
story: Two sites lose their power.
duration: 10 min
warm_up: 1 min
fleet: {devices: 30, sites: [a-1, b-1, c-1], segments: {motors: {kind: motor, share: 100 %}}}
detectors: {silence: {severity: page}}
objectives: {connected: {sli: connectivity, at_least: 1 %}}
steps:
  - {name: cut, at: 2 min, fault: power-outage, target: site=a-1, lasts: 7 min}
"""


class Told:
    """Keeps what a run tells."""

    def __init__(self) -> None:
        self.rows: list[EventRow] = []

    def event(self, row: EventRow) -> None:
        self.rows.append(row)

    def pane(self, row: PaneRow) -> None:
        """Not kept."""

    def close(self, result: RunResult | None, why: str = "") -> None:
        """Nothing to close."""

    def of(self, kind: str) -> list[str]:
        return [f"{row.name} {row.text}" for row in self.rows if row.kind == kind]


def played(steps: str = "") -> tuple[Engine, Told]:
    engine, told = build(read(HEAD + steps, "desk.storm.yaml"), RunOptions()), Told()
    engine.sinks = (told,)
    engine.play()
    return engine, told


def test_a_page_escalates_unless_a_step_acknowledges_it() -> None:
    engine, told = played()
    assert told.of("incident")[1:] == ["INC-1 escalated: nobody has acknowledged it"]
    assert engine.core.incidents[0].escalated_us is not None
    engine, told = played("  - {at: 4 min, acknowledge: silence}\n")
    assert told.of("incident")[1:] == ["INC-1 acknowledged"]
    assert engine.core.incidents[0].acknowledged_us == 240_000_000


def test_a_maintenance_window_says_nothing_while_it_lasts() -> None:
    engine, told = played("  - {name: works, at: 90 s, suppress: site=a-1, lasts: 8 min}\n")
    assert engine.core.alarms == []
    assert told.of("mark") == [
        "works maintenance window  site=a-1  10 devices",
        "works end of the maintenance window  site=a-1",
    ]
    result = result_of(engine, speed=0.0, wall_s=0.0, repeat="")
    assert result.counts["alarms"] == 0
    engine, _ = played("  - {at: 90 s, suppress: site=a-1, lasts: 5 min}\n")
    assert [alarm.group for alarm in engine.core.alarms] == ["site=a-1"]
    assert engine.core.alarms[0].at_us == 393_000_000, "as if it had begun with the end of the window, and held 3 s"


def test_a_step_marks_an_alarm_wrong_and_says_so_if_there_is_none() -> None:
    engine, told = played("  - {at: 4 min, wrong: silence}\n  - {name: more, at: 5 min, wrong: reboot-storm}\n")
    assert engine.core.alarms[0].wrong
    assert told.of("alarm")[1] == "silence site=a-1  alarm 1 was wrong"
    assert told.of("mark") == ["more nothing to do: no alarm reboot-storm is open"]


def test_commands_of_a_front_end() -> None:
    engine = build(read(HEAD, "desk.storm.yaml"), RunOptions())
    session = Session(engine, VirtualPace(engine, 0.0))
    engine.advance(60_000_000)
    assert session.obey(Acknowledge()) == Answered(ok=False, text="no incident is open", to="Acknowledge")
    engine.advance(240_000_000)
    assert session.obey(Acknowledge()) == Answered(ok=True, text="acknowledged INC-1", to="Acknowledge")
    (row,) = session.frame().incidents
    assert row.state == "acknowledged"
    said = session.obey(Acknowledge(incident=1))
    assert said == Answered(ok=False, text="INC-1 is acknowledged, not open", to="Acknowledge")
    said = session.obey(MarkWrong(alarm=1))
    assert said == Answered(ok=True, text="alarm 1 (silence site=a-1) is marked wrong", to="MarkWrong")
    assert session.obey(MarkWrong(alarm=7)) == Answered(ok=False, text="no alarm 7; there are 1", to="MarkWrong")
