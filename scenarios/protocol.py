"""What a front end and the engine say to each other: commands in, frames out. msgspec Structs, length-prefixed
MessagePack on a socket (`scenarios.engine.server`), or plain objects in one process.

The newest frame replaces an unread one; the screen never slows the simulation. A frame shows what the core *observed*;
the truth (which fault did what) is in `Frame.faults` alone, for facilitators.
"""

from __future__ import annotations

import msgspec

PROTOCOL = 1
"""Grows with every change that an older peer would misread; `Hello` carries it."""

STATES = ("online", "degraded", "reconnecting", "updating", "offline", "failed", "unknown")
"""Names of the codes in `MapGroup.cells` and the keys of `Frame.states`, in the order of `twin.flow.Observed`."""


class _Message(msgspec.Struct, tag=True, frozen=True, kw_only=True):
    pass


MARK_KINDS = ("step", "fault", "fault-end", "alarm", "incident", "steady", "mark", "note", "stop", "abort")
"""What stands on a timeline: a step of the scenario, and then what is told of a run. ``steady``: the devices of a fault
are back; ``mark``: a step that says something; ``stop``: a stop condition ended the run."""


# --- commands: front end to engine ----------------------------------------------------------------------------------


class Pause(_Message, frozen=True):
    """Stop simulated time: devices, broker and schedule together."""


class Resume(_Message, frozen=True):
    pass


class SetSpeed(_Message, frozen=True):
    """Simulated seconds per wall second; 0: as fast as it can."""

    speed: float


class Step(_Message, frozen=True):
    """While paused: go on by this much simulated time, then pause again."""

    us: int


class Inject(_Message, frozen=True):
    """Start a fault now. `dry` only answers with the reach (`Answered`), for the question."""

    fault: str
    target: str
    lasts_us: int | None = None
    settings: dict[str, str] = {}
    dry: bool = False


class EndFault(_Message, frozen=True):
    """End the fault of this step, or, with an empty name, the newest injected one."""

    step: str = ""


class AbortAll(_Message, frozen=True):
    """End every fault, cancel those to come, refuse new ones until `Rearm`; the simulation goes on."""

    reason: str = ""


class Rearm(_Message, frozen=True):
    pass


class AddNote(_Message, frozen=True):
    text: str
    at_us: int | None = None
    """Simulated instant the note speaks of: when its line was opened, not when it was sent; None: now."""


class Acknowledge(_Message, frozen=True):
    """Take an incident: it escalates no more. 0: the newest open one, those with a page first."""

    incident: int = 0


class MarkWrong(_Message, frozen=True):
    """Say that there was nothing behind an alarm: it is over, and the limits of its detector learn from it."""

    alarm: int


class AskDevice(_Message, frozen=True):
    """Send `DevicePage` with every frame from now on; an empty name ends it."""

    name: str


class AskCell(_Message, frozen=True):
    """Answer once with `DeviceList`: the devices behind one map cell, or (cell < 0) of a whole group."""

    group: str
    cell: int = -1
    filter: str = ""


class SetFilter(_Message, frozen=True):
    """Show only devices that a selector names; empty: all."""

    selector: str = ""


class SetCells(_Message, frozen=True):
    """How many map cells the screen has room for; the engine picks 1, 2, 5, 10, ... devices a cell."""

    cells: int


class AskStreams(_Message, frozen=True):
    """Send `Frame.streams` from now on, or no more: to make them takes longer the larger the fleet."""

    on: bool


class Quit(_Message, frozen=True):
    """End the run: faults end, the report is written, the engine leaves."""


Command = (
    Pause
    | Resume
    | SetSpeed
    | Step
    | Inject
    | EndFault
    | AbortAll
    | Rearm
    | AddNote
    | Acknowledge
    | MarkWrong
    | AskDevice
    | AskCell
    | SetFilter
    | SetCells
    | AskStreams
    | Quit
)


# --- frames: engine to front end ------------------------------------------------------------------------------------


class FaultSetting(_Message, frozen=True):
    """One setting of a fault for the injection form."""

    name: str
    summary: str
    default: str
    choices: list[str] = []


class FaultInfo(_Message, frozen=True):
    """A fault that may be injected, for the list and the form."""

    name: str
    summary: str
    effect: str
    needs_target: bool
    survivable: bool = True
    """False: devices do not come back by themselves, so the question asks for their number."""
    settings: list[FaultSetting] = []


class Hello(_Message, frozen=True):
    """First message of the engine."""

    protocol: int
    version: str
    scenario: str
    title: str
    story: str
    seed: int
    clock: str
    """``virtual`` or ``live``."""
    devices: int
    duration_us: int
    warm_up_us: int
    run_folder: str
    repeat: str
    """The command that repeats this run."""
    faults: list[FaultInfo]
    sites: list[str]


class Loading(_Message, frozen=True):
    """Before the first frame: what is being built and how far (0..1)."""

    what: str
    share: float


class MapGroup(_Message, frozen=True):
    """One site: cells in device order, one code (index into `STATES`) a cell, the worst state that 5 % of the cell's
    devices hold; a single failed device always shows."""

    region: str
    site: str
    devices: int
    per_cell: int
    cells: bytes
    counts: list[int]
    """Devices in each of `STATES`."""


class ObjectiveRow(_Message, frozen=True):
    name: str
    sli: str
    value: float | None
    """Now: over the last 10 s; None without data. Unit in `unit`."""
    so_far: float | None
    """Over the run after warm-up: what is judged."""
    wanted: str
    unit: str
    verdict: str
    """``held``, ``at risk``, ``missed``, ``warming up`` or ``no data``. While the run goes on, ``missed`` is only what
    cannot be held any more: there is no error budget left."""
    budget_left: float | None
    """Share of the error budget of the whole run that is left; negative when missed for good."""
    burn: float | None
    """Error budget burn rate over the last minute."""


class IncidentRow(_Message, frozen=True):
    number: int
    title: str
    severity: str
    group: str
    opened_us: int
    state: str
    alarms: list[str]
    causes: list[str] = []
    """Shared causes that grouping found for its alarms, e.g. ``site=fra-2 (lift 3.1)``; empty if none."""
    resolved_us: int | None = None
    escalated_us: int | None = None
    """When its page was passed on, because nobody had acknowledged it."""
    acknowledged_us: int | None = None
    newest_alarm: int = 0
    """Number of its newest alarm; 0: it has none."""


class ActiveFault(_Message, frozen=True):
    step: str
    fault: str
    target: str
    devices: int
    from_us: int
    to_us: int | None
    injected: bool


class Mark(_Message, frozen=True):
    """Something on the timeline. A step may lie ahead; everything else has happened. `kind`: one of `MARK_KINDS`."""

    at_us: int
    kind: str
    text: str


class BrokerRow(_Message, frozen=True):
    up: bool
    sessions: int
    connecting: int
    queue: int
    attempts_per_s: float
    admitted_per_s: float
    refused_per_s: float
    messages_in_per_s: float
    messages_out_per_s: float
    dropped: int


class LiveRow(_Message, frozen=True):
    """A live run beside what is asked of it; rates are of the last seconds, a wall second."""

    broker: str
    """Where it is, e.g. ``embedded 127.0.0.1:40123 over TLS``."""
    asked_per_s: float
    """Messages that the twins make."""
    reached_per_s: float
    """Those that the core has taken."""
    connects_asked_per_s: float
    connects_admitted_per_s: float
    connects_most_per_s: int
    """The ceiling: the fleet never asks for more in any second."""
    connects_held: int
    """Connects so far that had to wait below it."""
    away_s: float = 0.0
    """For how long a broker that is not ours has been away; 0: it is there."""
    patience_s: float = 0.0
    """After so long the run ends."""


class LedgerRow(_Message, frozen=True):
    produced: int
    delivered: int
    buffered: int
    in_flight: int
    lost: dict[str, int]
    repeated: int


class ProcessingRow(_Message, frozen=True):
    """Who processes readings before the core has them: consumers of a pool, or functions; rates are of the last
    simulated seconds."""

    functions: bool
    consumers: int
    """That take readings, starting ones among them; instances at work."""
    waiting: int
    """Readings that nobody has begun with."""
    lag_s: float
    """For how long the one among them has waited that came first; 0: none waits."""
    processed_per_s: float
    took_s: float | None
    """Wait and service of those that were processed lately, on the average; None: none was."""
    policy: str
    """What happens to readings that find no room."""
    shed: int
    replayed: int
    crashed: int
    deepest: int
    """Readings that waited at the end of a second, at most."""
    calls: int = 0
    """Of functions, as are `cold` and `cost`."""
    cold: int = 0
    cost: float = 0.0


class StreamKey(_Message, frozen=True):
    """What a row of a stream has of one key, channel or stage."""

    name: str
    figure: float | None
    unit: str


class StreamRow(_Message, frozen=True):
    """One thing that the scenario asks of the stream of readings, or what the core refused of it."""

    word: str
    """Of the language, e.g. ``windows``; ``ingest``: what the core took and refused."""
    name: str
    of: str
    """What it looks at."""
    figure: float | None
    """What it says now; None: it says no number, or has none yet."""
    whose: str
    """What this figure is, e.g. ``greatest, fra-1``."""
    unit: str
    counts: dict[str, int]
    """Since the start, in words."""
    trouble: str
    """What is wrong with it, e.g. ``3 late``; empty: nothing."""
    keys: list[StreamKey] = []
    """The greatest first, ten at most."""
    lines: list[str] = []
    """What else there is to tell, a sentence each."""


class DevicePage(_Message, frozen=True):
    """Everything the core knows of one device, its last readings, and the truth about its machine."""

    name: str
    kind: str
    segment: str
    site: str
    region: str
    link: str
    firmware: str
    origin: str
    state: str
    since_us: int
    boot: int
    last_seq: int
    last_arrival_us: int
    session: bool
    connects: int
    channels: list[str]
    units: list[str]
    history: list[list[float | None]]
    """Per channel what was newest at each of up to 120 simulated seconds, oldest first."""
    history_us: list[int]
    faults: list[str]
    zones: list[str] = []
    """Per channel the zone of severity by ISO 10816 of its newest value, A to D; empty: it has none."""
    health: float | None = None
    """The truth, which the core does not know: 1 as new, 0 at the end of its life; None: nobody tells."""
    remaining_us: int | None = None
    """The truth: life that remains; None: nothing wears, or nobody tells."""


class DeviceRow(_Message, frozen=True):
    name: str
    kind: str
    state: str
    last_arrival_us: int
    boot: int


class Frame(_Message, frozen=True):
    """The observed fleet at one simulated instant."""

    at_us: int
    state: str
    """``running``, ``paused``, ``ended``."""
    speed: float
    """Asked; 0: max."""
    holding: float
    """Really reached, simulated seconds per wall second."""
    states: dict[str, int]
    groups: list[MapGroup]
    objectives: list[ObjectiveRow]
    incidents: list[IncidentRow]
    faults: list[ActiveFault]
    marks: list[Mark]
    """In order of time: what happened lately, and every step of the scenario that was or is to come."""
    next_mark: Mark | None
    broker: BrokerRow
    ledger: LedgerRow
    connects_per_s: list[float]
    """Attempts in each of the last 120 s, oldest first."""
    armed: bool
    """False after an abort until `Rearm`."""
    lag_s: float = 0.0
    """Of a live run: wall seconds by which its twins act too late."""
    live: LiveRow | None = None
    """None: virtual time."""
    filter: str = ""
    matching: int = -1
    """Devices that the filter names; -1 without a filter."""
    device: DevicePage | None = None
    processing: ProcessingRow | None = None
    """None: readings are processed as they come."""
    has_streams: bool = False
    """There are rows to ask for (`AskStreams`); False: the scenario asks for nothing, and the core refused nothing."""
    streams: list[StreamRow] = []
    """By word; empty while nobody asks for them and the run goes on."""


class DeviceList(_Message, frozen=True):
    group: str
    cell: int
    rows: list[DeviceRow]
    total: int


class Answered(_Message, frozen=True):
    """Answer to a command that can be refused. `reach` is the number of devices an `Inject` would hit."""

    ok: bool
    text: str
    reach: int = 0
    to: str = ""
    """Name of the command's class, so that a front end knows which of its questions this answers."""


class Ended(_Message, frozen=True):
    """Last message. `text`: the lines with which the command line ends a run, from the objectives to `repeat:`."""

    ended: str
    verdict: str
    exit_code: int
    report: str
    text: str


Event = Hello | Loading | Frame | DeviceList | Answered | Ended
