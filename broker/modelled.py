"""The modelled broker: both ends of the wire in virtual time, event-exact, without a socket.

A CONNECT enters the handshake queue, pays, meets the token bucket and is admitted now, admitted later or refused; its
outcome and instant are known on arrival (``docs/storm-model.md``). Messages pass a FIFO of limited capacity towards the
core. Sessions end by takeover, close, keep-alive or the broker's death.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from twinstorm.broker.downstream import Downstream
from twinstorm.twin.flow import (
    NEVER_US,
    SECOND_US,
    Answer,
    BrokerCounters,
    BrokerWatcher,
    CloudOutcome,
    Device,
    DeviceOutcome,
    Exhibits,
    Identities,
    Int,
    LossCause,
    Mask,
    Outcome,
    Readings,
    SessionEvent,
    SessionEvents,
)
from twinstorm.twin.queues import Passed, ceil_div, gcra

_LINK = 5
"""Among the session events: the broker stops hearing a device (with the instant of its last packet) or hears it again
(with `_HEARD`). Nobody is told."""
_HEARD = -1


def _events_of(rows: Int) -> SessionEvents:
    rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    return SessionEvents(
        rows[:, 0].copy(), rows[:, 1].astype(np.int32), rows[:, 2].astype(np.uint8), rows[:, 3].astype(np.int32)
    )


_NO_ROWS: Int = np.zeros((0, 4), np.int64)
_NO_EVENTS = _events_of(_NO_ROWS)


@dataclass(frozen=True)
class BrokerSettings:
    """Limits of one modelled broker.

    Attributes:
        handshake_ns, backlog: see `broker.models.BrokerModel`.
        connect_rate: admissions per second, None: every handshake is admitted; numerator up to 10**6.
        connect_burst: depth of the token bucket, >= 1.
        connect_queue: connects that wait for a token; the rest is refused.
        message_rate: messages per second towards the core, None: no limit.
        message_queue: messages that wait for the core; the newest is dropped when it is full.
        offline_queue: messages at QoS 1 that are kept for a core that is away, likewise.
    """

    model: str
    handshake_ns: int
    backlog: int
    connect_rate: Fraction | None = None
    connect_burst: int = 1
    connect_queue: int = 0
    message_rate: Fraction | None = None
    message_queue: int = 1_000
    offline_queue: int = 1_000


@dataclass(frozen=True)
class _Offer:
    """What the last `offer` worked out; `commit` keeps a prefix of it."""

    at_us: Int
    device: Device
    inside: Int
    """Rows that entered the handshake queue."""
    handshakes: Passed
    tokens: Passed | None
    """Of the rows `inside`."""
    outcome: Outcome


@dataclass
class ModelledBroker(Exhibits):
    """Implements `DeviceEnd`, `CloudEnd` and `Broker` of `twin.flow`. All fields are plain data."""

    settings: BrokerSettings
    watcher: BrokerWatcher | None = None
    evidence: dict[str, Counter[str]] = field(default_factory=dict)
    count: Counter[str] = field(default_factory=Counter)
    outages: int = 0
    """Faults that keep it down; it is up when the last of them ends."""
    free_ns: int = 0
    tat: int = 0
    live: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    heard: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    """The client of this session knows that it has one; else it is a ghost of an abandoned attempt."""
    unheard: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    """Nothing that this device sends reaches the broker any more, beyond what is on its way."""
    expires_us: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    keep_alive_us: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    _offer: _Offer | None = None
    _first_expiry_us: int = NEVER_US
    """No session expires before it."""
    _session_rows: list[Int] = field(default_factory=list)
    """What happens to sessions, int64 (n, 4): instant, device, what, boot; handled in `collect`."""
    downstream: Downstream = field(init=False)
    boot: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    """What each device said last of itself on its retained `state`."""
    _untold: list[Int] = field(default_factory=list)
    """Rows that the core is told at its next look."""

    def __post_init__(self) -> None:
        limits = self.settings
        self.downstream = Downstream(limits.message_rate, limits.message_queue, limits.offline_queue)

    @property
    def down(self) -> bool:
        return self.outages > 0

    # --- device end: connects -----------------------------------------------------------------------------------------

    def open(self, identities: Identities) -> None:
        n = len(identities.keep_alive_us)
        self.live = np.ones(n, np.bool_)
        self.heard = np.ones(n, np.bool_)
        self.unheard = np.zeros(n, np.bool_)
        self.expires_us = np.full(n, NEVER_US, np.int64)
        self.keep_alive_us = identities.keep_alive_us
        self.downstream.qos = identities.qos
        self.boot = np.zeros(n, np.int64)
        device = np.arange(n, dtype=np.int64)
        self._note(np.zeros(n, np.int64), device, SessionEvent.BORN, np.ones(n, np.int64))

    def offer(self, at_us: Int, device: Device, tries: Int, begin_us: Int) -> Outcome:  # noqa: ARG002
        limits = self.settings
        handshakes = gcra(self.free_ns, at_us * 1_000, limits.handshake_ns, limits.backlog * limits.handshake_ns)
        inside = np.flatnonzero(handshakes.passed)
        answer = np.full(len(at_us), Answer.REFUSED, np.uint8)
        answer_us = at_us.copy()
        done_us = ceil_div(handshakes.tat[inside], 1_000)
        answer_us[inside] = done_us
        tokens = None
        if limits.connect_rate is None:
            answer[inside] = Answer.ADMITTED
        else:
            per_s, interval = limits.connect_rate.numerator, limits.connect_rate.denominator * SECOND_US
            burst, queue = limits.connect_burst, limits.connect_queue
            scaled = done_us * per_s
            tokens = gcra(self.tat, scaled, interval, (burst - 1 + queue) * interval)
            admitted = inside[tokens.passed]
            answer[admitted] = Answer.ADMITTED
            # The state before each admission is its state after it, less one interval, if it had to wait at all.
            start = np.maximum(scaled, tokens.tat - burst * interval)[tokens.passed]
            answer_us[admitted] = ceil_div(start, per_s)
        outcome = Outcome(answer, answer_us)
        self._offer = _Offer(at_us, device, inside, handshakes, tokens, outcome)
        return outcome

    def commit(self, count: int) -> None:
        offer = self._offer
        assert offer is not None, "commit follows an offer"
        self.free_ns = offer.handshakes.tat_after(count, self.free_ns)
        if offer.tokens is not None:
            self.tat = offer.tokens.tat_after(int(np.searchsorted(offer.inside, count)), self.tat)
        admitted = np.flatnonzero(offer.outcome.answer[:count] == Answer.ADMITTED)
        self.count["attempts"] += count
        self.count["admitted"] += len(admitted)
        self.count["refused"] += count - len(admitted)
        device, answer_us = offer.device[admitted], offer.outcome.answer_us[admitted]
        self._note(answer_us, device, SessionEvent.TAKEN_OVER, np.zeros(len(device), np.int64))

    def disconnect(self, device: Device, at_us: Int, last_packet_us: Int, abrupt: bool) -> None:
        if abrupt:
            had_one = last_packet_us != NEVER_US
            self._note(at_us[had_one], device[had_one], _LINK, last_packet_us[had_one])
        else:
            self._note(at_us, device, SessionEvent.CLOSED, np.zeros(len(device), np.int64))

    def silence(self, device: Device, at_us: int, last_packet_us: Int, direction: str) -> None:
        if direction != "down":
            self.disconnect(device, np.full(len(device), at_us, np.int64), last_packet_us, abrupt=True)

    def resume(self, device: Device, at_us: int, kept: Mask) -> None:
        heard = device[kept]
        self._note(np.full(len(heard), at_us, np.int64), heard, _LINK, np.full(len(heard), _HEARD, np.int64))

    def announce(self, device: Device, boot: Device, at_us: Int) -> None:
        self._note(at_us, device, SessionEvent.BORN, boot)

    def publish(self, readings: Readings, at_broker_us: Int, kept: Mask | None = None) -> Mask | None:
        self.count["messages_in"] += len(readings)
        if self.down:
            present = np.ones(len(readings.device), np.bool_) if readings.present is None else readings.present
            self.downstream.lose(LossCause.OUTAGE, readings, present, kept)
            return present
        return self.downstream.publish(readings, at_broker_us, kept)

    def poll(self, now_us: int) -> DeviceOutcome:  # noqa: ARG002
        none = np.empty(0, np.int64)
        return DeviceOutcome(none, none.astype(np.int32), none, none.astype(np.uint8))

    # --- cloud end ----------------------------------------------------------------------------------------------------

    def collect(self, now_us: int) -> CloudOutcome:
        """What reached the core up to and including `now_us`."""
        deliveries = self.downstream.collect(now_us)
        self.count["messages_out"] += sum(len(delivery.readings) for delivery in deliveries if delivery.readings)
        told = self._sessions_until(now_us)
        if self.downstream.away:
            told = told[:0]
        if self._untold:
            told = np.concatenate([*self._untold, told])
            self._untold = []
        return CloudOutcome(deliveries, _events_of(told) if len(told) else _NO_EVENTS)

    @property
    def in_flight(self) -> int:
        """Readings between device and core that exist nowhere else."""
        return self.downstream.in_flight

    @property
    def lost(self) -> Counter[str]:
        """Readings by cause."""
        return self.downstream.lost

    def _note(self, at_us: Int, device: Int | Device, what: SessionEvent | int, boot: Int | Device) -> None:
        if len(device):
            rows = np.empty((len(device), 4), np.int64)
            rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3] = at_us, device, what, boot
            self._session_rows.append(rows)

    def _sessions_until(self, now_us: int) -> Int:
        """Play what happened to sessions up to `now_us` in order, keep-alive expiries between.

        Returns:
            What there is to tell, as rows of `_session_rows`.
        """
        if not self._session_rows and now_us < self._first_expiry_us:
            return _NO_ROWS
        told: list[Int] = []
        rows = np.concatenate(self._session_rows) if self._session_rows else np.empty((0, 4), np.int64)
        due = rows[:, 0] <= now_us
        self._session_rows = [rows[~due]] if not due.all() else []
        rows = rows[due]
        rows = rows[np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))]
        while len(rows):
            # One event of each device a round, so that a round is vectorised.
            first = np.zeros(len(rows), np.bool_)
            first[np.unique(rows[:, 1], return_index=True)[1]] = True
            told.extend(self._session_round(rows[first]))
            rows = rows[~first]
        if now_us >= self._first_expiry_us:
            told.append(self._expire(np.flatnonzero(self.live & (self.expires_us <= now_us))))
            self._first_expiry_us = int(self.expires_us[self.live].min(initial=NEVER_US))
        return np.concatenate(told) if told else _NO_ROWS

    def _session_round(self, rows: Int) -> list[Int]:
        device = rows[:, 1]
        expired = self.live[device] & (self.expires_us[device] < rows[:, 0])
        told = [self._expire(device[expired])]
        what = rows[:, 2]
        admitted = what == SessionEvent.TAKEN_OVER
        replaced = admitted & self.live[device]
        self.count["takeovers"] += int(np.count_nonzero(replaced))
        self.count["ghosts"] += int(np.count_nonzero(replaced & ~self.heard[device]))
        self.live[device[admitted]] = True
        self.heard[device[admitted]] = False
        self.unheard[device[admitted]] = False
        # Until the device is heard, the session lives for one keep-alive: a client that gave up leaves a ghost.
        self.expires_us[device[admitted]] = rows[admitted, 0] + ceil_div(self.keep_alive_us[device[admitted]] * 3, 2)
        born = what == SessionEvent.BORN
        # A birth may arrive after the device fell silent: it was on its way, and is the last that is heard of it.
        last_us = rows[born, 0] + ceil_div(self.keep_alive_us[device[born]] * 3, 2)
        self.expires_us[device[born]] = np.where(self.unheard[device[born]], last_us, NEVER_US)
        self.heard[device[born]] = True
        self.boot[device[born]] = rows[born, 3]
        self._hear(rows[what == _LINK])
        closed = (what == SessionEvent.CLOSED) & self.live[device]
        self.live[device[closed]] = False
        self.expires_us[device[closed]] = NEVER_US
        told.append(rows[replaced | born | closed])
        self._first_expiry_us = min(self._first_expiry_us, int(self.expires_us[device].min(initial=NEVER_US)))
        return told

    def _hear(self, rows: Int) -> None:
        """Devices that fall silent, or are heard again."""
        device, last_packet_us = rows[:, 1], rows[:, 3]
        again = last_packet_us == _HEARD
        self.unheard[device] = ~again
        expires_us = last_packet_us + ceil_div(self.keep_alive_us[device] * 3, 2)
        self.expires_us[device] = np.where(again, NEVER_US, np.minimum(self.expires_us[device], expires_us))

    def _expire(self, device: Int | Device) -> Int:
        rows = np.zeros((len(device), 4), np.int64)
        rows[:, 0], rows[:, 1], rows[:, 2] = self.expires_us[device], device, SessionEvent.LOST
        self.live[device] = False
        self.expires_us[device] = NEVER_US
        self.count["expired"] += len(device)
        self.count["ghosts"] += int(np.count_nonzero(~self.heard[device]))
        return rows

    # --- broker -------------------------------------------------------------------------------------------------------

    def stop(self, at_us: int, silent: bool) -> int:
        self.outages += 1
        if self.outages > 1:
            return 0
        cost = self.watcher.broker_stopped(at_us, silent) if self.watcher is not None else 0
        self._forget(at_us)
        return cost

    def _forget(self, at_us: int) -> None:
        """Drop what the broker held: sessions, queued answers, queued messages."""
        rows = np.concatenate(self._session_rows) if self._session_rows else np.empty((0, 4), np.int64)
        rows = rows[rows[:, 0] < at_us]
        self._session_rows = [rows] if len(rows) else []
        device = np.arange(len(self.live), dtype=np.int64)
        self._note(np.full(len(device), at_us, np.int64), device, SessionEvent.CLOSED, np.zeros(len(device), np.int64))
        watcher = self.watcher
        if watcher is None:
            self.downstream.forget(at_us)
        else:
            self.downstream.forget(at_us, watcher.undelivered, watcher.unarrived)

    def start(self, at_us: int) -> None:
        self.outages -= 1
        if self.down:
            return
        self.free_ns = 0
        self.tat = 0
        if self.watcher is not None:
            self.watcher.broker_started(at_us)

    def core_leaves(self, at_us: int) -> int:
        self.downstream.core_leaves(at_us)
        if self.downstream.absences > 1:
            return 0
        self._untold.append(self._sessions_until(at_us))
        # Whoever loses the broker knows of no session any more.
        return self._tell_all(at_us, SessionEvent.CLOSED)

    def core_returns(self, at_us: int) -> int:
        kept = self.downstream.waiting
        self.downstream.core_returns(at_us)
        if not self.downstream.away:
            self._sessions_until(at_us)
            self._tell_all(at_us, SessionEvent.BORN)
        return kept

    def _tell_all(self, at_us: int, what: SessionEvent) -> int:
        device = np.flatnonzero(self.live & self.heard)
        rows = np.zeros((len(device), 4), np.int64)
        rows[:, 0], rows[:, 1], rows[:, 2] = at_us, device, what
        rows[:, 3] = self.boot[device] if what == SessionEvent.BORN else 0
        self._untold.append(rows)
        return len(device)

    def counters(self, now_us: int) -> BrokerCounters:
        return BrokerCounters(
            attempts=self.count["attempts"],
            admitted=self.count["admitted"],
            refused=self.count["refused"],
            ghosts=self.count["ghosts"],
            takeovers=self.count["takeovers"],
            expired=self.count["expired"],
            messages_in=self.count["messages_in"],
            messages_out=self.count["messages_out"],
            dropped=self.downstream.dropped,
            sessions=int(np.count_nonzero(self.live)),
            connecting=max(self.free_ns // 1_000 - now_us, 0) * 1_000 // self.settings.handshake_ns,
            queue=self.downstream.depth(now_us),
            up=not self.down,
        )

    def snapshot(self) -> Mapping[str, Any]:
        settings = asdict(self.settings)
        return {"clock": "virtual", "settings": settings, "counters": dict(self.count), "assumed": []}

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class ModelledCloudEnd:
    """The core's side of a modelled broker (`CloudEnd`)."""

    broker: ModelledBroker

    def poll(self, now_us: int) -> CloudOutcome:
        return self.broker.collect(now_us)
