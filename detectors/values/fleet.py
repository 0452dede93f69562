"""A detector on values as one of a fleet: which series it looks at, and from their scores to scores of devices.

A device that is watched has one series a channel. Series are numbered in the order of devices, those of one device
beside each other, so that the devices of a dense batch are one slice of every column of state.

A reading is judged when it is accepted, in the order of boot and number of its device. One that arrives behind a newer
one is *late*: it is counted and not judged, because what came after it is already part of what is normal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.contract import Batch
from twinstorm.detectors.fence import BrokenError, fenced
from twinstorm.detectors.lasting import FOR_NOW, Lasting
from twinstorm.detectors.options import typed
from twinstorm.detectors.policy import Policy
from twinstorm.detectors.taps import Accepted, chosen, one_of_each
from twinstorm.detectors.values.contract import Comparing, Finest, Reals, Sample, ValueDetector, catalogue
from twinstorm.detectors.values.history import BYTES as BYTES_OF_HISTORY
from twinstorm.detectors.values.history import History
from twinstorm.detectors.values.watched import Watched, by_event
from twinstorm.detectors.values.witness import MOST, Judged, Witnesses
from twinstorm.twin.flow import SECOND_US, Device, Int, Registry, Seen, Severity, Values

BLOCK_VALUES = 32_768
"""Values that are judged at a time, at most: what fits the cache. No result depends on it."""

STALE_PERIODS, STALE_US = 3, 10 * SECOND_US
"""What a device said is no news any more after so many of its sampling periods, and at least so long."""

BYTES_COMPARED = 88
"""Of a series in a detector that compares: sum, count, group and resolution, and what comparing all of them at once
takes for a moment; see `peers.py`."""
BYTES_OF_ENDS = 16
"""Of a series whose detector sees between what its sensor can tell."""


class OnFleet:
    """One detector on values, at work on the devices of a registry: a detector of the core that gets every accepted
    reading.

    Args:
        kind: the detector.
        settings: its `fleet_options`, as text or typed; `on`: bool (n,), which devices, None: all;
            `channels`: names, None: all that have a mean.

    Raises:
        ValueError: a setting that it does not have, or a value of the wrong kind; the text names what is allowed.

    Attributes:
        left_out: names of channels of devices that are watched, sorted, which it does not watch because they change by
            events.
        late: readings that were not judged, because a newer one of their device had been.
        judged: values that were looked at.
        broken: what the detector did that it may not do; then it looks at nothing more. Empty: nothing.
    """

    def __init__(self, kind: type[ValueDetector], registry: Registry, settings: Mapping[str, Any]) -> None:
        given = {key: value for key, value in settings.items() if key not in ("on", "channels")}
        values = typed(f"detector `{kind.name}`", kind.fleet_options(), given)
        own = {option.name: values[option.name] for option in kind.options}
        self.name, self.summary, self.options = kind.name, kind.summary, kind.options
        self.headline = kind.headline
        self.late = 0
        self.judged = 0
        self.broken = ""
        learns = is_adaptive(kind, settings, values["adaptive"])
        self._watched = Watched.of(registry, settings.get("channels"), settings.get("on"), by_event=not learns)
        nobody_chose = learns and settings.get("channels") is None
        self.left_out = by_event(registry, settings.get("on")) if nobody_chose else ()
        self._detector = kind(self._watched.series, own)
        if kind.sees_ends:
            self._detector.ends = self._watched.ends(registry)
        self._says_normal = kind.normal is not ValueDetector.normal
        """Then it learns a value when it has been asked what is normal: that is told from the values before."""
        self._history = None
        if learns:
            self._history = History(
                self._watched.series, self._detector.leaps(), kind.changes, max(values["learn"], kind.least_us)
            )
            self._detector.tells(Finest(self._watched.steps(registry)))
        self._threshold = float(values["threshold"])
        self.policy = Policy(
            share=values["share"],
            fleet_share=min(0.05, values["share"]),
            devices=values["devices"],
            threshold=self._threshold,
            clear_threshold=self._threshold * float(values["clear_threshold"]),
            hold_us=values["hold"],
            clear_us=values["clear"],
            quiet_us=values["quiet"],
            severity=Severity(values["severity"]),
            lone_threshold=self._threshold,
        )
        n = len(registry)
        self._stale_us: Int = np.maximum(registry.every_us * STALE_PERIODS, STALE_US)
        self._score: Values = np.full(n, np.nan, np.float32)
        """Of the newest reading of each device that had a score."""
        self._near = 0
        """Devices whose score is not under `clear_threshold`."""
        self._persist = int(values["persist"])
        self._over: NDArray[np.int16] | None = np.zeros(self._watched.series, np.int16) if self._persist > 1 else None
        """Scores in a row that reached the threshold."""
        self._within_us = int(values["within"])
        self._peak: Values = np.full(n if self._within_us else 0, np.nan, np.float32)
        self._peak_us: Int = np.zeros(len(self._peak), np.int64)
        self._last_peak_us = -(1 << 62)
        channels = registry.channels
        self._witnesses = Witnesses(
            {
                code: [channels[registry.kinds[code]][column] for column in columns]
                for code, columns in self._watched.columns.items()
            },
            registry.kind,
        )

    # --- what arrives -------------------------------------------------------------------------------------------------

    def take(self, accepted: Accepted) -> None:
        """Judge readings; see `Tap`."""
        columns = self._watched.columns.get(accepted.code)
        if columns is None or self.broken:
            return
        try:
            self._take(accepted, columns)
        except BrokenError as broken:
            self.broken = str(broken)

    def _take(self, accepted: Accepted, columns: NDArray[np.intp]) -> None:
        if accepted.rows is not None:
            self._take_dense(accepted, accepted.rows, columns)
            return
        mine = None if self._watched.mask is None else self._watched.mask[accepted.device]
        if accepted.late:
            self.late += len(accepted.device) if mine is None else int(np.count_nonzero(mine))
            return
        device, dated_us, arrived_us, values = accepted.device, accepted.dated_us, accepted.arrived_us, accepted.values
        if mine is not None:
            device, dated_us, arrived_us, values = device[mine], dated_us[mine], arrived_us[mine], values[mine]
        values = chosen(values, columns)
        for rows in one_of_each(device):
            if isinstance(rows, slice):
                self._judge_each(device, dated_us, arrived_us, values)
            else:
                self._judge_each(device[rows], dated_us[rows], arrived_us[rows], values[rows])

    def _take_dense(self, accepted: Accepted, rows: slice, columns: NDArray[np.intp]) -> None:
        """Readings of a slice of the fleet; who is not there has no values."""
        one_date = accepted.dated_us.strides == (0,)
        for block in _parts(rows.stop - rows.start, len(columns)):
            devices = slice(rows.start + block.start, rows.start + block.stop)
            mine = None if self._watched.mask is None else self._watched.mask[devices]
            if mine is not None and mine.all():
                mine = None
            values = accepted.table(block, columns)
            dated_us = accepted.dated_us[block]
            who: slice | Device = devices
            if mine is not None:
                values, dated_us = values[mine], dated_us[mine]
                who = accepted.device[block][mine]
            if not len(values):
                continue
            at_us = np.broadcast_to(dated_us[0], values.size) if one_date else np.repeat(dated_us, len(columns))
            first = self._watched.first
            series = slice(int(first[devices.start]), int(first[devices.stop]))
            arrived_us = accepted.arrived_us[block]
            arrived_us = arrived_us if mine is None else arrived_us[mine]
            self._judge(Sample(at_us, values.ravel(), series), len(columns), who, arrived_us)

    def _judge_each(self, device: Device, dated_us: Int, arrived_us: Int, values: Values) -> None:
        """Readings of different devices, ascending."""
        width = values.shape[1]
        for block in _parts(len(device), width):
            who, at_us, taken = device[block], dated_us[block], values[block]
            span = int(who[-1]) - int(who[0]) + 1
            if span <= 2 * len(who):
                self._judge_stretch(who, span, at_us, arrived_us[block], taken)
                continue
            series = (self._watched.first[who][:, None] + np.arange(width)).ravel()
            flat = np.array(taken, np.float64, order="C").ravel()
            self._judge(Sample(np.repeat(at_us, width), flat, series), width, who, arrived_us[block])

    def _judge_stretch(self, who: Device, span: int, dated_us: Int, arrived_us: Int, values: Values) -> None:
        """Readings of most of the devices of a stretch of the fleet: a slice of it, in which the others have no values.
        A slice costs a third of what the places of each series would."""
        first, width = int(who[0]), values.shape[1]
        ends = self._watched.first
        series = slice(int(ends[first]), int(ends[first + span]))
        if span == len(who) and series.stop - series.start == span * width:
            flat = np.array(values, np.float64, order="C").ravel()
            stretch = slice(first, first + span)
            self._judge(Sample(np.repeat(dated_us, width), flat, series), width, stretch, arrived_us)
            return
        places = ends[who] - series.start
        flat = np.full(series.stop - series.start, np.nan)
        at_us = np.zeros(len(flat), np.int64)
        for channel in range(width):
            flat[places + channel] = values[:, channel]
            at_us[places + channel] = dated_us
        mine = (places[:, None] + np.arange(width)).ravel()
        self._judge(Sample(at_us, flat, series), width, who, arrived_us, mine)

    def _judge(
        self, sample: Sample, width: int, who: slice | Device, arrived_us: Int, there: Int | None = None
    ) -> None:
        """Score readings, note what their devices score, and let the detector learn; see `Judged`."""
        judged, learn = self._judged(sample, width, there)
        self._note(judged, who, arrived_us)
        self._learn(learn)

    def _judged(self, sample: Sample, width: int, there: Int | None = None) -> tuple[Judged, Callable[[], None] | None]:
        """What the detector says of these values, and what `_learn` gets when that was noted.

        Raises:
            BrokenError: nothing that scores can be.
        """
        method, learn = "look" if self._says_normal else "step", None
        with fenced(method, self._detector):
            if self._says_normal:
                scores, learn = self._detector.look(sample)
            else:
                scores = self._detector.step(sample)
        if not isinstance(scores, np.ndarray) or scores.shape != sample.values.shape or scores.dtype != np.float64:
            raise BrokenError(f"`{method}` gave no score, as float64, for each value")
        told = scores if self._history is None else self._history.judged(scores, sample)
        return Judged(sample, scores, told, width, there), learn

    def _learn(self, learn: Callable[[], None] | None) -> None:
        """The other half of a step, if it was not a whole one."""
        if learn is not None:
            with fenced("learn", self._detector):
                learn()

    @property
    def detector(self) -> ValueDetector:
        """What scores."""
        return self._detector

    def turn(self, now_us: int) -> None:
        """A pane is over. Nothing: readings are judged as they come."""

    def forget(self, device: Device, now_us: int) -> None:
        """Begin anew with all channels of these devices, int32, each once: they were repaired, calibrated or replaced.
        What they score is unknown until enough of it is learnt again."""
        if self.broken:
            return
        first = self._watched.first
        mine = device[first[device + 1] > first[device]]
        if not len(mine):
            return
        series = np.concatenate([np.arange(first[each], first[each + 1]) for each in mine.tolist()])
        try:
            with fenced("forget", self._detector):
                self._detector.is_now(now_us)
                self._detector.forget(series)
        except BrokenError as broken:
            self.broken = str(broken)
            return
        self._begin_anew(mine, series)
        if self._history is not None:
            self._history.forget(series)

    def _begin_anew(self, device: Device, series: Int) -> None:
        self._near -= int(np.count_nonzero(self._score[device] >= self.policy.clear_threshold))
        self._score[device] = np.nan
        if self._over is not None:
            self._over[series] = 0
        if self._within_us:
            self._peak[device] = np.nan

    # --- from series to devices ---------------------------------------------------------------------------------------

    def _note(self, judged: Judged, who: slice | Device, arrived_us: Int) -> None:
        """Remember what devices score: the highest of their channels."""
        scores = judged.scores
        self.judged += scores.size
        clear = self.policy.clear_threshold
        # The largest is NaN if one is missing.
        if not self._near and self._over is None and scores.max(initial=0.0) < clear:
            self._score[who] = 0.0
            return
        if self._over is not None:
            scores = self._lasting(scores, self._over, judged.series)
        highest = scores[:, 0].astype(np.float32)
        for channel in range(1, scores.shape[1]):
            np.fmax(highest, scores[:, channel], out=highest, casting="same_kind")
        before = self._score[who]
        after = np.where(highest == highest, highest, before)
        self._near += int(np.count_nonzero(after >= clear)) - int(np.count_nonzero(before >= clear))
        self._score[who] = after
        if self._within_us:
            self._keep_peaks(highest, who, arrived_us)
        over = highest >= self._threshold
        if over.any():
            rows = np.flatnonzero(over)[-MOST:]
            device = np.arange(who.start, who.stop)[rows] if isinstance(who, slice) else who[rows]
            self._bear_witness(judged, rows, device, arrived_us[rows])

    def _bear_witness(self, judged: Judged, rows: Int, device: Device, arrived_us: Int) -> None:
        """Keep what these readings held, for people who ask what an alarm rests on."""
        some = judged.some(rows)
        low = high = np.full(len(some.told), np.nan)
        with fenced("normal", self._detector):
            bounds = self._normal(judged, rows)
            if bounds is not None:
                low, high = bounds
        told = [each.reshape(-1, judged.width) for each in (some.sample.values, some.told, low, high)]
        self._witnesses.note(device, arrived_us, told)

    def _normal(self, judged: Judged, rows: Int) -> tuple[Reals, Reals] | None:
        """See `ValueDetector.normal`; of the values of some readings."""
        some = judged.some(rows)
        return self._detector.normal(some.sample, some.reach(self._threshold))

    def witnessed(self, device: Device) -> Device:
        """Those of these devices whose values are known that counted."""
        return self._witnesses.known(device)

    def seen(self, device: int) -> tuple[Seen, ...]:
        """What counted in the newest reading of a device in which anything did."""
        return self._witnesses.of(device, self._threshold)

    def _lasting(self, scores: Reals, over: NDArray[np.int16], series: slice | Int) -> Reals:
        """Scores, but nothing that counts before as many in a row have counted as there must be."""
        flat = scores.ravel()
        run = over[series]
        longer = np.minimum(run + np.int16(1), np.int16(self._persist))
        goes_on = (flat != flat) | ((run >= self._persist) & (flat >= self.policy.clear_threshold))
        run = np.where(flat >= self._threshold, longer, np.where(goes_on, run, np.int16(0)))
        over[series] = run
        below = np.minimum(flat, np.nextafter(np.float32(self.policy.clear_threshold), np.float32(0.0)))
        return np.where(run < self._persist, below, flat).reshape(scores.shape)

    def _keep_peaks(self, highest: Values, who: slice | Device, arrived_us: Int) -> None:
        peak, peak_us = self._peak[who], self._peak_us[who]
        over = arrived_us - peak_us > self._within_us
        fresh = (highest >= self._threshold) & (over | ~(highest < peak))
        if fresh.any():
            self._peak[who] = np.where(fresh, highest, peak)
            self._peak_us[who] = np.where(fresh, arrived_us, peak_us)
            self._last_peak_us = max(self._last_peak_us, int(arrived_us[fresh].max()))

    # --- what the core asks -------------------------------------------------------------------------------------------

    def quiet(self, batch: Batch) -> Lasting | None:
        """Nobody is near the limit in this pane; of the next nothing is known."""
        lately = self._within_us and batch.now_us - self._last_peak_us <= self._within_us
        return None if self._near or lately else FOR_NOW

    def score(self, batch: Batch) -> Values:
        """What devices scored last, for as long as that is news; within `within` their highest."""
        score = self._score
        if self._within_us:
            kept = np.where(batch.now_us - self._peak_us <= self._within_us, self._peak, np.float32(np.nan))
            score = np.fmax(score, kept)
        return np.where(batch.now_us - batch.last_arrival_us > self._stale_us, np.float32(np.nan), score)

    def learn(self, batch: Batch) -> None:
        """Nothing: it learns from readings."""


def _parts(rows: int, width: int) -> Iterator[slice]:
    """Rows of so many values in even parts: a small one costs as many calls as a large one."""
    parts = -(-rows * width // BLOCK_VALUES)
    size = -(-rows // max(parts, 1))
    return (slice(begin, min(begin + size, rows)) for begin in range(0, rows, max(size, 1)))


def is_adaptive(kind: type[ValueDetector], settings: Mapping[str, Any], adaptive: str) -> bool:
    """Whether each series learns a limit of its own, by the setting `adaptive` and what else was set."""
    chosen = any(settings.get(each) is not None for each in kind.chosen_by or ())
    return kind.leap > 0.0 and (adaptive == "true" or (adaptive == "auto" and not chosen))


def bytes_a_series(name: str, settings: Mapping[str, Any]) -> int:
    """Memory of one channel of one device.

    Args:
        settings: as those of `OnFleet`; `shadow` may be among them.
    """
    kind = catalogue()[name]
    given = {key: value for key, value in settings.items() if key not in ("on", "channels", "shadow")}
    values = typed(f"detector `{name}`", kind.fleet_options(), given)
    own = {option.name: values[option.name] for option in kind.options}
    beside = BYTES_COMPARED * issubclass(kind, Comparing) + kind.most_bytes
    beside += BYTES_OF_ENDS * kind.sees_ends
    beside += BYTES_OF_HISTORY * is_adaptive(kind, settings, values["adaptive"])
    return _size_of(kind(2, own)) - _size_of(kind(1, own)) + beside + 2 * (values["persist"] > 1)


def _size_of(state: object) -> int:
    """Bytes of all arrays."""
    total = 0
    for each in vars(state).values():
        if isinstance(each, np.ndarray):
            total += each.nbytes
        elif hasattr(each, "__dict__"):
            total += _size_of(each)
    return total
