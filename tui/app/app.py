"""The terminal application: life of the connection, screens, dialogs. It draws frames and sends commands, no more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from textual import work
from textual.binding import BindingType
from textual.filter import LineFilter, NoColor
from textual.geometry import Size
from textual.worker import Worker

from twinstorm.scenarios.protocol import (
    PROTOCOL,
    Answered,
    AskDevice,
    AskStreams,
    Command,
    DeviceList,
    Ended,
    Event,
    Hello,
    IncidentRow,
    Inject,
    Quit,
    SetCells,
    SetFilter,
)
from twinstorm.tui.app.actions import RunActions
from twinstorm.tui.app.board import Board
from twinstorm.tui.app.commands import entries
from twinstorm.tui.app.connection import Connection
from twinstorm.tui.app.help_lines import help_lines
from twinstorm.tui.app.keys import NOT_YET, bindings, key_of
from twinstorm.tui.app.lines import Line, clean
from twinstorm.tui.app.link import Link
from twinstorm.tui.app.look import THEMES, Colours, Look, theme_of
from twinstorm.tui.app.messages import DevicesListed, Replied, RoomChanged
from twinstorm.tui.app.screens.ask_line import AskLineDialog
from twinstorm.tui.app.screens.base import BaseScreen
from twinstorm.tui.app.screens.broker import BrokerScreen
from twinstorm.tui.app.screens.device import DeviceScreen
from twinstorm.tui.app.screens.devices import DevicesScreen
from twinstorm.tui.app.screens.dialog import Dialog
from twinstorm.tui.app.screens.fleet import FleetScreen
from twinstorm.tui.app.screens.incidents import IncidentsScreen
from twinstorm.tui.app.screens.inject_form import InjectFormDialog
from twinstorm.tui.app.screens.inject_list import InjectListDialog
from twinstorm.tui.app.screens.inject_question import InjectQuestionDialog
from twinstorm.tui.app.screens.objectives import ObjectivesScreen
from twinstorm.tui.app.screens.overview import OverviewScreen
from twinstorm.tui.app.screens.palette import PaletteDialog
from twinstorm.tui.app.screens.question import QuestionDialog
from twinstorm.tui.app.screens.scenarios import Choice, ScenariosScreen
from twinstorm.tui.app.screens.streams import StreamsScreen
from twinstorm.tui.app.screens.text_dialog import TextDialog
from twinstorm.tui.app.screens.timeline import TimelineScreen
from twinstorm.tui.app.signs import Signs
from twinstorm.tui.app.verdict_lines import verdict_lines

LOOK_EVERY_S = 0.5
"""How often the screen checks whether its values have grown old."""


@dataclass(frozen=True)
class Outcome:
    """What `StormApp.run` returns.

    Attributes:
        ended: the engine's last message; None if it sent none, or people left before.
        dead: why the engine is gone without a verdict, None if it is not.
    """

    ended: Ended | None
    dead: str | None


Start = Callable[[str], Awaitable[Connection]]


class StormApp(RunActions[Outcome]):
    """Screens over one engine.

    Args:
        connection: an engine that already runs; None: begin with the list of scenarios.
        scenarios: name, title and story of each scenario to choose from.
        start: starts the engine with the scenario of this name. An exception's text is shown beside the list; it is
            cancelled if people do not want to wait.
        asks: what somebody has to consent to before this scenario is started, a sentence each; they are asked on the
            screen. An exception's text is shown beside the list.
        first: a scenario of the list to start with; empty: none.
        look: colours and signs; by default dark.
        keymap: binding id to keys, from the settings file; ids are those of `keys.KEYS`.
        clock: wall seconds, for staleness alone.
    """

    CSS_PATH = "storm.tcss"
    TITLE = "twinstorm"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [*bindings()]
    MODES: ClassVar = {
        "overview": OverviewScreen,
        "fleet": FleetScreen,
        "objectives": ObjectivesScreen,
        "incidents": IncidentsScreen,
        "broker": BrokerScreen,
        "timeline": TimelineScreen,
        "streams": StreamsScreen,
    }

    def __init__(
        self,
        connection: Connection | None = None,
        *,
        scenarios: Sequence[Choice] = (),
        start: Start | None = None,
        asks: Callable[[str], Sequence[str]] = lambda _: (),
        first: str = "",
        look: Look | None = None,
        keymap: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look if look is not None else Look()
        super().__init__()
        self.board = Board()
        self.room = 0
        self._connection = connection
        self._choices = list(scenarios)
        self._start = start
        self._asks = asks
        self._first = first
        self._clock = clock
        self._changed_keys = dict(keymap or {})
        self._link: Link | None = None
        self._life: Worker[None] | None = None
        self._paint_due = False
        self._stale_shown = 0
        self._leaving = False
        self._quit_question: QuestionDialog | None = None
        self._streams_asked = False
        for theme in THEMES.values():
            self.register_theme(theme)
        self.theme = theme_of(self._look).name
        self.add_mode("scenarios", lambda: ScenariosScreen(self._choices))
        self.set_keymap(self._changed_keys)

    # --- what screens and widgets ask for (see `host.Host`) ---------------------------------------------------------

    @property
    def look(self) -> Look:
        return self._look

    @property
    def signs(self) -> Signs:
        return Signs.of(self._look)

    @property
    def cancels_start(self) -> bool:
        """Esc takes back the choice of a scenario: its first frame has not come, and there is a list to go back to."""
        board = self.board
        chosen = bool(board.starting) and board.frame is None
        return chosen and bool(self._choices) and board.ended is None and board.dead is None

    @property
    def stale_s(self) -> int:
        return self.board.stale_s(self._clock())

    def key(self, key_id: str) -> str:
        return key_of(key_id, self._changed_keys)

    def tell(self, command: Command) -> bool:
        why = self.board.why_not
        if why is not None or self._link is None:
            self.say(why or "No engine is connected.")
            return False
        self.board.asked(self._clock())
        if isinstance(command, AskDevice):
            self.board.followed = command.name
        self._link.send(command)
        return True

    def say(self, what: str, *, bad: bool = False) -> None:
        self.clear_notifications()
        words = clean(what, ascii_only=self._look.ascii)
        self.notify(words, severity="error" if bad else "information", timeout=6, markup=False)

    def open_devices(self, group: str, cell: int) -> None:
        if self._can_tell():
            self.push_screen(DevicesScreen(group, cell))

    def open_device(self, name: str) -> None:
        if self._can_tell():
            self.push_screen(DeviceScreen(name))

    def start_scenario(self, name: str) -> None:
        self._life = self._start_and_run(name)

    def go_back(self) -> None:
        """Esc: the nearest thing that can be closed, then the filter; never the application."""
        screen = self.screen
        if isinstance(screen, BaseScreen) and screen.zoomed:
            screen.zoom()
        elif self.cancels_start:
            self._cancel_start()
        elif len(self.screen_stack) > 1:
            self.pop_screen()
        elif self.board.frame is not None and self.board.frame.filter:
            self.action_clear_filter()

    # --- life -------------------------------------------------------------------------------------------------------

    def on_mount(self) -> None:
        self._dress()
        self.set_interval(LOOK_EVERY_S, self.look_at_clock)
        if self._connection is not None:
            self.switch_mode("overview")
            self._life = self._run(self._connection)
        else:
            self.switch_mode("scenarios" if self._choices else "overview")
            if self._first:
                self.start_scenario(self._first)

    @work(exclusive=True, group="life")
    async def _run(self, connection: Connection) -> None:
        await self._link_up(connection)

    @work(exclusive=True, group="life")
    async def _start_and_run(self, name: str) -> None:
        """Start the engine of a chosen scenario and follow it. If it does not start: back to the list, and why."""
        if self._start is None:
            self.say("No scenario can be started from here.", bad=True)
            return
        try:
            reasons = self._asks(name)
            if reasons and not await self.push_screen_wait(
                QuestionDialog("Start all the same?", reasons, "Start", "S")
            ):
                return
            self.board = Board(starting=name)
            self.switch_mode("overview")
            connection = await self._start(name)
        except Exception as error:
            self.log.error(error)
            self._back_to_list(f"{name} did not start: {error}")
            return
        await self._link_up(connection)

    async def _link_up(self, connection: Connection) -> None:
        self._link = Link(connection, self._take, self._lose)
        await self._link.run()

    def _cancel_start(self) -> None:
        """Esc while the engine is being built: it is told to leave, and the list comes back."""
        if self._link is not None:
            self._link.silence()
            self._link.send(Quit())
            self._link = None
        elif self._life is not None:
            self._life.cancel()
        self._back_to_list("")

    def _back_to_list(self, trouble: str) -> None:
        self.board = Board()
        self.switch_mode("scenarios")
        screen = self.screen
        if isinstance(screen, ScenariosScreen):
            screen.trouble = trouble
        self.renew()

    def _take(self, event: Event) -> None:
        self.board.take(event, self._clock())
        match event:
            case Hello() if event.protocol != PROTOCOL:
                if self._link is not None:
                    self._link.silence()
                self._lose(f"it speaks protocol {event.protocol}, this screen {PROTOCOL}: use the same version of both")
            case Answered():
                self._answer(event)
            case DeviceList():
                for screen in self.screen_stack:
                    screen.post_message(DevicesListed(event))
            case Ended():
                self._finish()
            case Hello():
                self._streams_asked = False
            case _:
                self._ask_for_streams()
        self._paint_soon()

    def _ask_for_streams(self) -> None:
        """Let the engine make their rows while their screen is open, whatever lies on top of it."""
        wanted = self.current_mode == "streams"
        if wanted != self._streams_asked and self.board.goes_on and self._link is not None:
            self._streams_asked = wanted
            self._link.send(AskStreams(on=wanted))

    def _answer(self, answer: Answered) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, Dialog) and screen.awaits(answer):
                screen.post_message(Replied(answer))
                return
        if isinstance(self.screen, DeviceScreen) and not answer.ok:
            self.screen.refused = answer.text
        if answer.text:
            self.say(answer.text, bad=not answer.ok)

    def _lose(self, reason: str) -> None:
        """The engine is gone. Without its verdict everything stays as it was, under the reason."""
        if self.board.ended is None:
            self.board.dead = reason
            self._close_what_is_over()
            if self._leaving:
                self._leave()
        self._paint_soon()

    def _finish(self) -> None:
        self._close_what_is_over()
        if self._leaving:
            self._leave()
        elif not isinstance(self.screen, AskLineDialog):
            self.action_verdict()

    def _close_what_is_over(self) -> None:
        """Close a question that makes no sense without a run. A line that somebody types stays, with the reason why it
        cannot be sent: what is typed next must not act as keys. The verdict follows when it is closed."""
        screen = self.screen
        if isinstance(screen, AskLineDialog):
            screen.complain(f"{self.board.why_not or ''} Esc closes this.")
        elif isinstance(screen, Dialog) and screen.about_run:
            screen.dismiss(None)

    def _ask_line(self, dialog: AskLineDialog, then: Callable[[str], object]) -> None:
        """Ask for a line; `then` gets it unless Esc was pressed."""

        def closed(line: str | None) -> None:
            if line is not None:
                then(line)
            if self.board.ended is not None and not self._leaving:
                self.action_verdict()

        self.push_screen(dialog, closed)

    def _leave(self) -> None:
        self.exit(Outcome(self.board.ended, self.board.dead))

    # --- drawing ----------------------------------------------------------------------------------------------------

    def _paint_soon(self) -> None:
        """Draw once, however many events came since."""
        if not self._paint_due:
            self._paint_due = True
            self.call_later(self._paint)

    def _paint(self) -> None:
        self._paint_due = False
        self.renew()

    def renew(self) -> None:
        """Show what the board knows on everything that is seen: the top screen and what shines through below it."""
        self._stale_shown = self.stale_s
        for screen in reversed(self.screen_stack):
            if isinstance(screen, BaseScreen | Dialog) and screen.is_mounted:
                screen.set_class(bool(self._stale_shown), "-stale")
                screen.renew()
            if isinstance(screen, BaseScreen):
                break

    def look_at_clock(self) -> None:
        """Time passes also when no frame comes: that is when values grow old."""
        if self.stale_s != self._stale_shown:
            self.renew()

    def on_room_changed(self, event: RoomChanged) -> None:
        if self.board.goes_on and event.cells != self.room and self._link is not None:
            self.room = event.cells
            self._link.send(SetCells(cells=event.cells))

    def get_line_filters(self) -> Sequence[LineFilter]:
        filters = super().get_line_filters()
        return [*filters, NoColor()] if self._look.colours == "none" else filters

    def change_look(self, *, colours: Colours | None = None, ascii_only: bool | None = None) -> None:
        """Other colours or signs, from now on."""
        self._look = replace(
            self._look,
            colours=self._look.colours if colours is None else colours,
            ascii=self._look.ascii if ascii_only is None else ascii_only,
        )
        self._dress()
        self.renew()

    def _dress(self) -> None:
        self.theme = theme_of(self._look).name
        self.set_class(self._look.ascii, "-ascii")

    # --- screens and dialogs ----------------------------------------------------------------------------------------

    def action_screen(self, mode: str) -> None:
        if self.board.hello is None and self.board.dead is None:
            self.say(self.board.why_not or "")
            return
        while len(self.screen_stack) > 1:
            self.pop_screen()
        self.switch_mode(mode)
        self._ask_for_streams()

    def action_not_yet(self, key: str) -> None:
        self.say(NOT_YET[key])

    async def action_back(self) -> None:
        self.go_back()

    def action_zoom(self) -> None:
        screen = self.screen
        if isinstance(screen, BaseScreen) and not screen.zoom():
            self.say("tab chooses a panel, z enlarges it.")

    def action_keys(self) -> None:
        screen = self.screen
        here = screen.TITLE_HERE if isinstance(screen, BaseScreen) else ""
        keys = [(key, does) for key, does, _ in screen.keys_here()] if isinstance(screen, BaseScreen) else []

        def make(size: Size) -> list[Line]:
            return help_lines(here, keys, self._changed_keys, self.signs, size.width)

        self.push_screen(TextDialog("Help", make))

    def action_palette(self) -> None:
        self.push_screen(PaletteDialog(entries(self)), lambda entry: entry.run() if entry is not None else None)

    def chosen_incident(self) -> IncidentRow | None:
        return self.screen.chosen() if isinstance(self.screen, IncidentsScreen) else None

    def action_verdict(self) -> None:
        ended = self.board.ended
        if ended is None:
            self.say("No verdict yet: it comes at the end of the run.")
            return

        def make(size: Size) -> list[Line]:
            return verdict_lines(ended, self.signs, size.width)

        self.push_screen(TextDialog("Verdict", make))

    def action_note(self) -> None:
        if not self._can_tell():
            return
        frame = self.board.frame
        at_us = frame.at_us if frame is not None else None
        hint = "@name, #todo and #decision become tags. Stamped with the moment this line opened."
        self._ask_line(AskLineDialog("Note", hint), lambda text: self.add_note(text, at_us))

    def action_filter(self) -> None:
        if not self._can_tell():
            return
        frame = self.board.frame
        hint = "site=fra-*  state=offline  firmware<2.4  kind=motor; empty: all devices"
        now = frame.filter if frame is not None else ""
        dialog = AskLineDialog("Filter", hint, now, order=lambda text: SetFilter(selector=text))
        self._ask_line(dialog, lambda _text: None)

    def action_find_device(self) -> None:
        if self._can_tell():
            hint = "the whole name, as in lists: site/kind-number"
            dialog = AskLineDialog("Find a device", hint, order=lambda name: AskDevice(name=name))
            self._ask_line(dialog, lambda name: self.open_device(name) if name else None)

    def _can_tell(self) -> bool:
        """A command could be given now; says why if not."""
        if (why := self.board.why_not) is not None:
            self.say(why)
        return why is None

    # --- injecting: list, form, question ----------------------------------------------------------------------------

    def action_inject(self, fault: str = "") -> None:
        if not self._can_tell():
            return
        frame = self.board.frame
        if frame is not None and not frame.armed:
            words = ["An abort disarmed injection.", "Armed again, faults may be started; none starts by itself."]
            self.push_screen(
                QuestionDialog("Arm again?", words, "Arm again", "A"),
                lambda yes: self.action_rearm() if yes else None,
            )
            return
        self._inject(fault)

    @work(exclusive=True, group="inject")
    async def _inject(self, name: str) -> None:
        """Fault, form, question; each may be left with Esc."""
        hello = self.board.hello
        if hello is None:
            return
        screen = self.screen
        target = screen.target() if isinstance(screen, BaseScreen) else ""
        fault = next((known for known in hello.faults if known.name == name), None)
        if fault is None:
            fault = await self.push_screen_wait(InjectListDialog(hello.faults))
        if fault is None:
            return
        prepared = await self.push_screen_wait(InjectFormDialog(fault, target))
        if prepared is None:
            return
        if await self.push_screen_wait(InjectQuestionDialog(fault, prepared, hello.devices)):
            order: Inject = prepared.order
            self.tell(order)

    def close_fault_dialogs(self) -> None:
        if isinstance(self.screen, Dialog) and self.screen.about_faults:
            self.screen.dismiss(None)

    # --- leaving ----------------------------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Leave; during a run only after a question, and once the engine has written its report."""
        if self._quit_question is not None and self._quit_question in self.screen_stack:
            return
        if not self.board.goes_on or self._leaving:
            if self.board.starting and self._link is not None:
                self._link.send(Quit())
                await asyncio.sleep(0)
            self._leave()
            return
        words = ["The run ends here: faults end, the report is written.", "It will count as stopped early."]
        if self.board.is_live:
            words.append(f"What is under way still arrives; {self.key('fault.abort')} waits for nothing.")
        self._quit_question = QuestionDialog("Quit?", words, "Quit", "Q")
        self.push_screen(self._quit_question, lambda yes: self._end_and_leave() if yes else None)

    def _end_and_leave(self) -> None:
        if not self.board.goes_on:
            self._leave()
            return
        self._leaving = True
        self.end_run()
        self.say("Ending the run: the report is being written. q again leaves at once.")

    def action_help_quit(self) -> None:
        what = "closes every connection" if self.board.is_live else "ends all faults"
        self.say(f"{self.key('app.quit')} quits, {self.key('fault.abort')} {what}.")


__all__ = ["Outcome", "StormApp"]
