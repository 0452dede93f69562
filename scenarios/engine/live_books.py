"""Where every reading of a live run is, as worker, broker and core tell together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from twinstorm.broker.embedded import EmbeddedBroker
from twinstorm.detectors.core import Core
from twinstorm.scenarios.engine.account import Account, Sides, settle
from twinstorm.scenarios.engine.live_fleet import LiveFleet
from twinstorm.twin.flow import CloudOutcome, Int, Ledger, LossCause, Mask, Registry


class LiveBooks:
    """Args:
    embedded: the broker; None: it is not ours, and keeps its own counsel.
    qos0: devices whose readings nobody acknowledges.
    """

    def __init__(self, fleet: LiveFleet, embedded: EmbeddedBroker | None, registry: Registry, qos0: Mask) -> None:
        self._fleet, self._embedded, self._registry, self._qos0 = fleet, embedded, registry, qos0
        self._account: Account | None = None
        """Of a run that is over; None: it is not, or the worker's end of it never came."""
        self._malformed = 0
        """Messages that nobody could read: what the worker did not spoil itself, some guest sent."""

    def take(self, outcome: CloudOutcome) -> None:
        """Count what has just arrived."""
        self._malformed += sum(len(delivery.malformed) for delivery in outcome.deliveries)

    def close(self, core: Core) -> None:
        """Name the losses that only both sides together can see, at the end of the run."""
        final = self._fleet.final
        if final is None or final.produced_each is None:
            return
        assert final.buffered_each is not None
        assert final.lost_each is not None
        assert final.in_doubt_each is not None
        assert final.unacknowledged_each is not None
        under_way, in_broker = final.unacknowledged_each, {}
        if self._embedded is not None:
            under_way = under_way + self._each(self._embedded.kept_readings())
            in_broker = {
                LossCause.QUEUE_FULL: self._each(self._embedded.overflown_readings()),
                LossCause.SHED: self._each(self._embedded.shed_readings()),
                LossCause.SESSION_EXPIRED: self._each(self._embedded.expired_readings()),
                LossCause.OUTAGE: self._each(self._embedded.lost_readings()),
            }
        refused = core.refused_per_device
        self._account = settle(
            Sides(
                produced=final.produced_each,
                buffered=final.buffered_each,
                named=final.lost_each,
                accepted=core.arrived_per_device,
                refused=np.zeros(len(self._registry), np.int64) if refused is None else refused,
                letters=self._twin_letters(sum(core.dead_letters.values())),
                under_way=under_way,
                in_doubt=final.in_doubt_each,
                at_qos0=self._qos0,
                broker_lost=in_broker,
                # One that came after more newer ones than the core remembers was taken for a repeat.
                late=core.repeated if final.overtaken else 0,
            )
        )

    @property
    def buffered(self) -> int:
        told = self._fleet.totals
        return told.buffered if told is not None else 0

    def lost(self) -> Mapping[str, int]:
        told = self._fleet.totals
        lost = Counter(dict(told.lost) if told is not None else {})
        if self._account is not None:
            lost.update({str(cause): count for cause, count in self._account.lost.items()})
        return lost

    def ledger(self, delivered: int, repeated: int, lost: dict[str, int]) -> Ledger:
        """Readings of the twins; what guests sent in their name or unreadably stands in `notes`."""
        account, told, is_over = self._account, self._fleet.totals, self._fleet.final is not None
        named = told.lost.get(str(LossCause.DEAD_LETTER), 0) if told is not None else 0
        came = lost.pop(str(LossCause.DEAD_LETTER), 0) - named
        letters = named + (self._twin_letters(came) if account is None else account.letters)
        if letters:
            lost[str(LossCause.DEAD_LETTER)] = letters
        if account is not None:
            delivered -= account.foreign
        known = delivered + self.buffered + sum(lost.values())
        # The worker tells its totals once a second: between them more may have arrived than it has told.
        produced = max(told.produced if told is not None else 0, 0 if is_over else known)
        rest = produced - known
        held = 0 if self._embedded is None else self._embedded.counters(0).queue
        in_flight = rest if account is None else min(account.in_flight + held, max(rest, 0))
        if rest > in_flight:
            lost[str(LossCause.UNEXPLAINED)] = rest - in_flight
        return Ledger(produced, delivered, self.buffered, in_flight, lost, repeated)

    def notes(self) -> list[str]:
        """What came from nobody of the fleet."""
        told = self._fleet.totals
        foreign = max(self._malformed - (told.unreadable if told is not None else 0), 0)
        readings = 0 if self._account is None else self._account.foreign
        if not (foreign or readings):
            return []
        what = f"{foreign:,} unreadable payloads and {readings:,} readings"
        return [f"{what} came from no twin: they are no part of the ledger"]

    def _each(self, counts: Mapping[str, int]) -> Int:
        """Counts by name as a column."""
        return np.array([counts.get(name, 0) for name in self._registry.names], np.int64)

    def _twin_letters(self, dead_letters: int) -> int:
        """Dead letters that a twin sent: readable, but with a value that no sensor reports."""
        return max(dead_letters - self._malformed, 0)
