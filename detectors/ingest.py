"""The door of the core: validate, de-duplicate, dead-letter. Nothing here raises on what arrives.

Dense deliveries (device order, one reading a device) take a few passes over slices, sparse ones in which every row is
simply the next reading of another device a few over rows; whatever else comes takes the general path. All leave the
same state behind.

De-duplication comes before all other checks of a reading, so that an invalid one that is sent twice is dead-lettered
once and repeated once: the ledger counts each reading in one place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.blocks import put
from twinstorm.detectors.contract import LONG_AGO_US
from twinstorm.detectors.deadletters import BODY_BYTES, EXCERPT_BYTES, KEPT, DeadLetter, DeadLetters, LetterBody
from twinstorm.detectors.dedupe import Runs, Seen
from twinstorm.detectors.happenings import DEAD_LETTER, Happenings
from twinstorm.detectors.listing import Listing
from twinstorm.detectors.tally import OLDEST_US, SOONEST_US
from twinstorm.detectors.taps import Accepted, Tap
from twinstorm.detectors.turns import Line, Turn, columns_of
from twinstorm.twin.flow import (
    NEVER_US,
    Channel,
    Delivery,
    Device,
    Int,
    Malformed,
    Mask,
    Readings,
    Registry,
    Values,
)
from twinstorm.twin.wire.inbox import ANOTHER_DEVICE, NO_DEVICE, NO_TOPIC

LARGEST_SEQ = 1 << 53
"""Beyond it a JSON number is not exact; a device that counts so far is broken."""

SCATTERED = 8
"""A batch of more than one in so many devices is brought into their order by a look at all of them."""

ABREAST = 64
"""Rows of a table that are looked at together where a row is all that lies side by side."""

UNKNOWN_DEVICE = NO_DEVICE
UNKNOWN_KIND = "unknown kind"
WRONG_KIND = "device is of another kind"
WRONG_SHAPE = "columns do not fit the kind"
WRONG_NUMBER = "boot or sequence number out of range"
OUT_OF_RANGE = "value out of range"

ASTRAY = frozenset((NO_TOPIC, NO_DEVICE, ANOTHER_DEVICE))
"""What is wrong with messages that whoever owns their topic did not send."""


@dataclass(frozen=True)
class Limits:
    """What the channels of one kind can report, float32 (channels,), half a step wider than the registry says: a value
    is rounded to the sensor's resolution before it is sent."""

    code: int
    channels: tuple[Channel, ...]
    low: Values
    high: Values

    @staticmethod
    def of(code: int, channels: tuple[Channel, ...]) -> Limits:
        low = [channel.lowest - channel.step / 2 for channel in channels]
        high = [channel.highest + channel.step / 2 for channel in channels]
        return Limits(code, channels, np.array(low, np.float32), np.array(high, np.float32))


@dataclass(frozen=True, slots=True)
class NewBoots:
    """Readings that showed a new boot of their device, ascending in (device, boot).

    Attributes:
        at_us: int64 (n,), when each arrived.
    """

    device: Device
    boot: Device
    at_us: Int


class Ingest:
    """What has arrived. Columns have one row a device of the registry.

    Attributes:
        listing: whom the registry lists, and as what; readings of the others are refused.
        accepted: unique valid readings.
        repeated: readings that had come before.
        astray: messages on topics of nobody, or in the name of another device.
        misdated: accepted readings whose time stamp cannot be right. Their values can, and their order is that of
            boot and sequence number, so that nothing else looks at it.
        last_arrival_us: int64, when the newest accepted reading arrived; `LONG_AGO_US` before the first. A reading that
            is older than the newest changes it no more.
        newest: float32 (channels of the widest kind, n), values of that reading, NaN where there is none.
        readings_from_us: when the earliest reading since `turn` arrived, or an earlier instant; else `NEVER_US`.
        happenings: who hears of refused readings; None: nobody asks.
        taps: who gets what was accepted. While there are some, `in_turn` takes nothing.
    """

    def __init__(self, registry: Registry) -> None:
        n = len(registry)
        self._registry = registry
        self._limits = {kind: Limits.of(code, registry.channels[kind]) for code, kind in enumerate(registry.kinds)}
        widest = max((len(limits.channels) for limits in self._limits.values()), default=0)
        self._whole: dict[tuple[int, int, int], bool] = {}
        self.listing = Listing(n)
        self.seen = Seen(n)
        self.dead = DeadLetters()
        self.happenings: Happenings | None = None
        self.taps: list[Tap] = []
        self.accepted = 0
        self.repeated = 0
        self.misdated = 0
        self.astray = 0
        self._each: Int = np.zeros(n, np.int64)
        self._slices: Counter[tuple[int, int]] = Counter()
        """Times that every device of a slice, from first to last, had a reading accepted; not in `_each` yet."""
        self.last_arrival_us: Int = np.full(n, LONG_AGO_US, np.int64)
        self.newest: Values = np.full((widest, n), np.nan, np.float32)
        self.readings_from_us = NEVER_US

    @property
    def accepted_per_device(self) -> Int:
        """int64 (n,)."""
        for (first, last), times in self._slices.items():
            self._each[first:last] += times
        self._slices.clear()
        return self._each

    def turn(self) -> None:
        """Begin a new pane."""
        self.readings_from_us = NEVER_US

    def take(self, delivery: Delivery) -> NewBoots | None:
        """Take what arrived. Returns readings that showed a new boot, the first boot of a device included."""
        for message in delivery.malformed:
            self._malformed(message)
        readings = delivery.readings
        if readings is None or not len(readings.device):
            return None
        limits = self._limits.get(readings.kind)
        arrived_us = delivery.arrived_us
        if limits is None or _misfit(readings, arrived_us, limits):
            rows = _present_rows(readings)
            self._refuse(UNKNOWN_KIND if limits is None else WRONG_SHAPE, readings, rows, arrived_us)
            return None
        self.readings_from_us = min(self.readings_from_us, int(np.minimum.reduce(arrived_us)))
        if self._is_slice_of(readings, limits.code):
            return self._dense(readings, arrived_us, limits)
        if readings.present is None and self.listing.barred is None and self._is_in_line(readings, limits):
            self._next_of_each(readings, arrived_us, limits)
            return None
        order = self._order_of_next(readings, limits)
        if order is not None:
            self._take_in_order(readings, order, arrived_us, limits)
            return None
        runs = self._runs_of(readings, limits)
        if runs is not None:
            return self._take_runs(runs, readings, arrived_us, limits)
        return self._sparse(readings, _present_rows(readings), arrived_us, limits)

    # --- many instants ---

    def in_turn(self, deliveries: Sequence[Delivery]) -> Turn | None:
        """Look whether these are sound readings, of each device the next ones, which arrive in their order; nothing is
        taken. None: they are not."""
        if self.taps:
            return None
        kinds: dict[str, list[Delivery]] = {}
        for each in deliveries:
            if each.malformed or each.readings is None or each.readings.duplicate or each.readings.wire:
                return None
            kinds.setdefault(each.readings.kind, []).append(each)
        lines = []
        for kind, mine in kinds.items():
            limits = self._limits.get(kind)
            fits = limits is not None and all(
                each.readings is not None and not _misfit(each.readings, each.arrived_us, limits) for each in mine
            )
            line = self._line(mine, limits) if fits and limits is not None else None
            if line is None:
                return None
            lines.append(line)
        return Turn.of(lines)

    def _line(self, deliveries: Sequence[Delivery], limits: Limits) -> Line | None:
        device, boot, seq, dated_us, arrived_us, values = columns_of(deliveries)
        if not len(device) or device.min() < 0 or device.max() >= len(self._registry):
            return None
        first, span = int(seq.min()), int(seq.max()) - int(seq.min()) + 1
        if first < 0 or first + span > LARGEST_SEQ or span * len(self._registry) >= 1 << 62:
            return None
        order = np.argsort(device * np.int64(span) + (seq - first))
        who, number, at_us = device[order], seq[order], arrived_us[order]
        starts = np.flatnonzero(np.append(True, who[1:] != who[:-1]))
        mine = who[starts]
        before_us = np.append(0, at_us[:-1])
        before_us[starts] = self.last_arrival_us[mine]
        step = np.diff(number, prepend=0)
        step[starts] = number[starts] - self.seen.current.newest[mine]
        sound = (
            (step == 1).all()
            and (before_us <= at_us).all()
            and (boot > 0).all()
            and (boot == self.seen.current.boot[device]).all()
            and (self._registry.kind[device] == limits.code).all()
            and (dated_us >= OLDEST_US).all()
            and (dated_us - SOONEST_US <= arrived_us).all()
            and _out_of_range(values, limits) is None
        )
        if not sound:
            return None
        ends = np.append(starts[1:], len(order)) - 1
        return Line(mine, ends - starts + 1, number[ends], values[order[ends]], who, at_us, before_us)

    def begin_turn(self, turn: Turn) -> None:
        """Take such readings, as `take` would, one by one; but that they have arrived is said by `arrive`."""
        for line in turn.lines:
            self.seen.advance_by(line.device, line.newest, line.times)
            self._each[line.device] += line.times
            self.newest[: line.values.shape[1], line.device] = line.values.T

    def arrive(self, device: Device, at_us: Int) -> None:
        """These readings have arrived, in this order."""
        if len(device):
            self.accepted += len(device)
            self.last_arrival_us[device] = at_us  # of several of a device the last one stays
            self.readings_from_us = min(self.readings_from_us, int(at_us[0]))

    # --- dense --------------------------------------------------------------------------------------------------------

    def _is_slice_of(self, readings: Readings, code: int) -> bool:
        """Whether rows are a slice of the fleet that holds this kind only."""
        first, n = readings.dense_from, len(readings.device)
        if first < 0 or first + n > len(self._registry):
            return False
        key = (first, n, code)
        if key not in self._whole:
            if len(self._whole) > len(self._registry):
                self._whole.clear()
            self._whole[key] = bool((self._registry.kind[first : first + n] == code).all())
        return self._whole[key]

    def _dense(self, readings: Readings, arrived_us: Int, limits: Limits) -> NewBoots | None:
        n = len(readings.device)
        rows = slice(readings.dense_from, readings.dense_from + n)
        regular = self.seen.next_in_line(rows, readings.boot, readings.seq)
        rest = None
        if readings.present is not None:
            rest = readings.present & ~regular
            regular &= readings.present
        elif np.count_nonzero(regular) < n:
            rest = ~regular
        count = int(np.count_nonzero(regular))
        if count:
            self.seen.advance(rows, readings.seq, None if count == n else regular)
            if self.listing.barred is not None:
                strange = np.flatnonzero(self.listing.barred[rows] & regular)
                self._refuse_barred(readings, strange, arrived_us)
                regular[strange] = False
                count -= len(strange)
            bad = _out_of_range(readings.values, limits)
            if bad is not None:
                bad &= regular
                refused = np.flatnonzero(bad)
                if len(refused):
                    self._refuse(OUT_OF_RANGE, readings, refused, arrived_us)
                    regular &= ~bad
                    count -= len(refused)
            self._keep_slice(rows, readings.values, arrived_us, None if count == n else regular)
            self._look_at_dates(
                readings.device_time_us, _came_us(readings, arrived_us), None if count == n else regular
            )
            self.accepted += count
            self._pass_on(limits, readings, arrived_us, rows, None if count == n else regular)
        if rest is None or not np.count_nonzero(rest):
            return None
        return self._sparse(readings, np.flatnonzero(rest), arrived_us, limits)

    def _keep_slice(self, rows: slice, values: Values, arrived_us: Int, good: Mask | None) -> None:
        if good is None:
            self.last_arrival_us[rows] = arrived_us
            self._slices[rows.start, rows.stop] += 1
            self.newest[: values.shape[1], rows] = values.T
            return
        put(self.last_arrival_us[rows], arrived_us, good)
        self._each[rows] += good
        put(self.newest[: values.shape[1], rows], values.T, good)

    # --- sparse -------------------------------------------------------------------------------------------------------

    def _is_in_line(self, readings: Readings, limits: Limits) -> bool:
        """Whether these are sound readings of different devices, ascending, and simply the next of each: what devices
        send that speak now and then."""
        device, seq = readings.device, readings.seq
        ascends = np.count_nonzero(device[1:] > device[:-1]) == len(device) - 1
        if device[0] < 0 or device[-1] >= len(self._registry) or not ascends:
            return False
        return (
            self.seen.are_next(device, readings.boot, seq)
            and int(np.maximum.reduce(seq)) < LARGEST_SEQ
            and np.count_nonzero(self._registry.kind[device] == limits.code) == len(device)
            and _out_of_range(readings.values, limits) is None
        )

    def _next_of_each(self, readings: Readings, arrived_us: Int, limits: Limits) -> None:
        """Take such readings: as `_sparse` would, without its questions."""
        device = readings.device
        self.seen.advance_each(device, readings.seq)
        self.accepted += len(device)
        self._look_at_dates(readings.device_time_us, _came_us(readings, arrived_us), None)
        self._each[device] += 1
        self.last_arrival_us[device] = arrived_us
        self.newest[: len(limits.channels), device] = readings.values.T
        self._pass_on(limits, readings, arrived_us)

    def _order_of_next(self, readings: Readings, limits: Limits) -> NDArray[np.intp] | None:
        """The order of devices, where rows are sound readings of different ones, the next of each: what a fleet sends
        of which everybody speaks at an instant of its own. None: they are not so, or few."""
        device, fleet = readings.device, len(self._registry)
        if readings.present is not None or self.listing.barred is not None or len(device) * SCATTERED < fleet:
            return None
        sound = (
            device.min() >= 0
            and device.max() < fleet
            and self.seen.are_next(device, readings.boot, readings.seq)
            and int(np.maximum.reduce(readings.seq)) < LARGEST_SEQ
            and _out_of_range(readings.values, limits) is None
        )
        if not sound:
            return None
        # The row of each device: a tenth of what sorting them costs.
        row = np.full(fleet, -1, np.int32)
        row[device] = np.arange(len(device), dtype=np.int32)
        spoke = row >= 0
        if np.count_nonzero(spoke) < len(device) or np.count_nonzero(self._registry.kind[spoke] != limits.code):
            return None
        return row[spoke].astype(np.intp)

    def _take_in_order(self, readings: Readings, order: NDArray[np.intp], arrived_us: Int, limits: Limits) -> None:
        """Take such readings, as a slice of the fleet if they are one."""
        first = int(readings.device[order[0]])
        is_slice = int(readings.device[order[-1]]) - first + 1 == len(order)
        ordered = Readings(
            readings.kind,
            readings.device.take(order),
            _in_order(readings.boot, order),
            _in_order(readings.seq, order),
            _in_order(readings.device_time_us, order),
            _in_order(readings.sent_us, order),
            readings.values.take(order, axis=0),
            dense_from=first if is_slice else -1,
            received_us=None if readings.received_us is None else _in_order(readings.received_us, order),
            admitted_us=None if readings.admitted_us is None else _in_order(readings.admitted_us, order),
        )
        if is_slice:
            self._dense(ordered, _in_order(arrived_us, order), limits)
        else:
            self._next_of_each(ordered, _in_order(arrived_us, order), limits)

    def _runs_of(self, readings: Readings, limits: Limits) -> Runs | None:
        """Sound readings of devices that were away, each with a stretch that goes on where it left off; None: they are
        not so."""
        if readings.present is not None or self.listing.strangers is not None:
            return None
        runs = Runs.of(readings.device, readings.boot, readings.seq)
        if runs is None or runs.device[0] < 0 or runs.device[-1] >= len(self._registry):
            return None
        numbered = int(runs.boot.min()) > 0 and int(runs.first.min()) >= 0 and int(readings.seq.max()) < LARGEST_SEQ
        sound = (
            numbered
            and bool((self._registry.kind[runs.device] == limits.code).all())
            and self.seen.follow(runs)
            and _out_of_range(readings.values, limits) is None
        )
        return runs if sound else None

    def _take_runs(self, runs: Runs, readings: Readings, arrived_us: Int, limits: Limits) -> NewBoots | None:
        """Take such stretches: as `_sparse` would, a device at a time instead of a reading."""
        began = self.seen.advance_runs(runs)
        self.accepted += len(readings.device)
        self._look_at_dates(readings.device_time_us, _came_us(readings, arrived_us), None)
        last = runs.start + runs.length - 1
        self._each[runs.device] += runs.length
        self.last_arrival_us[runs.device] = arrived_us[last]
        self.newest[: len(limits.channels), runs.device] = readings.values[last].T
        self._pass_on(limits, readings, arrived_us)
        if not began.any():
            return None
        return NewBoots(runs.device[began], runs.boot[began], arrived_us[runs.start[began]])

    def _sparse(self, readings: Readings, rows: NDArray[np.intp], arrived_us: Int, limits: Limits) -> NewBoots | None:
        """Take some rows of a batch, in any order."""
        rows = self._addressed(readings, rows, arrived_us, limits)
        device, boot, seq = readings.device[rows], readings.boot[rows], readings.seq[rows]
        sane = (boot > 0) & (seq >= 0) & (seq < LARGEST_SEQ)
        if not sane.all():
            self._refuse(WRONG_NUMBER, readings, rows[~sane], arrived_us)
            rows, device, boot, seq = rows[sane], device[sane], boot[sane], seq[sane]
        if not len(rows):
            return None
        judged = self.seen.take(device, boot, seq)
        good = judged.new
        self.repeated += len(good) - int(np.count_nonzero(good))
        if self.listing.barred is not None:
            strange = good & self.listing.barred[device]
            self._refuse_barred(readings, rows[strange], arrived_us)
            good = good & ~strange
        bad = _out_of_range(readings.values[rows], limits)
        if bad is not None and (bad & good).any():
            self._refuse(OUT_OF_RANGE, readings, rows[bad & good], arrived_us)
            good = good & ~bad
        self.accepted += int(np.count_nonzero(good))
        self._look_at_dates(readings.device_time_us[rows], _came_us(readings, arrived_us)[rows], good)
        self._count(device[good])
        # Ascending per device: of several rows of one device the newest is written last and stays.
        newest = judged.newest[good[judged.newest]]
        self.last_arrival_us[device[newest]] = arrived_us[rows[newest]]
        self.newest[: len(limits.channels), device[newest]] = readings.values[rows[newest]].T
        if self.taps:
            late = good.copy()
            late[newest] = False
            self._pass_rows_on(limits, readings, arrived_us, rows[newest], late=False)
            self._pass_rows_on(limits, readings, arrived_us, rows[late], late=True)
        if not len(judged.began):
            return None
        began = judged.began
        return NewBoots(device[began], boot[began], arrived_us[rows[began]])

    def _addressed(
        self, readings: Readings, rows: NDArray[np.intp], arrived_us: Int, limits: Limits
    ) -> NDArray[np.intp]:
        """Rows whose device is registered and of this kind."""
        device = readings.device[rows]
        known = (device >= 0) & (device < len(self._registry))
        if not known.all():
            self._refuse(UNKNOWN_DEVICE, readings, rows[~known], arrived_us)
            rows, device = rows[known], device[known]
        fits = self._registry.kind[device] == limits.code
        if not fits.all():
            self._refuse(WRONG_KIND, readings, rows[~fits], arrived_us)
            rows = rows[fits]
        return rows

    def _pass_on(
        self,
        limits: Limits,
        readings: Readings,
        arrived_us: Int,
        rows: slice | None = None,
        good: Mask | None = None,
    ) -> None:
        """Give readings that were accepted as they came to the taps."""
        if not self.taps:
            return
        accepted = Accepted(
            limits.code,
            readings.device,
            readings.boot,
            readings.seq,
            readings.device_time_us,
            readings.sent_us,
            arrived_us,
            readings.values,
            rows=rows,
            good=good,
            received_us=readings.received_us,
            admitted_us=readings.admitted_us,
        )
        for tap in self.taps:
            tap.take(accepted)

    def _pass_rows_on(
        self, limits: Limits, readings: Readings, arrived_us: Int, rows: NDArray[np.intp], *, late: bool
    ) -> None:
        """Give these rows to the taps."""
        if not len(rows):
            return
        accepted = Accepted(
            limits.code,
            readings.device[rows],
            readings.boot[rows],
            readings.seq[rows],
            readings.device_time_us[rows],
            readings.sent_us[rows],
            arrived_us[rows],
            readings.values[rows],
            late=late,
            received_us=None if readings.received_us is None else readings.received_us[rows],
            admitted_us=None if readings.admitted_us is None else readings.admitted_us[rows],
        )
        for tap in self.taps:
            tap.take(accepted)

    def _count(self, device: Device) -> None:
        """Count one reading for each row."""
        if len(device) * 8 > len(self._registry):
            self._each += np.bincount(device, minlength=len(self._registry))
        else:
            np.add.at(self._each, device, 1)

    def _look_at_dates(self, dated_us: Int, arrived_us: Int, good: Mask | None) -> None:
        if not len(dated_us):
            return
        # One stamp for all rows, as clocks that are right give, is looked at once.
        latest_us = int(dated_us[0]) if dated_us.strides == (0,) else int(np.maximum.reduce(dated_us))
        earliest_us = int(dated_us[0]) if dated_us.strides == (0,) else int(np.minimum.reduce(dated_us))
        if earliest_us >= OLDEST_US and latest_us <= int(np.minimum.reduce(arrived_us)) + SOONEST_US:
            return
        wrong = (dated_us < OLDEST_US) | (dated_us - SOONEST_US > arrived_us)
        self.misdated += int(np.count_nonzero(wrong if good is None else wrong & good))

    # --- refused ------------------------------------------------------------------------------------------------------

    def forget(self, device: Device) -> None:
        """Nothing has come of these devices any more. What they sent still counts, and is known if it comes again."""
        self.last_arrival_us[device] = LONG_AGO_US
        self.newest[:, device] = np.nan

    def _refuse_barred(self, readings: Readings, rows: NDArray[np.intp], arrived_us: Int) -> None:
        if len(rows):
            device = readings.device[rows]
            self.listing.refuse(device)
            as_another = self.listing.reason(device)
            for reason, mine in ((UNKNOWN_DEVICE, ~as_another), (WRONG_KIND, as_another)):
                if mine.any():
                    self._refuse(reason, readings, rows[mine], arrived_us)

    def _refuse(self, reason: str, readings: Readings, rows: NDArray[np.intp], arrived_us: Int) -> None:
        shown = rows[-KEPT:].tolist()
        letters = [self._letter(reason, readings, row, arrived_us) for row in shown]
        self.dead.add(reason, letters, len(rows))
        if self.happenings is not None:
            # Columns that do not fit may be of different length.
            rows = rows[rows < min(len(readings.device), len(arrived_us))]
            device = readings.device[rows]
            known = (device >= 0) & (device < len(self._registry))
            self.happenings.add(arrived_us[rows[known]], device[known], DEAD_LETTER)

    def _letter(self, reason: str, readings: Readings, row: int, arrived_us: Int) -> DeadLetter:
        device = int(readings.device[row])
        known = 0 <= device < len(self._registry)
        source = self._registry.names[device] if known else f"device {device}"
        at_us = int(arrived_us[row]) if row < len(arrived_us) else 0
        detail = f"kind {readings.kind}"
        if reason == OUT_OF_RANGE:
            detail = _worst(readings.values[row], self._limits[readings.kind])
        elif reason == WRONG_NUMBER:
            detail = f"boot {readings.boot[row]}, seq {readings.seq[row]}"
        elif reason == WRONG_SHAPE:
            detail += f", {_misfit(readings, arrived_us, self._limits[readings.kind])}"
        return DeadLetter(at_us, source, reason, detail, _body(readings, row), is_reading=True)

    def _malformed(self, message: Malformed) -> None:
        excerpt = message.payload[:EXCERPT_BYTES].decode("utf-8", "replace")
        # What follows a colon is particular to one payload and would make a reason of its own each time.
        reason = message.reason.partition(":")[0].strip()[:80] or "malformed"
        self.astray += reason in ASTRAY
        topic, body = message.topic[:EXCERPT_BYTES], message.payload[:BODY_BYTES]
        whole = topic == message.topic and body == message.payload
        self.dead.add(reason, [DeadLetter(message.arrived_us, topic, message.reason, excerpt, body, whole=whole)])


def _body(readings: Readings, row: int) -> bytes:
    """A refused reading, whatever of it there is: its columns may be of different length."""
    columns = (readings.device, readings.boot, readings.seq, readings.device_time_us)
    device, boot, seq, at_us = (int(column[row]) if row < len(column) else 0 for column in columns)
    values = readings.values[row].tolist() if readings.values.ndim == 2 and row < len(readings.values) else []
    body = LetterBody(readings.kind, device, boot, seq, at_us, tuple(values))
    return msgspec.msgpack.encode(body)[:BODY_BYTES]


def _misfit(readings: Readings, arrived_us: Int, limits: Limits) -> str:
    """The first column that is not as long as that of devices, or values that have not one column a channel; empty: all
    fits."""
    n = len(readings.device)
    for name in ("boot", "seq", "device_time_us", "sent_us", "received_us", "admitted_us", "present"):
        column = getattr(readings, name)
        if column is not None and len(column) != n:
            return f"{name} has {len(column):,} rows of {n:,}"
    if len(arrived_us) != n:
        return f"arrived_us has {len(arrived_us):,} rows of {n:,}"
    if readings.values.shape != (n, len(limits.channels)):
        return f"values have the shape {readings.values.shape}, not {(n, len(limits.channels))}"
    return ""


def _came_us(readings: Readings, arrived_us: Int) -> Int:
    """When each was received, whenever it was processed."""
    return arrived_us if readings.received_us is None else readings.received_us


def _in_order(column: NDArray[Any], order: NDArray[np.intp]) -> NDArray[Any]:
    """A column in this order; one that has the same in each row, as it is."""
    return column if column.strides == (0,) else column.take(order)


def _present_rows(readings: Readings) -> NDArray[np.intp]:
    n = len(readings.device)
    if readings.present is None or len(readings.present) != n:
        return np.arange(n)
    return np.flatnonzero(readings.present)


def _out_of_range(values: Values, limits: Limits) -> Mask | None:
    """Rows with a value that no working sensor reports, infinity included; None: none has. NaN is a silent channel."""
    columns = values.T
    # Two reductions cost less than one comparison; NaN fails both and is looked at below.
    low, high = _reduced(np.minimum, values), _reduced(np.maximum, values)
    if np.count_nonzero(low >= limits.low) + np.count_nonzero(high <= limits.high) == 2 * len(columns):
        return None
    bad: Mask | None = None
    for channel, column in enumerate(columns):
        low, high = limits.low[channel], limits.high[channel]
        if column.min() >= low and column.max() <= high:
            continue
        outside = (column < low) | (column > high)
        bad = outside if bad is None else bad | outside
    return bad


def _reduced(least_or_greatest: np.ufunc, values: Values) -> Values:
    """float32 (channels,), over the rows."""
    n, width = values.shape
    if not values.flags.c_contiguous or n < ABREAST:
        return least_or_greatest.reduce(values.T, axis=1)
    # Many rows abreast first: a row alone is too short for what a processor does at a time.
    whole = n // ABREAST * ABREAST
    abreast = least_or_greatest.reduce(values[:whole].reshape(-1, ABREAST * width), axis=0).reshape(ABREAST, width)
    return least_or_greatest.reduce(np.concatenate((abreast, values[whole:])), axis=0)


def _worst(values: Values, limits: Limits) -> str:
    """The first channel that is out of range, its value and what is allowed."""
    outside = (values < limits.low) | (values > limits.high)
    channel = int(np.argmax(outside))
    known = limits.channels[channel]
    return f"{known.name} {float(values[channel]):.6g} {known.unit}, allowed {known.lowest:g} .. {known.highest:g}"
