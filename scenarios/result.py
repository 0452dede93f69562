"""What a run leaves behind: the one document of ``run --json``, and the rows that sinks get while it goes on.

msgspec Structs: `msgspec.json.encode` writes the document, `msgspec.json.schema` publishes its schema. Times of results
are seconds since the start of the run with six decimals (`_s`), so that people and tools read them alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Protocol, runtime_checkable

import msgspec

SCHEMA = "twinstorm/run/1"

Verdict = Literal["held", "missed", "inconclusive"]
Ended = Literal["completed", "stopped", "aborted", "interrupted"]


class LedgerResult(msgspec.Struct, frozen=True, kw_only=True):
    """Readings: produced = delivered + buffered + in_flight + sum(lost); `repeated` stands beside the equation."""

    produced: int
    delivered: int
    buffered: int
    in_flight: int
    lost: dict[str, int]
    repeated: int

    @property
    def closes(self) -> bool:
        """Every reading that was produced is somewhere."""
        return self.produced == self.delivered + self.buffered + self.in_flight + sum(self.lost.values())


class ObjectiveResult(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    sli: str
    wanted: str
    """E.g. ``at least 90 %``."""
    value: float | None
    unit: str
    verdict: Verdict
    missed_from_s: float | None = None
    """First and last second in which the objective's own bound was broken, if any."""
    missed_to_s: float | None = None
    budget_left: float | None = None
    bad: int = 0
    """What counted against it since the warm-up, of `total`."""
    total: int = 0


class ExpectationResult(msgspec.Struct, frozen=True, kw_only=True):
    text: str
    line: int
    """Line of the scenario file; 0 for one that an objective implies."""
    wanted: str
    value: str | None
    """What was found, in words with its unit."""
    at_s: float | None
    verdict: Verdict
    why: str = ""


class FaultResult(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    """Name of the step; `fault` is the catalogue's name."""
    fault: str
    target: str
    from_s: float
    to_s: float | None
    devices: int
    evidence: dict[str, int]
    bit: bool
    injected: bool = False
    recovered_s: float | None = None
    """Seconds from the fault's end until 99 % of its devices were online and stayed so for 60 s."""
    evident_s: float | None = None
    """Start of the second in which its first evidence was counted; None: there was none, or nobody looked."""
    life_s: float | None = None
    """Of a fault that shortens the lives of machines: what its machines had left when it began, the median by the
    twins, and `life_found_s` when the first alarm with it as its cause was raised."""
    life_found_s: float | None = None


class AlarmResult(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    at_s: float
    severity: str
    group: str
    cause: str
    fault: str | None
    """Step whose cause interval or aftermath the alarm falls into, on its devices; None: without cause."""
    delay_s: float | None
    """From the start of that fault."""
    incident: int
    number: int = 0
    devices: int = 0
    """Affected when it was raised, of `known` of its group that could be judged; 0: it has no group."""
    known: int = 0
    score: float = 0.0
    """The highest of them; a device is affected from `limit` on."""
    limit: float = 1.0
    resolved_s: float | None = None
    right: bool | None = None
    """Its group is the devices that the fault struck; None: there is no fault behind it, or the group is that of an
    objective and no finding."""
    suppressed: str = ""
    """Why nobody was told of it; empty: somebody was."""
    openings: int = 1
    """More than one: it flapped."""
    wrong: bool = False
    """Somebody said so while the run went on."""
    runbook: str = ""
    says: str = ""
    """What its detector knows of the devices beyond their score: what fails in them, and when."""
    examples: list[ExampleResult] = []


class ExampleResult(msgspec.Struct, frozen=True, kw_only=True):
    """What an alarm rests on for one of its devices, as the core knew it then."""

    device: str
    last_s: float | None
    """Arrival of its newest accepted reading; None: there was none."""
    seq: int
    boot: int
    session: bool
    seen: list[SeenResult] = []
    """Values that counted, the strangest first; empty: the alarm rests on none, or they are not known any more."""


class SeenResult(msgspec.Struct, frozen=True, kw_only=True):
    """A value that counted for an alarm."""

    at_s: float
    """When its reading arrived."""
    channel: str
    unit: str
    value: float
    score: float
    """1 is the limit of the detector."""
    lowest: float | None
    """Of what the detector held for normal then, as `highest`; None: it has no such bound, or cannot say."""
    highest: float | None


class IncidentResult(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    title: str
    opened_s: float
    resolved_s: float | None
    severity: str
    alarms: list[str]
    state: str = ""
    acknowledged_s: float | None = None
    escalated_s: float | None = None


class ModelResult(msgspec.Struct, frozen=True, kw_only=True):
    """A stored model that looked."""

    detector: str
    """The name that the scenario gave it, which is that of its alarms."""
    model: str
    """Name and version: ``pumps@2``."""
    parameters: str
    """SHA-256 of what was learnt."""
    kind: str
    learnt_by: str
    """The detector whose model it is: ``pyod:PCA``."""
    shadow: bool
    devices: int
    """That it looked at."""
    drift: float
    """Population stability index of the feature that moved most in a window, by what it is allowed to; 0: no window was
    whole."""
    drift_feature: str
    drift_limit: float
    """Of that feature, from which the model is out of date."""


class ForecastResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the predictions of a detector, over the whole run, its warm-up included."""

    detector: str
    """The name that the scenario gave it."""
    horizon_s: float
    right: int
    """Predictions whose limit was crossed within the horizon."""
    wrong: int
    unknown: int = 0
    """Predictions of which nobody knows: the device was silent for the second half of the horizon at least."""
    withdrawn: int = 0
    """Predictions about devices that were serviced before the horizon was over."""
    missed: int
    """Crossings that nobody had foretold."""
    waiting: int
    """Predictions whose horizon was not over when the run ended."""
    lead_s: float | None
    """Mean time from a right prediction to its crossing; None: there was none."""


class DeviceConditionResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a model of conditions said of a device last."""

    device: str
    at_s: float
    """End of the minute that says so, by the device's clock."""
    failure: str
    """What is wrong: a failure mode, ``wear``, or ``none``."""
    health: float
    """100 as new, 0 at the end of its life."""
    remaining_h: float
    """Life that is expected to remain; 10,000 h and more are not told apart."""
    least_h: float
    most_h: float
    """Bounds that should hold for four devices of five."""


class ConditionResult(msgspec.Struct, frozen=True, kw_only=True):
    """Devices that a model of conditions looked at, when the run ended."""

    detector: str
    model: str
    horizon_s: float
    devices: int
    judged: int
    """Of which it said anything."""
    failing: int
    """Of them, those that it expected to fail within the horizon."""
    first: list[DeviceConditionResult]
    """Those that are expected to fail first, 1,000 at most."""


class MaintenanceResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the crews did over the whole run, its warm-up included, and what that cost."""

    policy: str
    machines: int
    """Looked after."""
    breakdowns: int
    """Machines that stopped before anybody renewed them."""
    requests: int
    repairs: int
    spares: int
    """Parts taken."""
    downtime_s: float
    """Of all machines together, waiting and under repair."""
    availability: float | None
    """Share of their time in which machines did not stand still."""
    mean_wait_s: float | None
    """From asking for a crew until it began; None: none has."""
    cost: float
    """In whatever the scenario counts in."""


class MaintenanceEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the maintenance log: what was done to machines, by whoever looks after them."""

    work: str
    """``repair``: a crew renewed what wears in a machine; ``calibration``: sensors tell the truth again; ``batteries``:
    full ones were put in; ``service``: a step said that something was repaired, calibrated or replaced."""
    target: str
    """A device; of all but repairs the target of the step."""
    devices: int
    why: str
    """Of a repair ``breakdown``, ``condition`` or ``plan``; else the step."""
    asked_s: float | None
    begun_s: float | None
    ended_s: float
    still_s: float | None
    """For how long the machine stood still; None, as the others: that is no matter of crews."""
    crew: int | None


class ProcessingResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the readings that reached the core, over the whole run, its warm-up included."""

    processed: int
    """Each once; `replayed` were processed once more since a crash, `shed` found no room, `waiting` at the end."""
    replayed: int
    shed: int
    waiting: int
    mean_s: float | None
    """From arriving to being processed; None: none was."""
    longest_s: float
    deepest: int
    """Readings that waited at the end of a second, at most."""
    consumers: int
    """Consumers, or instances of a function at work, at one time."""
    crashed: int
    """Consumers that died."""
    calls: int = 0
    """Of functions, as are `cold` and `cost`."""
    cold: int = 0
    cost: float = 0.0
    """In whatever the scenario counts in."""


class MirrorResult(msgspec.Struct, frozen=True, kw_only=True):
    """What devices of a segment told after the warm-up less what their mirrors measured, in one channel.

    Attributes:
        readings: that had a mirror's value beside them. mean, rms: in the channel's unit; None without readings.
    """

    segment: str
    devices: int
    channel: str
    unit: str
    readings: int
    mean: float | None
    rms: float | None


class StageResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the way to a stage took the readings that were followed, from the stage before that is known; to ``alarmed``
    from ``ingested``."""

    stage: str
    """sent, admitted, delivered, ingested, windowed, alarmed. Live nobody tells when a reading was sent, and no broker
    but the embedded one when it was admitted: these are left out."""
    readings: int
    median_s: float | None
    """None, as the others: there was none."""
    p95_s: float | None
    most_s: float | None


class WindowKeyResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a named window had of one key: a device, a site, a segment, ..."""

    key: str
    windows: int
    """Closed ones in which it had a value."""
    last: float | None
    """In the unit of the window, as the others; None: too few values."""
    least: float | None
    most: float | None


class WindowResult(msgspec.Struct, frozen=True, kw_only=True):
    """A named window over the whole run, its warm-up included. What was open at the end is not in it."""

    name: str
    of: str
    figure: str
    unit: str
    """Empty: a count."""
    by: str
    every_s: float | None
    """None, as the width: sessions."""
    width_s: float | None
    gap_s: float | None
    """None: no sessions."""
    lateness_s: float
    closed: int
    """Windows that held anything, of whatever key; sessions of all keys."""
    late: int
    """Readings that came too late for their window."""
    out_of_order: int
    misdated: int
    keys: int
    """That had a value."""
    top: list[WindowKeyResult]
    """Those with the greatest figures, the first ones first; ten at most."""


class ContinuityResult(msgspec.Struct, frozen=True, kw_only=True):
    """Who was silent for too long when the run ended."""

    dead_sensors: int
    """Channels that a device had left out while it spoke."""
    dead_links: int
    """Devices that had spoken before."""
    never: int
    """Devices that nothing was ever heard of, or that the registry did not list."""
    sensors: list[str]
    """Device and channel, the first twenty."""
    links: list[str]


class JoinKeyResult(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    pairs: int
    difference: float
    """Mean of left less right."""


class JoinResult(msgspec.Struct, frozen=True, kw_only=True):
    """A named join over the whole run, its warm-up included."""

    name: str
    left: str
    right: str
    by: str
    pairs: int
    difference: float | None
    """Mean of left less right over all pairs; None: there was none."""
    alone: int
    """Readings of the left side without a partner."""
    late: int
    misdated: int
    waiting: int
    """Readings that might still have found a partner."""
    keys: int
    """That had a pair."""
    top: list[JoinKeyResult]
    """Those with the greatest differences, ten at most."""


class CorrelationResult(msgspec.Struct, frozen=True, kw_only=True):
    """How two windows moved together, when the run ended."""

    name: str
    left: str
    right: str
    over: int
    """Newest windows that were looked at."""
    keys: int
    """Of which anything can be said."""
    top: dict[str, float]
    """Those that move together most, ten at most."""
    least: float | None


class RoutedExample(msgspec.Struct, frozen=True, kw_only=True):
    """A message as it was delivered."""

    at_s: float
    device: str
    told: dict[str, float]
    """Channel to value, as the rule changed them."""


class RouteResult(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the readings that a rule took, over the whole run: taken = delivered + waiting + dead."""

    name: str
    to: str
    """store, alarm, command, dead-letter. Commands are kept as they were asked for, and sent to nobody."""
    taken: int
    delivered: int
    retried: int
    """Tries after the first, of all readings."""
    dead: int
    waiting: int
    newest: list[RoutedExample]
    """Of a store or of commands."""


class TrafficResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the devices of a segment sent over the whole run, its warm-up included.

    In virtual time as links have it, from the lengths that the model gives to messages. Live what was written to
    sockets, whole MQTT packets and nothing below them, counted for the devices whose messages they are.
    """

    segment: str
    profile: str
    codec: str
    measured: bool
    """Documents were encoded to know their length; False: the scenario does not choose them, and it is assumed."""
    messages: int
    """`readings`, `births`, and what its gateways forwarded for others."""
    readings: int
    births: int
    forwarded: int
    repeats: int
    """Transmissions beyond those that are usual on the link."""
    connects: int
    payload_bytes: int
    wire_bytes: int
    """With headers, and in virtual time with repeats."""
    connect_bytes: int
    """Of CONNECTs with headers, without handshakes of TLS."""
    energy_j: float | None = None
    """That batteries gave for messages; None: there are none."""
    message_energy_j: float | None = None
    """The same of one message, on the average."""


class MachineHealthResult(msgspec.Struct, frozen=True, kw_only=True):
    """The truth about one machine."""

    device: str
    health: float
    """1 as new, 0 at the end of its life."""
    remaining_s: float | None
    """Life that remains at the pace of its use; None: nothing wears."""


class KindHealthResult(msgspec.Struct, frozen=True, kw_only=True):
    """The truth about all machines of a kind at the end of the run, which no detector sees."""

    kind: str
    machines: int
    ended: int
    """Those without any health."""
    median_health: float
    worst: list[MachineHealthResult]
    """At most three, the worst first."""


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """The document of ``run --json``."""

    schema: str = SCHEMA
    scenario: str
    seed: int
    version: str
    clock: Literal["virtual", "live"]
    speed: Annotated[
        float, msgspec.Meta(description="simulated seconds per wall second asked for; 0: as fast as it can")
    ]
    ended: Ended
    verdict: Verdict
    digest: str
    """SHA-256 of the event log; a live run's starts with ``live:`` and is not comparable."""
    devices: int
    simulated_s: float
    wall_s: float
    ledger: LedgerResult
    objectives: list[ObjectiveResult]
    expectations: list[ExpectationResult]
    faults: list[FaultResult]
    alarms: list[AlarmResult]
    incidents: list[IncidentResult]
    counts: dict[str, int]
    """pages, tickets, alarms, incidents, reboots, attempts, admitted, refused, ghosts; with maintenance also
    breakdowns, repairs, spares and cost."""
    report: str | None
    """Path of the HTML report, None without a run folder."""
    repeat: str
    """The command that repeats the run."""
    maintenance: MaintenanceResult | None = None
    """None: the scenario has none."""
    maintenance_log: list[MaintenanceEntry] = []
    """What was done to machines, in the order in which it ended; the first 10,000."""
    processing: ProcessingResult | None = None
    """None: readings were processed as they came."""
    models: list[ModelResult] = []
    """Stored models that looked; empty: the scenario names none."""
    conditions: list[ConditionResult] = []
    """What models of conditions said last, one a detector."""
    shadows: list[AlarmResult] = []
    """What detectors in the shadow would have raised, numbered by itself; nobody was told."""
    stages: list[StageResult] = []
    """Where the time of readings went; empty: none were followed (`stamps`)."""
    continuity: ContinuityResult | None = None
    """None: nobody asked."""
    windows: list[WindowResult] = []
    """In the order of the file."""
    joins: list[JoinResult] = []
    correlations: list[CorrelationResult] = []
    routes: list[RouteResult] = []
    """In the order in which they are tried."""
    unrouted: int = 0
    """Readings that no route took; 0 without routes."""
    mirrors: list[MirrorResult] = []
    """How far devices are from their mirrors, one a segment and channel; empty: there are none."""
    forecasts: list[ForecastResult] = []
    """One a detector that foretells crossings; empty: nobody does."""
    traffic: list[TrafficResult] = []
    """One a segment; empty if nobody could tell."""
    health: list[KindHealthResult] = []
    """The truth about machines, one a kind; empty if nobody could tell."""
    notes: list[str] = []
    """What the run assumed or could not do, one sentence each."""


class PaneRow(msgspec.Struct, frozen=True, kw_only=True):
    """One simulated second of the whole fleet, for the record's series and the report's plots."""

    at_s: int
    """End of the second."""
    online: int
    """Devices with a live session as the core knows it."""
    attempts: int
    admitted: int
    refused: int
    unanswered: int
    readings: int
    """Accepted by ingest in this second."""
    queue: int
    buffered: int
    slis: dict[str, float | None]
    """Objective name to its value over the last 10 s."""


class EventRow(msgspec.Struct, frozen=True, kw_only=True):
    """One line of ``--events`` and of the printed timeline.

    `kind`: begin, fault, fault-end, alarm, incident, steady, mark, note, stop, abort.
    """

    at_s: float
    kind: str
    name: str
    text: str
    """The rest of the line as people read it, e.g. ``site=fra-*  6,000 devices  120 s``."""
    severity: str = ""


class LetterRow(msgspec.Struct, frozen=True, kw_only=True):
    """A reading or a message that the core refused.

    `source` is the device or the topic, `body` the reading (`detectors.deadletters.LetterBody`) or the payload.
    """

    at_s: float
    source: str
    reason: str
    detail: str
    is_reading: bool
    whole: bool
    """Nothing of the body is cut off."""
    body: bytes


class RoutedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a rule delivered to the store, or as a command."""

    at_s: float
    rule: str
    target: str
    device: str
    told: dict[str, float]


class JudgedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A second after the warm-up in which something counted against an objective."""

    at_s: int
    """End of the second."""
    objective: str
    bad: int
    """Counts of this second, of `total`."""
    total: int
    bad_so_far: int
    total_so_far: int
    devices: list[ExampleResult]
    """Ten of those that counted against it; empty: the indicator has no devices, or they were named in one of the ten
    seconds before, and not twice as much counts as then."""


@runtime_checkable
class JudgedSink(Protocol):
    """A `Sink` that wants to know what counted against objectives, too."""

    def judged(self, rows: Sequence[JudgedRow]) -> None:
        """What counted in a simulated second; never nothing."""


@runtime_checkable
class RoutedSink(Protocol):
    """A `Sink` that is a store, too."""

    def routed(self, rows: Sequence[RoutedRow]) -> None:
        """What was delivered since the last call; never none."""


@runtime_checkable
class LetterSink(Protocol):
    """A `Sink` that wants to know what was refused, too."""

    def letters(self, rows: Sequence[LetterRow]) -> None:
        """The newest of what was refused since the last call; never none."""


@runtime_checkable
class IncidentSink(Protocol):
    """A `Sink` that wants to know what became of incidents, too."""

    def incident(self, incident: IncidentResult, alarms: Sequence[AlarmResult]) -> None:
        """An incident was opened, acknowledged or resolved, was not acknowledged in time, or an alarm of it came, went,
        came again or was marked wrong.

        Args:
            alarms: all of the incident, as they are now.
        """


@runtime_checkable
class BudgetSink(Protocol):
    """A `Sink` that wants to know what became of error budgets, too."""

    def budgets(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """Every simulated second, of each objective: what counted against it since the warm-up, and all that did."""


class Sink(Protocol):
    """Gets everything a run tells, in order, and must not slow it. The record and ``--events`` are the first two."""

    def event(self, row: EventRow) -> None: ...

    def pane(self, row: PaneRow) -> None: ...

    def close(self, result: RunResult | None, why: str = "") -> None:
        """The run ended. Called once.

        Args:
            result: None: there is none, something that the run needed has gone, or twinstorm itself failed.
            why: what has gone, or, with a result, what ended the run early; empty: nothing, or twinstorm itself failed.
        """
