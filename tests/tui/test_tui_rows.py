"""The state row and the fault row, at every width."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tui.fake_engine import HELLO, SECOND, FakeEngine
from twinstorm.scenarios.protocol import ActiveFault, Answered, Ended, Frame
from twinstorm.tui.app.board import Board
from twinstorm.tui.app.lines import text, width_of
from twinstorm.tui.app.look import Look
from twinstorm.tui.app.rows import fault_rows, newest_injected, state_row
from twinstorm.tui.app.signs import Signs

SIGNS = Signs.of(Look(ascii=True))


def board_of(frame: Frame) -> Board:
    board = Board()
    board.take(HELLO, 0.0)
    board.take(frame, 0.0)
    return board


def frame_at(at_s: float) -> Frame:
    return FakeEngine(at_s=at_s).frame()


def fault(name: str, target: str, devices: int, left_s: int | None, *, injected: bool = False) -> ActiveFault:
    to_us = None if left_s is None else (330 + left_s) * SECOND
    return ActiveFault(step=name, fault=name, target=target, devices=devices, from_us=0, to_us=to_us, injected=injected)


def states(**numbers: int) -> Frame:
    return msgspec.structs.replace(frame_at(330), states=numbers, speed=10.0, holding=10.0)


BIG = states(online=912_040, degraded=31_220, reconnecting=8_100, updating=0, offline=46_300, failed=12, unknown=0)


def test_everything_stands_in_a_row_of_normal_width() -> None:
    assert text(state_row(board_of(BIG), SIGNS, 130, 0)) == (
        " > 10x 00:05:30/00:30:00 | ! 12  x 46,300  ^ 31,220  ~ 8,100  . 912,040 | obj 1 of 2 AT RISK | INC 1 open"
        " | reboot-storm #42"
    )


def test_numbers_shrink_before_anything_goes() -> None:
    assert text(state_row(board_of(BIG), SIGNS, 118, 0)) == (
        " > 10x 00:05:30/00:30:00 | ! 12  x 46.3k  ^ 31.2k  ~ 8.1k  . 912k | obj 1 of 2 AT RISK | INC 1 open"
        " | reboot-storm #42"
    )


def test_at_eighty_columns_those_who_are_well_and_the_scenario_go() -> None:
    assert text(state_row(board_of(BIG), SIGNS, 80, 0)) == (
        " > 10x 00:05:30 | ! 12 x 46.3k ^ 31.2k ~ 8.1k | obj 1/2 AT RISK | INC 1"
    )


@settings(deadline=None)
@given(st.integers(10, 260), st.sampled_from([0, 200, 330, 440, 700]), st.integers(0, 40))
def test_no_width_loses_the_clock_or_overflows(width: int, at_s: int, stale_s: int) -> None:
    row = state_row(board_of(frame_at(at_s)), SIGNS, width, stale_s)
    assert width_of(row) <= width
    assert text(row).startswith(" > 10x"[:width])
    if width >= 30:
        assert f"00:{at_s // 60:02d}:{at_s % 60:02d}" in text(row)
    if width >= 60:
        assert "! 0" in text(row) or "! 1" in text(row)
        assert stale_s == 0 or f"STALE {stale_s} s" in text(row)


def test_a_machine_that_cannot_hold_the_speed_says_so() -> None:
    slow = msgspec.structs.replace(frame_at(330), speed=100.0, holding=37.2)
    assert "> 100x, holding 37.2x 00:05:30" in text(state_row(board_of(slow), SIGNS, 130, 0))


def test_a_live_run_says_that_it_is_live_and_how_far_behind() -> None:
    board = board_of(msgspec.structs.replace(frame_at(330), lag_s=1.24))
    board.take(msgspec.structs.replace(HELLO, clock="live"), 0.0)
    row = text(state_row(board, SIGNS, 140, 0))
    assert "00:05:30/00:30:00 lag 1.2 s |" in row
    assert row.endswith("reboot-storm #42 live")


def test_a_speed_that_the_engine_refuses_or_ignores_is_not_shown() -> None:
    board = board_of(frame_at(330))
    board.ask_speed(100.0)
    board.take(frame_at(331), 0.0)
    assert text(state_row(board, SIGNS, 140, 0)).startswith(" > 100x")
    board.take(Answered(ok=False, text="a keep-alive under 2 s"), 0.0)
    assert text(state_row(board, SIGNS, 140, 0)).startswith(" > 10x")
    board.ask_speed(100.0)
    for second in range(332, 352):
        board.take(frame_at(second), 0.0)
    assert text(state_row(board, SIGNS, 140, 0)).startswith(" > 10x")


def test_pause_and_end_have_signs_of_their_own() -> None:
    paused = msgspec.structs.replace(frame_at(330), state="paused")
    assert text(state_row(board_of(paused), SIGNS, 120, 0)).startswith(" || 10x 00:05:30")
    board = board_of(msgspec.structs.replace(frame_at(1_800), state="ended"))
    board.take(Ended(ended="completed", verdict="held", exit_code=0, report="", text=""), 0.0)
    assert text(state_row(board, SIGNS, 120, 0)).startswith(" = 10x 00:30:00/00:30:00 ENDED")


def test_without_a_fault_there_is_no_second_row() -> None:
    assert fault_rows(board_of(frame_at(250)), SIGNS, 120, "ctrl+x", "u") == []


def test_a_terminal_too_small_keeps_the_abort_key() -> None:
    (row,) = fault_rows(board_of(frame_at(250)), SIGNS, 40, "ctrl+x", "u", always=True)
    assert text(row) == " ctrl+x ABORTS ALL"


TWO = [fault("partition", "site=fra-2", 46_300, 48), fault("latency", "broker-2", 0, 70, injected=True)]


def with_faults(faults: list[ActiveFault], *, armed: bool = True) -> Board:
    return board_of(msgspec.structs.replace(frame_at(330), faults=faults, armed=armed))


def test_faults_say_whom_how_many_and_how_long() -> None:
    (row,) = fault_rows(with_faults(TWO), SIGNS, 130, "ctrl+x", "u")
    assert text(row) == (
        " ctrl+x ABORTS ALL | 2 FAULTS: partition site=fra-2 46,300 dev, 0:48 left;"
        " latency broker-2, 1:10 left (u ends it)"
    )


def test_faults_get_shorter_in_eighty_columns() -> None:
    (row,) = fault_rows(with_faults(TWO), SIGNS, 80, "ctrl+x", "u")
    assert text(row) == " ctrl+x ABORTS ALL | 2 FAULTS: partition fra-2 0:48; latency broker-2 1:10"


def test_faults_that_do_not_fit_are_counted() -> None:
    many = [fault("partition", f"site=fra-{number}", 9, 60) for number in range(9)]
    (row,) = fault_rows(with_faults(many), SIGNS, 80, "ctrl+x", "u")
    assert text(row) == " ctrl+x ABORTS ALL | 9 FAULTS: partition fra-0 1:00; +8 more"


def test_on_a_wall_each_of_three_faults_has_a_row() -> None:
    many = [fault("partition", f"site=fra-{number}", 9, None) for number in range(4)]
    rows = [text(row) for row in fault_rows(with_faults(many), SIGNS, 200, "ctrl+x", "u", rows=3)]
    assert len(rows) == 3
    assert rows[0] == " ctrl+x ABORTS ALL | 4 FAULTS: partition site=fra-0 9 dev, until ended"
    assert rows[2].strip() == "partition site=fra-2 9 dev, until ended; +1 more"


@settings(deadline=None)
@given(st.integers(30, 200), st.integers(1, 12))
def test_no_width_loses_the_abort_key(width: int, number: int) -> None:
    faults = [fault("power-outage", f"site=fra-{place}", 9, 60) for place in range(number)]
    (row,) = fault_rows(with_faults(faults), SIGNS, width, "ctrl+x", "u")
    assert text(row).startswith(" ctrl+x ABORTS ALL")
    assert width_of(row) <= width


def test_after_an_abort_the_row_says_how_to_arm_again() -> None:
    (row,) = fault_rows(with_faults([], armed=False), SIGNS, 80, "ctrl+x", "u")
    assert "DISARMED" in text(row)
    assert ": fault: arm again" in text(row)


def test_of_two_faults_of_one_instant_the_later_one_is_the_newest() -> None:
    frame = msgspec.structs.replace(
        frame_at(330), faults=[fault("a", "", 1, 1, injected=True), fault("b", "", 1, 1, injected=True)]
    )
    newest = newest_injected(frame)
    assert newest is not None
    assert newest.step == "b"


@pytest.mark.parametrize("width", [50, 80, 120])
def test_a_dead_engine_leaves_reason_report_and_way_out(width: int) -> None:
    board = board_of(frame_at(330))
    board.dead = "killed by signal 9"
    (row,) = fault_rows(board, SIGNS, width, "ctrl+x", "u")
    words = text(row)
    assert words.startswith(" RUN STOPPED: killed by signal 9")
    assert words.rstrip().endswith("; q quits")
    assert width < 80 or "; twinstorm report " in words
    assert width < 80 or "reboot-storm-42" in words
    assert len(words) == width


@pytest.mark.parametrize("reason", ["killed by signal 9", "the engine ended without a verdict"])
@pytest.mark.parametrize("folder", ["runs/reboot-storm-42-7", "/srv/plant-in-the-north/records/reboot-storm-42-7"])
def test_in_eighty_columns_the_name_of_the_stopped_run_stays(reason: str, folder: str) -> None:
    board = board_of(frame_at(330))
    board.take(msgspec.structs.replace(HELLO, run_folder=folder), 0.0)
    board.dead = reason
    (row,) = fault_rows(board, SIGNS, 80, "ctrl+x", "u")
    assert "reboot-storm-42-7; q quits" in text(row)
    assert "RUN STOPPED: " + reason.rsplit(" ", 4)[0] in text(row)
    assert len(text(row)) == 80


def test_the_verdict_takes_the_second_row() -> None:
    board = board_of(frame_at(1_800))
    board.take(Ended(ended="completed", verdict="missed", exit_code=1, report="runs/x/report.html", text=""), 0.0)
    (row,) = fault_rows(board, SIGNS, 120, "ctrl+x", "u")
    assert text(row).strip() == "MISSED (completed), exit code 1; report: runs/x/report.html; q quits"
    (row,) = fault_rows(board, SIGNS, 60, "ctrl+x", "u")
    assert text(row).strip() == "MISSED; report: runs/x/report.html; q quits"
