"""Every type that crosses a folder: columns of data, and the two ends of the wire.

Columns, not objects: small frozen dataclasses of NumPy arrays of equal length, one row a thing. Instants and durations
are integer microseconds since the start of the run (`_us`). A device is a small integer inside (`device`), a name such
as ``fra-2/motors-0042`` outside (`Registry.names`).

Words: a *reading* is one sampling of one device, all channels, one sequence number; it is what the ledger counts. A
*value* is one channel of it. A *message* carries one or more readings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]
Device = NDArray[np.int32]
Mask = NDArray[np.bool_]
Values = NDArray[np.float32]
Codes = NDArray[np.uint8]

SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
YEAR_US = 365 * DAY_US
"""No leap days: every year of a fleet is an ordinary one."""

NEVER_US = 1 << 62
"""An instant that does not come: the timer of a device that waits for nothing."""
UNTOLD_US = -NEVER_US
"""An instant that nobody told."""


class LossCause(StrEnum):
    """Why a produced reading was neither delivered, buffered nor in flight. The list is closed."""

    QOS0 = "qos0"
    EVICTED = "evicted"
    SESSION_EXPIRED = "session_expired"
    QUEUE_FULL = "queue_full"
    OUTAGE = "outage"
    POWER = "power"
    CORRUPT = "corrupt"
    DEAD_LETTER = "dead_letter"
    LATE = "late"
    SHED = "shed"
    EDGE_FILTERED = "edge_filtered"
    EDGE_AGGREGATED = "edge_aggregated"
    RETIRED = "retired"
    UNEXPLAINED = "unexplained"
    """Live runs only: the drain ended and nobody can say where the reading went."""


class Observed(IntEnum):
    """State of a device as the core sees it from messages and session events; never the truth. Ordered by need."""

    ONLINE = 0
    DEGRADED = 1
    RECONNECTING = 2
    UPDATING = 3
    OFFLINE = 4
    FAILED = 5
    UNKNOWN = 6


# --- who is there ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Channel:
    """One measured quantity of a machine kind.

    Attributes:
        name: as it stands in messages, with its unit last, e.g. ``winding_temperature_c``.
        unit: the unit as people write it, e.g. ``C``, ``mm/s``, ``%``.
        lowest, highest: what a working sensor can report; values outside are invalid and dead-lettered.
        step: the sensor's resolution. A value on the wire is ``offset + step * q`` with an int16 ``q``, or with one of
            24 bits and a sign if that is not enough (`twin.resolution`).
        offset: see `step`.
        zones: limits between the zones A to D of severity by ISO 10816 (`twin.physics.bearing`); empty: it has none.
        averaged: the mean of several values is one that the quantity might have had. Not so of an angle, of a counter
            that begins again at 0, and of a code: who makes one value of many keeps the newest of these.
        by_event: it changes when something happens, and rests for as long as nothing does: where a vehicle is, what
            waits in a queue, what a camera saw. What it showed says little of what it may show next.
    """

    name: str
    unit: str
    lowest: float
    highest: float
    step: float
    offset: float = 0.0
    zones: tuple[float, ...] = ()
    averaged: bool = True
    by_event: bool = False

    MOST_STEPS: ClassVar[int] = 32_767
    MOST_WIDE_STEPS: ClassVar[int] = 2**24 - 1
    """What float32 counts."""

    @property
    def most_steps(self) -> float:
        """Steps between the offset and the farther end of the range."""
        return max(abs(end - self.offset) for end in (self.lowest, self.highest)) / self.step

    @property
    def is_wide(self) -> bool:
        """16 bits are too few for it."""
        return self.most_steps > self.MOST_STEPS + 0.5


UNSAID: Final = -1
"""Stands for the number of a configuration that nobody has said."""


@dataclass(frozen=True)
class Registry:
    """What the operators were told when the devices were commissioned; the core and the screen know devices by it.

    All columns have one row a device, in device order. Code columns index the tuple of the same plural name.
    """

    names: Sequence[str]
    kind: Codes
    kinds: tuple[str, ...]
    segment: NDArray[np.int16]
    segments: tuple[str, ...]
    site: NDArray[np.int32]
    sites: tuple[str, ...]
    region: NDArray[np.int32]
    regions: tuple[str, ...]
    link: Codes
    links: tuple[str, ...]
    firmware: Codes
    firmwares: tuple[str, ...]
    origin: Codes
    """0 simulated, 1 guest, 2 mirrored, 3 synthetic: a probe (`ORIGINS`). Nothing may assume that a registered device
    has a twin."""
    every_us: Int
    """How often each device is to be heard: its sampling period, or that of what thins its readings out on the way."""
    keep_alive_us: Int
    channels: Mapping[str, tuple[Channel, ...]]
    """Kind to its channels, in the order of the columns of `Readings.values`."""
    gateway: NDArray[np.int32] | None = None
    """Which gateway each device belongs to; a gateway belongs to itself. None: there are none."""
    gateways: tuple[str, ...] = ("none",)
    """The first stands for no gateway."""
    tenant: Codes | None = None
    """Whose devices they are. None: there are no tenants."""
    tenants: tuple[str, ...] = ("none",)
    """The first stands for nobody in particular."""
    certificate_batch: Codes | None = None
    """Which certificates were issued together, of the devices that have one of a batch. None: there are no batches."""
    certificate_batches: tuple[str, ...] = ("none",)
    certificate_expires_us: Int | None = None
    """When the certificate of each device ends, `NEVER_US` where nobody says so. None: nobody says so of any."""
    wave: Codes | None = None
    """With which wave of an update each device goes. None: there are no waves."""
    waves: tuple[str, ...] = ("none",)
    line: Codes | None = None
    """On which line each machine stands. One name at two sites is two lines to windows and joins, and one to selectors
    and causes. None: there are no lines."""
    lines: tuple[str, ...] = ("none",)
    configuration: Device | None = None
    """int32, the number of the configuration that each device should have, `UNSAID` where nobody has said. None: of
    none has anybody."""

    def __len__(self) -> int:
        return len(self.every_us)

    def with_carried(self, device: Device) -> Device:
        """These devices, and those behind the gateways among them: int32, ascending."""
        if self.gateway is None or "gateway" not in self.kinds:
            return device
        carrying = device[self.kind[device] == self.kinds.index("gateway")]
        mask = np.zeros(len(self.gateways), np.bool_)
        mask[self.gateway[carrying]] = True
        mask[0] = False
        every = mask[self.gateway]
        every[device] = True
        return np.flatnonzero(every).astype(np.int32)


ORIGINS = ("simulated", "guest", "mirrored", "synthetic")
MIRRORED = ORIGINS.index("mirrored")


# --- readings -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """What goes over the wire where it is not what the reading says: a payload that a fault changed.

    Attributes:
        repeated: with MQTT's DUP flag, where the quality of service has one.
    """

    topic: str
    payload: bytes
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Together:
    """Readings that travel many in a message, which lives or dies as a whole.

    Attributes:
        message: int64 (n,), in which message each row is; those of one message stand together.
        client: int32 (m,), who sends each message. number: int64 (m,), its number with them.
    """

    message: Int
    client: Device
    number: Int

    @property
    def begins(self) -> Mask:
        """bool (n,), rows with which a message begins."""
        begins = np.ones(len(self.message), np.bool_)
        begins[1:] = self.message[1:] != self.message[:-1]
        return begins


@dataclass(frozen=True, slots=True)
class Readings:
    """Readings of devices of one kind, one row a reading.

    *Dense* readings (``dense_from >= 0``) are the fast path: row ``i`` belongs to device ``dense_from + i`` and
    `present` says which rows carry a reading; the others hold values that must not be looked at. *Sparse* readings
    (buffered, late, live) come in any order and every row counts. Arrays may be broadcast views: never write to them.

    Attributes:
        device: int32 (n,).
        boot: int32 (n,), how often the device has booted, 1 for the first time.
        seq: int64 (n,), number of the reading; never reset by a boot.
        device_time_us: int64 (n,), the device's own clock, wrong on purpose at times.
        sent_us: int64 (n,), when the device wrote the message; `UNTOLD_US`: nobody knows, as over real sockets.
        values: float32 (n, channels), NaN for a silent channel; columns are contiguous (Fortran order) when dense.
        received_us: int64 (n,), when each came to the core, where it was processed later; None: as it came.
        admitted_us: int64 (n,), when its broker took it, `UNTOLD_US`: nobody knows; None: nobody asked.
    """

    kind: str
    device: Device
    boot: Device
    seq: Int
    device_time_us: Int
    sent_us: Int
    values: Values
    dense_from: int = -1
    present: Mask | None = None
    duplicate: bool = False
    """No reading of its own in the ledger: sent again, or unreadable and already accounted for as lost."""
    wire: tuple[Message, ...] = ()
    """Sparse readings only, one a row: what is sent in place of what the columns say, which stay the truth."""
    together: Together | None = None
    """Sparse readings only; None: each is a message of its own."""
    received_us: Int | None = None
    admitted_us: Int | None = None

    @property
    def messages(self) -> int:
        """That carry the readings that count."""
        return len(self) if self.together is None else int(np.count_nonzero(self.together.begins))

    def __len__(self) -> int:
        """Readings that count, not rows."""
        return len(self.device) if self.present is None else int(np.count_nonzero(self.present))

    def taken(self, rows: Mask | Int) -> Readings:
        """These rows as sparse readings.

        Args:
            rows: a mask, or row numbers in any order; rows that are present.
        """
        chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        return Readings(
            self.kind,
            self.device[chosen],
            self.boot[chosen],
            self.seq[chosen],
            self.device_time_us[chosen],
            self.sent_us[chosen],
            self.values[chosen],
            duplicate=self.duplicate,
            wire=tuple(self.wire[row] for row in chosen.tolist()) if self.wire else (),
            together=None if self.together is None else replace(self.together, message=self.together.message[chosen]),
            received_us=None if self.received_us is None else self.received_us[chosen],
            admitted_us=None if self.admitted_us is None else self.admitted_us[chosen],
        )


@dataclass(frozen=True, slots=True)
class Malformed:
    """A payload that could not be read, as it came."""

    topic: str
    payload: bytes
    arrived_us: int
    reason: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """What reached the core: readings and when each arrived, or payloads that nobody could read.

    Attributes:
        arrived_us: int64 (n,), one per row of `readings` (also of rows that are not present).
        last_us: the latest arrival of a row that counts.
    """

    readings: Readings | None
    arrived_us: Int
    last_us: int
    malformed: tuple[Malformed, ...] = ()


# --- sessions -------------------------------------------------------------------------------------------------------


class SessionEvent(IntEnum):
    """What a broker or a device's birth and will messages tell about a session."""

    BORN = 1
    """The device announced itself on `state` after its CONNACK; `boot` is valid."""
    LOST = 2
    """The broker closed it after 1.5 keep-alives without a packet and published the will."""
    CLOSED = 3
    """The connection ended otherwise: reset, broker stop, clean disconnect."""
    TAKEN_OVER = 4
    """A new connection with the same client id replaced it."""


@dataclass(frozen=True, slots=True)
class SessionEvents:
    """Session events, ordered by (at_us, device).

    Attributes:
        at_us: int64 (n,), when the core could know it.
        device: int32 (n,).
        what: uint8 (n,), `SessionEvent`.
        boot: int32 (n,), boot number with BORN, else 0.
        configuration: int32 (n,), what a birth says of it, else `UNSAID`; None: none of them says anything.
    """

    at_us: Int
    device: Device
    what: Codes
    boot: Device
    configuration: Device | None = None

    def __len__(self) -> int:
        return len(self.at_us)


@dataclass(frozen=True, slots=True)
class BrokerCounters:
    """Totals since the start of the run; a screen and the detectors look at differences.

    `queue` and `sessions` are depths at this instant. `connecting` counts CONNECTs whose answer is still to come.
    """

    attempts: int = 0
    admitted: int = 0
    refused: int = 0
    unanswered: int = 0
    ghosts: int = 0
    takeovers: int = 0
    expired: int = 0
    messages_in: int = 0
    messages_out: int = 0
    dropped: int = 0
    sessions: int = 0
    connecting: int = 0
    queue: int = 0
    up: bool = True
    unauthorised: int | None = None
    """CONNECTs refused for who sent them: credentials, rights, certificates; None: this broker does not tell."""
    strangers: int = 0
    """Of these, those that are not among `attempts`, for nobody of the fleet is known to have made them."""


# --- the two ends of the wire ---------------------------------------------------------------------------------------


class Answer(IntEnum):
    """What becomes of a CONNECT."""

    ADMITTED = 1
    """CONNACK 0, written by the broker at `Outcome.answer_us`."""
    REFUSED = 2
    """CONNACK 3, or a closed port."""
    NONE = 3
    """Nobody will answer: the client finds out by its timeout."""
    OPEN = 4
    """Live: not known yet; `DeviceEnd.poll` will tell, or the client's timeout."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What would happen to each CONNECT of an offer, in its order.

    Attributes:
        answer: uint8 (n,), `Answer`.
        answer_us: int64 (n,), when the broker writes its answer; `NEVER_US` with NONE and OPEN.
    """

    answer: Codes
    answer_us: Int


class DeviceEvent(IntEnum):
    """What came to a device by itself (live)."""

    CONNECTED = 1
    REFUSED = 2
    LOST = 3


@dataclass(frozen=True, slots=True)
class DeviceOutcome:
    """What came to the fleet by itself; rows ordered by (at_us, device).

    Attributes:
        tries: int64 (n,), the attempt a row belongs to: late answers of abandoned attempts are told apart by it.
    """

    at_us: Int
    device: Device
    tries: Int
    what: Codes
    acknowledged: Int = field(default_factory=lambda: np.zeros((0, 2), np.int64))
    """(m, 2): device and the highest sequence number below which everything sent is acknowledged."""


@dataclass(frozen=True, slots=True)
class CloudOutcome:
    """What reached the core's side since the last poll."""

    deliveries: tuple[Delivery, ...]
    sessions: SessionEvents


@dataclass(frozen=True)
class Identities:
    """Who connects: one row a device of the fleet, in device order."""

    client_ids: Sequence[str]
    keep_alive_us: Int
    qos: Codes
    passwords: Sequence[str] = ()
    """Live only; made for the run, never logged."""
    speaker: Int | None = None
    """On whose connection each speaks, as devices: its own, or that of the gateway it stands behind; None: its own."""

    @property
    def clients(self) -> Int | None:
        """Those with a connection of their own; None: all."""
        return None if self.speaker is None else np.flatnonzero(self.speaker == np.arange(len(self.speaker)))


class DeviceEnd(Protocol):
    """The fleet's side of the wire. No method blocks."""

    def open(self, identities: Identities) -> None:
        """Say who will connect. The fleet starts online: the modelled end holds all sessions from instant 0."""

    def offer(self, at_us: Int, device: Device, tries: Int, begin_us: Int) -> Outcome:
        """What would happen to CONNECTs that reach the broker at `at_us` (ascending, ties by device)? Changes nothing.

        Args:
            begin_us: when each attempt was sent.
        """

    def commit(self, count: int) -> None:
        """The first `count` rows of the last offer happened. Modelled: keep their effect; live: send them."""

    def disconnect(self, device: Device, at_us: Int, last_packet_us: Int, abrupt: bool) -> None:
        """The devices' side of these sessions ended at `at_us` each; abrupt: the broker is not told and must find out.

        Args:
            last_packet_us: when the broker last heard of each; `NEVER_US` for those without a session to lose.
        """

    def silence(self, device: Device, at_us: int, last_packet_us: Int, direction: str) -> None:
        """Packets of these devices stop getting through, in the direction ``both``, ``up`` or ``down``; sockets stay.

        Args:
            last_packet_us: when the broker last heard of each; `NEVER_US` for those without a session to lose.
        """

    def resume(self, device: Device, at_us: int, kept: Mask) -> None:
        """Packets of these devices get through again; `kept`: on a session that the broker still holds."""

    def announce(self, device: Device, boot: Device, at_us: Int) -> None:
        """Births: these devices got their CONNACK and say so on `state`; `at_us` is when that reaches the broker."""

    def publish(self, readings: Readings, at_broker_us: Int, kept: Mask | None = None) -> Mask | None:
        """Send readings; `at_broker_us` (one per row) is when the modelled link lets each through.

        Args:
            kept: rows that their device keeps as well, because no acknowledgement can reach it.

        Returns:
            Rows that the broker drops at once; None: none, or (live) nobody knows.
        """

    def poll(self, now_us: int) -> DeviceOutcome:
        """What came by itself up to `now_us`. Modelled: nothing, the outcome of every CONNECT was known on arrival."""


@runtime_checkable
class Trunk(DeviceEnd, Protocol):
    """A device end over real sockets: what gateways have to ask and tell of it that a model knows by itself."""

    def backed_up(self, device: Int) -> Mask:
        """Which of these clients have so much unacknowledged that they should send nothing more."""

    def forward(self, events: SessionEvents) -> None:
        """Let gateways tell what became of sessions of devices behind them, in this order, on their own connections."""


class CloudEnd(Protocol):
    """The core's side of the wire. No method blocks."""

    def poll(self, now_us: int) -> CloudOutcome:
        """Deliveries and session events that arrived up to and including `now_us`, in order of arrival."""


class Exhibits:
    """Evidence that faults left, by step; mixed into whatever faults act on."""

    evidence: dict[str, Counter[str]]

    def bit(self, step: str, what: str, count: int) -> None:
        """Count evidence that the fault of this step had an effect."""
        self.evidence.setdefault(step, Counter())[what] += int(count)

    def evidence_of(self, step: str) -> Evidence:
        return Evidence(dict(self.evidence.get(step, {})))


@dataclass
class Turns:
    """Who answers for something that several faults do at once: the step that came first, then the next; plain data.

    Example:
        >>> turns = Turns()
        >>> turns.begin("long", 0)
        >>> turns.begin("inner", 10)
        >>> turns.begin("late", 20)
        >>> turns.end("inner", 30), turns.end("long", 100), turns.end("late", 110)
        (0, 100, 10)
    """

    _steps: list[str] = field(default_factory=list)
    _since_us: int = 0
    """From when the first of them answers."""

    def begin(self, step: str, at_us: int) -> None:
        if not self._steps:
            self._since_us = at_us
        self._steps.append(step)

    def end(self, step: str, at_us: int) -> int:
        """Returns for how long this step alone was the reason, microseconds."""
        answered_us = at_us - self._since_us if self._steps[0] == step else 0
        if answered_us:
            self._since_us = at_us
        self._steps.remove(step)
        return answered_us


class BrokerWatcher(Protocol):
    """Who must know at once that a modelled broker dies or comes back: the world, whose sockets notice."""

    def broker_stopped(self, at_us: int, silent: bool) -> int:
        """Returns how many devices were online with it."""

    def broker_started(self, at_us: int) -> None: ...

    def break_connections(self, device: Device, at_us: int) -> int:
        """It ends the connections of these devices. Returns how many sessions that were."""

    def serves_batches(self, whole: bool) -> None:
        """Whether it serves a batch from its first arrival on: what is sent at one instant must be one batch then."""

    def undelivered(self, readings: Readings, rows: Mask) -> int:
        """These rows were on their way when the broker died. Returns how many the devices have or account for."""

    def unarrived(self, readings: Readings, rows: Mask) -> int:
        """The broker lost these rows before the core had them, and their devices kept a copy that they believe to have
        arrived. Returns how many they still have."""


class Broker(Protocol):
    """What faults and screens may touch.

    Attributes:
        outages_of, absences_of: steps that keep the broker down, or the core away.
    """

    outages_of: Turns
    absences_of: Turns

    def stop(self, at_us: int, silent: bool, *, with_state: bool = False) -> int:
        """The broker dies. Silent: its host goes too, nobody gets a reset. What it queued is lost, unless it has it
        saved (`with_state`).

        Outages may overlap: what the first of them did stays, and the broker is back when each was ended by `start`.

        Returns:
            How many sessions it cost.
        """

    def start(self, at_us: int) -> None:
        """It comes back, empty."""

    def sessions_saved(self) -> int:
        """Sessions that it will know when it is back; 0, if it is up or has lost its state."""

    def core_leaves(self, at_us: int) -> int:
        """The core loses its connection; its session and what is published for it stay, up to a limit.

        Absences may overlap: the core is back when each was ended by `core_returns`.

        Returns:
            How many sessions of devices it loses sight of.
        """

    def core_returns(self, at_us: int) -> int:
        """The core is back and gets what was kept. Returns how many messages that were."""

    # What faults make it do; `behave` ends all that a step does to these devices, and to the broker itself.

    def end_sessions(self, device: Device, at_us: int) -> int:
        """Close the connections of these devices. Returns how many had one."""

    def refuse(self, step: str, device: Device, code: int) -> None:
        """Answer CONNECTs of these devices with this CONNACK code; at the cost of a handshake."""

    def distrust(self, step: str, device: Device, reason: str) -> None:
        """Believe the certificates of these devices no more, for this reason."""

    def intrude(self, step: str, what: str, device: Device, at_us: int, per_s: float) -> None:
        """Let somebody from outside do this so often a second.

        Args:
            what: ``malformed`` or ``oversized`` packets, ``forged`` messages of these devices, a ``flood``.
        """

    def slow_down(self, step: str, connect_us: int, message_us: int) -> None:
        """Take so much longer for each CONNECT, one after the other, and to pass each message on."""

    def throttle(self, step: str, device: Device, per_s: float) -> None:
        """Pass on no more messages a second of each of these devices; what is more waits."""

    def throttle_all(self, step: str, per_s: float) -> None:
        """Pass on no more messages a second of all together; what is more waits, within the broker's own limits."""

    def mishandle(self, step: str, device: Device, kind: str, *, twice: bool, share: float, nth: int) -> None:
        """Lose packets of these devices, or handle them twice.

        Args:
            kind: ``publish``, which is acknowledged and not passed on, or ``connack``, which is not sent.
            nth: only the nth packet of each device; 0: this share of them.
        """

    def behave(self, step: str, device: Device, at_us: int) -> None: ...

    def expire_core(self, step: str, after_us: int) -> None:
        """Keep the session of a core that is away for so long only; then what waits in it is lost."""

    def bit(self, step: str, what: str, count: int) -> None: ...

    def evidence_of(self, step: str) -> Evidence: ...

    def counters(self, now_us: int) -> BrokerCounters: ...

    def snapshot(self) -> Mapping[str, Any]:
        """State in one schema for both clocks; live lists what it assumed."""

    def close(self) -> None: ...


class Knowledge(Protocol):
    """What faults may touch of the core: whom its registry lists and how, and who processes what comes."""

    def strike_off(self, step: str, device: Device, entry: str = "missing") -> None:
        """Let the entries of these devices be wrong from now on, so that what they send is refused.

        Args:
            step: of the fault that does it; several may, each until `list_again`.
            entry: ``missing``: there is none, and nobody counts them. ``site``: it names another site, and so somebody
                who never speaks. ``kind``: it is one of another kind of machine, whose sessions are theirs.
        """

    def list_again(self, step: str, at_us: int) -> None:
        """Put the entries right that a step made wrong."""

    def crash_consumers(self, step: str, consumers: int) -> None:
        """Let so many consumers of its pool die now and start again; nothing, where there is no pool."""

    def certified(self, device: Device) -> None:
        """These devices have new certificates, which end after the run."""


# --- faults and their truth -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FaultOrder:
    """A fault as data: what, with which settings, on whom, from when, until when.

    Attributes:
        step: name of the scenario step that ordered it, or ``injected-1`` and so on.
        fault: name in the catalogue, e.g. ``power-outage``.
        settings: the fault's own settings, checked and typed by its class.
        device: int32, ascending; empty for faults that act on the broker.
        to_us: None: until it is ended by hand or by the end of the run.
        ramp_us: time to full reach; devices join in the keyed order of the step.
    """

    step: str
    fault: str
    settings: Mapping[str, Any]
    device: Device
    from_us: int
    to_us: int | None
    ramp_us: int = 0


@dataclass(frozen=True)
class Evidence:
    """What a fault demonstrably did, as counts with the unit in the name. All zero: it did not bite."""

    counts: Mapping[str, int]

    @property
    def bit(self) -> bool:
        return any(self.counts.values())


@dataclass(frozen=True)
class TruthLabel:
    """What really happened, for scoring only: a cause interval and its aftermath.

    The aftermath lasts until the devices' state and queues have been back for 60 s, at most 30 min.

    Attributes:
        signs: what may show of it, by `twin.signs`; None: anything.
        evident_us: when its evidence began; None: nobody looked.
    """

    step: str
    fault: str
    device: Device
    from_us: int
    to_us: int
    aftermath_to_us: int
    signs: frozenset[str] | None = None
    evident_us: int | None = None


# --- what the core concludes ----------------------------------------------------------------------------------------


class Severity(StrEnum):
    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True)
class Finding:
    """A detector's decision at one instant about a set of devices. Not yet an alarm."""

    detector: str
    at_us: int
    group: str
    """What the devices share, e.g. ``site=fra-2`` or ``all``."""
    device: Device
    score: float
    """Rounded to 3 decimals, so that it can be logged."""
    threshold: float


@dataclass
class Alarm:
    """A finding that somebody should know about; open until `resolved_us`."""

    name: str
    at_us: int
    severity: Severity
    group: str
    device: Device
    cause: str
    """The shared cause that grouping found, e.g. ``site=fra-2 (lift 3.1)``; empty if none."""
    incident: int
    resolved_us: int | None = None
    number: int = 0
    """From 1, in order of raising."""
    members: Mask | None = None
    """bool (n,), the devices of the group, affected or not; None: they share nothing."""
    known: int = 0
    """Members that could be judged."""
    judged: int = 0
    """Devices of the fleet that could be."""
    score: float = 0.0
    """The highest of its devices, and `limit`, from which a device is affected."""
    limit: float = 1.0
    suppressed: str = ""
    """Why nobody is told of it: a greater alarm, or an incident that somebody has taken; empty: somebody is."""
    openings: int = 1
    """More than one: it flaps, and has been opened so often."""
    wrong: bool = False
    """Somebody said so."""
    examples: tuple[Example, ...] = ()
    says: str = ""
    """What its detector knows of the devices beyond their score; empty: nothing."""


@dataclass(frozen=True)
class Example:
    """What an alarm rests on for one of its devices, as the core knew it at that instant.

    Attributes:
        last_us: arrival of its newest accepted reading, with `seq` and `boot`; far below 0 before the first.
        seen: values that counted, of an alarm that rests on values.
    """

    device: int
    last_us: int
    seq: int
    boot: int
    session: bool
    seen: tuple[Seen, ...] = ()


@dataclass(frozen=True)
class Seen:
    """A value that counted for an alarm.

    Attributes:
        score: 1.0 is the limit of the detector, or the one that the series has learnt.
        lowest, highest: between what a value had to lie so as not to count; None: there is no such bound, or the
            detector cannot tell.
        at_us: when the reading arrived.
    """

    channel: str
    unit: str
    value: float
    score: float
    lowest: float | None
    highest: float | None
    at_us: int


@dataclass
class Incident:
    """One thing that is wrong, however many alarms tell of it."""

    number: int
    title: str
    opened_us: int
    severity: Severity
    group: str
    alarms: list[str]
    state: str = "open"
    """``open``, ``acknowledged`` or ``resolved``."""
    resolved_us: int | None = None
    paged_us: int | None = None
    """When a person was called; None: nobody was."""
    acknowledged_us: int | None = None
    escalated_us: int | None = None
    """When somebody else was called, because nobody had acknowledged it."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where every produced reading is. `check` is the invariant that every run ends with."""

    produced: int
    delivered: int
    buffered: int
    in_flight: int
    lost: Mapping[str, int]
    repeated: int
    """Readings that arrived again; beside the equation."""

    @property
    def difference(self) -> int:
        """produced - (delivered + buffered + in flight + lost); 0 or it is a bug."""
        return self.produced - self.delivered - self.buffered - self.in_flight - sum(self.lost.values())
