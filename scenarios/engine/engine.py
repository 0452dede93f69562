"""One run: world, broker, core and timeline, moved forward together.

The world and the engine have a SimPy environment each. `advance` takes the earlier of their next instants, lets the
world handle every device event before it, then lets the stories of that instant act, the engine's first. All state is
plain data: a pickle of the engine is a snapshot, taken between two stories, and the environments are rebuilt from it.
"""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.burn import Burning
from twinstorm.detectors.core import Core
from twinstorm.detectors.objectives import Objective
from twinstorm.detectors.panes import Pane, Passed
from twinstorm.detectors.values.stored import Version
from twinstorm.scenarios.burning import burn_rules
from twinstorm.scenarios.engine import alarm_desk
from twinstorm.scenarios.engine.errors import Refused, Unavailable
from twinstorm.scenarios.engine.following import follow
from twinstorm.scenarios.engine.incident_news import IncidentNews, changed_in
from twinstorm.scenarios.engine.judge import Judge, Watched, seconds
from twinstorm.scenarios.engine.maintenance_log import ends_as
from twinstorm.scenarios.engine.mirrors import Mirrors
from twinstorm.scenarios.engine.pane_rows import PaneRows
from twinstorm.scenarios.engine.recovery import Recovery
from twinstorm.scenarios.engine.select import FleetSelector
from twinstorm.scenarios.engine.silences import Silences
from twinstorm.scenarios.engine.streams import Figures
from twinstorm.scenarios.engine.timeline import (
    END,
    LAST_RANK,
    PANE,
    RAMP,
    RAMP_PARTS,
    STEP,
    STEP_END,
    StepRun,
    StepStory,
    planned,
    stories_of,
)
from twinstorm.scenarios.engine.truth import Witness
from twinstorm.scenarios.engine.upkeep import UpkeepDesk, counts_of, figures_of, plan_of
from twinstorm.scenarios.engine.wiring import Wiring
from twinstorm.scenarios.faults import base as calls
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.scenarios.language.catalogue import OF_CONTINUITY, OF_MAINTENANCE, OF_PROCESSING, SLIS
from twinstorm.scenarios.language.expressions import Evaluator, names
from twinstorm.scenarios.language.figures import asked
from twinstorm.scenarios.language.model import Expectation, Instant, Scenario, Segment, Site, Step
from twinstorm.scenarios.language.selectors import Selector
from twinstorm.scenarios.models.manifest import Stored
from twinstorm.scenarios.models.store import needed
from twinstorm.scenarios.result import (
    Ended,
    EventRow,
    PaneRow,
    Sink,
)
from twinstorm.twin.eventlog import Code
from twinstorm.twin.flow import (
    NEVER_US,
    SECOND_US,
    Alarm,
    BrokerCounters,
    CloudOutcome,
    FaultOrder,
    Incident,
    Ledger,
    LossCause,
    Mask,
    Observed,
)
from twinstorm.twin.machines.kind import MachineKind
from twinstorm.twin.machines.kind import catalogue as machines
from twinstorm.twin.stories import Stage, Story
from twinstorm.twin.wire.merging import parted

NO_BATTERY = 101
"""Code of devices without a battery, or without a reading of it, in selectors."""

_NO_CONNECTS: Mapping[str, int] = Counter()

LONGEST_LEAP_US = 300 * SECOND_US
"""Calm seconds that are played at once; longer is hardly cheaper."""

LOOK_US = 10 * SECOND_US
"""A bare SLI in an expression is its last 10 s."""


class Engine:
    """Plays one scenario.

    Args:
        scenario: what to play.
        seed: of the run.
        wiring: world, broker and cloud end, modelled or live.
        until_us: stop here even if the scenario goes on.
        armed: names of steps whose faults really act; None: all. Tests disarm faults to see that a run notices.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        wiring: Wiring,
        until_us: int | None = None,
        armed: frozenset[str] | None = None,
    ) -> None:
        self.scenario, self.seed = scenario, seed
        self.wiring = wiring
        self.armed = armed
        self.end_us = scenario.duration_us if until_us is None else min(until_us, scenario.duration_us)
        self.now_us = 0
        self.ended: Ended | Literal[""] = ""
        self.aborted = False
        """Empty while running; then completed, stopped, aborted or interrupted."""
        self.injection_allowed = True
        self.registry = wiring.registry
        self._judged_masks: dict[str, Mask | None] = {}
        self.selector = FleetSelector(self.registry, wiring.device_keys, seed)
        self.objectives = [self._objective(each) for each in scenario.objectives]
        segments = scenario.fleet.segments
        self.mirrors: Mirrors | None = None
        """None: nobody asks for any."""
        if any(each.mirror is not None for each in segments):
            self.mirrors = Mirrors(self.registry, segments, wiring.year_us, scenario.warm_up_us)
        self.core = Core(
            self.registry,
            self.objectives,
            self._detectors(),
            scenario.warm_up_us,
            run_us=self.end_us,
            also=_asked_of(scenario),
            derived=self.mirrors,
        )
        each_second = follow(self.core, scenario)
        if scenario.stamps is not None:
            wiring.stamp()
        self._silences = Silences(self.core, scenario.continuity, self.selector)
        self._figures = Figures(self.core, self.selector)
        self.steps = planned(scenario)
        self.recoveries: dict[str, Recovery] = {}
        self.witness = Witness()
        self._steady: list[str] = []
        self.judge = self._make_judge()
        self._stop = None if scenario.stop_when is None else Evaluator(scenario.stop_when.when)
        self._stop_since_us: int | None = None
        self._masks: dict[str, Mask] = {}
        self._last = BrokerCounters()
        self._last_connects: Mapping[str, int] = {}
        self._accepted_before = 0
        self.reboots = 0
        self.refused_in_run = 0
        self._misdated = 0
        self._upkeep_desk = self._maintain()
        self._pane = Story(PANE, LAST_RANK, SECOND_US)
        self.stories: list[Story] = [*stories_of(self.steps), self._pane]
        self.stories.append(Story(END, LAST_RANK + 1, self.end_us))
        self.sinks: Sequence[Sink] = ()
        self._news = IncidentNews(self.core, scenario.runbooks)
        self._pane_rows = PaneRows(self.core, [each.name for each in self.objectives])
        self._may_leap = (
            wiring.leaps
            and scenario.stop_when is None
            and scenario.maintenance is None
            and not each_second
            and all(each.evaluator is None for each in self.judge.watched)
        )
        """Nobody asks for an answer each second."""
        self._leap_from_us = 0
        """Not worth trying before."""
        self._set_stages()

    # --- snapshot -----------------------------------------------------------------------------------------------------

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for derived in ("_stage", "_world_stage", "sinks"):
            state.pop(derived, None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.sinks = ()
        self._set_stages()

    def save(self) -> bytes:
        """A snapshot, between two stories. Read only snapshots you wrote yourself: it is a pickle."""
        return pickle.dumps(self, protocol=5)

    @staticmethod
    def load(snapshot: bytes) -> Engine:
        engine = pickle.loads(snapshot)  # noqa: S301 - written by `save`
        assert isinstance(engine, Engine)
        return engine

    def _set_stages(self) -> None:
        acts = {
            STEP: self._act_step,
            STEP_END: self._act_step_end,
            RAMP: self._act_ramp,
            PANE: self._act_pane,
            END: self._act_end,
        }
        self._stage = Stage(acts, self.stories, self.now_us)
        self._world_stage = Stage(self.wiring.acts, self.wiring.stories, self.now_us)

    # --- time ---------------------------------------------------------------------------------------------------------

    def next_us(self) -> int:
        """The next instant at which a story acts."""
        return min(self._stage.next_us(), self._world_stage.next_us())

    def step(self, until_us: int = NEVER_US) -> bool:
        """Let one story act, if one is due by `until_us`. Returns whether one was."""
        engine_us, world_us = self._stage.next_us(), self._world_stage.next_us()
        next_us = min(engine_us, world_us)
        if next_us > until_us:
            return False
        self.now_us = next_us
        self.wiring.advance_to(next_us)
        (self._stage if engine_us <= world_us else self._world_stage).step()
        return True

    def advance(self, until_us: int) -> None:
        """Play everything up to and including `until_us`, or to the end."""
        while not self.ended and (self._leap(until_us) or self.step(until_us)):
            pass
        if not self.ended:
            self.now_us = max(self.now_us, min(until_us, self.end_us))
            self.wiring.advance_to(self.now_us)

    def play(self) -> None:
        """Play to the end."""
        while not self.ended:
            if not self._leap(self.end_us):
                self.step()

    def _leap(self, until_us: int) -> bool:
        """Play calm seconds at once: devices sample and send, the core sees what it saw before, and nobody looks.

        Args:
            until_us: leap no further.

        Returns:
            Whether there were some.
        """
        now_us = self._pane.due_us
        if not self._may_leap or self._stage.next_us() != now_us or self._world_stage.next_us() < now_us:
            return False
        if self.sinks or now_us < self._leap_from_us or not self.core.rests or self.witness.waits:
            return False
        others = min(story.due_us for story in self.stories if story is not self._pane)
        reached_us = self.wiring.pass_calmly(now_us, min(until_us, others - 1, now_us + LONGEST_LEAP_US))
        if reached_us == now_us:
            return False
        self._close_panes(now_us, reached_us)
        self._pane.due_us = reached_us + SECOND_US
        self._set_stages()
        return True

    # --- steps --------------------------------------------------------------------------------------------------------

    def _act_step(self, story: StepStory, now_us: int) -> None:
        step = self.steps.runs[story.step]
        story.due_us = NEVER_US
        if step.cancelled:
            return
        step.started_us = now_us
        if step.action == "fault":
            self._start_fault(story.step, now_us)
        elif step.action == "end":
            self._end_fault(self.steps[step.value], now_us)
        elif step.action == "mark":
            self.wiring.log.tell(now_us, Code.MARK, story.step)
            self._tell(now_us, "mark", step.name, step.value)
        elif step.action in alarm_desk.ACTIONS:
            alarm_desk.act(self, step)

    def _act_step_end(self, story: StepStory, now_us: int) -> None:
        story.due_us = NEVER_US
        step = self.steps.runs[story.step]
        if step.active:
            self._end_fault(step, now_us)
        elif step.action == "suppress":
            step.ended_us = now_us
            alarm_desk.end(self, step)

    def _act_ramp(self, story: StepStory, now_us: int) -> None:
        step = self.steps.runs[story.step]
        story.part += 1
        if step.active:
            self._reach(step, story.part, now_us)
        more = step.active and story.part < RAMP_PARTS
        story.due_us = step.start_instant_us() + step.ramp_us * (story.part + 1) // RAMP_PARTS if more else NEVER_US

    def _start_fault(self, index: int, now_us: int) -> None:
        step = self.steps.runs[index]
        fault = catalogue()[step.value]
        if fault.needs_target:
            step.device = self._target(step)
            step.struck = self.registry.with_carried(step.device)
        step.order = FaultOrder(
            step.name, step.value, step.settings, step.device, now_us, step.end_instant_us(), step.ramp_us
        )
        if self._acts(step):
            self.witness.begin(self, step, now_us)
        self.wiring.log.tell(now_us, Code.FAULT_START, index, len(step.device))
        reached = len(step.struck) if fault.needs_target else len(self.registry)
        if reached:
            self.recoveries[step.name] = Recovery(reached)
        if step.ramp_us and fault.needs_target:
            # Stories that begin later come after those of the file at equal instants.
            ramp = StepStory(RAMP, self._next_rank(), now_us + step.ramp_us // RAMP_PARTS, index)
            self._enter(ramp)
        else:
            self._reach(step, RAMP_PARTS, now_us)
        lasts = "" if step.end_us is None else f"{(step.end_us - step.start_us) / SECOND_US:g} s"
        reach = f"{len(step.device):,} devices" if fault.needs_target else ""
        self._tell(now_us, "fault", step.name, "  ".join(filter(None, (step.value, step.target, reach, lasts))))

    def _reach(self, step: StepRun, part: int, now_us: int) -> None:
        """Let the fault take its devices up to this part of the ramp."""
        assert step.order is not None
        fault = catalogue()[step.value]
        reached = len(step.device) * part // RAMP_PARTS
        order = self.selector.in_lot_order(step.device)
        more = np.sort(order[step.reached : reached])
        step.reached = reached
        if self._acts(step) and (len(more) or not fault.needs_target):
            self.wiring.start_fault(fault, step.order, more, now_us)
            calls.misinform(fault, self.core, step.order, more, now_us)

    def _end_fault(self, step: StepRun, now_us: int) -> None:
        assert step.order is not None
        fault = catalogue()[step.value]
        order = self.selector.in_lot_order(step.device)
        step.ended_us = now_us
        if self._acts(step):
            reached = np.sort(order[: step.reached])
            self.wiring.end_fault(fault, step.order, reached, now_us)
            calls.correct(fault, self.core, step.order, reached, now_us)
            if ends_as(step):
                self.core.serviced(reached, now_us)
        self.wiring.log.tell(now_us, Code.FAULT_END, self.steps.runs.index(step), step.reached)
        self._tell(now_us, "fault-end", step.name, step.value)

    def evidence(self, step: StepRun) -> dict[str, int]:
        """What the fault of this step demonstrably did so far, to the world or the broker and to the core."""
        if step.order is None:
            return {}
        counts = Counter(self.wiring.evidence(catalogue()[step.value], step.order).counts)
        counts.update(self.core.evidence_of(step.name).counts)
        return dict(counts)

    def planned_faults(self) -> list[StepRun]:
        """Faults on the world whose devices are known before the run."""
        written = {each.name: each.target for each in self.scenario.steps}
        found = []
        for step in self.steps.runs:
            if step.action != "fault" or catalogue()[step.value].acts_on != "world" or not self._acts(step):
                continue
            target = written[step.name]
            if target is None or target.is_fixed:
                found.append(step)
        return found

    def planned_acts(self, step: StepRun) -> list[tuple[int, bool, FaultOrder, NDArray[np.int32]]]:
        """When a planned fault starts on which devices (True) and ends on which (False)."""
        device = self._target(step) if catalogue()[step.value].needs_target else step.device
        order = FaultOrder(step.name, step.value, step.settings, device, step.start_us, step.end_us, step.ramp_us)
        lot = self.selector.in_lot_order(device)
        parts = range(1, RAMP_PARTS + 1) if step.ramp_us else (RAMP_PARTS,)
        acts = []
        reached = 0
        for part in parts:
            at_us = step.start_us + (step.ramp_us * part // RAMP_PARTS if step.ramp_us else 0)
            if step.end_us is not None and at_us >= step.end_us:
                break
            now_reached = len(device) * part // RAMP_PARTS
            acts.append((at_us, True, order, np.sort(lot[reached:now_reached])))
            reached = now_reached
        if step.end_us is not None:
            acts.append((step.end_us, False, order, np.sort(lot[:reached])))
        return acts

    def _acts(self, step: StepRun) -> bool:
        return self.armed is None or step.name in self.armed

    def _target(self, step: StepRun) -> NDArray[np.int32]:
        written = {each.name: each.target for each in self.scenario.steps}
        selector = written.get(step.name) or self.parse_selector(step.target)
        return self.selector.devices(selector, self._moment)

    def _moment(self, key: str) -> tuple[NDArray[np.integer], Sequence[str]]:
        if key == "state":
            return self.core.observed(self.now_us), [state.name.lower() for state in Observed]
        if key == "battery":
            percent = self.core.newest_of("battery_pct")
            known = np.isfinite(percent)
            codes = np.where(known, np.floor(np.where(known, percent, 0.0)), NO_BATTERY).astype(np.int64)
            return codes, [f"{number} %" for number in range(NO_BATTERY)] + ["none"]
        raise Refused(f"`{key}` is not observed in this version")

    @staticmethod
    def parse_selector(text: str) -> Selector:
        """Raises SelectorError."""
        from twinstorm.scenarios.language import selectors

        return selectors.parse(text)

    def _next_rank(self) -> int:
        return 1 + max((story.rank for story in self.stories if story.rank < LAST_RANK), default=0)

    def _enter(self, story: Story) -> None:
        self.stories.append(story)
        self._stage.enter(story)

    # --- what people do -----------------------------------------------------------------------------------------------

    def reach_of(self, target: str) -> int:
        """Devices that a selector names now."""
        return int(np.count_nonzero(self.selector.mask(self.parse_selector(target), self._moment)))

    def kinds_of(self, target: str) -> list[MachineKind]:
        """Kinds of machine among the devices that a selector names now."""
        mask = self.selector.mask(self.parse_selector(target), self._moment)
        codes = np.unique(self.registry.kind[mask]).tolist()
        return [machines()[self.registry.kinds[code]] for code in codes]

    def segments_of(self, target: str) -> list[Segment]:
        """Segments of the devices that a selector names now."""
        mask = self.selector.mask(self.parse_selector(target), self._moment)
        return [self.scenario.fleet.segments[code] for code in np.unique(self.registry.segment[mask]).tolist()]

    def sites_of(self, target: str) -> list[Site]:
        """Sites of the devices that a selector names now."""
        mask = self.selector.mask(self.parse_selector(target), self._moment)
        return [self.scenario.fleet.sites[code] for code in np.unique(self.registry.site[mask]).tolist()]

    def may_inject(self, fault: str, target: str, settings: Mapping[str, Any]) -> None:
        """Say whether this fault can start now.

        Raises:
            Refused: after an abort, if no device matches, or if a live run was not made ready for it.
        """
        if not self.injection_allowed:
            raise Refused("injection is disarmed after an abort; arm it again first")
        known = catalogue()[fault]
        if known.needs_target and self.reach_of(target) == 0:
            sites = ", ".join(self.registry.sites)
            raise Refused(f"0 of {len(self.registry):,} devices match `{target}`; sites: {sites}")
        asked = np.zeros(0, np.int32)
        if known.needs_target:
            mask = self.selector.mask(self.parse_selector(target), self._moment)
            asked = np.flatnonzero(mask).astype(np.int32)
        if known.needs_consumers and (self.core.intake is None or not self.core.intake.has_consumers):
            raise Refused(f"`{fault}` strikes consumers, and this scenario has none: see `processing`")
        self.wiring.admit(known, settings, asked)

    def inject(self, fault: str, target: str, lasts_us: int | None, settings: Mapping[str, Any]) -> StepRun:
        """Start a fault now, beside those of the scenario.

        Raises:
            Refused: see `may_inject`.
        """
        self.may_inject(fault, target, settings)
        number = 1 + sum(step.injected for step in self.steps.runs)
        end_us = None if lasts_us is None else self.now_us + lasts_us
        step = StepRun(
            f"injected-{number}", "fault", fault, target, self.now_us, end_us, injected=True, settings=dict(settings)
        )
        self.steps.runs.append(step)
        step.started_us = self.now_us
        self._start_fault(len(self.steps.runs) - 1, self.now_us)
        if end_us is not None:
            self._enter(StepStory(STEP_END, self._next_rank(), end_us, len(self.steps.runs) - 1))
        return step

    def end_fault(self, name: str = "") -> StepRun:
        """End the fault of this step now; without a name the newest injected one.

        Raises:
            Refused: if there is none.
        """
        active = [step for step in self.steps.active() if step.name == name or (not name and step.injected)]
        if not active:
            raise Refused(f"no active fault {name}".strip() if name else "you started no fault that is still active")
        self._end_fault(active[-1], self.now_us)
        return active[-1]

    def abort_all(self, reason: str = "") -> int:
        """End every fault, cancel those to come, refuse new ones; the simulation goes on. Returns how many ended."""
        active = self.steps.active()
        for step in active:
            self._end_fault(step, self.now_us)
        for step in self.steps.runs:
            step.cancelled |= step.action == "fault" and step.started_us is None
        self.injection_allowed = False
        self.aborted = True
        ended = "1 fault" if len(active) == 1 else f"{len(active)} faults"
        self._tell(self.now_us, "abort", "abort", reason or f"{ended} ended by hand")
        return len(active)

    def arm_again(self) -> None:
        self.injection_allowed = True

    def note(self, text: str, at_us: int | None = None) -> None:
        """Tell a note of this instant of the run so far; None: of now."""
        spoken_of_us = self.now_us if at_us is None else min(max(at_us, 0), self.now_us)
        self._tell(spoken_of_us, "note", "note", text)

    def finish(self, how: Ended) -> None:
        """End the run here: faults end, a last pane is closed."""
        if self.ended:
            return
        for step in self.steps.active():
            self._end_fault(step, self.now_us)
        self._finish(how)

    # --- panes --------------------------------------------------------------------------------------------------------

    def _act_pane(self, story: Story, now_us: int) -> None:
        self._close_pane(now_us)
        story.due_us = NEVER_US if self.ended else now_us + SECOND_US

    def take_in(self, now_us: int) -> None:
        """Let the core process what has arrived; live runs do it between panes as well."""
        outcome = self.wiring.collect(now_us)
        self.core.sessions(outcome.sessions)
        for delivery in outcome.deliveries:
            self.core.ingest(delivery)

    def _close_pane(self, now_us: int) -> None:
        self.take_in(now_us)
        counters = self.wiring.counters(now_us)
        pane = self.core.close_pane(now_us, counters)
        self._tell_pane(now_us, pane)
        self.wiring.log.seal(now_us)
        self._look_at_pane(now_us, pane, counters)

    def _tell_pane(self, now_us: int, pane: Pane) -> None:
        self._log_pane(now_us, pane)
        for alarm in pane.new_alarms:
            self._tell_alarm(alarm)
        for incident in pane.new_incidents:
            self._tell_incident(incident)
        alarm_desk.tell(self, pane)
        self.tell_changed(changed_in(pane))

    def tell_changed(self, incidents: set[int]) -> None:
        """Tell whoever wants to know of incidents, by number, that are not what they were."""
        self._news.tell(self.sinks, incidents)

    def _look_at_pane(self, now_us: int, pane: Pane, counters: BrokerCounters) -> None:
        self._watch_recoveries(now_us)
        self.witness.look(self, now_us, pane.new_alarms)
        if self._upkeep_desk is not None:
            self._upkeep_desk.look(self.core, self.wiring, now_us)
        self.judge.look(now_us, self.look_up, self.end_us)
        self._send_pane(now_us, pane, counters)
        self._last = counters
        self._look_at_stop(now_us)

    def _close_panes(self, first_us: int, last_us: int) -> None:
        """Close the panes that end from `first_us` to `last_us`; everything in them has happened in the world."""
        outcome = self.wiring.collect(last_us)
        counters = self.wiring.counters(last_us)
        closed = self.core.close_panes(last_us, counters, outcome)
        if not closed:
            self._close_each(first_us, last_us, outcome)
            return
        now_us = first_us
        for passed, pane in closed:
            self._log_passed(now_us, passed)
            if self.recoveries:
                for at_us in range(now_us, pane.at_us, SECOND_US):
                    self._watch_recoveries(at_us)
            now_us = pane.at_us + SECOND_US
            self.now_us = pane.at_us
            self._tell_pane(pane.at_us, pane)
            self._look_at_pane(pane.at_us, pane, counters)
        self.wiring.log.seal(last_us)

    def _close_each(self, first_us: int, last_us: int, outcome: CloudOutcome) -> None:
        """Close these panes one by one, in which all that came."""
        rest = outcome.deliveries
        self.core.sessions(outcome.sessions)
        for now_us in range(first_us, last_us + 1, SECOND_US):
            here, rest = parted(rest, now_us)
            for delivery in here:
                self.core.ingest(delivery)
            self.now_us = now_us
            self._close_pane(now_us)
        self._leap_from_us = last_us + LONGEST_LEAP_US

    def _log_passed(self, first_us: int, passed: Passed) -> None:
        if not len(passed.accepted):
            return
        counts = [passed.live_sessions, *(count for counts in passed.slis.values() for count in counts)]
        at_us = first_us + np.arange(len(passed.accepted)) * SECOND_US
        self.wiring.log.tell_each(at_us, Code.PANE, 0, passed.accepted)
        for subject, value in enumerate(counts, 1):
            self.wiring.log.tell_each(at_us, Code.PANE, subject, value)

    def _log_pane(self, now_us: int, pane: Pane) -> None:
        log = self.wiring.log
        log.tell(now_us, Code.PANE, 0, pane.accepted)
        log.tell(now_us, Code.PANE, 1, pane.live_sessions)
        if self.core.misdated != self._misdated:
            self._misdated = self.core.misdated
            log.tell(now_us, Code.MISDATED, 0, self._misdated)
        for number, (good, total) in enumerate(pane.slis.values()):
            log.tell(now_us, Code.PANE, 2 + 2 * number, good)
            log.tell(now_us, Code.PANE, 3 + 2 * number, total)
        for alarm in pane.new_alarms:
            log.tell(alarm.at_us, Code.ALARM, alarm.incident, len(alarm.device))
        for incident in pane.new_incidents:
            log.tell(incident.opened_us, Code.INCIDENT, incident.number)

    def _watch_recoveries(self, now_us: int) -> None:
        if not self.recoveries:
            return
        back = self.wiring.online()
        for name, recovery in self.recoveries.items():
            step = self.steps[name]
            targeted = catalogue()[step.value].needs_target
            online = int(np.count_nonzero(back[step.struck] if targeted else back))
            recovery.away |= online < recovery.devices
            if step.ended_us is None or now_us < step.ended_us:
                continue
            recovery.see(now_us, online)
            if name in self._steady:
                continue
            back_us = recovery.reached_us(0.99, now_us)
            if back_us is not None:
                self._steady.append(name)
                if not recovery.away:
                    continue  # A fault that took nobody away has nobody to bring back.
                # Known only when they have stayed for a minute; told of the instant from which they did.
                took = seconds(back_us - step.ended_us)
                self._tell(back_us, "steady", name, f"99 % of its devices back  {took} after its end")

    def _maintain(self) -> UpkeepDesk | None:
        """Send the crews out. Returns who hears of them, if there are any."""
        written = self.scenario.maintenance
        if written is None:
            return None
        device = np.arange(len(self.registry), dtype=np.int32)
        if written.of is not None:
            device = device[self.selector.mask(written.of)]
        self.wiring.maintain(plan_of(written, self.scenario.fleet), device)
        return UpkeepDesk(written, self.registry, device)

    def _send_pane(self, now_us: int, pane: Pane, counters: BrokerCounters) -> None:
        connects = self.wiring.connects(now_us)
        change: Mapping[str, int] = _NO_CONNECTS
        if connects != self._last_connects:
            change = Counter(connects) - Counter(self._last_connects)
            self._last_connects = connects
        if now_us > self.scenario.warm_up_us:
            self.refused_in_run += change["refused"]
        if not self.sinks:
            return
        row = PaneRow(
            at_s=-(-now_us // SECOND_US),
            online=pane.live_sessions,
            attempts=change["attempts"],
            admitted=change["admitted"],
            refused=change["refused"],
            unanswered=change["unanswered"],
            readings=pane.accepted,
            queue=counters.queue,
            buffered=self.wiring.buffered(),
            slis={each.name: self.core.objective_window(each.name, LOOK_US) for each in self.objectives},
        )
        self._pane_rows.send(self.sinks, row)

    def _look_at_stop(self, now_us: int) -> None:
        stop = self.scenario.stop_when
        if stop is None or self._stop is None:
            return
        holds = self._stop.step(now_us, self.look_up) is True
        self._stop_since_us = None if not holds else (now_us if self._stop_since_us is None else self._stop_since_us)
        if self._stop_since_us is not None and now_us - self._stop_since_us >= stop.hold_us:
            self._tell(now_us, "stop", "stop_when", stop.when.text)
            self.finish("stopped")

    def _act_end(self, story: Story, now_us: int) -> None:  # noqa: ARG002
        story.due_us = NEVER_US
        if not self.ended:
            self._finish("completed")

    def _finish(self, how: Ended) -> None:
        self.wiring.advance_to(self.now_us)
        if self.now_us % SECOND_US:
            self._close_pane(self.now_us)
        self.ended = "aborted" if self.aborted and how != "interrupted" else how
        self.wiring.log.tell(self.now_us, Code.END, 0)
        self.wiring.log.seal(self.now_us + 1)

    # --- looking ------------------------------------------------------------------------------------------------------

    def look_up(self, name: str, selector: Selector | None, window_us: int) -> float | None:
        """Value of an SLI, a counter or a named figure for expressions."""
        if name in ("share", "count"):
            assert selector is not None
            mask = self._mask(selector)
            matching = int(np.count_nonzero(mask))
            return matching / len(mask) if name == "share" else float(matching)
        if name in OF_CONTINUITY:
            return self._silences.count(name, selector, self.now_us)
        counter = self._counter(name)
        if counter is not None:
            return counter
        figure = asked(name)
        if figure is not None:
            return self._figures.value(figure, selector)
        judged = None if SLIS[name].of_events else self._judged(name, selector)
        return self.core.sli(name, judged, window_us)

    def _judged(self, sli: str, selector: Selector | None) -> Mask | None:
        """Devices that an SLI counts."""
        if not SLIS[sli].has_devices:
            return None
        text = "" if selector is None else selector.text
        if text not in self._judged_masks:
            self._judged_masks[text] = self.selector.judged(selector)
        return self._judged_masks[text]

    def _mask(self, selector: Selector) -> Mask:
        if not selector.is_fixed:
            return self.selector.mask(selector, self._moment)
        if selector.text not in self._masks:
            self._masks[selector.text] = self.selector.mask(selector)
        return self._masks[selector.text]

    def _counter(self, name: str) -> float | None:
        core = self.core
        if name in ("attempts", "admitted", "refused", "queue"):
            return float(getattr(self.wiring.counters(self.now_us), name))
        if name in ("produced", "delivered", "buffered", "lost"):
            ledger = self.ledger()
            return float(sum(ledger.lost.values()) if name == "lost" else getattr(ledger, name))
        if name in OF_MAINTENANCE:
            written, upkeep = self.scenario.maintenance, self.wiring.upkeep(self.now_us)
            return None if written is None or upkeep is None else figures_of(written, upkeep)[name]
        intake = core.intake
        if name in OF_PROCESSING:
            figures = {} if intake is None else {"lag": intake.lag, "shed": intake.figures.shed}
            return float(figures.get(name, 0 if intake is None else intake.consumers))
        values = {
            "devices": lambda: len(self.registry),
            "online": lambda: int(np.count_nonzero(core.session_live)),
            "offline": lambda: int(np.count_nonzero(core.observed(self.now_us) == Observed.OFFLINE)),
            "alarms": lambda: len(core.alarms),
            "pages": lambda: sum(alarm.severity == "page" for alarm in core.alarms),
            "incidents": lambda: len(core.incidents),
            "reboots": lambda: core.reboots,
            "misdated": lambda: core.misdated,
            "repeated": lambda: core.repeated,
            "dead_letters": lambda: sum(core.dead_letters.values()),
        }
        return float(values[name]()) if name in values else None

    def counts(self) -> dict[str, int]:
        """Counts over the run after the warm-up."""
        alarms = [alarm for alarm in self.core.alarms if alarm.at_us > self.scenario.warm_up_us]
        incidents = [each for each in self.core.incidents if each.opened_us > self.scenario.warm_up_us]
        connects = self.wiring.connects(self.now_us)
        counters = self.wiring.counters(self.now_us)
        written, upkeep = self.scenario.maintenance, self.wiring.upkeep(self.now_us)
        return {
            "pages": sum(alarm.severity == "page" for alarm in alarms),
            "tickets": sum(alarm.severity == "ticket" for alarm in alarms),
            "alarms": len(alarms),
            "incidents": len(incidents),
            "reboots": self.core.reboots,
            "refused": self.refused_in_run,
            "misdated": self.core.misdated,
            "bricked": 0,
            **({} if written is None else counts_of(written, upkeep)),
            "attempts": connects["attempts"],
            "admitted": connects["admitted"],
            "ghosts": counters.ghosts,
            "events": self.wiring.log.rows_hashed,
        }

    def ledger(self) -> Ledger:
        """Where every reading is now. What has reached the core and waits to be processed is on its way."""
        core, intake = self.core, self.core.intake
        lost = Counter(self.wiring.lost())
        lost[LossCause.DEAD_LETTER] += sum(core.dead_letters.values())
        waiting = again = 0
        if intake is not None:
            waiting, again = intake.waiting, intake.again - intake.unrepeated
            lost[LossCause.SHED] += intake.figures.shed
        told = self.wiring.ledger(
            delivered=core.accepted + waiting,
            repeated=core.repeated - again,
            lost={str(cause): n for cause, n in lost.items() if n},
        )
        if intake is None:
            return told
        return replace(
            told,
            delivered=told.delivered - waiting,
            in_flight=told.in_flight + waiting,
            repeated=told.repeated + again,
        )

    def _objective(self, written: Any) -> Objective:
        mask = self._judged(written.sli, written.of)
        return Objective(
            name=written.name,
            sli=written.sli,
            at_least=written.at_least,
            at_most=written.at_most,
            mask=mask,
            within_us=written.within_us,
            percentile=written.percentile,
            of="" if written.of is None else written.of.text,
            burning=None if written.burn is None else self._burning(written),
        )

    def _detectors(self) -> Mapping[str, Mapping[str, Any]] | None:
        """As they are written, their selectors as masks and their models loaded."""
        written = self.scenario.detectors
        if written is None:
            return None
        return {
            name: {key: self._of_detector(key, value) for key, value in settings.items()}
            for name, settings in written.items()
        }

    def _of_detector(self, key: str, value: Any) -> Any:
        if key == "on" and value is not None:
            return self.selector.mask(value)
        if isinstance(value, Stored):
            return self._loaded(value)
        return value

    def _loaded(self, stored: Stored) -> Version:
        """A model with its parameters.

        Raises:
            Unavailable: they cannot be read, or are those of another kind of machine than the one that is installed.
        """
        about = stored.manifest
        model = needed(stored)
        told = tuple(each.name for each in self.registry.channels[about.kind] if each.name in about.channels)
        if told != about.channels:
            why = f"`{about.kind}` does not tell {', '.join(about.channels)} in this order any more"
            raise Unavailable(f"the model {stored}", why, "Train it again on a run of this version.")
        return Version(about.name, about.version, model)

    def _burning(self, written: Any) -> Burning:
        judged_us = max(self.end_us - self.scenario.warm_up_us, SECOND_US)
        return Burning(burn_rules(written, judged_us), written.burn.least)

    def _make_judge(self) -> Judge:
        watched = []
        for written in self.scenario.expectations:
            mask = None if written.target is None else self.selector.mask(written.target)
            evaluator = None if written.expression is None else Evaluator(written.expression)
            watched.append(Watched(written, mask, evaluator))
        watched.extend(
            Watched(_expected_at(step), None, Evaluator(step.expect))
            for step in self.scenario.steps
            if step.expect is not None
        )
        spoken_of = {each.name for each in self.scenario.expectations if each.form == "objective"}
        implied = [each.name for each in self.scenario.objectives if each.name not in spoken_of]
        return Judge(watched, self.steps, self.scenario.warm_up_us, implied)

    # --- telling ------------------------------------------------------------------------------------------------------

    def _tell(self, at_us: int, kind: str, name: str, text: str, severity: str = "") -> None:
        row = EventRow(at_s=at_us / SECOND_US, kind=kind, name=name, text=text, severity=severity)
        for sink in self.sinks:
            sink.event(row)

    def tell_mark(self, kind: str, name: str, text: str, severity: str = "") -> None:
        """Tell the sinks of something that happens now."""
        self._tell(self.now_us, kind, name, text, severity)

    def tell_of(self, incident: Incident, what: str) -> None:
        """Tell what became of an incident."""
        self._tell(self.now_us, "incident", f"INC-{incident.number}", what, incident.severity)

    def _tell_alarm(self, alarm: Alarm) -> None:
        text = "  ".join(filter(None, (alarm.group, self._since_last_fault(alarm.at_us), alarm.says)))
        self._tell(alarm.at_us, "alarm", alarm.name, text, alarm.severity)

    def _since_last_fault(self, at_us: int) -> str:
        """How long after the newest begin or end of a fault this is, in words."""
        edges = []
        for step in self.steps.runs:
            if step.action == "fault":
                edges += [(edge, word) for edge, word in ((step.started_us, "the fault"), (step.ended_us, "its end"))]
        past = [(edge_us, word) for edge_us, word in edges if edge_us is not None and edge_us <= at_us]
        if not past:
            return ""
        edge_us, word = max(past)
        return f"{seconds(at_us - edge_us)} after {word}"

    def _tell_incident(self, incident: Incident) -> None:
        self._tell(incident.opened_us, "incident", f"INC-{incident.number}", incident.title, incident.severity)


def _asked_of(scenario: Scenario) -> set[str]:
    """SLIs that expressions name."""
    written = [each.expression for each in scenario.expectations] + [step.expect for step in scenario.steps]
    written.append(None if scenario.stop_when is None else scenario.stop_when.when)
    return {name for each in written if each is not None for name in names(each) if name in SLIS}


def _expected_at(step: Step) -> Expectation:
    """`expect` on a step: its expression, judged at the step's instant."""
    assert step.expect is not None
    return Expectation(
        form="at",
        text=f"at {step.name} that {step.expect.text}",
        line=step.line,
        at=Instant(step.name, "start", 0, step.name),
        expression=step.expect,
    )
