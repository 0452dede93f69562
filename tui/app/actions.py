"""What keys and the palette do to a run. `StormApp` adds the screens and the life of the connection."""

from __future__ import annotations

from typing import TypeVar

from textual.app import App

from twinstorm.scenarios.protocol import (
    AbortAll,
    Acknowledge,
    AddNote,
    Command,
    EndFault,
    IncidentRow,
    MarkWrong,
    Pause,
    Quit,
    Rearm,
    Resume,
    SetFilter,
    SetSpeed,
    Step,
)
from twinstorm.tui.app.board import Board
from twinstorm.tui.app.look import Colours, Look

SPEEDS = (1.0, 10.0, 100.0, 0.0)
"""What + and - go through; 0 is as fast as it can."""
STEP_US = 1_000_000
"""Simulated time of one `.` while paused."""


def next_speed(speed: float, steps: int) -> float:
    """The speed of the ladder above (`steps` 1) or below (-1) any speed.

    >>> next_speed(1, 1), next_speed(5, 1), next_speed(100, 1), next_speed(0, 1), next_speed(0, -1), next_speed(5, -1)
    (10.0, 10.0, 0.0, 0.0, 100.0, 1.0)
    """
    limited = [rung for rung in SPEEDS if rung > 0]
    if speed <= 0:
        return SPEEDS[-1] if steps > 0 else limited[-1]
    if steps > 0:
        return next((rung for rung in limited if rung > speed), SPEEDS[-1])
    return next((rung for rung in reversed(limited) if rung < speed), limited[0])


Outcome = TypeVar("Outcome")


class RunActions(App[Outcome]):
    """Actions that end in one command to the engine, or in a reason why not."""

    board: Board

    # --- what the application gives ---------------------------------------------------------------------------------

    def tell(self, command: Command) -> bool:
        """Send a command; False, after saying why, if none can be sent."""
        raise NotImplementedError

    def say(self, what: str, *, bad: bool = False) -> None:
        raise NotImplementedError

    def key(self, key_id: str) -> str:
        """The key of a binding as people see it."""
        raise NotImplementedError

    def close_fault_dialogs(self) -> None:
        """Close a dialog that leads to a fault."""
        raise NotImplementedError

    def action_inject(self, fault: str = "") -> None:
        """Ask for what a fault needs, then whether; the list of faults first if none is named."""
        raise NotImplementedError

    def action_screen(self, mode: str) -> None:
        raise NotImplementedError

    @property
    def look(self) -> Look:
        raise NotImplementedError

    def change_look(self, *, colours: Colours | None = None, ascii_only: bool | None = None) -> None:
        """Other colours or signs, from now on."""
        raise NotImplementedError

    # --- time -------------------------------------------------------------------------------------------------------

    def action_pause(self) -> None:
        if self._says_that_it_is_live("A live run cannot pause: devices and broker go by the clock on the wall."):
            return
        frame = self.board.frame
        self.tell(Resume() if frame is not None and frame.state == "paused" else Pause())

    def action_speed(self, steps: int) -> None:
        if self._says_that_it_is_live("A live run keeps the speed that it began with: --speed at its start."):
            return
        asked = next_speed(self.board.speed, steps)
        if asked == self.board.speed:
            self.say("That is as fast as it goes." if steps > 0 else "1x is the slowest; space pauses.")
        elif self.tell(SetSpeed(speed=asked)):
            self.board.ask_speed(asked)

    def action_step(self) -> None:
        if self._says_that_it_is_live("A live run cannot pause, so there are no steps."):
            return
        frame = self.board.frame
        if frame is not None and frame.state != "paused" and self.board.goes_on:
            self.say(f"One second on works while paused: {self.key('run.pause')} pauses.")
        else:
            self.tell(Step(us=STEP_US))

    def _says_that_it_is_live(self, why: str) -> bool:
        if not (self.board.is_live and self.board.goes_on):
            return False
        self.say(f"{why} {self.key('app.quit')} ends it, {self.key('fault.abort')} closes every connection.")
        return True

    # --- faults: ending them never asks -----------------------------------------------------------------------------

    def action_abort(self) -> None:
        """End every fault at once, from wherever it is pressed; dialogs that lead to a fault close."""
        if not self.board.goes_on:
            self.say(f"Nothing to abort. {self.board.why_not or ''}".strip())
            return
        if self.tell(AbortAll(reason=f"{self.key('fault.abort')} on the screen")):
            if self.board.is_live:
                self.say("ABORT: every fault ends, every connection closes, and the run ends.")
            else:
                again = f"`{self.key('help.commands')} fault: arm again`"
                self.say(f"ABORT: every fault ends, none can start until {again}.")
        self.close_fault_dialogs()

    def action_end_newest(self) -> None:
        frame = self.board.frame
        if self.board.goes_on and frame is not None and not any(fault.injected for fault in frame.faults):
            self.say(f"You started no fault that is active. {self.key('fault.abort')} ends those of the scenario, too.")
        else:
            self.tell(EndFault())

    def end_fault(self, step: str) -> None:
        self.tell(EndFault(step=step))

    def action_rearm(self) -> None:
        frame = self.board.frame
        if frame is not None and frame.armed and self.board.goes_on:
            self.say("Faults are armed: nothing to do.")
        else:
            self.tell(Rearm())

    # --- incidents --------------------------------------------------------------------------------------------------

    def chosen_incident(self) -> IncidentRow | None:
        """The one that is marked on the screen of incidents; None: that is not the screen."""
        raise NotImplementedError

    def action_acknowledge(self) -> None:
        """Take the marked incident, or, elsewhere, the newest open one."""
        frame, chosen = self.board.frame, self.chosen_incident()
        if chosen is None and self.board.goes_on and frame is not None:
            waiting = [row for row in frame.incidents if row.state == "open"]
            if not waiting:
                self.say("No incident is open.")
                return
        self.tell(Acknowledge(incident=0 if chosen is None else chosen.number))

    def action_mark_wrong(self) -> None:
        """Say that the newest alarm of the marked incident had nothing behind it."""
        chosen = self.chosen_incident()
        if chosen is None:
            self.say("Mark an alarm wrong from Incidents (4), where it is clear which.")
        elif not chosen.newest_alarm:
            self.say(f"INC-{chosen.number} has no alarm.")
        else:
            self.tell(MarkWrong(alarm=chosen.newest_alarm))

    # --- notes and filter -------------------------------------------------------------------------------------------

    def action_bookmark(self) -> None:
        if self.tell(AddNote(text="bookmark")):
            self.say("Bookmark set.")

    def add_note(self, text: str, at_us: int | None) -> None:
        """`at_us`: when its line was opened."""
        if text:
            self.tell(AddNote(text=text, at_us=at_us))

    def action_clear_filter(self) -> None:
        frame = self.board.frame
        if frame is not None and not frame.filter and self.board.goes_on:
            self.say("No filter is set.")
        else:
            self.tell(SetFilter())

    def end_run(self) -> None:
        self.tell(Quit())
