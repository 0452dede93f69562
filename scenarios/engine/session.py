"""A run under somebody's hands: what they see, and the commands of a front end. Knows no socket."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import msgspec

from twinstorm.scenarios import protocol
from twinstorm.scenarios.engine import alarm_desk
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.errors import Refused
from twinstorm.scenarios.engine.frames import Watch
from twinstorm.scenarios.engine.paces import Pace
from twinstorm.scenarios.faults.base import catalogue, misfit
from twinstorm.scenarios.language.selectors import SelectorError
from twinstorm.scenarios.language.settings import SettingError, fault_settings
from twinstorm.scenarios.protocol import Answered, Command, DeviceList, Frame
from twinstorm.twin.plugins import PluginError

SITES_NAMED = 8
"""Sites that a refusal names; a fleet may have thousands."""


class Session:
    """One engine, moved by a pace, and what is asked of both.

    Attributes:
        leaving: the front end has taken its leave.
    """

    def __init__(self, engine: Engine, pace: Pace) -> None:
        self.engine = engine
        self.pace = pace
        self.watch = Watch(engine)
        engine.sinks = (*engine.sinks, self.watch)
        self.leaving = False

    def frame(self) -> Frame:
        pace = self.pace
        state = "ended" if self.engine.ended else "paused" if pace.paused else "running"
        return self.watch.frame(state, pace.speed, pace.holding, pace.lag_s, pace.live)

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
                self.pace.pause()
            case protocol.Resume():
                self.pace.resume()
            case protocol.SetSpeed(speed=speed):
                self.pace.set_speed(speed)
            case protocol.Step(us=us):
                self.pace.step(us)
            case protocol.Inject():
                return self._inject(command)
            case protocol.EndFault(step=step):
                return Answered(ok=True, text=f"ended {engine.end_fault(step).value}")
            case protocol.AbortAll(reason=reason):
                return Answered(ok=True, text=self.pace.abort(reason))
            case protocol.Rearm():
                engine.arm_again()
                return Answered(ok=True, text="armed again")
            case protocol.AddNote(text=text, at_us=at_us):
                engine.note(text, at_us)
            case protocol.Acknowledge(incident=incident):
                return Answered(ok=True, text=alarm_desk.acknowledge(engine, incident))
            case protocol.MarkWrong(alarm=alarm):
                return Answered(ok=True, text=alarm_desk.mark_wrong(engine, alarm))
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
            case protocol.AskStreams(on=on):
                self.watch.streams = on
            case protocol.Quit():
                self.leaving = True
                self.pace.finish("stopped")
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
            if reach:
                self.engine.may_inject(command.fault, command.target, settings)
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
