"""From the engine to what a screen shows: the observed fleet reduced to cells, lists and rows."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import version
from operator import attrgetter

import numpy as np
from numpy.typing import NDArray

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.errors import Refused
from twinstorm.scenarios.engine.outcome import objective_results
from twinstorm.scenarios.engine.stream_rows import Processed, has_streams, stream_rows
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.scenarios.language.selectors import SelectorError, parse
from twinstorm.scenarios.protocol import (
    PROTOCOL,
    STATES,
    ActiveFault,
    BrokerRow,
    DeviceList,
    DevicePage,
    DeviceRow,
    FaultInfo,
    FaultSetting,
    Frame,
    Hello,
    IncidentRow,
    LedgerRow,
    LiveRow,
    MapGroup,
    Mark,
    ObjectiveRow,
)
from twinstorm.scenarios.result import EventRow, ObjectiveResult, PaneRow, RunResult
from twinstorm.scenarios.verdict import HELD, INCONCLUSIVE, MISSED
from twinstorm.twin.flow import MINUTE_US, ORIGINS, SECOND_US, BrokerCounters, Channel, Observed
from twinstorm.twin.physics.bearing import zone_within

CELL_SHARE = 20
"""A cell shows the worst state that one in this many of its devices holds (5 %)."""

HISTORY = 120
LIST_ROWS = 500
MARKS = 200
NAMES_COMPARED = 1_000
"""Names that are compared letter by letter with one that no device has."""

_BY_NEED = (
    Observed.UNKNOWN,
    Observed.ONLINE,
    Observed.DEGRADED,
    Observed.RECONNECTING,
    Observed.UPDATING,
    Observed.OFFLINE,
    Observed.FAILED,
)
"""From what may be overlooked to what must be seen."""


class Watch:
    """What a screen follows, and the recent past it shows; a sink of the engine.

    Nothing here enters a result: it is not part of snapshots.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.cells = 1_000
        self.filter = ""
        self.device = -1
        self.streams = False
        """Somebody looks at them."""
        self.marks: list[Mark] = []
        self.connects: deque[float] = deque(maxlen=HISTORY)
        self.history: deque[tuple[int, list[float | None]]] = deque(maxlen=HISTORY)
        self._panes: deque[PaneRow] = deque(maxlen=10)
        self._by_site = [np.flatnonzero(engine.registry.site == site) for site in range(len(engine.registry.sites))]
        self._counters: deque[tuple[int, BrokerCounters]] = deque(maxlen=11)
        self._processed = Processed(engine)

    # --- sink ---------------------------------------------------------------------------------------------------------

    def event(self, row: EventRow) -> None:
        if row.kind != "begin":
            self.marks.append(Mark(at_us=round(row.at_s * SECOND_US), kind=row.kind, text=f"{row.name} {row.text}"))

    def pane(self, row: PaneRow) -> None:
        self.connects.append(float(row.attempts))
        self._panes.append(row)
        now_us = row.at_s * SECOND_US
        self._counters.append((now_us, self.engine.wiring.counters(now_us)))
        self._processed.note(now_us)
        if self.device >= 0:
            self._remember(now_us)

    def close(self, result: RunResult | None, why: str = "") -> None:
        """Nothing to close."""

    # --- commands -----------------------------------------------------------------------------------------------------

    def follow(self, name: str) -> None:
        """Send the page of this device with every frame; an empty name ends it. Its history begins with what is known
        now, so that it is not empty while the run is paused.

        Raises:
            Refused: if no device has this name; the one that is followed stays.
        """
        device = device_named(name, self.engine.registry.names) if name else -1
        if device == self.device:
            return
        self.device = device
        self.history.clear()
        if device >= 0:
            self._remember(self.engine.now_us)

    def _remember(self, now_us: int) -> None:
        """Keep what the core knows of the device that is followed, once for each instant."""
        if self.history and self.history[-1][0] >= now_us:
            self.history.pop()
        self.history.append((now_us, self.engine.core.newest_values(self.device)))

    def set_filter(self, text: str) -> None:
        """Raises Refused with what is wrong with the selector."""
        if text:
            self._matching(text)
        self.filter = text

    def cell(self, group: str, cell: int, selector: str) -> DeviceList:
        """Devices behind one map cell, or of a whole site."""
        registry = self.engine.registry
        if group not in registry.sites:
            raise Refused(f"no site `{group}`; sites: {', '.join(registry.sites)}")
        devices = self._by_site[registry.sites.index(group)]
        if selector or self.filter:
            # The map's cells are cut from the devices that match.
            devices = devices[self._matching(selector or self.filter)[devices]]
        if cell >= 0:
            per_cell = self._per_cell()
            devices = devices[cell * per_cell : (cell + 1) * per_cell]
        observed = self.engine.core.observed(self.engine.now_us)
        core = self.engine.core
        rows = [
            DeviceRow(
                name=registry.names[device],
                kind=registry.kinds[registry.kind[device]],
                state=STATES[observed[device]],
                last_arrival_us=int(core.last_arrival_us[device]),
                boot=int(core.boot[device]),
            )
            for device in devices[:LIST_ROWS].tolist()
        ]
        return DeviceList(group=group, cell=cell, rows=rows, total=len(devices))

    def _matching(self, text: str) -> NDArray[np.bool_]:
        try:
            return self.engine.selector.mask(parse(text), self.engine._moment)
        except (SelectorError, ValueError) as error:
            raise Refused(str(error)) from error

    # --- frame --------------------------------------------------------------------------------------------------------

    def frame(self, state: str, speed: float, holding: float, lag_s: float = 0.0, live: LiveRow | None = None) -> Frame:
        """The observed fleet at this instant."""
        engine = self.engine
        observed = engine.core.observed(engine.now_us)
        mask = self._matching(self.filter) if self.filter else None
        counted = observed if mask is None else observed[mask]
        counts = np.bincount(counted, minlength=len(STATES)).tolist()
        ledger = engine.ledger()
        processing = self._processed.row()
        marks = sorted([*self._steps(), *self.marks[-MARKS:]], key=attrgetter("at_us"))
        return Frame(
            at_us=engine.now_us,
            state=state,
            speed=speed,
            holding=holding,
            states=dict(zip(STATES, counts, strict=True)),
            groups=self._groups(observed, mask),
            objectives=self._objectives(),
            incidents=self._incidents(),
            faults=self._faults(),
            marks=marks,
            next_mark=next((mark for mark in marks if mark.kind == "step" and mark.at_us > engine.now_us), None),
            broker=self._broker(),
            ledger=LedgerRow(
                produced=ledger.produced,
                delivered=ledger.delivered,
                buffered=ledger.buffered,
                in_flight=ledger.in_flight,
                lost=dict(ledger.lost),
                repeated=ledger.repeated,
            ),
            connects_per_s=list(self.connects),
            armed=engine.injection_allowed,
            lag_s=lag_s,
            live=live,
            filter=self.filter,
            matching=-1 if mask is None else int(np.count_nonzero(mask)),
            device=self._page() if self.device >= 0 else None,
            processing=processing,
            has_streams=has_streams(engine),
            # The last frame has them: after it nothing can be asked for.
            streams=stream_rows(engine, processing) if self.streams or engine.ended else [],
        )

    def _per_cell(self) -> int:
        """1, 2, 5, 10, ... devices a cell, so that all cells fit."""
        devices = len(self.engine.registry)
        wanted = max(devices / max(self.cells, 1), 1.0)
        decade = 10 ** math.floor(math.log10(wanted))
        for step in (1, 2, 5, 10):
            cells = sum(-(-len(site) // (step * decade)) for site in self._by_site)
            if cells <= self.cells or step == 10:
                return int(step * decade)
        return int(10 * decade)

    def _groups(self, observed: NDArray[np.uint8], mask: NDArray[np.bool_] | None) -> list[MapGroup]:
        registry = self.engine.registry
        per_cell = self._per_cell()
        groups = []
        for site, devices in enumerate(self._by_site):
            shown = devices if mask is None else devices[mask[devices]]
            if not len(shown):
                continue
            states = observed[shown]
            groups.append(
                MapGroup(
                    region=registry.regions[registry.region[devices[0]]],
                    site=registry.sites[site],
                    devices=len(shown),
                    per_cell=per_cell,
                    cells=_cells(states, per_cell),
                    counts=np.bincount(states, minlength=len(STATES)).tolist(),
                )
            )
        return groups

    def _objectives(self) -> list[ObjectiveRow]:
        rows = []
        core = self.engine.core
        warming = self.engine.now_us <= self.engine.scenario.warm_up_us
        for result in objective_results(self.engine):
            burn = core.burn(result.name, MINUTE_US)
            verdict = "warming up" if warming else _verdict(result, burn, ended=bool(self.engine.ended))
            rows.append(
                ObjectiveRow(
                    name=result.name,
                    sli=result.sli,
                    value=_in_unit(core.objective_window(result.name, 10 * SECOND_US), result.unit),
                    so_far=_in_unit(result.value, result.unit),
                    wanted=result.wanted,
                    unit=result.unit,
                    verdict=verdict,
                    budget_left=result.budget_left,
                    burn=burn,
                )
            )
        return rows

    def _incidents(self) -> list[IncidentRow]:
        causes: dict[int, list[str]] = {}
        newest: dict[int, int] = {}
        for alarm in self.engine.core.alarms:
            newest[alarm.incident] = alarm.number
            told = causes.setdefault(alarm.incident, [])
            if alarm.cause and alarm.cause not in told:
                told.append(alarm.cause)
        return [
            IncidentRow(
                number=incident.number,
                title=incident.title,
                severity=str(incident.severity),
                group=incident.group,
                opened_us=incident.opened_us,
                state=incident.state,
                alarms=list(incident.alarms),
                causes=causes.get(incident.number, []),
                resolved_us=incident.resolved_us,
                escalated_us=incident.escalated_us,
                acknowledged_us=incident.acknowledged_us,
                newest_alarm=newest.get(incident.number, 0),
            )
            for incident in reversed(self.engine.core.incidents)
        ]

    def _faults(self) -> list[ActiveFault]:
        return [
            ActiveFault(
                step=step.name,
                fault=step.value,
                target=step.target,
                devices=step.reached if len(step.device) else len(self.engine.registry),
                from_us=step.start_instant_us(),
                to_us=step.end_us,
                injected=step.injected,
            )
            for step in self.engine.steps.active()
        ]

    def _steps(self) -> list[Mark]:
        """Steps of the scenario, past and to come; those that an abort cancelled are neither."""
        return [
            Mark(at_us=step.start_instant_us(), kind="step", text=f"{step.name}: {step.value}")
            for step in self.engine.steps.runs
            if not step.injected and not step.cancelled
        ]

    def _broker(self) -> BrokerRow:
        if not self._counters:
            counters, then, seconds = self.engine.wiring.counters(self.engine.now_us), BrokerCounters(), 1.0
        else:
            (first_us, then), (last_us, counters) = self._counters[0], self._counters[-1]
            seconds = max((last_us - first_us) / SECOND_US, 1.0)

        def rate(name: str) -> float:
            return float(getattr(counters, name) - getattr(then, name)) / seconds

        return BrokerRow(
            up=counters.up,
            sessions=counters.sessions,
            connecting=counters.connecting,
            queue=counters.queue,
            attempts_per_s=rate("attempts"),
            admitted_per_s=rate("admitted"),
            refused_per_s=rate("refused"),
            messages_in_per_s=rate("messages_in"),
            messages_out_per_s=rate("messages_out"),
            dropped=counters.dropped,
        )

    def _page(self) -> DevicePage:
        engine, device = self.engine, self.device
        registry, core = engine.registry, engine.core
        observed = engine.core.observed(engine.now_us)
        kind = registry.kinds[registry.kind[device]]
        channels = registry.channels[kind]
        truth = engine.wiring.truth_of(device)
        lasts = truth is not None and math.isfinite(truth.remaining_s)
        return DevicePage(
            name=registry.names[device],
            kind=kind,
            segment=registry.segments[registry.segment[device]],
            site=registry.sites[registry.site[device]],
            region=registry.regions[registry.region[device]],
            link=registry.links[registry.link[device]],
            firmware=registry.firmwares[registry.firmware[device]],
            origin=ORIGINS[registry.origin[device]],
            state=STATES[observed[device]],
            since_us=int(core.since_us[device]),
            boot=int(core.boot[device]),
            last_seq=int(core.last_seq[device]),
            last_arrival_us=int(core.last_arrival_us[device]),
            session=bool(core.session_live[device]),
            connects=int(core.connects[device]),
            channels=[channel.name for channel in channels],
            units=[channel.unit for channel in channels],
            history=[[values[column] for _, values in self.history] for column in range(len(channels))],
            history_us=[at_us for at_us, _ in self.history],
            faults=[step.name for step in engine.steps.active() if device in step.device],
            zones=[_zone(one, [values[column] for _, values in self.history]) for column, one in enumerate(channels)],
            health=None if truth is None else truth.health,
            remaining_us=round(truth.remaining_s * SECOND_US) if truth is not None and lasts else None,
        )


def _zone(channel: Channel, history: list[float | None]) -> str:
    """Severity of the newest value of a channel that has zones."""
    newest = next((value for value in reversed(history) if value is not None), None)
    if not channel.zones or newest is None:
        return ""
    low, middle, high = channel.zones
    return zone_within(newest, (low, middle, high))


def _verdict(result: ObjectiveResult, burn: float | None, *, ended: bool) -> str:
    """How an objective stands after the warm-up, in the words of `ObjectiveRow`.

    An average below its bound is no verdict while the run goes on: with error budget left the rest can still make up
    for it. Without a budget (nothing may go wrong) the first thing that does is the end of it; an average that may rise
    again (at least so many an hour) has none to lose.
    """
    if result.verdict == INCONCLUSIVE:
        return "no data"
    if ended:
        return result.verdict
    if result.verdict == HELD:
        return "at risk" if burn is not None and burn > 1 else HELD
    if result.budget_left is None:
        return MISSED if result.wanted.startswith("at most") or result.unit == "%" else "at risk"
    return MISSED if result.budget_left <= 0 else "at risk"


def device_named(name: str, names: Sequence[str]) -> int:
    """Its number.

    Raises:
        Refused: there is no such device; the text names the nearest.
    """
    for index in range(len(names)):
        if names[index] == name:
            return index
    raise Refused(f"no device `{name}`; nearest: {', '.join(_nearest(name, names))}")


def _nearest(name: str, names: Sequence[str], number: int = 3) -> list[str]:
    """Names most like one that no device has, the best first, from those that begin like it for longest."""
    begins = ""
    for each in names:
        while len(begins) < len(name) and each.startswith(name[: len(begins) + 1]):
            begins = name[: len(begins) + 1]
    pool: list[str] = []
    for each in names:
        if each.startswith(begins):
            pool.append(each)
            if len(pool) == NAMES_COMPARED:
                break
    return get_close_matches(name, pool, number, cutoff=0.0)


def _in_unit(value: float | None, unit: str) -> float | None:
    """Shares as people read them."""
    return value * 100 if value is not None and unit == "%" else value


def _cells(states: NDArray[np.uint8], per_cell: int) -> bytes:
    """Worst state of every cell that 5 % of its devices hold; one failed device always shows."""
    count = -(-len(states) // per_cell)
    cell = np.arange(len(states)) // per_cell
    size = np.bincount(cell, minlength=count)
    shown = np.full(count, Observed.ONLINE, np.uint8)
    for state in _BY_NEED:
        held = np.bincount(cell[states == state], minlength=count)
        enough = held * CELL_SHARE >= size if state != Observed.FAILED else held > 0
        shown[(held > 0) & enough] = state
    return shown.tobytes()


def hello(engine: Engine, run_folder: str, repeat: str) -> Hello:
    """First message to a front end."""
    scenario = engine.scenario
    return Hello(
        protocol=PROTOCOL,
        version=version("twinstorm"),
        scenario=scenario.name,
        title=scenario.title or scenario.name,
        story=scenario.story,
        seed=engine.seed,
        clock=engine.wiring.clock,
        devices=len(engine.registry),
        duration_us=engine.end_us,
        warm_up_us=scenario.warm_up_us,
        run_folder=run_folder,
        repeat=repeat,
        faults=fault_infos(engine.wiring.clock),
        sites=list(engine.registry.sites),
    )


def fault_infos(clock: str) -> list[FaultInfo]:
    """Faults that can be injected under this clock."""
    return [
        FaultInfo(
            name=name,
            summary=fault.summary,
            effect=fault.effect,
            needs_target=fault.needs_target,
            survivable=fault.survivable,
            settings=[_setting(each) for each in fault.settings],
        )
        for name, fault in catalogue().working().items()
        if clock in fault.clocks
    ]


def _setting(setting: object) -> FaultSetting:
    from twinstorm.scenarios.faults.base import Setting

    assert isinstance(setting, Setting)
    return FaultSetting(
        name=setting.name, summary=setting.summary, default=setting.default, choices=list(setting.choices)
    )
