"""Loading, empty, stale, broken, ended, dead, too small: what the screen says when things are not as they should be."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from textual.widgets import Input

from tests.tui.fake_engine import BAD_NAME, HELLO, FakeEngine, renamed
from tests.tui.stage import Clock, Stage, on_stage, screen_text
from twinstorm.scenarios.protocol import PROTOCOL, AbortAll, AskDevice, Frame, Inject, LedgerRow, Pause, Quit
from twinstorm.tui.app.app import Outcome, StormApp
from twinstorm.tui.app.connection import Connection
from twinstorm.tui.app.widgets.objectives_panel import ObjectivesPanel


async def test_loading_shows_what_and_how_far() -> None:
    async with on_stage(at_s=None) as stage:
        assert "Starting the engine." in stage.screen_text
        stage.engine.load(0.61)
        await stage.settle()
        assert "Placing 10,000 devices 61 %" in stage.screen_text
        await stage.press("space")
        assert stage.engine.sent_of(Pause)


async def test_an_application_without_run_and_list_says_so() -> None:
    app = StormApp(clock=Clock())
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await pilot.pause()
        assert "No run yet." in screen_text(app)
        await pilot.press("space")
        await pilot.press("q")
    assert app.return_value == Outcome(None, None)


def emptied(frame: Frame) -> Frame:
    return msgspec.structs.replace(frame, objectives=[], incidents=[], marks=[], next_mark=None, connects_per_s=[])


async def test_empty_screens_say_what_is_missing() -> None:
    async with on_stage(answers=False) as stage:
        await stage.show(250, change=emptied)
        for key, words in (
            ("3", "This scenario states no objective"),
            ("4", "All quiet since 00:03:00."),
            ("8", "This scenario has no step"),
        ):
            await stage.press(key)
            assert words in stage.screen_text


async def test_a_filter_without_match_says_how_to_clear_it() -> None:
    async with on_stage(answers=False) as stage:
        await stage.show(
            250, change=lambda frame: msgspec.structs.replace(frame, groups=[], filter="firmware=2.5", matching=0)
        )
        assert "No device matches `firmware=2.5`. Esc clears the filter." in stage.screen_text


# --- stale ------------------------------------------------------------------------------------------------------------


async def test_values_without_a_frame_for_two_seconds_are_stale_until_the_next() -> None:
    async with on_stage(answers=False) as stage:
        await stage.wait_s(1.9)
        assert "stale" not in stage.screen_text.lower()
        await stage.wait_s(10.2)
        assert "STALE 12 s" in stage.screen_text.splitlines()[0]
        assert "2 Fleet  stale 12 s" in stage.screen_text
        assert "arn-1" in stage.screen_text
        await stage.show(262)
        assert "stale" not in stage.screen_text.lower()


async def test_a_paused_run_is_stale_only_if_it_does_not_answer() -> None:
    async with on_stage(answers=False) as stage:
        await stage.show(250, change=lambda frame: msgspec.structs.replace(frame, state="paused"))
        await stage.wait_s(60)
        assert "stale" not in stage.screen_text.lower()
        await stage.press("b")
        await stage.wait_s(3)
        assert "STALE 3 s" in stage.screen_text


# --- broken -----------------------------------------------------------------------------------------------------------


async def test_a_panel_that_breaks_says_so_and_takes_nobody_along(monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(self: ObjectivesPanel, size: object) -> object:
        raise KeyError("budget")

    app, engine = StormApp(engine := FakeEngine(), clock=Clock()), engine
    monkeypatch.setattr(ObjectivesPanel, "lines", break_down)
    async with app.run_test(size=(120, 36)) as pilot:
        engine.greet()
        engine.show(250)
        for _ in range(4):
            await pilot.pause()
        text = screen_text(app)
        assert "3 Objectives  broken" in text
        assert "KeyError" in text
        assert [notification.message for notification in app._notifications] == [
            "3 Objectives cannot be drawn: KeyError: 'budget'"
        ]
        assert "sessions 10,000" in text
        await pilot.press("ctrl+x")
        await pilot.pause()
        assert engine.sent_of(AbortAll)


# --- the engine dies, the run ends ------------------------------------------------------------------------------------


async def test_if_the_engine_dies_every_screen_freezes_under_the_reason() -> None:
    async with on_stage(at_s=330) as stage:
        stage.engine.inbox.close("killed by signal 9")
        await stage.settle()
        for key in ("1", "2", "3", "4", "5", "8"):
            await stage.press(key)
            rows = stage.screen_text.splitlines()
            assert rows[1].startswith(
                " RUN STOPPED: killed by signal 9; twinstorm report runs/reboot-storm-42; q quits"
            )
            assert "00:05:30/00:30:00 STOPPED" in rows[0]
        await stage.wait_s(30)
        assert "stale" not in stage.screen_text.lower()
        sent = len(stage.engine.sent)
        await stage.press("space", "i", "ctrl+x")
        assert len(stage.engine.sent) == sent
        assert "The engine is gone" in stage.toasts[0]
        await stage.press("q")
        assert stage.app.return_value == Outcome(None, "killed by signal 9")


async def test_an_engine_of_another_protocol_is_not_believed() -> None:
    async with on_stage(at_s=None) as stage:
        stage.engine.inbox.put(msgspec.structs.replace(HELLO, protocol=PROTOCOL + 1))
        await stage.settle()
        assert "RUN STOPPED: it speaks protocol 2, this screen 1" in stage.screen_text


async def test_a_silent_end_has_a_reason_too() -> None:
    async with on_stage() as stage:
        stage.engine.inbox.close()
        await stage.settle()
        assert "RUN STOPPED: the engine ended without a verdict" in stage.screen_text


async def test_an_engine_that_cannot_be_written_to_is_gone() -> None:
    async with on_stage() as stage:
        stage.engine.writable = False
        await stage.press("space")
        assert "RUN STOPPED: Broken pipe" in stage.screen_text


async def test_a_dying_engine_closes_the_way_to_a_fault() -> None:
    async with on_stage() as stage:
        await stage.press("i", "p", "a", "r", "t", "enter")
        stage.engine.inbox.close("killed by signal 9")
        await stage.settle()
        assert len(stage.app.screen_stack) == 1
        assert not [command for command in stage.engine.sent if isinstance(command, Inject)]


async def test_the_verdict_is_shown_and_q_quits() -> None:
    async with on_stage(at_s=1_799) as stage:
        stage.engine.end("completed")
        await stage.settle()
        text = stage.screen_text
        assert "x MISSED   completed, exit code 1" in text
        assert "missed 00:05:08 to 00:08:31" in text
        assert "repeat: twinstorm run reboot-storm --seed 42" in text
        await stage.press("escape")
        assert "MISSED (completed), exit code 1; report: runs/reboot-storm-42/report.html; q quits" in stage.screen_text
        await stage.press("3")
        assert "connected" in stage.screen_text
        await stage.press("q")
        assert stage.app.return_value is not None
        assert stage.app.return_value.ended is not None
        assert stage.app.return_value.ended.exit_code == 1


@pytest.mark.parametrize("keys", [["q"], ["ctrl+x", "i"], ["i"], ["i", "p", "a", "r", "t", "enter", "enter"]])
async def test_a_question_about_the_run_does_not_outlive_it(keys: list[str]) -> None:
    async with on_stage(at_s=1_790) as stage:
        await stage.press(*keys)
        asked = stage.app.screen
        assert len(stage.app.screen_stack) == 2
        stage.engine.end("completed")
        await stage.settle()
        assert asked not in stage.app.screen_stack
        assert "x MISSED   completed, exit code 1" in stage.screen_text
        assert "The run ends here" not in stage.screen_text


async def test_a_dying_engine_takes_the_quit_question_along() -> None:
    async with on_stage() as stage:
        await stage.press("q")
        stage.engine.inbox.close("killed by signal 9")
        await stage.settle()
        assert len(stage.app.screen_stack) == 1
        await stage.press("q")
        assert stage.app.return_value == Outcome(None, "killed by signal 9")


async def test_a_line_that_is_being_typed_when_the_run_ends_stays_and_the_verdict_follows() -> None:
    async with on_stage(at_s=1_790) as stage:
        await stage.press("n")
        await stage.type("the ")
        stage.engine.end("completed")
        await stage.settle()
        await stage.type("queue")
        assert stage.app.is_running
        assert isinstance(stage.app.focused, Input)
        assert stage.app.focused.value == "the queue"
        assert "The run has ended." in stage.screen_text
        await stage.press("escape")
        assert "x MISSED   completed, exit code 1" in stage.screen_text


async def test_after_the_end_no_cell_opens_an_empty_page() -> None:
    async with on_stage(at_s=1_799) as stage:
        stage.engine.end("completed")
        await stage.settle()
        await stage.press("escape", "enter")
        assert len(stage.app.screen_stack) == 1
        assert stage.toasts == ["The run has ended. q quits."]


async def test_nothing_is_quiet_before_the_warm_up_is_over() -> None:
    async with on_stage(at_s=35) as stage:
        assert "Warming up: nothing is judged yet." in stage.screen_text
        await stage.press("4")
        assert "Warming up: nothing is judged yet." in stage.screen_text
        assert "All quiet" not in stage.screen_text


def with_long_titles(frame: Frame) -> Frame:
    title = "4,800 devices fell silent, fra-2,fra-3,fra-1,fra-4,fra-5,fra-6"
    (row,) = frame.incidents
    return msgspec.structs.replace(frame, incidents=[msgspec.structs.replace(row, title=title)])


async def test_an_incident_has_its_whole_title_its_cause_and_its_end_where_there_is_room() -> None:
    async with on_stage(answers=False) as stage:
        await stage.show(900, change=with_long_titles)
        panel = stage.screen_text.split("4 Incidents")[1].split("5 Broker")[0]
        words = " ".join(line.rsplit("│", 2)[1].strip() for line in panel.splitlines()[1:-1] if "│" in line)
        words = " ".join(words.split())
        assert "! INC-1 4,800 devices fell" in words
        assert "6:20 done" in words
        assert "fra-2, fra-3, fra-1, fra-4, fra-5, fra-6" in words
        assert "cause: region=eu-mid (lift 3.1)" in words
        assert "resolved 00:11:40" in words


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_detail_of_an_incident_cuts_nothing(size: tuple[int, int]) -> None:
    async with on_stage(size, answers=False) as stage:
        await stage.show(900, change=with_long_titles)
        await stage.press("4", "enter")
        words = " ".join(" ".join(line.rsplit("│", 2)[-2:]) for line in stage.screen_text.splitlines())
        words = " ".join(words.replace("┃", " ").split())
        assert "fra-5, fra-6" in words
        assert "resolved 00:11:40, after 6:20" in words
        assert "opened 00:05:20" in words


async def test_all_sites_of_a_small_fleet_are_seen_and_the_header_is_no_row() -> None:
    async with on_stage((80, 24)) as stage:
        await stage.press("2")
        groups = stage.screen_text.split("Groups")[1]
        assert "sin-1" in groups
        assert "rows" not in groups
        await stage.pilot.resize_terminal(80, 20)
        await stage.settle()
        assert "rows 1-4 of 5" in stage.screen_text.split("Groups")[1]


async def test_the_broker_screen_tells_of_losses_and_drops_also_while_there_are_none() -> None:
    async with on_stage(answers=False) as stage:
        ledger = LedgerRow(produced=100_000, delivered=97_752, buffered=2_248, in_flight=0, lost={}, repeated=0)
        await stage.show(250, change=lambda frame: msgspec.structs.replace(frame, ledger=ledger))
        await stage.press("5")
        rows = {line.split("│")[-2].strip() for line in stage.screen_text.splitlines() if "│" in line}
        lost = next(row for row in rows if row.startswith("lost"))
        assert lost.split() == ["lost", "0", "0", "%"]
        assert any(row.startswith("drops in all") for row in rows)
        assert any(row.endswith("97.8 %") for row in rows)
        assert any(row.endswith("2.2 %") for row in rows)


# --- text of others ---------------------------------------------------------------------------------------------------


async def test_names_that_look_like_markup_are_only_names() -> None:
    async with on_stage(answers=False) as stage:
        await stage.show(250, change=lambda frame: renamed(frame, "[bold]x[/bold]"))
        assert "[bold]x[/bold]" in stage.screen_text
        await stage.press("right")
        assert "[bold]x[/bold] cell 2" in stage.screen_text
        for key in ("2", "3", "4", "5", "8"):
            await stage.press(key)


async def test_a_device_called_like_markup_can_be_opened() -> None:
    async with on_stage() as stage:
        await stage.press("2", "tab", "j", "enter", *["j"] * 7)
        assert BAD_NAME in stage.screen_text
        await stage.press("enter")
        assert stage.engine.sent_of(AskDevice) == [AskDevice(name=BAD_NAME)]
        assert BAD_NAME in stage.screen_text


async def test_answers_and_notes_that_look_like_markup_are_only_text() -> None:
    async with on_stage() as stage:
        await stage.press("n")
        await stage.type("[/] [red]x")
        await stage.press("enter", "slash")
        await stage.type("[/nope]")
        await stage.press("enter")
        assert "`[/nope]` is not a selector" in stage.screen_text
        await stage.press("escape", "8")
        assert "[/] [red]x" in stage.screen_text


async def test_escape_codes_in_names_do_not_reach_the_terminal() -> None:
    async with on_stage(answers=False) as stage:
        await stage.show(250, change=lambda frame: renamed(frame, "a\x1b[31m\nb"))
        assert "\x1b" not in stage.screen_text
        assert "a?[31m?b" in stage.screen_text


# --- sizes ------------------------------------------------------------------------------------------------------------


async def test_a_terminal_too_small_says_so_and_still_aborts() -> None:
    async with on_stage((50, 12), at_s=330) as stage:
        rows = stage.screen_text.splitlines()
        assert rows[0].startswith(" > 10x 00:05:30")
        assert rows[1].startswith(" ctrl+x ABORTS ALL | 1 FAULT: power-outage")
        assert "Too small: 50x12. Needs 60x16 or more." in stage.screen_text
        assert "2 Fleet" not in stage.screen_text
        await stage.press("ctrl+x")
        assert stage.engine.sent_of(AbortAll)


async def test_a_question_half_seen_cannot_be_answered() -> None:
    async with on_stage() as stage:
        await stage.press("i", "p", "a", "r", "t", "enter", "enter")
        await stage.pilot.resize_terminal(50, 12)
        await stage.settle()
        await stage.press("I")
        assert stage.engine.faults == []
        assert "Esc closes it" in " ".join(stage.screen_text.split())
        await stage.pilot.resize_terminal(80, 24)
        await stage.settle()
        await stage.press("I")
        assert len(stage.engine.faults) == 1


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (80, 60), (100, 30), (160, 50), (240, 20)])
async def test_every_screen_holds_at_every_size(size: tuple[int, int]) -> None:
    async with on_stage(size, at_s=440) as stage:
        for key in ("1", "2", "3", "4", "5", "8"):
            await stage.press(key)
            rows = stage.screen_text.splitlines()
            assert rows[0].startswith(" > 10x 00:07:20")
            assert rows[-1].startswith(" ? help")
            assert len(rows) == size[1]
            assert stage.broken == []


async def test_a_screen_that_was_left_follows_a_new_size() -> None:
    async with on_stage((120, 36), at_s=440) as stage:
        await stage.press("3", "1")
        await stage.pilot.resize_terminal(80, 24)
        await stage.settle()
        await stage.press("3")
        assert "Enter detail" in stage.screen_text
        await stage.press("enter")
        assert "budget left" in stage.screen_text
        assert stage.screen_text.count("want at least") == 0


async def test_ascii_screens_are_ascii() -> None:
    from twinstorm.tui.app.look import Look

    async with on_stage((120, 36), at_s=440, look=Look(ascii=True)) as stage:
        for keys in (["1"], ["2"], ["3"], ["4"], ["5"], ["8"], ["question_mark"], ["escape", "colon"], ["escape", "i"]):
            await stage.press(*keys)
            assert stage.screen_text.isascii(), keys


async def test_without_colour_nothing_is_coloured() -> None:
    from twinstorm.tui.app.look import Look
    from twinstorm.tui.app.widgets.fleet_map import FleetMap

    async with on_stage((120, 36), at_s=330, look=Look("none")) as stage:
        fleet = stage.app.screen.query_one(FleetMap)
        colours = {
            str(segment.style.color.name)
            for row in range(fleet.size.height)
            for segment in fleet.render_line(row)
            if segment.style is not None and segment.style.color is not None
        }
        assert colours <= {"default"}


# --- the list of scenarios --------------------------------------------------------------------------------------------

CHOICES = [
    ("reboot-storm", "Reboot storm", "Three of five sites lose power."),
    ("broken", "Broken", "This one does not start."),
]


class Starter:
    """Gives the CLI's side: starts engines by name."""

    def __init__(self) -> None:
        self.engine = FakeEngine()
        self.asked: list[str] = []
        self.wait = False
        self.cancelled = False

    async def __call__(self, name: str) -> Connection:
        self.asked.append(name)
        if name == "broken":
            raise OSError("port 1883 is taken")
        if self.wait:
            try:
                await asyncio.Event().wait()
            finally:
                self.cancelled = True
        return self.engine


def list_stage(starter: Starter) -> StormApp:
    return StormApp(scenarios=CHOICES, start=starter, clock=Clock())


async def test_enter_starts_the_chosen_scenario() -> None:
    starter = Starter()
    app = list_stage(starter)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        stage = Stage(app, starter.engine, pilot, Clock())
        await stage.settle()
        assert "Three of five sites lose power." in stage.screen_text
        await stage.press("5")
        assert stage.toasts == ["No run yet: Enter picks a scenario."]
        await stage.press("enter")
        starter.engine.greet()
        await stage.show(250)
        assert starter.asked == ["reboot-storm"]
        assert "reboot-storm #42" in stage.screen_text
        assert app.current_mode == "overview"


async def test_a_scenario_that_does_not_start_leaves_its_reason_beside_the_list() -> None:
    starter = Starter()
    app = list_stage(starter)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        stage = Stage(app, starter.engine, pilot, Clock())
        await stage.settle()
        await stage.press("j", "enter")
        assert "broken did not start: port 1883 is taken" in stage.screen_text
        assert app.current_mode == "scenarios"


async def test_escape_takes_a_choice_back_while_the_engine_is_built() -> None:
    starter = Starter()
    app = list_stage(starter)
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        stage = Stage(app, starter.engine, pilot, Clock())
        await stage.settle()
        await stage.press("enter")
        starter.engine.greet()
        starter.engine.load(0.4)
        await stage.settle()
        assert "Placing 10,000 devices 40 %, Esc cancels" in stage.screen_text
        await stage.press("escape")
        assert starter.engine.sent_of(Quit) == [Quit()]
        assert app.current_mode == "scenarios"
        assert "MISSED" not in stage.screen_text
        starter.wait = True
        await stage.press("enter", "escape")
        assert starter.cancelled
        assert app.current_mode == "scenarios"


async def test_fields_of_dialogs_have_the_focus() -> None:
    async with on_stage() as stage:
        for key in ("n", "slash", "colon", "i"):
            await stage.press(key)
            assert isinstance(stage.app.focused, Input)
            await stage.press("escape")
