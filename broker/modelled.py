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

from twinstorm.broker.admission import Admission
from twinstorm.broker.connack import NOT_AUTHORISED, OF_IDENTITY
from twinstorm.broker.downstream import Downstream
from twinstorm.broker.misconduct import Intrusion, Misconduct, Refusal, Slowness, Throttle, interval_us
from twinstorm.twin.chance import Words, device_key
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
    Malformed,
    Mask,
    Outcome,
    Readings,
    SessionEvent,
    Turns,
)
from twinstorm.twin.queues import Passed, ceil_div, gcra
from twinstorm.twin.sessions import Sessions, events_of

FLOOD_TOPIC = "fleet/twinstorm/nowhere/intruder/telemetry"


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
    tries: Int
    inside: Int
    """Rows that entered the handshake queue, and whom it may let in."""
    handshakes: Passed
    tokens: Passed | None
    """Of the rows `inside`."""
    outcome: Outcome
    answered: Outcome
    """What the broker believes: some of its answers may get lost."""


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
    sessions: Sessions = field(default_factory=Sessions)
    _offer: _Offer | None = None
    downstream: Downstream = field(init=False)
    outages_of: Turns = field(default_factory=Turns)
    absences_of: Turns = field(default_factory=Turns)
    _untold: list[Int] = field(default_factory=list)
    """Rows that the core is told at its next look."""
    seed: int = 0
    """Of the run: chance in what faults make it do."""
    misconduct: Misconduct | None = None
    """What faults make it do; None: nothing yet."""
    _flooded: tuple[Delivery, ...] = ()
    """Of a flood that is over."""
    _names: tuple[str, ...] = ()
    _saved: bool = False
    """It is down, and has what waited in it on a disk."""

    def __post_init__(self) -> None:
        limits = self.settings
        self.downstream = Downstream(limits.message_rate, limits.message_queue, limits.offline_queue)

    def watch(self, watcher: BrokerWatcher) -> None:
        """Tell this one of what befalls it, from now on."""
        self.watcher = watcher
        watcher.serves_batches(self.downstream.rate is not None)

    @property
    def live(self) -> Mask:
        """bool, one a device: it has a session."""
        return self.sessions.live

    @property
    def down(self) -> bool:
        return self.outages > 0

    # --- device end: connects -----------------------------------------------------------------------------------------

    def open(self, identities: Identities) -> None:
        self.sessions.open(identities.keep_alive_us, identities.clients)
        self._names = tuple(identities.client_ids)
        self.downstream.qos = identities.qos

    def offer(self, at_us: Int, device: Device, tries: Int, begin_us: Int) -> Outcome:  # noqa: ARG002
        limits, odd = self.settings, self.misconduct
        handshake_ns = limits.handshake_ns + (0 if odd is None else odd.connect_us * 1_000)
        handshakes = gcra(self.free_ns, at_us * 1_000, handshake_ns, limits.backlog * handshake_ns)
        inside = np.flatnonzero(handshakes.passed)
        answer = np.full(len(at_us), Answer.REFUSED, np.uint8)
        answer_us = at_us.copy()
        done_us = ceil_div(handshakes.tat[inside], 1_000)
        answer_us[inside] = done_us
        if odd is not None and odd.refusals:
            asks = ~odd.refuses(device[inside])
            inside, done_us = inside[asks], done_us[asks]
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
        outcome = answered = Outcome(answer, answer_us)
        if odd is not None and odd.mishandlings:
            admitted = np.flatnonzero(answer == Answer.ADMITTED)
            lost = admitted[odd.unanswered(device[admitted], tries[admitted])]
            outcome = Outcome(answer.copy(), answer_us.copy())
            outcome.answer[lost], outcome.answer_us[lost] = Answer.NONE, NEVER_US
        self._offer = _Offer(at_us, device, tries, inside, handshakes, tokens, outcome, answered)
        return outcome

    def arrive(self, at_us: int) -> int | None:
        """A CONNECT of somebody who is no device of this fleet, and who stands in its queues all the same.

        Args:
            at_us: not before what has been committed.

        Returns:
            When it is admitted; None: it is refused.
        """
        if self.down:
            return None
        limits, odd = self.settings, self.misconduct
        handshake_ns = limits.handshake_ns + (0 if odd is None else odd.connect_us * 1_000)
        if self.free_ns - limits.backlog * handshake_ns > at_us * 1_000:
            return None
        self.free_ns = max(self.free_ns, at_us * 1_000) + handshake_ns
        done_us = -(-self.free_ns // 1_000)
        if limits.connect_rate is None:
            return done_us
        door = Admission(limits.connect_rate, limits.connect_burst, limits.connect_queue, self.tat)
        start_us = door.offer(done_us)
        self.tat = door.tat
        return start_us

    def commit(self, count: int) -> None:
        offer = self._offer
        assert offer is not None, "commit follows an offer"
        self.free_ns = offer.handshakes.tat_after(count, self.free_ns)
        if offer.tokens is not None:
            self.tat = offer.tokens.tat_after(int(np.searchsorted(offer.inside, count)), self.tat)
        is_admitted = offer.answered.answer[:count] == Answer.ADMITTED
        admitted = np.flatnonzero(is_admitted)
        if self.misconduct is not None:
            device, tries = offer.device[:count], offer.tries[:count]
            passed = offer.handshakes.passed[:count]
            self.misconduct.met(device, tries, passed & self.misconduct.refuses(device), is_admitted)
            strange = int(np.count_nonzero(passed & self.misconduct.refuses(device, for_identity=True)))
            if strange:
                self.count["unauthorised"] += strange
        self.count["attempts"] += count
        self.count["admitted"] += len(admitted)
        self.count["refused"] += count - len(admitted)
        device, answer_us = offer.device[admitted], offer.answered.answer_us[admitted]
        self.sessions.admit(device, answer_us)

    def disconnect(self, device: Device, at_us: Int, last_packet_us: Int, abrupt: bool) -> None:
        self.sessions.disconnect(device, at_us, last_packet_us, abrupt)

    def silence(self, device: Device, at_us: int, last_packet_us: Int, direction: str) -> None:
        self.sessions.silence(device, at_us, last_packet_us, direction)

    def resume(self, device: Device, at_us: int, kept: Mask) -> None:
        self.sessions.resume(device, at_us, kept)

    def announce(self, device: Device, boot: Device, at_us: Int) -> None:
        self.sessions.announce(device, boot, at_us)

    def publish(self, readings: Readings, at_broker_us: Int, kept: Mask | None = None) -> Mask | None:
        self.count["messages_in"] += readings.messages
        if self.down:
            present = np.ones(len(readings.device), np.bool_) if readings.present is None else readings.present
            self.downstream.lose(LossCause.OUTAGE, readings, present, kept)
            return present
        if self.misconduct is not None and self.misconduct.meets_messages:
            return self._mishandle(self.misconduct, readings, at_broker_us, kept)
        return self.downstream.publish(readings, at_broker_us, kept)

    def _mishandle(self, odd: Misconduct, readings: Readings, at_broker_us: Int, kept: Mask | None) -> Mask | None:
        """As `publish`, with faults in between."""
        present = np.ones(len(readings.device), np.bool_) if readings.present is None else readings.present
        fate = odd.fate(readings, present, at_broker_us)
        if not (fate.dropped.any() or fate.twice.any()):
            return self.downstream.publish(readings, at_broker_us, kept, fate.ready_us)
        self.downstream.drop(LossCause.SHED, readings, fate.dropped, kept)
        rows = np.flatnonzero(present & ~fate.dropped)
        gone = fate.dropped.copy()
        own_copy = None if kept is None else kept[rows]
        dropped = self.downstream.publish(readings.taken(rows), at_broker_us[rows], own_copy, fate.ready_us[rows])
        if dropped is not None:
            gone[rows] |= dropped
        again = np.flatnonzero(fate.twice & ~gone)
        if len(again):
            copies = replace(readings.taken(again), duplicate=True)
            self.downstream.publish(copies, at_broker_us[again], None, fate.ready_us[again])
        return gone

    def poll(self, now_us: int) -> DeviceOutcome:  # noqa: ARG002
        none = np.empty(0, np.int64)
        return DeviceOutcome(none, none.astype(np.int32), none, none.astype(np.uint8))

    @property
    def is_idle(self) -> bool:
        """It only passes on what comes, at once, and will until somebody acts on it or connects."""
        return not self.down and self.misconduct is None and self.downstream.is_idle and self.sessions.is_idle

    # --- cloud end ----------------------------------------------------------------------------------------------------

    def collect(self, now_us: int) -> CloudOutcome:
        """What reached the core up to and including `now_us`."""
        if self.misconduct is not None and self.misconduct.expiries:
            self._expire_core(self.misconduct, now_us)
        deliveries = self.downstream.collect(now_us)
        if self.misconduct is not None and (self.misconduct.intrusions or self._flooded):
            deliveries += self._flooded + self._intruded(self.misconduct, now_us)
            self._flooded = ()
        self.count["messages_out"] += sum(each.readings.messages for each in deliveries if each.readings)
        told = self.sessions.until(now_us)
        if self.downstream.away:
            told = told[:0]
        if self._untold:
            told = np.concatenate([*self._untold, told])
            self._untold = []
        return CloudOutcome(deliveries, events_of(told))

    @property
    def in_flight(self) -> int:
        """Readings between device and core that exist nowhere else."""
        return self.downstream.in_flight

    @property
    def lost(self) -> Counter[str]:
        """Readings by cause."""
        return self.downstream.lost

    # --- broker -------------------------------------------------------------------------------------------------------

    def stop(self, at_us: int, silent: bool, *, with_state: bool = False) -> int:
        self.outages += 1
        if self.outages > 1:
            return 0
        cost = self.watcher.broker_stopped(at_us, silent) if self.watcher is not None else 0
        self._forget(at_us, with_state)
        return cost

    def _forget(self, at_us: int, keep: bool) -> None:
        """Drop what the broker held: sessions, queued answers; queued messages, unless it saved them."""
        self.sessions.forget(at_us)
        watcher = self.watcher
        if watcher is None:
            self.downstream.forget(at_us, keep=keep)
        else:
            self.downstream.forget(at_us, watcher.undelivered, watcher.unarrived, keep)
        self._saved = keep
        if keep:
            self.core_leaves(at_us)

    def start(self, at_us: int) -> None:
        self.outages -= 1
        if self.down:
            return
        self.free_ns = 0
        self.tat = 0
        if self._saved:
            self.core_returns(at_us)
            self._saved = False
        if self.watcher is not None:
            self.watcher.broker_started(at_us)

    def sessions_saved(self) -> int:
        # Those that devices at QoS 2 have outlive their connections, but nothing waits in them: they are not modelled.
        return int(self._saved and self.downstream.known)

    # --- misconduct ---------------------------------------------------------------------------------------------------

    def end_sessions(self, device: Device, at_us: int) -> int:
        clients = device[np.isin(device, self.sessions.clients)]
        return 0 if self.watcher is None else self.watcher.break_connections(clients, at_us)

    def refuse(self, step: str, device: Device, code: int) -> None:
        self._odd().refusals.append(Refusal(step, device.astype(np.int64), for_identity=code in OF_IDENTITY))

    def distrust(self, step: str, device: Device, reason: str) -> None:  # noqa: ARG002 - for devices one is as good
        self.refuse(step, device, NOT_AUTHORISED)

    def intrude(self, step: str, what: str, device: Device, at_us: int, per_s: float) -> None:
        rate = Fraction(per_s).limit_denominator(1_000_000)
        self._odd().intrusions.append(Intrusion(step, what, device.astype(np.int64), rate, at_us))

    def _intruded(self, odd: Misconduct, now_us: int) -> tuple[Delivery, ...]:
        """What the core gets of it."""
        flooded = odd.intruded(now_us, not self.down)
        if not flooded or self.downstream.away:
            return ()
        self.downstream.occupy(flooded, now_us)
        letters = tuple(Malformed(FLOOD_TOPIC, b"", now_us, "no document") for _ in range(flooded))
        return (Delivery(None, np.zeros(0, np.int64), now_us, letters),)

    def slow_down(self, step: str, connect_us: int, message_us: int) -> None:
        self._odd().slowness.append(Slowness(step, connect_us, message_us))

    def throttle(self, step: str, device: Device, per_s: float) -> None:
        self._odd().throttles.append(Throttle(step, device.astype(np.int64), interval_us(per_s)))

    def throttle_all(self, step: str, per_s: float) -> None:
        self._odd().rates[step] = Fraction(SECOND_US, interval_us(per_s))
        self._hold()

    def mishandle(self, step: str, device: Device, kind: str, *, twice: bool, share: float, nth: int) -> None:
        who = device.astype(np.int64)
        key: Words = np.array([device_key(self._names[one]) for one in who.tolist()], np.uint64)
        self._odd().order_mishandling(step, who, key, self.seed, kind, twice=twice, share=share, nth=nth)

    def behave(self, step: str, device: Device, at_us: int) -> None:
        odd = self._odd()
        self._flooded += self._intruded(odd, at_us)
        held_up = odd.meets_messages or bool(odd.rates)
        odd.end(step, device.astype(np.int64))
        if held_up:
            self._hold()
            # What waited for it is passed on at once.
            self.downstream.core_leaves(at_us)
            self.downstream.core_returns(at_us)

    def _hold(self) -> None:
        """Hold what goes to the core to the least of all rates that faults impose."""
        rates = self._odd().rates
        self.downstream.hold_to(min(rates.values(), default=None))
        if self.watcher is not None:
            self.watcher.serves_batches(self.downstream.rate is not None)
        self.downstream.holders = [self.evidence.setdefault(step, Counter()) for step in sorted(rates)]

    def expire_core(self, step: str, after_us: int) -> None:
        self._odd().expiries[step] = after_us

    def _expire_core(self, odd: Misconduct, now_us: int) -> None:
        for step, after_us in sorted(odd.expiries.items()):
            if self.downstream.away and now_us >= self.downstream.left_us + after_us:
                unarrived = () if self.watcher is None else (self.watcher.unarrived,)
                self.bit(step, "messages_expired", self.downstream.expire(*unarrived))

    def _odd(self) -> Misconduct:
        if self.misconduct is None:
            self.misconduct = Misconduct(self.evidence)
        return self.misconduct

    # --- the core's absence -------------------------------------------------------------------------------------------

    def core_leaves(self, at_us: int) -> int:
        self.downstream.core_leaves(at_us)
        if self.downstream.absences > 1:
            return 0
        self._untold.append(self.sessions.until(at_us))
        # Whoever loses the broker knows of no session any more.
        return self._tell_all(at_us, SessionEvent.CLOSED)

    def core_returns(self, at_us: int) -> int:
        kept, expired = self.downstream.waiting, self.downstream.expired
        self.downstream.core_returns(at_us)
        if self.downstream.away:
            return 0
        self.sessions.until(at_us)
        if not expired:
            self._tell_all(at_us, SessionEvent.BORN)
        return kept

    def _tell_all(self, at_us: int, what: SessionEvent) -> int:
        device = np.flatnonzero(self.live & self.sessions.heard)
        rows = np.zeros((len(device), 4), np.int64)
        rows[:, 0], rows[:, 1], rows[:, 2] = at_us, device, what
        rows[:, 3] = self.sessions.boot[device] if what == SessionEvent.BORN else 0
        self._untold.append(rows)
        return len(device)

    def counters(self, now_us: int) -> BrokerCounters:
        return BrokerCounters(
            attempts=self.count["attempts"],
            admitted=self.count["admitted"],
            refused=self.count["refused"],
            ghosts=self.sessions.count["ghosts"],
            takeovers=self.sessions.count["takeovers"],
            expired=self.sessions.count["expired"],
            messages_in=self.count["messages_in"],
            messages_out=self.count["messages_out"],
            dropped=self.downstream.dropped,
            sessions=int(np.count_nonzero(self.live)),
            connecting=max(self.free_ns // 1_000 - now_us, 0) * 1_000 // self.settings.handshake_ns,
            queue=self.downstream.depth(now_us),
            up=not self.down,
            unauthorised=self.count["unauthorised"],
        )

    def snapshot(self) -> Mapping[str, Any]:
        settings = asdict(self.settings)
        counters = {**self.count, **self.sessions.count}
        return {"clock": "virtual", "settings": settings, "counters": counters, "assumed": []}

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class ModelledCloudEnd:
    """The core's side of a modelled broker (`CloudEnd`)."""

    broker: ModelledBroker

    def poll(self, now_us: int) -> CloudOutcome:
        return self.broker.collect(now_us)
