"""What a machine is like, from what it told: the settable parameters of its kind that play its readings best.

The kind is played over the times of a table, with the drives that the table has (what a consumer took, how fast it was
told to turn); `scipy.optimize.least_squares` moves its parameters until what it would measure comes closest. What the
kind draws by lot and nobody can set (the hall's temperature, its own smoothness) is moved as well and not told.

All trials of a step are machines beside each other, so that the derivatives cost one play.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.chance import stream, words
from twinstorm.twin.flow import DAY_US, YEAR_US
from twinstorm.twin.machines.kind import Inputs, MachineKind, Place, Quantity

Reals = NDArray[np.float64]

LEAST_ROWS: Final = 20
LOTS: Final = 64
"""Machines that are drawn to see how far what nobody can set differs."""
STEP: Final = 2e-3
"""Of a range: physics is in single precision, and differences must not drown in it."""
ROUNDS: Final = ((1e-2, 8), (1e-4, 12))
"""Tolerance and most plays of each fit: the first one tells how much each channel scatters, the last weighs by that."""
DEAF: Final = 1e-3
"""Of the strongest: an unknown that moves all residuals by less, over its whole range, is left where it is."""
UNTOLD: Final = 0.25
"""Of a parameter's range: an interval wider than this, or than its own value, tells nothing."""
NORMAL_95: Final = 1.959964


@dataclass(frozen=True, slots=True)
class Readings:
    """A record of one machine.

    Attributes:
        at_us: int64 (n,), ascending, microseconds since 1970.
        channels, drives: name to float64 (n,); of channels NaN where a value is missing. A drive holds until the next
            row.
    """

    at_us: NDArray[np.int64]
    channels: Mapping[str, Reals]
    drives: Mapping[str, Reals] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Estimate:
    """One parameter.

    Attributes:
        low, high: 95 % interval, from how fast the residuals grow; right if they are independent and the kind is.
        told: whether these readings say anything about it.
    """

    quantity: Quantity
    value: float
    low: float
    high: float
    told: bool


@dataclass(frozen=True, slots=True)
class Fit:
    """What was found.

    Attributes:
        estimates: one a settable parameter, in the kind's order.
        residuals: channel to the standard deviation of what the machine told less what the kind plays, and the mean.
        rows: that were used.
    """

    estimates: tuple[Estimate, ...]
    residuals: Mapping[str, tuple[float, float]]
    rows: int


class Unfit(ValueError):
    """What is wrong with readings, and what would do."""


def fit(kind: MachineKind, readings: Readings) -> Fit:
    """Estimate the settable parameters of one machine.

    Raises:
        Unfit: too few rows, times that do not ascend, no channel or drive of this kind.
    """
    _check(kind, readings)
    play = _Play(kind, readings)
    names, start, low, high = play.unknowns()
    told = play.told
    scale = np.array([max(float(np.nanstd(column)), 1e-9) for column in told])
    share = np.clip((start - low) / (high - low), 0.05, 0.95)
    jacobian = play.derivative(share, scale)
    moved = np.flatnonzero(np.linalg.norm(jacobian, axis=0) > DEAF * np.linalg.norm(jacobian, axis=0).max())
    for tolerance, plays in ROUNDS:
        share[moved] = _least(play, share, moved, scale, tolerance, plays)
        away = told - play.of(share[None])[:, 0]
        scale = np.maximum([float(np.nanstd(column)) for column in away], scale * 1e-6)
    error = np.full(len(names), np.inf)
    error[moved] = _errors(play.derivative(share, scale)[:, moved])
    values, error = low + (high - low) * share, (high - low) * error
    rest = {
        name: (float(np.nanstd(column)), float(np.nanmean(column)))
        for name, column in zip(play.names, away, strict=True)
    }
    estimates = tuple(_estimate(quantity, names, values, error) for quantity in kind.settable)
    return Fit(estimates, rest, len(readings.at_us))


def _least(play: _Play, share: Reals, moved: NDArray[np.intp], scale: Reals, tolerance: float, plays: int) -> Reals:
    """The moved unknowns at the least sum of squares, as shares of their ranges."""
    from scipy.optimize import least_squares

    def at(some: Reals) -> Reals:
        whole = share.copy()
        whole[moved] = some
        return whole

    found = least_squares(
        lambda some: play.away(at(some), scale),
        np.clip(share[moved], 1e-6, 1.0 - 1e-6),
        lambda some: play.derivative(at(some), scale, moved),
        bounds=(0.0, 1.0),
        x_scale=0.1,
        ftol=tolerance,
        max_nfev=plays,
    )
    return np.asarray(found.x, np.float64)


def _check(kind: MachineKind, readings: Readings) -> None:
    known = {channel.name for channel in kind.channels}
    if not kind.settable:
        raise Unfit(f"`{kind.name}` has no parameters that may be set")
    if len(readings.at_us) < LEAST_ROWS:
        raise Unfit(f"{len(readings.at_us)} rows are too few to tell a machine from; {LEAST_ROWS} at least")
    if not known & set(readings.channels):
        raise Unfit(f"no column is a channel of `{kind.name}`; it has: {', '.join(sorted(known))}")
    if (np.diff(readings.at_us) <= 0).any():
        row = int(np.flatnonzero(np.diff(readings.at_us) <= 0)[0]) + 2
        raise Unfit(f"row {row} is not later than the one before it: rows are in the order of their times, each once")
    for name, values in readings.drives.items():
        if not np.isfinite(values).all():
            raise Unfit(f"drive `{name}` has no value in row {int(np.flatnonzero(~np.isfinite(values))[0]) + 1}")


def _errors(jacobian: Reals) -> Reals:
    """Standard error of each unknown where residuals have one of 1; infinite where nothing depends on it."""
    _, singular, vectors = np.linalg.svd(jacobian, full_matrices=False)
    weak = singular <= 1e-7 * max(float(singular[0]), 1e-300)
    inverse = np.where(weak, 0.0, 1.0 / np.where(weak, 1.0, singular))
    error = np.sqrt(np.square(vectors * inverse[:, None]).sum(axis=0))
    # What leans towards a direction in which nothing changes may be anything.
    free = np.square(vectors[weak]).sum(axis=0) > 1e-3
    return np.where(free, np.inf, error)


def _estimate(quantity: Quantity, names: Sequence[str], values: Reals, error: Reals) -> Estimate:
    place = names.index(quantity.name)
    value, half = float(values[place]), NORMAL_95 * float(error[place])
    low, high = max(value - half, quantity.lowest), min(value + half, quantity.highest)
    widest = min(UNTOLD * (quantity.highest - quantity.lowest), abs(value))
    return Estimate(quantity, value, low, high, high - low <= widest)


class _Play:
    """One kind over the rows of a record, several trials beside each other.

    Attributes:
        names: channels that were told. told: float64 (channels, rows).
    """

    def __init__(self, kind: MachineKind, readings: Readings) -> None:
        self._kind, self._readings = kind, readings
        self._places = [place for place, one in enumerate(kind.channels) if one.name in readings.channels]
        self.names = [kind.channels[place].name for place in self._places]
        self.told: Reals = np.array([readings.channels[name] for name in self.names])
        self._drawn = {
            name: np.asarray(column) for name, column in kind.parameters(_draws(LOTS), _somewhere(LOTS)).items()
        }

    def unknowns(self) -> tuple[list[str], Reals, Reals, Reals]:
        """Names of what is moved, where it starts, and its bounds: what may be set, then what lots draw."""
        settable = {one.name: one for one in self._kind.settable}
        names, rows = [], []
        for name, one in settable.items():
            names.append(name)
            column = self._drawn.get(name)
            middle = float(np.median(column)) if column is not None else (one.lowest + one.highest) / 2.0
            rows.append((middle, one.lowest, one.highest))
        for name, column in self._drawn.items():
            low, high = float(column.min()), float(column.max())
            if name not in settable and column.dtype == np.float32 and high > low:
                names.append(name)
                rows.append((float(np.median(column)), low, high))
        start, lowest, highest = np.array(rows).T
        return names, start, lowest, highest

    def away(self, share: Reals, scale: Reals) -> Reals:
        """Differences of one machine from all values that were told, over the scale of their channels."""
        return self._flat(self.of(share[None])[:, 0], scale)

    def derivative(self, share: Reals, scale: Reals, moved: NDArray[np.intp] | None = None) -> Reals:
        """Of `away`, by each of the moved unknowns; None: all."""
        which = np.arange(len(share)) if moved is None else moved
        below, above = np.maximum(share - STEP, 0.0)[which], np.minimum(share + STEP, 1.0)[which]
        trials = np.tile(share, (2 * len(which), 1))
        rows = np.arange(len(which))
        trials[rows, which], trials[rows + len(which), which] = above, below
        seen = self.of(trials)
        columns = [
            (self._flat(seen[:, row], scale) - self._flat(seen[:, row + len(which)], scale)) / (above - below)[row]
            for row in rows.tolist()
        ]
        return np.stack(columns, axis=1)

    def _flat(self, seen: Reals, scale: Reals) -> Reals:
        away = (seen - self.told) / scale[:, None]
        flat: Reals = away[self.told == self.told]
        return flat

    def of(self, shares: Reals) -> Reals:
        """What machines with these unknowns, as shares of their ranges, would measure: (channels, trials, rows)."""
        names, _, low, high = self.unknowns()
        trials, count = low + (high - low) * shares, len(shares)
        parameters: dict[str, NDArray[Any]] = {
            name: np.repeat(column[:1], count, axis=0) for name, column in self._drawn.items()
        }
        for place, name in enumerate(names):
            parameters[name] = trials[:, place].astype(np.float32)
        state = {**self._kind.initial(parameters)}
        out = np.full((len(self._kind.channels), count), np.nan, np.float32)
        noise = np.zeros((4 * self._kind.words, count), np.float32)
        at_us = self._readings.at_us
        seen = np.empty((len(self._places), count, len(at_us)))
        before_us = int(at_us[0]) - self._kind.every_us
        begin_us = before_us
        for row, now_us in enumerate(at_us.tolist()):
            drives = {name: np.full(count, values[row], np.float32) for name, values in self._readings.drives.items()}
            inputs = Inputs(now_us - begin_us, now_us - before_us, None, now_us % DAY_US, now_us % YEAR_US, drives, {})
            self._kind.step(state, parameters, inputs, noise, out)
            seen[:, :, row] = out[self._places]
            before_us = now_us
        return seen


def _draws(count: int) -> Callable[[int], Any]:
    keys = words(0, np.arange(count, dtype=np.uint64), 0)
    return lambda number: words(stream(1, number), keys, 0)


def _somewhere(count: int) -> Place:
    """One site at a latitude of 50 degrees."""
    site = words(1, np.zeros(count, np.uint64), 0)
    return Place(
        np.full(count, 50.0),
        np.full(count, 10.0),
        np.full(count, 100.0),
        lambda number: words(stream(1, number), site, 0),
    )
