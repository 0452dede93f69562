"""The modelled broker: both ends of the wire in virtual time, event-exact, without a socket.

A CONNECT enters the handshake queue, pays, meets the token bucket and is admitted now, admitted later or refused; its
outcome and instant are known on arrival (``docs/storm-model.md``). Messages pass a FIFO of limited capacity towards the
core. Sessions end by takeover, close, keep-alive or the broker's death.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np

from twinstorm.twin.flow import (
    NEVER_US,
    SECOND_US,
    Answer,
    BrokerCounters,
    BrokerWatcher,
    CloudOutcome,
    Delivery,
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

DOWNSTREAM_US = 1_000
"""From the broker to the core: one hop in a data centre."""
_LINK = 5
"""Among the session events: the broker stops hearing a device (with the instant of its last packet) or hears it again
(with `_HEARD`). Nobody is told."""
_HEARD = -1


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
    """

    model: str
    handshake_ns: int
    backlog: int
    connect_rate: Fraction | None = None
    connect_burst: int = 1
    connect_queue: int = 0
    message_rate: Fraction | None = None
    message_queue: int = 1_000


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
class _Pending:
    """Messages on their way to the core."""

    readings: Readings
    at_broker_us: Int
    arrived_us: Int
    last_us: int
    departed_us: Int | None = None
    """When each leaves the broker; None: at once."""


@dataclass
class ModelledBroker(Exhibits):
    """Implements `DeviceEnd`, `CloudEnd` and `Broker` of `twin.flow`. All fields are plain data."""

    settings: BrokerSettings
    watcher: BrokerWatcher | None = None
    evidence: dict[str, Counter[str]] = field(default_factory=dict)
    count: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    outages: int = 0
    """Faults that keep it down; it is up when the last of them ends."""
    free_ns: int = 0
    tat: int = 0
    message_free_us: int = 0
    live: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    heard: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    """The client of this session knows that it has one; else it is a ghost of an abandoned attempt."""
    unheard: Mask = field(default_factory=lambda: np.zeros(0, np.bool_))
    """Nothing that this device sends reaches the broker any more, beyond what is on its way."""
    expires_us: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    keep_alive_us: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    _offer: _Offer | None = None
    _pending: list[_Pending] = field(default_factory=list)
    _session_rows: list[Int] = field(default_factory=list)
    """What happens to sessions, int64 (n, 4): instant, device, what, boot; handled in `collect`."""

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
        count = len(readings)
        self.count["messages_in"] += count
        if self.down:
            present = np.ones(len(readings.device), np.bool_) if readings.present is None else readings.present
            self._lose(LossCause.OUTAGE, readings, present, kept)
            return present
        if self.settings.message_rate is not None:
            return self._queue(readings, at_broker_us, self.settings.message_rate, kept)
        arrived_us = at_broker_us + DOWNSTREAM_US
        last_us = int(arrived_us.max()) if len(arrived_us) else 0
        self._pending.append(_Pending(readings, at_broker_us, arrived_us, last_us))
        return None

    def _queue(self, readings: Readings, at_broker_us: Int, rate: Fraction, held: Mask | None) -> Mask:
        """A batch meets the FIFO towards the core: served in its order from its first arrival on.

        Returns:
            Rows that found it full.
        """
        present = np.ones(len(readings.device), np.bool_) if readings.present is None else readings.present
        first_us = int(at_broker_us[present].min()) if present.any() else 0
        waiting = self._waiting(first_us, rate)
        room = max(self.settings.message_queue - waiting, 0)
        place = np.cumsum(present)
        taken = present & (place <= room)
        dropped: Mask = present & ~taken
        self._lose(LossCause.QUEUE_FULL, readings, dropped, held)
        self.count["dropped"] += int(np.count_nonzero(dropped))
        free_us = max(self.message_free_us, first_us)
        departed_us = free_us + place * SECOND_US * rate.denominator // rate.numerator
        departed_us = np.maximum(departed_us, at_broker_us)
        if taken.any():
            last_us = int(departed_us[taken].max())
            count = int(np.count_nonzero(taken))
            self.message_free_us = free_us + count * SECOND_US * rate.denominator // rate.numerator
            kept = replace(readings, present=taken) if readings.dense_from >= 0 else _rows(readings, taken)
            if readings.dense_from < 0:
                departed_us, at_broker_us = departed_us[taken], at_broker_us[taken]
            self._pending.append(
                _Pending(kept, at_broker_us, departed_us + DOWNSTREAM_US, last_us + DOWNSTREAM_US, departed_us)
            )
        return dropped

    def _waiting(self, now_us: int, rate: Fraction) -> int:
        """Messages in the queue towards the core."""
        behind_us = max(self.message_free_us - now_us, 0)
        return -(-behind_us * rate.numerator // (rate.denominator * SECOND_US))

    def poll(self, now_us: int) -> DeviceOutcome:  # noqa: ARG002
        none = np.empty(0, np.int64)
        return DeviceOutcome(none, none.astype(np.int32), none, none.astype(np.uint8))

    # --- cloud end ----------------------------------------------------------------------------------------------------

    def collect(self, now_us: int) -> CloudOutcome:
        """What reached the core up to and including `now_us`."""
        deliveries: list[Delivery] = []
        waiting: list[_Pending] = []
        for each in self._pending:
            pending = each
            if pending.last_us <= now_us:
                deliveries.append(Delivery(pending.readings, pending.arrived_us, pending.last_us))
                continue
            here = pending.arrived_us <= now_us
            if pending.readings.present is not None:
                here &= pending.readings.present
            if here.any():
                deliveries.append(_part(pending, here, now_us))
                pending = _rest(pending, ~here)
            waiting.append(pending)
        self._pending = waiting
        self.count["messages_out"] += sum(len(delivery.readings) for delivery in deliveries if delivery.readings)
        return CloudOutcome(tuple(deliveries), self._sessions_until(now_us))

    @property
    def in_flight(self) -> int:
        """Readings between device and core that exist nowhere else."""
        return sum(len(pending.readings) for pending in self._pending if not pending.readings.duplicate)

    def _lose(self, cause: LossCause, readings: Readings, rows: Mask, kept: Mask | None = None) -> None:
        """These rows are gone; what the device keeps, or what came before, is not lost with them."""
        if not readings.duplicate:
            self.lost[cause] += int(np.count_nonzero(rows if kept is None else rows & ~kept))

    def _note(self, at_us: Int, device: Int | Device, what: SessionEvent | int, boot: Int | Device) -> None:
        if len(device):
            rows = np.empty((len(device), 4), np.int64)
            rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3] = at_us, device, what, boot
            self._session_rows.append(rows)

    def _sessions_until(self, now_us: int) -> SessionEvents:
        """Play what happened to sessions up to `now_us` in order, keep-alive expiries between."""
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
        told.append(self._expire(np.flatnonzero(self.live & (self.expires_us <= now_us))))
        events = np.concatenate(told)
        events = events[np.lexsort((events[:, 1], events[:, 0]))]
        return SessionEvents(
            events[:, 0].copy(),
            events[:, 1].astype(np.int32),
            events[:, 2].astype(np.uint8),
            events[:, 3].astype(np.int32),
        )

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
        self._hear(rows[what == _LINK])
        closed = (what == SessionEvent.CLOSED) & self.live[device]
        self.live[device[closed]] = False
        self.expires_us[device[closed]] = NEVER_US
        told.append(rows[replaced | born | closed])
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
        kept: list[_Pending] = []
        for pending in self._pending:
            present = pending.readings.present
            here = np.ones(len(pending.arrived_us), np.bool_) if present is None else present
            # What has not reached the broker when it dies is still the device's, if it waits for an acknowledgement.
            unread = here & (pending.at_broker_us >= at_us)
            gone = here & ~unread & (pending.departed_us > at_us) if pending.departed_us is not None else ~here & here
            if not (gone | unread).any():
                kept.append(pending)
                continue
            self._lose(LossCause.OUTAGE, pending.readings, gone)
            if unread.any() and not pending.readings.duplicate:
                taken = 0
                if self.watcher is not None:
                    taken = self.watcher.undelivered(pending.readings, unread)
                self.lost[LossCause.OUTAGE] += int(np.count_nonzero(unread)) - taken
            rest = _rest(pending, here & ~gone & ~unread)
            if len(rest.readings):
                kept.append(rest)
        self._pending = kept
        self.message_free_us = 0

    def start(self, at_us: int) -> None:
        self.outages -= 1
        if self.down:
            return
        self.free_ns = 0
        self.tat = 0
        if self.watcher is not None:
            self.watcher.broker_started(at_us)

    def counters(self, now_us: int) -> BrokerCounters:
        rate = self.settings.message_rate
        return BrokerCounters(
            attempts=self.count["attempts"],
            admitted=self.count["admitted"],
            refused=self.count["refused"],
            ghosts=self.count["ghosts"],
            takeovers=self.count["takeovers"],
            expired=self.count["expired"],
            messages_in=self.count["messages_in"],
            messages_out=self.count["messages_out"],
            dropped=self.count["dropped"],
            sessions=int(np.count_nonzero(self.live)),
            connecting=max(self.free_ns // 1_000 - now_us, 0) * 1_000 // self.settings.handshake_ns,
            queue=self._waiting(now_us, rate) if rate is not None else 0,
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


def _part(pending: _Pending, rows: Mask, now_us: int) -> Delivery:
    readings = pending.readings
    if readings.dense_from >= 0:
        return Delivery(replace(readings, present=rows), pending.arrived_us, now_us)
    return Delivery(_rows(readings, rows), pending.arrived_us[rows], now_us)


def _rest(pending: _Pending, rows: Mask) -> _Pending:
    readings = pending.readings
    if readings.dense_from >= 0:
        present = rows if readings.present is None else rows & readings.present
        return replace(pending, readings=replace(readings, present=present))
    departed_us = None if pending.departed_us is None else pending.departed_us[rows]
    at_broker_us = pending.at_broker_us[rows]
    return _Pending(_rows(readings, rows), at_broker_us, pending.arrived_us[rows], pending.last_us, departed_us)


def _rows(readings: Readings, rows: Mask) -> Readings:
    return Readings(
        readings.kind,
        readings.device[rows],
        readings.boot[rows],
        readings.seq[rows],
        readings.device_time_us[rows],
        readings.sent_us[rows],
        readings.values[rows],
        duplicate=readings.duplicate,
    )
