"""Keys in, commands out."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from tests.tui.fake_engine import FakeEngine
from tests.tui.stage import Clock, on_stage
from twinstorm.scenarios.protocol import (
    AbortAll,
    Acknowledge,
    AddNote,
    AskCell,
    AskDevice,
    EndFault,
    Inject,
    MarkWrong,
    Pause,
    Quit,
    Rearm,
    Resume,
    SetCells,
    SetFilter,
    SetSpeed,
    Step,
)
from twinstorm.tui.app.app import Outcome, StormApp
from twinstorm.tui.app.keys import KEYS, LOCAL, NOT_YET, SCREENS
from twinstorm.tui.app.screens.device import DeviceScreen
from twinstorm.tui.app.screens.devices import DevicesScreen
from twinstorm.tui.app.screens.inject_form import InjectFormDialog
from twinstorm.tui.app.screens.inject_question import InjectQuestionDialog
from twinstorm.tui.app.screens.palette import PaletteDialog


def test_every_key_of_the_table_has_its_action() -> None:
    for key in KEYS:
        assert callable(getattr(StormApp, f"action_{key.action.split('(')[0]}")), key.id


def test_no_key_does_two_things_everywhere() -> None:
    keys = [name for key in KEYS for name in key.keys.split(",") if name] + list(SCREENS) + list(NOT_YET)
    assert len(keys) == len(set(keys))
    assert not set(LOCAL.values()) & set(keys)


async def test_space_pauses_and_resumes() -> None:
    async with on_stage() as stage:
        await stage.press("space", "space")
        assert [type(command) for command in stage.engine.sent if not isinstance(command, SetCells)] == [Pause, Resume]


async def test_speed_goes_up_and_down_the_ladder_also_before_a_frame_confirms_it() -> None:
    async with on_stage(answers=False) as stage:
        await stage.pilot.press("plus", "plus", "plus", "minus", "minus", "minus", "minus")
        await stage.settle()
        asked = [command.speed for command in stage.engine.sent if isinstance(command, SetSpeed)]
        assert asked == [100.0, 0.0, 100.0, 10.0, 1.0]
        assert "slowest" in stage.toasts[0]


async def test_a_step_works_while_paused_and_says_so_otherwise() -> None:
    async with on_stage() as stage:
        await stage.press("full_stop")
        assert not stage.engine.sent_of(Step)
        assert "space pauses" in stage.toasts[0]
        await stage.press("space", "full_stop")
        assert stage.engine.sent_of(Step) == [Step(us=1_000_000)]
        assert "00:04:11" in stage.screen_text


async def test_digits_change_the_screen_and_missing_ones_say_why() -> None:
    async with on_stage() as stage:
        for key, (mode, name) in SCREENS.items():
            await stage.press(key)
            assert stage.app.current_mode == mode
            assert name in stage.screen_text or mode == "overview"
        for key in ("6", "7", "9"):
            await stage.press(key)
            assert stage.app.current_mode == mode
            assert "not in this version" in stage.toasts[0]
            assert len(stage.toasts) == 1


# --- injecting: harm takes two keys -----------------------------------------------------------------------------------


async def test_enter_alone_never_injects() -> None:
    async with on_stage() as stage:
        await stage.press("i")
        for _ in range(12):
            await stage.press("enter")
        assert all(command.dry for command in stage.engine.sent if isinstance(command, Inject))
        assert stage.engine.sent_of(Inject)
        assert stage.engine.faults == []


async def test_list_form_question_and_the_capital_letter_inject() -> None:
    async with on_stage() as stage:
        await stage.press("i")
        await stage.type("part")
        await stage.press("enter")
        assert isinstance(stage.app.screen, InjectFormDialog)
        await stage.press("enter")
        assert isinstance(stage.app.screen, InjectQuestionDialog)
        assert "2,000 devices (20 %)" in stage.screen_text
        assert "no other fault" in stage.screen_text
        await stage.press("I")
        dry, real = stage.engine.sent_of(Inject)
        assert dry == Inject(fault="partition", target="site=arn-1", lasts_us=120_000_000, dry=True)
        assert real == Inject(fault="partition", target="site=arn-1", lasts_us=120_000_000)
        assert "partition started on 2,000 devices" in stage.toasts
        assert "partition site=arn-1 2,000 dev, 2:00 left (u ends it)" in stage.screen_text


async def test_tab_and_enter_inject_too() -> None:
    async with on_stage() as stage:
        await stage.press("i", "p", "a", "r", "t", "enter", "enter", "tab", "enter")
        assert [command.dry for command in stage.engine.sent if isinstance(command, Inject)] == [True, False]


async def test_escape_leaves_each_of_the_three_steps() -> None:
    async with on_stage() as stage:
        for keys in (("i",), ("i", "p", "a", "r", "t", "enter"), ("i", "p", "a", "r", "t", "enter", "enter")):
            await stage.press(*keys, "escape")
            assert len(stage.app.screen_stack) == 1
        assert all(command.dry for command in stage.engine.sent if isinstance(command, Inject))


async def test_settings_that_were_changed_are_sent_and_no_others() -> None:
    async with on_stage() as stage:
        await stage.press("i", "p", "a", "r", "t", "enter")
        await stage.press("tab", *["backspace"] * 5, "5", "m", "i", "n", "tab", "right", "enter")
        await stage.press("tab", "enter")
        (asked,) = stage.engine.sent_of(Inject)
        assert asked == Inject(
            fault="partition", target="site=arn-1", lasts_us=300_000_000, settings={"direction": "up"}, dry=True
        )


async def test_an_empty_duration_means_until_ended() -> None:
    async with on_stage() as stage:
        await stage.press("i", "p", "a", "r", "t", "enter", "tab", *["backspace"] * 5, "enter")
        assert "until you end it" in stage.screen_text
        (asked,) = stage.engine.sent_of(Inject)
        assert isinstance(asked, Inject)
        assert asked.lasts_us is None


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["tab", *["backspace"] * 2, "enter"], "needs a unit"),
        ([*["backspace"] * 20, "enter"], "target is empty"),
        (["x", "enter"], "0 of 10,000 devices match `site=arn-1x`; sites: arn-1, fra-1"),
    ],
)
async def test_a_wrong_form_says_what_is_wrong_and_stays(typed: list[str], said: str) -> None:
    async with on_stage() as stage:
        await stage.press("i", "p", "a", "r", "t", "enter", *typed)
        assert isinstance(stage.app.screen, InjectFormDialog)
        assert said in " ".join(stage.screen_text.replace("┃", " ").split())


async def test_over_a_quarter_of_the_fleet_the_number_has_to_be_typed() -> None:
    async with on_stage() as stage:
        await stage.press(
            "i", "p", "a", "r", "t", "enter", *["backspace"] * 5, "f", "r", "a", "minus", "asterisk", "enter"
        )
        assert "6,000 devices (60 %)" in stage.screen_text
        assert "number > ....." in stage.screen_text
        await stage.press("I", "enter")
        assert len(stage.app.screen_stack) == 1  # Enter was for Cancel, I for nothing
        await stage.press(
            "i",
            "p",
            "a",
            "r",
            "t",
            "enter",
            *["backspace"] * 5,
            "f",
            "r",
            "a",
            "minus",
            "asterisk",
            "enter",
            "6",
            "0",
            "0",
            "enter",
        )
        assert "It is not that number: 6,000 would be hit." in stage.screen_text
        assert stage.engine.faults == []
        await stage.press("0", "enter")
        assert [fault.devices for fault in stage.engine.faults] == [6_000]


async def test_a_fault_that_devices_do_not_survive_asks_for_their_number() -> None:
    async with on_stage() as stage:
        await stage.press("i", "m", "e", "l", "t", "enter", "enter")
        assert "Devices do not survive this" in stage.screen_text
        await stage.press("tab", "tab", "enter")
        assert stage.engine.faults == []
        await stage.press("2", "comma", "0", "0", "0", "enter")
        assert [fault.fault for fault in stage.engine.faults] == ["melt-down"]


async def test_the_target_is_what_the_cursor_stands_on() -> None:
    async with on_stage() as stage:
        await stage.press("down", "down", "down", "down", "i", "p", "a", "r", "t", "enter")
        assert "site=fra-1" in stage.screen_text


# --- ending faults: safety takes one ----------------------------------------------------------------------------------


async def test_ctrl_x_aborts_on_every_screen() -> None:
    async with on_stage(at_s=330) as stage:
        for place, key in enumerate(SCREENS, start=1):
            await stage.press(key, "ctrl+x")
            assert len(stage.engine.sent_of(AbortAll)) == place
        await stage.press("X")
        assert len(stage.engine.sent_of(AbortAll)) == len(SCREENS) + 1
        assert stage.engine.sent_of(AbortAll)[0] == AbortAll(reason="ctrl+x on the screen")
        assert "DISARMED" in stage.screen_text


DIALOGS = {
    "list": ["i"],
    "form": ["i", "p", "a", "r", "t", "enter"],
    "question": ["i", "p", "a", "r", "t", "enter", "enter"],
    "note": ["n", "h", "e", "y"],
    "filter": ["slash"],
    "palette": ["colon", "q"],
    "help": ["question_mark"],
    "quit": ["q"],
}


async def test_ctrl_x_works_in_every_dialog_and_field() -> None:
    async with on_stage(at_s=330, answers=False) as stage:
        for place, (name, keys) in enumerate(DIALOGS.items(), start=1):
            await stage.press(*keys, "ctrl+x")
            assert len(stage.engine.sent_of(AbortAll)) == place, name
            while len(stage.app.screen_stack) > 1:
                await stage.press("escape")


async def test_an_abort_closes_the_way_to_a_fault() -> None:
    async with on_stage() as stage:
        await stage.press("i", "p", "a", "r", "t", "enter", "enter", "ctrl+x")
        assert len(stage.app.screen_stack) == 1
        await stage.press("I")
        assert stage.engine.faults == []


async def test_capital_x_is_a_letter_in_a_field() -> None:
    async with on_stage() as stage:
        await stage.press("n", "X", "enter")
        assert not stage.engine.sent_of(AbortAll)
        assert stage.engine.sent_of(AddNote) == [AddNote(text="X", at_us=250_000_000)]


async def test_after_an_abort_injecting_asks_to_arm_again() -> None:
    async with on_stage() as stage:
        await stage.press("ctrl+x", "i")
        assert "Arm again?" in stage.screen_text
        await stage.press("enter")
        assert not stage.engine.sent_of(Rearm)
        await stage.press("i", "A")
        assert stage.engine.sent_of(Rearm) == [Rearm()]
        assert "DISARMED" not in stage.screen_text


async def test_u_ends_the_newest_fault_and_only_ones_own() -> None:
    async with on_stage(at_s=330) as stage:
        await stage.press("u")
        assert not stage.engine.sent_of(EndFault)
        assert "You started no fault" in stage.toasts[0]
        await stage.press("i", "p", "a", "r", "t", "enter", "enter", "I", "u")
        assert stage.engine.sent_of(EndFault) == [EndFault()]


# --- notes, filter, devices -------------------------------------------------------------------------------------------


async def test_a_note_is_stamped_when_its_line_opens() -> None:
    async with on_stage(answers=False) as stage:
        await stage.press("n")
        await stage.show(262)
        await stage.type("@ana queue grows")
        await stage.press("enter")
        assert stage.engine.sent_of(AddNote) == [AddNote(text="@ana queue grows", at_us=250_000_000)]


async def test_an_empty_note_is_no_note_and_a_bookmark_asks_nothing() -> None:
    async with on_stage() as stage:
        await stage.press("n", "enter", "n", "escape", "b")
        assert stage.engine.sent_of(AddNote) == [AddNote(text="bookmark")]


async def test_a_filter_is_set_refused_and_cleared() -> None:
    async with on_stage() as stage:
        await stage.press("slash")
        await stage.type("site=fra-2")
        await stage.press("enter")
        assert "/ site=fra-2: 2,000 devices" in stage.screen_text
        await stage.press("slash", "z", "enter")
        assert "`site=fra-2z` is not a selector: write key=value" in stage.screen_text
        await stage.press("escape")
        assert "/ site=fra-2: 2,000 devices" in stage.screen_text
        await stage.press("escape")
        assert [command.selector for command in stage.engine.sent if isinstance(command, SetFilter)] == [
            "site=fra-2", "site=fra-2z", "",
        ]  # fmt: skip
        assert "/ site=" not in stage.screen_text


async def test_enter_opens_the_devices_of_a_cell_then_the_device_and_escape_goes_back() -> None:
    async with on_stage() as stage:
        await stage.press("right", "enter")
        assert stage.engine.sent_of(AskCell) == [AskCell(group="arn-1", cell=1)]
        assert isinstance(stage.app.screen, DevicesScreen)
        assert "arn-1/motors-0010" in stage.screen_text
        await stage.press("down", "enter")
        assert isinstance(stage.app.screen, DeviceScreen)
        assert "winding_temperature_c" in stage.screen_text
        await stage.press("i", "p", "a", "r", "t", "enter")
        assert "id=arn-1/motors-0011" in stage.screen_text
        await stage.press("escape", "escape")
        assert isinstance(stage.app.screen, DevicesScreen)
        await stage.press("escape")
        assert len(stage.app.screen_stack) == 1
        assert stage.engine.sent_of(AskDevice) == [AskDevice(name="arn-1/motors-0011"), AskDevice(name="")]


async def test_a_group_of_the_fleet_screen_opens_as_a_whole() -> None:
    async with on_stage() as stage:
        await stage.press("2", "tab", "j", "enter")
        assert stage.engine.sent_of(AskCell) == [AskCell(group="fra-1", cell=-1)]
        assert "500 of 2,000" in stage.screen_text


async def test_the_mouse_moves_the_cursor_and_a_double_click_opens() -> None:
    async with on_stage() as stage:
        await stage.pilot.click("#map", offset=(13, 2))
        await stage.settle()
        assert "arn-1 cell 5 of 200" in stage.screen_text
        await stage.pilot.click("#map", offset=(13, 2), times=2)
        await stage.settle()
        assert stage.engine.sent_of(AskCell) == [AskCell(group="arn-1", cell=4)]


async def test_a_device_is_found_by_its_name() -> None:
    async with on_stage() as stage:
        await stage.press("colon")
        await stage.type("find")
        await stage.press("enter")
        await stage.type("sin-1/motors-0003")
        await stage.press("enter")
        assert stage.engine.sent_of(AskDevice) == [AskDevice(name="sin-1/motors-0003")]
        assert "ap-south" in stage.screen_text


async def test_a_refused_filter_stays_in_its_field_and_what_is_typed_next_is_text() -> None:
    async with on_stage() as stage:
        await stage.press("slash")
        await stage.type("colour=red")
        await stage.press("enter")
        field = stage.app.focused
        assert isinstance(field, Input)
        assert field.value == "colour=red"
        await stage.press("X", "space", "q")
        assert field.value == "colour=redX q"
        assert not stage.engine.sent_of(AbortAll)
        assert not stage.engine.sent_of(Pause)
        await stage.press(*["backspace"] * 13)
        await stage.type("site=fra-2")
        await stage.press("enter")
        assert len(stage.app.screen_stack) == 1
        assert stage.engine.filter == "site=fra-2"


async def test_a_device_that_does_not_exist_is_told_in_the_field_and_opens_no_page() -> None:
    async with on_stage() as stage:
        await stage.press("enter", "enter")
        page = stage.app.screen
        assert isinstance(page, DeviceScreen)
        await stage.press("colon")
        await stage.type("find")
        await stage.press("enter")
        await stage.type("arn-1/motors-9999")
        await stage.press("enter")
        words = " ".join(stage.screen_text.replace("┃", " ").split())
        assert "no device `arn-1/motors-9999`; nearest: arn-1/motors-0000" in words
        await stage.press("escape")
        assert stage.app.screen is page
        assert "Asking the engine" not in stage.screen_text
        assert "arn-1/motors-0000" in stage.screen_text


async def test_a_page_that_comes_back_to_the_top_asks_for_its_device_again() -> None:
    async with on_stage() as stage:
        await stage.press("enter", "enter", "colon")
        await stage.type("find")
        await stage.press("enter")
        await stage.type("sin-1/motors-0003")
        await stage.press("enter")
        assert "ap-south" in stage.screen_text
        assert stage.engine.device == "sin-1/motors-0003"
        await stage.press("escape")
        assert stage.engine.device == "arn-1/motors-0000"
        assert "Asking the engine" not in stage.screen_text
        assert "eu-north" in stage.screen_text
        await stage.press("escape", "escape")
        assert stage.engine.device == ""


async def test_after_an_abort_the_key_row_still_has_the_key_that_arms_again() -> None:
    async with on_stage() as stage:
        assert "i inject" in stage.screen_text
        await stage.press("ctrl+x")
        assert "i arm again" in stage.screen_text


async def test_the_map_groups_and_sorts() -> None:
    async with on_stage(at_s=330) as stage:
        first = stage.screen_text
        await stage.press("o", "o")
        assert "by region (o)" in stage.screen_text
        await stage.press("o", "s")
        assert stage.screen_text.index("fra-1") < stage.screen_text.index("arn-1")
        await stage.press("s")
        assert stage.screen_text == first


async def test_the_engine_is_asked_for_as_many_cells_as_there_is_room_for() -> None:
    async with on_stage((120, 36)) as stage:
        asked = [command.cells for command in stage.engine.sent if isinstance(command, SetCells)]
        assert asked == [1_000]
        await stage.pilot.resize_terminal(80, 24)
        await stage.settle()
        assert stage.engine.cells == 500


async def test_zoom_gives_one_panel_the_body_and_keeps_the_state_row_on_top() -> None:
    async with on_stage(at_s=440) as stage:
        await stage.press("tab", "tab", "z")
        rows = stage.screen_text.splitlines()
        assert rows[0].startswith(" > 10x")
        assert "2 Fleet" not in stage.screen_text
        assert "4 Incidents" not in stage.screen_text or "3 Objectives" not in stage.screen_text
        await stage.press("escape")
        assert "2 Fleet" in stage.screen_text


# --- palette, help, leaving -------------------------------------------------------------------------------------------


async def test_the_palette_finds_commands_by_noun_and_verb_and_shows_their_keys() -> None:
    async with on_stage() as stage:
        await stage.press("colon")
        assert isinstance(stage.app.screen, PaletteDialog)
        assert "fault: abort all" in stage.screen_text
        await stage.type("run paus")
        await stage.press("enter")
        assert stage.engine.sent_of(Pause) == [Pause()]


async def test_the_palette_injects_a_fault_by_name_and_ends_an_active_one() -> None:
    async with on_stage(at_s=330) as stage:
        await stage.press("colon")
        await stage.type("inject broker")
        await stage.press("enter")
        assert isinstance(stage.app.screen, InjectFormDialog)
        await stage.press("escape", "colon")
        await stage.type("fault: end outage")
        await stage.press("enter")
        assert stage.engine.sent_of(EndFault) == [EndFault(step="outage")]


async def test_the_palette_changes_the_look() -> None:
    async with on_stage(at_s=330) as stage:
        await stage.press("colon")
        await stage.type("ascii")
        await stage.press("enter")
        assert stage.screen_text.isascii()
        await stage.press("colon")
        await stage.type("light")
        await stage.press("enter")
        assert stage.app.theme == "storm-light"


async def test_the_help_lists_the_keys_of_the_screen_first() -> None:
    async with on_stage() as stage:
        await stage.press("8", "question_mark")
        assert stage.screen_text.index("This screen: 8 Timeline") < stage.screen_text.index("Everywhere")
        await stage.press("escape")
        assert "Everywhere" not in stage.screen_text


async def test_changed_keys_work_and_are_shown_as_changed() -> None:
    engine = FakeEngine()
    app = StormApp(engine, keymap={"fault.inject": "f", "fault.abort": "ctrl+k"}, clock=Clock())
    async with app.run_test(size=(120, 36)) as pilot:
        engine.greet()
        engine.show(330)
        for _ in range(4):
            await pilot.pause()
        text = "".join(segment.text for strip in app.screen._compositor.render_strips() for segment in strip)
        assert "ctrl+k ABORTS ALL" in text
        assert "f inject" in text
        await pilot.press("ctrl+k")
        await pilot.pause()
        assert engine.sent_of(AbortAll)


async def test_quitting_a_run_asks_and_enter_stays() -> None:
    async with on_stage() as stage:
        await stage.press("q", "enter")
        assert not stage.engine.sent_of(Quit)
        assert len(stage.app.screen_stack) == 1
        await stage.press("q", "Q")
        assert stage.engine.sent_of(Quit) == [Quit()]
        assert stage.app.return_value is not None
        assert stage.app.return_value.ended is not None
        assert stage.app.return_value.ended.ended == "stopped"


async def test_a_second_q_leaves_an_engine_that_does_not_end() -> None:
    async with on_stage(answers=False) as stage:
        await stage.press("q", "Q")
        assert stage.app.is_running
        assert "q again leaves at once" in stage.toasts[0]
        await stage.press("q")
        assert stage.app.return_value == Outcome(None, None)


async def test_ctrl_c_tells_how_to_leave() -> None:
    async with on_stage() as stage:
        await stage.press("ctrl+c")
        assert stage.toasts == ["q quits, ctrl+x ends all faults."]


async def test_a_click_on_a_key_does_what_the_key_does() -> None:
    async with on_stage() as stage:
        row = stage.screen_text.splitlines()[-1]
        await stage.pilot.click("KeyRow", offset=(row.index("pause"), 0))
        await stage.settle()
        assert stage.engine.sent_of(Pause) == [Pause()]


async def test_the_timeline_narrows_by_kind() -> None:
    async with on_stage(at_s=440) as stage:
        await stage.press("8")
        assert "silence fra-*" in stage.screen_text
        await stage.press("v")
        lists = stage.screen_text.split("Marks")[1]
        assert "power-outage site=fra-*" in lists
        assert "silence fra-*" not in lists


async def test_an_incident_is_acknowledged_from_anywhere_and_its_alarm_marked_wrong_where_it_is_listed() -> None:
    async with on_stage() as stage:
        await stage.press("a")
        assert not stage.engine.sent_of(Acknowledge)
        assert "No incident is open" in stage.toasts[0]
        stage.engine.show(450)
        await stage.settle()
        await stage.press("m")
        assert not stage.engine.sent_of(MarkWrong)
        assert "Incidents (4)" in stage.toasts[0]
        await stage.press("a")
        assert stage.engine.sent_of(Acknowledge) == [Acknowledge(incident=0)]
        assert "acknowledged INC-1" in stage.toasts[0]
        await stage.press("4")
        assert "ACK" in stage.screen_text
        await stage.press("a", "m")
        assert stage.engine.sent_of(Acknowledge)[-1] == Acknowledge(incident=1)
        assert stage.engine.sent_of(MarkWrong) == [MarkWrong(alarm=3)]
        assert "marked wrong" in stage.toasts[0]
