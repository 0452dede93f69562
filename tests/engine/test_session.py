"""A run under somebody's hands: what reaches the record and the screen."""

from __future__ import annotations

from pathlib import Path

import pytest

from twinstorm.scenarios.engine.attended import Attended
from twinstorm.scenarios.engine.errors import Refused
from twinstorm.scenarios.engine.paces import VirtualPace
from twinstorm.scenarios.engine.run import RunOptions, begin, build
from twinstorm.scenarios.engine.server import EngineRequest
from twinstorm.scenarios.engine.session import Session
from twinstorm.scenarios.faults.base import Fault
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.language.selectors import FIXED_KEYS, MOMENT_KEYS
from twinstorm.scenarios.protocol import (
    MARK_KINDS,
    AbortAll,
    AddNote,
    Answered,
    AskDevice,
    DevicePage,
    Event,
    Frame,
    Hello,
    Inject,
    SetFilter,
)
from twinstorm.scenarios.record.read import open_run
from twinstorm.scenarios.reports.ending import ending
from twinstorm.scenarios.reports.files import render
from twinstorm.twin.flow import MINUTE_US, SECOND_US, Device

TWO_STEPS = """
storm: 1
name: two-steps
story: Two sites lose power one after the other.
duration: 12 min
warm_up: 30 s
fleet:
  devices: 60
  sites: [fra-1, fra-2]
  segments:
    motors: {kind: motor, share: 50 %}
    climate: {kind: environment, share: 50 %}
objectives:
  connected: {sli: connectivity, at_least: 50 %}
steps:
  - {name: outage, at: 1 min, fault: power-outage, target: site=fra-1, lasts: 1 min}
  - {name: half, at: 6 min, mark: half time}
  - {name: again, at: 9 min, fault: power-outage, target: site=fra-2, lasts: 1 min}
stop_when: {when: online < 1, hold: 20 s}
"""


@pytest.fixture
def scenario_file(tmp_path: Path) -> str:
    path = tmp_path / "two-steps.storm.yaml"
    path.write_text(TWO_STEPS)
    return str(path)


@pytest.fixture
def session(scenario_file: str) -> Session:
    engine = build(load(scenario_file), RunOptions(seed=42))
    one = Session(engine, VirtualPace(engine, 0.0, clock=lambda: 0.0))
    begin(engine)
    return one


def steps_of(frame: Frame) -> list[tuple[int, str]]:
    return [(mark.at_us // SECOND_US, mark.text) for mark in frame.marks if mark.kind == "step"]


# --- steps ahead ------------------------------------------------------------------------------------------------------


def test_steps_to_come_are_on_the_timeline_from_the_first_frame(session: Session) -> None:
    frame = session.frame()
    assert steps_of(frame) == [(60, "outage: power-outage"), (360, "half: half time"), (540, "again: power-outage")]
    assert frame.next_mark == frame.marks[0]


def test_what_happened_stands_among_the_steps_in_order_of_time(session: Session) -> None:
    session.engine.advance(7 * MINUTE_US)
    frame = session.frame()
    assert len(steps_of(frame)) == 3
    assert [mark.at_us for mark in frame.marks] == sorted(mark.at_us for mark in frame.marks)
    assert frame.next_mark is not None
    assert frame.next_mark.text == "again: power-outage"


def test_an_abort_takes_the_faults_to_come_off_the_timeline(session: Session) -> None:
    session.engine.advance(2 * MINUTE_US)
    session.obey(AbortAll())
    assert steps_of(session.frame()) == [(60, "outage: power-outage"), (360, "half: half time")]


def test_a_fault_started_by_hand_is_no_step_of_the_scenario(session: Session) -> None:
    session.engine.advance(MINUTE_US)
    answer = session.obey(Inject(fault="power-outage", target="site=fra-2", lasts_us=MINUTE_US))
    assert isinstance(answer, Answered)
    assert answer.ok
    frame = session.frame()
    assert len(steps_of(frame)) == 3
    assert any(fault.injected for fault in frame.faults)


# --- notes ------------------------------------------------------------------------------------------------------------


def noted_at_s(session: Session, at_us: int | None) -> float:
    session.obey(AddNote(text="queue grows", at_us=at_us))
    (mark,) = [mark for mark in session.frame().marks if mark.kind == "note"]
    return mark.at_us / SECOND_US


@pytest.mark.parametrize(
    ("opened_us", "told_s"),
    [(90 * SECOND_US, 90), (None, 120), (500 * SECOND_US, 120), (-1, 0)],
    ids=["when-opened", "now", "never-later-than-now", "never-before-the-start"],
)
def test_a_note_stands_where_its_line_was_opened(session: Session, opened_us: int | None, told_s: float) -> None:
    session.engine.advance(120 * SECOND_US)
    assert noted_at_s(session, opened_us) == told_s


# --- kinds ------------------------------------------------------------------------------------------------------------


def test_marks_are_of_the_kinds_that_the_protocol_names(scenario_file: str) -> None:
    seen: set[str] = set()
    for hands_on in (True, False):
        engine = build(load(scenario_file), RunOptions(seed=42))
        session = Session(engine, VirtualPace(engine, 0.0, clock=lambda: 0.0))
        begin(engine)
        if hands_on:
            engine.advance(8 * MINUTE_US)
            session.obey(AddNote(text="back"))
            session.obey(AbortAll())
        else:
            engine.advance(5 * MINUTE_US)
            session.obey(Inject(fault="power-outage", target="all", lasts_us=None))
            engine.play()
        seen |= {mark.kind for mark in session.frame().marks}
    assert seen == set(MARK_KINDS)


# --- selectors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [*FIXED_KEYS, *MOMENT_KEYS])
def test_every_selector_key_that_is_offered_finds_devices(key: str, session: Session) -> None:
    session.engine.advance(MINUTE_US // 2)
    wanted = {"battery": "battery>=0 %", "state": "state=*"}.get(key, f"{key}=*")
    assert session.obey(SetFilter(selector=wanted)) == Answered(ok=True, text="", to="SetFilter")
    assert session.frame().matching > 0


def test_a_filter_that_is_refused_leaves_the_one_before(session: Session) -> None:
    session.obey(SetFilter(selector="site=fra-1"))
    refused = session.obey(SetFilter(selector="colour=red"))
    assert isinstance(refused, Answered)
    assert (refused.ok, refused.to) == (False, "SetFilter")
    assert session.frame().filter == "site=fra-1"


# --- faults by hand ---------------------------------------------------------------------------------------------------


def test_a_target_that_matches_nothing_is_told_with_the_sites_there_are(session: Session) -> None:
    answer = session.obey(Inject(fault="power-outage", target="site=nope", dry=True))
    words = "0 of 60 devices match `site=nope`; sites: fra-1, fra-2"
    assert answer == Answered(ok=False, text=words, to="Inject")


def test_what_a_run_cannot_do_is_refused_with_the_reason_and_the_run_goes_on(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A live run on a foreign broker cannot reach into it; the fault needs no target."""

    def refuse(fault: type[Fault], settings: object, device: Device) -> None:
        assert not len(device)
        raise Refused(f"cannot reach into it, as {fault.name} must")

    monkeypatch.setattr(session.engine.wiring, "admit", refuse)
    answer = session.obey(Inject(fault="slow-broker", target=""))
    assert answer == Answered(ok=False, text="cannot reach into it, as slow-broker must", to="Inject")
    assert not [step for step in session.engine.steps.runs if step.injected]
    session.engine.advance(90 * SECOND_US)
    assert session.engine.now_us == 90 * SECOND_US


def test_one_fault_that_an_abort_ends_is_one_fault(session: Session) -> None:
    session.engine.advance(90 * SECOND_US)
    answer = session.obey(AbortAll())
    assert isinstance(answer, Answered)
    assert answer.text.startswith("1 fault ended;")


# --- objectives -------------------------------------------------------------------------------------------------------

HARD_TO_HOLD = """
storm: 1
name: hard-to-hold
story: A cut right after the warm-up, and time to make up for it.
duration: 20 min
warm_up: 30 s
fleet:
  devices: 60
  sites: [fra-1, fra-2]
  segments:
    motors: {kind: motor, share: 100 %}
objectives:
  lenient: {sli: connectivity, at_least: 60 %}
  strict: {sli: connectivity, at_least: 99.9 %}
  perfect: {sli: connectivity, at_least: 100 %}
steps:
  - {name: outage, at: 40 s, fault: power-outage, target: all, lasts: 4 min}
"""


def verdicts(session: Session) -> dict[str, str]:
    return {row.name: row.verdict for row in session.frame().objectives}


def test_an_average_below_the_bound_is_at_risk_while_budget_is_left_and_missed_without(tmp_path: Path) -> None:
    path = tmp_path / "hard-to-hold.storm.yaml"
    path.write_text(HARD_TO_HOLD)
    engine = build(load(str(path)), RunOptions(seed=42))
    session = Session(engine, VirtualPace(engine, 0.0, clock=lambda: 0.0))
    begin(engine)
    engine.advance(5 * MINUTE_US)
    lenient = session.frame().objectives[0]
    assert lenient.so_far is not None
    assert lenient.so_far < 60
    assert lenient.budget_left is not None
    assert lenient.budget_left > 0
    assert verdicts(session) == {"lenient": "at risk", "strict": "missed", "perfect": "missed"}
    engine.play()
    assert verdicts(session) == {"lenient": "held", "strict": "missed", "perfect": "missed"}


def test_a_run_that_ends_below_the_bound_has_missed_it_whatever_budget_a_longer_one_would_have(tmp_path: Path) -> None:
    path = tmp_path / "hard-to-hold.storm.yaml"
    path.write_text(HARD_TO_HOLD)
    engine = build(load(str(path)), RunOptions(seed=42))
    session = Session(engine, VirtualPace(engine, 0.0, clock=lambda: 0.0))
    begin(engine)
    engine.advance(5 * MINUTE_US)
    assert verdicts(session)["lenient"] == "at risk"
    engine.finish("stopped")
    assert verdicts(session)["lenient"] == "missed"


# --- one device -------------------------------------------------------------------------------------------------------


def page_of(session: Session) -> DevicePage:
    page = session.frame().device
    assert page is not None
    return page


def test_a_device_opened_while_paused_shows_what_is_known_of_it(session: Session) -> None:
    session.engine.advance(45 * SECOND_US)
    name = session.engine.registry.names[3]
    assert session.obey(AskDevice(name=name)) == Answered(ok=True, text="", to="AskDevice")
    page = page_of(session)
    assert page.history_us == [45 * SECOND_US]
    assert all(len(values) == 1 for values in page.history)
    assert any(values[0] is not None for values in page.history)


def test_the_history_of_a_device_has_one_entry_a_simulated_second_however_often_it_is_asked_for(
    session: Session,
) -> None:
    name = session.engine.registry.names[3]
    session.engine.advance(45 * SECOND_US)
    session.obey(AskDevice(name=name))
    session.engine.advance(48 * SECOND_US)
    session.obey(AskDevice(name=name))
    assert page_of(session).history_us == [second * SECOND_US for second in (45, 46, 47, 48)]


def test_the_page_of_a_motor_tells_its_zone_of_severity_and_that_of_others_none(session: Session) -> None:
    engine = session.engine
    motor = engine.registry.kinds.index("motor")
    device = int((engine.registry.kind == motor).argmax())
    session.obey(AskDevice(name=engine.registry.names[device]))
    engine.advance(30 * SECOND_US)
    assert set(page_of(session).zones[1:4]) <= {"A", "B"}
    assert [page_of(session).zones[place] for place in (0, 4, 5)] == [""] * 3
    session.obey(
        Inject(
            fault="imbalance", target=f"id={page_of(session).name}", lasts_us=2 * MINUTE_US, settings={"grows": "1 s"}
        )
    )
    engine.advance(50 * SECOND_US)
    page = page_of(session)
    worst = max(values[-1] or 0.0 for values in page.history[1:4])
    assert max(page.zones[1:4]) == ("D" if worst > 7.1 else "C" if worst > 2.8 else "B")
    assert max(page.zones[1:4]) in ("C", "D")
    session.obey(AskDevice(name=engine.registry.names[int((engine.registry.kind != motor).argmax())]))
    assert not any(page_of(session).zones)


def test_the_page_of_a_device_tells_the_truth_about_its_machine(session: Session) -> None:
    engine = session.engine
    engine.advance(30 * SECOND_US)
    session.obey(AskDevice(name=engine.registry.names[3]))
    page, truth = page_of(session), engine.wiring.truth_of(3)
    assert truth is not None
    assert page.health == truth.health
    assert page.remaining_us == round(truth.remaining_s * SECOND_US)


def test_a_name_that_no_device_has_is_told_with_the_nearest_and_the_page_before_stays(session: Session) -> None:
    names = session.engine.registry.names
    session.engine.advance(45 * SECOND_US)
    session.obey(AskDevice(name=names[3]))
    answer = session.obey(AskDevice(name=names[7] + "9"))
    assert isinstance(answer, Answered)
    assert not answer.ok
    assert answer.text.startswith(f"no device `{names[7]}9`; nearest: ")
    assert names[7] in answer.text
    assert page_of(session).name == names[3]


def test_a_name_unlike_any_other_is_told_with_names_there_are(session: Session) -> None:
    answer = session.obey(AskDevice(name="zzz"))
    assert isinstance(answer, Answered)
    assert answer.text.startswith("no device `zzz`; nearest: fra-")


# --- incidents --------------------------------------------------------------------------------------------------------


def test_an_incident_says_when_it_was_over_and_what_its_devices_share(session: Session) -> None:
    session.engine.advance(8 * MINUTE_US)
    incident = session.frame().incidents[-1]
    known = session.engine.core.incidents[0]
    assert incident.state == "resolved"
    assert incident.resolved_us == known.resolved_us
    assert incident.resolved_us is not None
    assert incident.opened_us < incident.resolved_us < 8 * MINUTE_US
    assert any(cause.startswith("site=fra-1") for cause in incident.causes)


# --- the end ----------------------------------------------------------------------------------------------------------


def test_an_attended_run_ends_in_the_words_of_the_command_line(scenario_file: str, tmp_path: Path) -> None:
    sent: list[Event] = []
    request = EngineRequest(
        scenario=scenario_file, seed=42, until_us=8 * MINUTE_US, speed=0.0, out=str(tmp_path / "runs"), socket=""
    )
    run = Attended(request, sent.append)
    run.begin()
    run.session.engine.advance(3 * MINUTE_US)
    run.session.obey(AddNote(text="it began here", at_us=70 * SECOND_US))
    while not run.over:
        run.go_on()
    ended = run.end()
    assert isinstance(sent[0], Hello)
    record = open_run("last", tmp_path / "runs")
    assert record.result is not None
    assert ended.text.splitlines() == ending(record.result)
    assert f"report: {ended.report}" in ended.text
    assert ended.text.splitlines()[-1] == f"repeat: {sent[0].repeat}"
    assert ended.text.endswith("--seed 42 --until 8min")
    (note,) = [row for row in record.events() if row.kind == "note"]
    assert note.at_s == 70
    report = render(record, "md").decode()
    assert report.index("it began here") < report.index("fault-end"), "in order of time, not of telling"
