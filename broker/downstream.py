"""Messages on their way from the modelled broker to the core: a FIFO of limited rate, and the queue of an absent core.

The core's session is persistent. While the core is away the broker keeps what is published at QoS 1 for it, up to a
limit, drops the newest beyond it, and keeps nothing at QoS 0, as brokers do; whoever publishes is not told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from twinstorm.twin.flow import NEVER_US, SECOND_US, Codes, Delivery, Int, LossCause, Mask, Readings

ENDLESS = 1 << 40
"""Messages that may wait where nothing limits them."""
FEW = 16
"""If fewer than one in so many rows of a slice are meant, they are handed on one by one: it costs less."""
DOWNSTREAM_US = 1_000
"""From the broker to the core: one hop in a data centre."""

Undelivered = Callable[[Readings, Mask], int]
"""See `twin.flow.BrokerWatcher`: `undelivered` and `unarrived`."""


def _places(readings: Readings, rows: Mask) -> Int:
    """Of each row how many messages there are up to its own, of those that carry `rows`."""
    together = readings.together
    places: Int = np.cumsum(rows if together is None else rows & together.begins)
    return places


def _messages(readings: Readings, rows: Mask) -> int:
    """How many messages carry these rows, each as a whole."""
    return int(np.count_nonzero(rows if readings.together is None else rows & readings.together.begins))


def _nobody(readings: Readings, rows: Mask) -> int:  # noqa: ARG001
    """Nobody has what is lost."""
    return 0


@dataclass
class Pending:
    """Messages on their way to the core.

    Attributes:
        departed_us: when each leaves the broker, `NEVER_US` while the core is away; None: at once.
        kept: rows that their device keeps as well; None: none.
    """

    readings: Readings
    at_broker_us: Int
    arrived_us: Int
    last_us: int
    departed_us: Int | None = None
    kept: Mask | None = None

    @property
    def present(self) -> Mask:
        """Rows that count."""
        present = self.readings.present
        return np.ones(len(self.arrived_us), np.bool_) if present is None else present

    def held_at(self, at_us: int) -> Mask:
        """Rows that lie in the broker."""
        if self.departed_us is None:
            return np.zeros(len(self.arrived_us), np.bool_)
        held: Mask = self.present & (self.at_broker_us < at_us) & (self.departed_us > at_us)
        return held


@dataclass
class Downstream:
    """What lies between broker and core. All fields are plain data.

    Attributes:
        rate: messages per second towards the core, None: no limit.
        queue: messages that wait for that rate; the newest is dropped when it is full.
        offline_queue: messages that the broker keeps for an absent core, likewise.
        absences: faults that keep the core away; it is back when the last of them ends.
        left_us: when it left.
        known: the broker has a session for the core; not so if it died while the core was away.
        expired: it had one, which ended while the core was away.
        waiting: messages kept for an absent core.
        stamps: readings say when the broker took them.
    """

    rate: Fraction | None
    queue: int
    offline_queue: int
    qos: Codes = field(default_factory=lambda: np.zeros(0, np.uint8))
    lost: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    free_us: int = 0
    absences: int = 0
    left_us: int = 0
    known: bool = True
    expired: bool = False
    waiting: int = 0
    stamps: bool = False
    _pending: list[Pending] = field(default_factory=list)
    _kept: list[Pending] = field(default_factory=list)
    """Of an absent core."""
    holders: list[Counter[str]] = field(default_factory=list)
    """Evidence of the faults that hold the broker to a rate."""
    _own: tuple[Fraction | None, int] | None = None
    """Rate and queue while faults hold it to less; None: they do not."""

    @property
    def away(self) -> bool:
        return self.absences > 0

    @property
    def in_flight(self) -> int:
        """Readings between device and core that exist nowhere else."""
        return sum(len(each.readings) for each in (*self._pending, *self._kept) if not each.readings.duplicate)

    @property
    def is_idle(self) -> bool:
        """Nothing waits, and nothing is held back."""
        return self.rate is None and not self.away and all(each.departed_us is None for each in self._pending)

    def depth(self, now_us: int) -> int:
        """Messages that wait in the broker."""
        if self.rate is not None:
            return self.waiting + self._behind(now_us, self.rate)
        slow = (each for each in self._pending if each.departed_us is not None and not each.readings.duplicate)
        return self.waiting + sum(_messages(each.readings, each.held_at(now_us)) for each in slow)

    def _behind(self, now_us: int, rate: Fraction) -> int:
        behind_us = max(self.free_us - now_us, 0)
        return -(-behind_us * rate.numerator // (rate.denominator * SECOND_US))

    def hold_to(self, rate: Fraction | None) -> None:
        """Pass on no more than this, however much waits for it; None: as much as usual."""
        if self._own is None:
            self._own = self.rate, self.queue
        own_rate, own_queue = self._own
        if rate is None:
            self.rate, self.queue, self._own = own_rate, own_queue, None
        else:
            self.rate = rate if own_rate is None else min(rate, own_rate)
            self.queue = ENDLESS if own_rate is None else own_queue

    def drop(self, cause: LossCause, readings: Readings, rows: Mask, kept: Mask | None = None) -> None:
        """The broker drops these rows; what the device keeps, or what came before, is not lost with them."""
        self.dropped += _messages(readings, rows)
        self.lose(cause, readings, rows, kept)

    def lose(self, cause: LossCause, readings: Readings, rows: Mask, kept: Mask | None = None) -> None:
        """Count these rows as lost, unless they are repeats, or the device keeps them."""
        if not readings.duplicate:
            self.lost[cause] += int(np.count_nonzero(rows if kept is None else rows & ~kept))

    # --- messages come ------------------------------------------------------------------------------------------------

    def publish(
        self, readings: Readings, at_broker_us: Int, kept: Mask | None = None, ready_us: Int | None = None
    ) -> Mask | None:
        """Pass a batch on.

        Args:
            kept: rows that their device keeps as well.
            ready_us: when the broker has handled each; None: at once.

        Returns:
            Rows that are dropped; None: none.
        """
        if self.stamps:
            readings = replace(readings, admitted_us=at_broker_us)
        if self.away:
            return self._keep(readings, at_broker_us, kept)
        if self.rate is not None:
            return self._queue(readings, at_broker_us, self.rate, kept, at_broker_us if ready_us is None else ready_us)
        arrived_us = (at_broker_us if ready_us is None else ready_us) + DOWNSTREAM_US
        last_us = int(np.maximum.reduce(arrived_us)) if len(arrived_us) else 0
        self._pending.append(Pending(readings, at_broker_us, arrived_us, last_us, ready_us, kept))
        return None

    def _queue(self, readings: Readings, at_broker_us: Int, rate: Fraction, held: Mask | None, ready_us: Int) -> Mask:
        """A batch meets the FIFO towards the core: served in its order from its first arrival on."""
        present = np.ones(len(readings.device), np.bool_) if readings.present is None else readings.present
        first_us = int(at_broker_us[present].min()) if present.any() else 0
        room = max(self.queue - self._behind(first_us, rate), 0)
        place = _places(readings, present)
        taken = present & (place <= room)
        dropped: Mask = present & ~taken
        self.drop(LossCause.QUEUE_FULL, readings, dropped, held)
        free_us = max(self.free_us, first_us)
        departed_us = free_us + place * SECOND_US * rate.denominator // rate.numerator
        departed_us = np.maximum(departed_us, ready_us)
        for holder in self.holders:
            holder["messages_delayed"] += _messages(readings, taken & (departed_us > ready_us))
        if taken.any():
            last_us = int(departed_us[taken].max())
            count = _messages(readings, taken)
            self.free_us = free_us + count * SECOND_US * rate.denominator // rate.numerator
            arrived_us, last_us = departed_us + DOWNSTREAM_US, last_us + DOWNSTREAM_US
            pending = Pending(readings, at_broker_us, arrived_us, last_us, departed_us, held)
            self._pending.append(_rest(pending, taken))
        return dropped

    def _keep(self, readings: Readings, at_broker_us: Int, held: Mask | None) -> Mask:
        """A batch meets the queue of an absent core, in its order."""
        present = np.ones(len(readings.device), np.bool_) if readings.present is None else readings.present
        # Gateways send at QoS 1 what they gather.
        once = present & (self.qos[readings.device] == 0) & (readings.together is None)
        asked = present & ~once
        room = max(self.offline_queue - self.waiting, 0) if self.known else 0
        taken = asked & (_places(readings, asked) <= room)
        dropped: Mask = asked & ~taken
        self.drop(LossCause.QUEUE_FULL if self.known else LossCause.OUTAGE, readings, dropped, held)
        self.drop(LossCause.QOS0, readings, once, held)
        if taken.any():
            never = np.full(len(at_broker_us), NEVER_US, np.int64)
            self._kept.append(_rest(Pending(readings, at_broker_us, never, NEVER_US, never, held), taken))
            self.waiting += _messages(readings, taken)
        return dropped | once

    # --- the core comes and goes --------------------------------------------------------------------------------------

    def core_leaves(self, at_us: int) -> None:
        """What has not arrived waits for the core from now on, however much that is: the limit is for newcomers."""
        self.absences += 1
        if self.absences > 1:
            return
        self.left_us = at_us
        staying, self._pending = self._pending, []
        for pending in staying:
            arrives = pending.present & (pending.arrived_us <= at_us)
            waits = pending.present & ~arrives
            if arrives.any():
                self._pending.append(_rest(pending, arrives))
            if waits.any():
                never = np.full(len(pending.arrived_us), NEVER_US, np.int64)
                kept = _rest(replace(pending, arrived_us=never, departed_us=never, last_us=NEVER_US), waits)
                self._kept.append(kept)
                self.waiting += kept.readings.messages
        self.free_us = 0

    def core_returns(self, at_us: int) -> None:
        """Pass on what was kept, in the order in which it came, as fast as the rate allows."""
        self.absences -= 1
        if self.absences:
            return
        rate = self.rate
        free_us = at_us
        for pending in self._kept:
            present = pending.present
            # A message that the device has sent already may not have reached the broker yet.
            departed_us = np.maximum(pending.at_broker_us, at_us)
            if rate is not None:
                place = _places(pending.readings, present)
                departed_us = np.maximum(departed_us, free_us + place * SECOND_US * rate.denominator // rate.numerator)
                free_us += int(place[-1]) * SECOND_US * rate.denominator // rate.numerator
            arrived_us = departed_us + DOWNSTREAM_US
            last_us = int(arrived_us[present].max())
            self._pending.append(replace(pending, arrived_us=arrived_us, last_us=last_us, departed_us=departed_us))
        if rate is not None:
            self.free_us = free_us
        self._kept, self.waiting, self.known, self.expired = [], 0, True, False

    def expire(self, unarrived: Undelivered = _nobody) -> int:
        """End the session of a core that is away, with what is kept for it. Returns how many messages that were.

        Args:
            unarrived: see `forget`.
        """
        if not self.away or not self.known:
            return 0
        # The newest first, as in `forget`.
        for pending in reversed(self._kept):
            self.lose(LossCause.SESSION_EXPIRED, pending.readings, pending.present)
            if pending.kept is not None and not pending.readings.duplicate:
                back = unarrived(pending.readings, pending.present & pending.kept)
                self.lost[LossCause.SESSION_EXPIRED] -= back
        count, self._kept, self.waiting, self.known, self.expired = self.waiting, [], 0, False, True
        return count

    def occupy(self, messages: int, now_us: int) -> None:
        """Somebody else's messages take their turn, as far as there is room for them."""
        if self.rate is not None:
            taken = min(messages, max(self.queue - self._behind(now_us, self.rate), 0))
            behind_us = taken * SECOND_US * self.rate.denominator // self.rate.numerator
            self.free_us = max(self.free_us, now_us) + behind_us

    # --- messages go --------------------------------------------------------------------------------------------------

    def collect(self, now_us: int) -> tuple[Delivery, ...]:
        """What reached the core up to and including `now_us`."""
        deliveries: list[Delivery] = []
        waiting: list[Pending] = []
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
        return tuple(deliveries)

    def forget(
        self, at_us: int, undelivered: Undelivered = _nobody, unarrived: Undelivered = _nobody, keep: bool = False
    ) -> None:
        """The broker dies: lose what it held. What has not reached it is still the device's, if it waits for an answer.

        Args:
            undelivered: how many of the rows that have not reached the broker do their devices account for?
            unarrived: how many of the rows that are gone, and that their devices kept as well, do they still have?
            keep: it has saved what it held, which stays.
        """
        dying = (*self._pending, *self._kept)
        # The newest first: what a device believes to have arrived is taken back from its newest on.
        for pending in reversed(dying):
            if pending.kept is not None and not pending.readings.duplicate:
                gone = pending.present & (pending.at_broker_us >= at_us)
                if not keep:
                    gone |= pending.held_at(at_us)
                self.lost[LossCause.OUTAGE] -= unarrived(pending.readings, gone & pending.kept)
        under_way = len(self._pending)
        remaining: list[Pending] = []
        kept: list[Pending] = []
        for number, pending in enumerate(dying):
            stays = kept if keep and number >= under_way else remaining
            here = pending.present
            gone = np.zeros(len(here), np.bool_) if keep else pending.held_at(at_us)
            unread = here & (pending.at_broker_us >= at_us)
            if not (gone | unread).any():
                stays.append(pending)
                continue
            self.lose(LossCause.OUTAGE, pending.readings, gone | unread)
            if unread.any() and not pending.readings.duplicate:
                alone = unread if pending.kept is None else unread & ~pending.kept
                self.lost[LossCause.OUTAGE] -= undelivered(pending.readings, alone)
            rest = _rest(pending, here & ~gone & ~unread)
            if len(rest.readings):
                stays.append(rest)
        self._pending, self._kept, self.waiting = remaining, kept, sum(each.readings.messages for each in kept)
        self.free_us = 0
        self.known = self.known if keep else not self.away


def _part(pending: Pending, rows: Mask, now_us: int) -> Delivery:
    """These rows, all of which count."""
    readings = pending.readings
    if _stays_dense(readings, rows):
        return Delivery(replace(readings, present=rows), pending.arrived_us, now_us)
    return Delivery(readings.taken(rows), pending.arrived_us[rows], now_us)


def _rest(pending: Pending, rows: Mask) -> Pending:
    """Those of these rows that count."""
    readings = pending.readings
    if readings.present is not None:
        rows = rows & readings.present
    if _stays_dense(readings, rows):
        return replace(pending, readings=replace(readings, present=rows))
    return Pending(
        readings.taken(rows),
        pending.at_broker_us[rows],
        pending.arrived_us[rows],
        pending.last_us,
        None if pending.departed_us is None else pending.departed_us[rows],
        None if pending.kept is None else pending.kept[rows],
    )


def _stays_dense(readings: Readings, rows: Mask) -> bool:
    """A slice of the fleet is passed on as one with gaps, unless nearly all of it is gap."""
    return readings.dense_from >= 0 and bool(np.count_nonzero(rows) * FEW > len(rows))
