"""A scenario after reading: what the engine runs. Plain frozen data; imports neither numpy nor simpy.

Durations and instants are integer microseconds. Every number here has been checked; nothing here is text that still
needs reading, except for expressions and selectors, which are parsed trees with their source beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from twinstorm.scenarios.language.expressions import Expression
from twinstorm.scenarios.language.quantities import Count as Count
from twinstorm.scenarios.language.quantities import Instant as Instant
from twinstorm.scenarios.language.quantities import Range as Range
from twinstorm.scenarios.language.quantities import Rate as Rate
from twinstorm.scenarios.language.selectors import Selector
from twinstorm.twin.cells import PowerPlan
from twinstorm.twin.mesh_plan import MeshPlan
from twinstorm.twin.wire.spec import Spec


@dataclass(frozen=True)
class Reconnect:
    backoff: str = "exponential"  # none, fixed, exponential
    base_us: int = 1_000_000
    cap_us: int = 120_000_000
    jitter: str = "full"  # none, equal, full, decorrelated
    timeout_us: int = 10_000_000


@dataclass(frozen=True)
class Buffer:
    readings: int = 60
    evict: str = "oldest"  # oldest, newest


RIGHT = Range(0, 0)
"""The offset of a clock that has none."""


@dataclass(frozen=True)
class Clock:
    sync_us: int = 0
    """0: never."""
    accuracy_us: int = 10_000
    offset_us: Range = RIGHT
    drift_ppm: float = 0.0
    ageing_ppm_per_year: float = 0.0
    temperature_c: float | None = None
    backup: str = "battery"  # battery, none
    epoch: str = "1970-01-01T00:00:00Z"


@dataclass(frozen=True)
class Hazards:
    """0: never, and no watchdog."""

    crash_us: int = 0
    freeze_us: int = 0
    full_us: int = 0
    """Time from a boot until a leak has used up the memory."""
    watchdog_us: int = 0


@dataclass(frozen=True)
class Slots:
    """Another image that the boot loader takes after `boot_limit` boots without being well.

    Attributes:
        hazards, schema: of that image.
    """

    other: str
    boot_limit: int
    healthy_us: int
    hazards: Hazards
    schema: int


@dataclass(frozen=True)
class Trunk:
    """The line that the devices of a site share."""

    bytes_per_s: float
    queue_bytes: float
    latency_us: int


@dataclass(frozen=True)
class Speech:
    """What devices say on the wire. `profile` None: the built-in one."""

    codec: str = "json"  # json, cbor, msgpack
    profile: Spec | None = None


@dataclass(frozen=True)
class Site:
    name: str
    region: str
    share: Fraction
    """Of each segment's devices; the shares of all sites add up to 1."""
    trunk: Trunk | None = None


@dataclass(frozen=True)
class Batch:
    """How a gateway gathers what it carries."""

    readings: int
    every_us: int


@dataclass(frozen=True)
class Gateway:
    """What each gateway of a segment does for the devices behind it."""

    rate: Rate
    queue: int
    buffer: Buffer
    store: str  # disk, memory
    disk_bytes: float | None
    memory_bytes: float | None
    spare: str  # none, standby
    power: str  # mains, solar
    panel_w: float
    battery_wh: float
    batch: Batch | None = None
    """None: it sends each reading alone."""
    edge_every_us: int = 0
    """Its processor passes on one reading of each device in this time; 0: all."""
    edge_keep: str = "first"  # first, mean


NO_TENANT = "none"
"""Tenant of devices that are nobody's in particular."""

NO_BATCH = NO_WAVE = NO_LINE = "none"
"""Of devices whose certificates came from no batch, that go with no wave of an update, and stand on no line."""


@dataclass(frozen=True)
class DrivePlan:
    """A drive of a mirror that follows a channel of its device: ``factor * value + offset``."""

    drive: str
    of: str
    factor: float
    offset: float


@dataclass(frozen=True)
class MirrorPlan:
    """Twins that the core keeps of the devices of a segment.

    Attributes:
        machine: parameters that are known, by name, in their own units.
        real: live, the devices are real ones that connect by themselves; in virtual time twins stand in for them.
    """

    machine: tuple[tuple[str, float], ...] = ()
    drives: tuple[DrivePlan, ...] = ()
    real: bool = False


@dataclass(frozen=True)
class Segment:
    """A part of the fleet with one kind of machine; the fleet's defaults are already filled in."""

    name: str
    kind: str
    devices: int
    every_us: int
    link: str
    keep_alive_us: int
    boot_us: Range
    reconnect: Reconnect
    buffer: Buffer
    qos: int
    firmware: str
    machine: tuple[tuple[str, float, float], ...] = ()
    """Parameters of its machines that the file sets: name, and the ends of their range, in the parameter's unit."""
    clock: Clock | None = None
    """None: a perfect one."""
    hazards: Hazards = Hazards()
    schema: int = 1
    """Of the documents that its devices send."""
    slots: Slots | None = None
    power: PowerPlan | None = None
    """Batteries of its devices; None: supplied from outside."""
    speech: Speech | None = None
    """None: the file does not say; JSON in the built-in profile, as long as is assumed."""
    synthetic: bool = False
    """Its devices are probes, which objectives leave out unless they ask for them."""

    gateway: Gateway | None = None
    """Its machines carry others."""
    through: str = ""
    """Segment of the gateways that carry its devices; empty: none do."""
    mesh: MeshPlan | None = None
    """Its devices reach these by way of others."""
    tenant: str = NO_TENANT
    certificate_batch: str = NO_BATCH
    certificate_expires_us: Range | None = None
    """None: nobody says when."""
    wave: str = NO_WAVE
    line: str = NO_LINE
    configuration: int | None = None
    """Number of the configuration that its devices should have, and come with; None: nobody asks them."""
    mirror: MirrorPlan | None = None
    """None: what its devices tell is compared with nothing."""

    @property
    def origin(self) -> str:
        """What selectors of `origin` find."""
        if self.mirror is not None and self.mirror.real:
            return "mirrored"
        return "synthetic" if self.synthetic else "simulated"


@dataclass(frozen=True)
class Fleet:
    devices: int
    sites: tuple[Site, ...]
    segments: tuple[Segment, ...]
    cohort: int | None = None
    """Live, so many of its devices are on the wire, and the rest is a crowd that stays modelled; None: all are."""
    phases: int | None = None
    """At how many instants of its period each kind samples; None: by size."""


@dataclass(frozen=True)
class Broker:
    """None: the constant of the model (`twinstorm.broker.models`)."""

    model: str = "amqtt"  # amqtt, mosquitto, ideal
    connect_rate: Rate | None = None
    connect_burst: Count | None = None
    connect_queue: Count | None = None
    backlog: int | None = None
    handshake_us: int | None = None
    message_rate: Rate | None = None
    message_queue: int | None = None
    offline_queue: int = 1_000


@dataclass(frozen=True)
class BurnAlarm:
    share: float
    """Of the error budget, 0..1, that goes within the window."""
    within_us: int
    severity: str


@dataclass(frozen=True)
class Burn:
    """When the burn of an objective is an alarm."""

    period_us: int | None
    """That the error budget is for; None: what is judged of the run."""
    least: int | None
    """Events in a long window; None: as many as it takes that one bad one alone is no alarm."""
    alarms: tuple[BurnAlarm, ...]
    """Empty: the usual ones."""


@dataclass(frozen=True)
class Objective:
    name: str
    sli: str
    at_least: float | None
    at_most: float | None
    """In the SLI's own unit: a share as 0..1, seconds, a rate per hour. Exactly one of the two is set."""
    of: Selector | None
    within_us: int | None
    percentile: float | None
    line: int
    burn: Burn | None = None
    runbook: str = ""
    """Address of a page for whoever is told of its burn."""


@dataclass(frozen=True)
class Step:
    name: str
    """As written, or ``step-1`` and so on."""
    at: Instant | None
    after: Instant | None
    """Exactly one of the two."""
    action: str  # fault, end, mark, acknowledge, wrong, suppress, serviced, certified, expect
    value: str
    """The fault's name, the step to end, the text of the mark, the name of an alarm, the selector of a window or
    a service."""
    target: Selector | None
    lasts_us: int | None
    ramp_us: int
    settings: Mapping[str, Any]
    """`with`, checked and typed by the fault."""
    expect: Expression | None
    line: int


@dataclass(frozen=True)
class Expectation:
    """One line of `expect`. `form` is its first key; only the fields of that form are set."""

    form: str  # alarm, no_alarm, recovered, objective, always, never, eventually, at, count, ledger
    text: str
    """As people write it on one line, for verdicts and reports."""
    line: int
    name: str = ""
    """Alarm, objective, count or ledger name."""
    verdict: str = ""
    severity: str = ""
    share: float | None = None
    of: str = ""
    """Step name with `recovered`."""
    after: Instant | None = None
    within_us: int | None = None
    since: Instant | None = None
    """`from`"""
    to: Instant | None = None
    at: Instant | None = None
    target: Selector | None = None
    expression: Expression | None = None
    at_most: float | None = None
    at_least: float | None = None
    bound_is_share: bool = False
    """With `ledger`: the bound is a share of produced (0..1), else a count."""


@dataclass(frozen=True)
class Rule:
    """A condition of what arrives: `channel`, in its own unit, lies beyond `level` for so long."""

    channel: str
    op: str  # <, <=, >, >=
    level: float
    for_us: int


@dataclass(frozen=True)
class Maintenance:
    """Who repairs machines. Durations as ranges draw once a job; costs are in whatever the file counts in."""

    policy: str  # run-to-failure, condition, preventive
    of: Selector | None
    when: tuple[Rule, ...]
    """Any of them, with `condition`."""
    interval_us: int | None
    """With `preventive`."""
    crews: tuple[tuple[str, int], ...]
    """Region to crews; one entry without a name: for all."""
    travel_us: Range
    speed_km_h: float | None
    """None: `travel_us` counts."""
    repair_us: Range
    exponential: bool
    breakdown_us: int | None
    spares: int | None
    """None: without end."""
    lead_us: int
    downtime_cost_per_h: float
    repair_cost: float
    spare_cost: float


@dataclass(frozen=True)
class Scale:
    """When a pool has more consumers, or fewer. Either `lag` or `busy` is set."""

    lag: int | None
    """Readings that wait, a consumer."""
    busy: float | None
    """Share of their time in which consumers work."""
    least: int
    most: int
    down_after_us: int


@dataclass(frozen=True)
class Functions:
    """A function that is called once a reading."""

    cold_us: int
    keep_us: int
    most: int
    price: float
    price_per_s: float


@dataclass(frozen=True)
class Processing:
    """Who processes readings before the core has them: consumers of a pool, or functions."""

    service_us: int
    by: str  # device, gateway, site
    partitions: int
    consumers: int
    start_us: int
    checkpoint_us: int
    scale: Scale | None
    room: int | None
    """Readings that may wait; None: any number."""
    shed: str  # newest, oldest
    functions: Functions | None


@dataclass(frozen=True)
class Stamps:
    """Which readings say when they were where: of each device one in `every`."""

    every: int
    window_us: int
    lateness_us: int
    """Of the window that each closes with."""


@dataclass(frozen=True)
class Window:
    """A figure of a channel in windows of event time, or in sessions."""

    name: str
    kind: str
    channel: str
    unit: str
    """Of the channel."""
    measure: str  # mean, sd, least, most, count, sum
    by: str  # device, gateway, segment, site, region, firmware, link, tenant, all
    every_us: int
    """How often a window ends; 0: sessions."""
    width_us: int
    gap_us: int
    """What ends a session; 0: windows."""
    lateness_us: int


@dataclass(frozen=True)
class Join:
    """Readings of two kinds of machine that belong together. Sides are a kind and a channel."""

    name: str
    left: tuple[str, str]
    right: tuple[str, str]
    unit: str
    by: str  # gateway, site, region, firmware, link, tenant, all
    before_us: int
    after_us: int
    lateness_us: int
    above: float | None
    """An alarm is raised when a reading lies so far above the mean of its partners; None: never."""


@dataclass(frozen=True)
class Correlation:
    """Two windows by their names, and how many of the newest ones are looked at."""

    name: str
    left: str
    right: str
    over: int


@dataclass(frozen=True)
class Continuity:
    """For how long a sensor or a link is silent until it is called dead: both at least."""

    periods: float
    least_us: int


@dataclass(frozen=True)
class Condition:
    """A channel against a limit in its own unit."""

    channel: str
    compare: str  # <, <=, >, >=, =, !=
    limit: float


@dataclass(frozen=True)
class Change:
    """A channel that is passed on as `factor * value + offset`, under another name."""

    channel: str
    becomes: str
    factor: float
    offset: float


@dataclass(frozen=True)
class Route:
    """Where readings go that fit."""

    name: str
    topic: str
    to: str  # store, alarm, command, dead-letter
    when: tuple[Condition, ...]
    """All of them."""
    changes: tuple[Change, ...]
    keep: tuple[str, ...]
    """Channels by their new names; empty: all."""
    takes_per_s: Fraction | None
    """None: any number."""
    tries: int
    wait_us: int


@dataclass(frozen=True)
class Stop:
    when: Expression
    hold_us: int


@dataclass(frozen=True)
class Scenario:
    name: str
    story: str
    title: str
    tags: tuple[str, ...]
    look_for: tuple[str, ...]
    duration_us: int
    warm_up_us: int
    start: str | None
    """RFC 3339, or None for 2030-01-07T00:00:00Z (virtual) or now (live)."""
    tick_us: int
    fleet: Fleet
    broker: Broker
    detectors: Mapping[str, Mapping[str, Any]] | None
    """None: the default set."""
    objectives: tuple[Objective, ...]
    steps: tuple[Step, ...]
    expectations: tuple[Expectation, ...]
    stop_when: Stop | None
    maintenance: Maintenance | None
    path: str
    """Where it was read; as the user typed it, or ``library:NAME``."""
    resolved: str
    """The scenario as YAML text after `--set` and `--devices`: what the record keeps and `run` repeats."""
    runbooks: Mapping[str, str] = field(default_factory=dict)
    """Addresses of pages for whoever is told of an alarm, by its name."""
    processing: Processing | None = None
    """None: readings are processed as they come."""
    stamps: Stamps | None = None
    """None: no reading does."""
    continuity: Continuity | None = None
    """None: nobody asks who is silent."""
    windows: tuple[Window, ...] = ()
    joins: tuple[Join, ...] = ()
    correlations: tuple[Correlation, ...] = ()
    """Of windows."""
    routes: tuple[Route, ...] = ()
    """The first that fits takes a reading."""
