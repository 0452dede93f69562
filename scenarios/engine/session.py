"""A run under somebody's hands: pace, pause, and the commands of a front end. Knows no socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from twinstorm.scenarios import protocol
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.errors import Refused
from twinstorm.scenarios.engine.frames import Watch
from twinstorm.scenarios.faults.base import catalogue, misfit
from twinstorm.scenarios.language.selectors import SelectorError
from twinstorm.scenarios.language.settings import SettingError, fault_settings
from twinstorm.scenarios.protocol import Answered, Command, DeviceList, Frame
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.plugins import PluginError

FRAME_S = 0.1
_RATE_S = 1.0
SITES_NAMED = 8
"""Sites that a refusal names; a fleet may have thousands."""


class Session:
    """Plays an engine in wall time as asked.

    Args:
        clock: monotonic seconds; tests give their own.
    """

    def __init__(self, engine: Engine, speed: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.engine = engine
        self.watch = Watch(engine)
        engine.sinks = (*engine.sinks, self.watch)
        self.speed = speed
        self.paused = False
        self.leaving = False
        self._clock = clock
        self._anchor = (clock(), engine.now_us)
        self._rate_from = (clock(), engine.now_us)
        self._holding = 0.0

    # --- pace ---------------------------------------------------------------------------------------------------------

    def play(self) -> None:
        """Go on for about one frame of wall time; returns at once when there is nothing to do yet."""
        engine = self.engine
        if self.paused or engine.ended:
            return
        stop_at = self._clock() + FRAME_S
        if self.speed:
            since, from_us = self._anchor
            target_us = from_us + int((self._clock() - since) * self.speed * SECOND_US)
            while not engine.ended and engine.next_us() <= target_us and self._clock() < stop_at:
                engine.step()
            if engine.next_us() > target_us:
                engine.advance(min(target_us, engine.end_us - 1))
            elif not engine.ended:
                self._anchor = (self._clock(), engine.now_us)  # behind: go on from here instead of chasing
        else:
            while not engine.ended and self._clock() < stop_at:
                engine.step()
        self._measure()

    def idle_s(self) -> float:
        """How long a driver may sleep before the next `play`."""
        return FRAME_S if self.paused or self.engine.ended or self.speed else 0.0

    def frame(self) -> Frame:
        state = "ended" if self.engine.ended else "paused" if self.paused else "running"
        return self.watch.frame(state, self.speed, 0.0 if self.paused else self._holding)

    def _measure(self) -> None:
        since, from_us = self._rate_from
        now = self._clock()
        if now - since >= _RATE_S:
            self._holding = (self.engine.now_us - from_us) / SECOND_US / (now - since)
            self._rate_from = (now, self.engine.now_us)

    def _anchor_here(self) -> None:
        self._anchor = self._rate_from = (self._clock(), self.engine.now_us)

    # --- commands -----------------------------------------------------------------------------------------------------

    def obey(self, command: Command) -> Answered | DeviceList | None:
        """Carry a command out; what cannot be done now is answered with the reason."""
        try:
            answer = self._obey(command)
        except Refused as refused:
            answer = Answered(ok=False, text=str(refused))
        return msgspec.structs.replace(answer, to=type(command).__name__) if isinstance(answer, Answered) else answer

    def _obey(self, command: Command) -> Answered | DeviceList | None:  # noqa: C901 - one line a command
        engine = self.engine
        match command:
            case protocol.Pause():
                self.paused = True
            case protocol.Resume():
                self.paused = False
                self._anchor_here()
            case protocol.SetSpeed(speed=speed):
                if speed < 0:
                    raise Refused("a speed is not negative; 0 is as fast as it can")
                self.speed = speed
                self._anchor_here()
            case protocol.Step(us=us):
                if not self.paused:
                    raise Refused("one step works while paused: press space first")
                engine.advance(min(engine.now_us + max(us, 1), engine.end_us))
            case protocol.Inject():
                return self._inject(command)
            case protocol.EndFault(step=step):
                return Answered(ok=True, text=f"ended {engine.end_fault(step).value}")
            case protocol.AbortAll(reason=reason):
                ended = engine.abort_all(reason)
                words = f"{ended} fault{'' if ended == 1 else 's'} ended"
                return Answered(ok=True, text=f"{words}; injection is disarmed until you arm again")
            case protocol.Rearm():
                engine.arm_again()
                return Answered(ok=True, text="armed again")
            case protocol.AddNote(text=text, at_us=at_us):
                engine.note(text, at_us)
            case protocol.AskDevice(name=name):
                self.watch.follow(name)
                return Answered(ok=True, text="")
            case protocol.AskCell(group=group, cell=cell, filter=selector):
                return self.watch.cell(group, cell, selector)
            case protocol.SetFilter(selector=selector):
                self.watch.set_filter(selector)
                return Answered(ok=True, text="")
            case protocol.SetCells(cells=cells):
                self.watch.cells = max(cells, 1)
            case protocol.Quit():
                self.leaving = True
                engine.finish("stopped")
        return None

    def _inject(self, command: protocol.Inject) -> Answered:
        known = catalogue()
        if command.fault not in known:
            raise Refused(f"no fault `{command.fault}`; faults: {', '.join(known.working())}")
        try:
            fault = known[command.fault]
            reach = self.engine.reach_of(command.target) if fault.needs_target else len(self.engine.registry)
            settings: Mapping[str, object] = fault_settings(fault, command.settings, len(self.engine.registry))
            said = ""
            if reach:
                engine, target = self.engine, command.target
                segments = engine.segments_of(target) if fault.needs_target else []
                kinds, sites = partial(engine.kinds_of, target), partial(engine.sites_of, target)
                said = misfit(fault, kinds, settings, segments, sites, reach)
        except (SelectorError, SettingError, PluginError) as error:
            raise Refused(str(error)) from error
        if said:
            raise Refused(said)
        if command.dry:
            text = _reach_words(reach) if reach else self._nothing_matches(command.target)
            return Answered(ok=reach > 0, text=text, reach=reach)
        step = self.engine.inject(command.fault, command.target, command.lasts_us, settings)
        return Answered(ok=True, text=f"{step.value} on {_reach_words(reach)}", reach=reach)

    def _nothing_matches(self, target: str) -> str:
        registry = self.engine.registry
        sites = ", ".join(registry.sites[:SITES_NAMED]) + (", ..." if len(registry.sites) > SITES_NAMED else "")
        return f"0 of {len(registry):,} devices match `{target}`; sites: {sites}"


def _reach_words(reach: int) -> str:
    return f"{reach:,} device{'' if reach == 1 else 's'}"
