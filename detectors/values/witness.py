"""What a detector on values saw when a value counted: kept for the newest of them, so that an alarm can tell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twinstorm.detectors.values.contract import Reals, Sample, Which
from twinstorm.twin.flow import Channel, Device, Int, Seen

MOST: Final = 256
"""Readings that are kept; more at one instant are one storm, of which ten examples are told."""
TOLD: Final = 4
"""Channels of a reading that are told, those with the highest scores."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a detector scored of readings of devices of one kind.

    Attributes:
        sample: what it was asked; the channels of a device beside each other.
        raw: float64 (k,), its scores.
        told: float64 (k,), what they are worth: in units of what each series has learnt to be its limit, or `raw`.
        width: channels of a device.
        there: int64, places in the sample of the readings that are meant; None: all.
    """

    sample: Sample
    raw: Reals
    told: Reals
    width: int
    there: Int | None = None

    @property
    def scores(self) -> Reals:
        """`told`, float64 (readings, channels)."""
        return (self.told if self.there is None else self.told[self.there]).reshape(-1, self.width)

    @property
    def series(self) -> Which:
        """Whose the scores are, in the same order."""
        return self.sample.series if self.there is None else _named(self.sample.series, self.there)

    def some(self, rows: Int) -> Judged:
        """Some of the readings alone, by their row in `scores`."""
        places = self.places(rows)
        asked = self.sample
        sample = Sample(asked.at_us[places], asked.values[places], _named(asked.series, places))
        return Judged(sample, self.raw[places], self.told[places], self.width)

    def places(self, rows: Int) -> Int:
        """Where the values of some readings stand in the sample: int64 (readings x channels,)."""
        places = (rows[:, None] * self.width + np.arange(self.width)).ravel()
        return places if self.there is None else self.there[places]

    def reach(self, threshold: float) -> Reals:
        """From which raw score on each value would have counted: float64 (k,), NaN where a score of 0 hides it."""
        with np.errstate(invalid="ignore"):
            return np.where(self.told > 0.0, threshold * (self.raw / self.told), np.nan)


def _named(series: Which, places: Int) -> Int:
    return series[places] if isinstance(series, np.ndarray) else (series.start or 0) + places


class Witnesses:
    """The newest readings in which a value counted, in a ring.

    Args:
        channels: kind, as a code, to the channels that are watched.
        kind: of each device.
    """

    def __init__(self, channels: Mapping[int, Sequence[Channel]], kind: Int | NDArray[np.integer]) -> None:
        self._channels, self._kind = channels, kind
        width = max((len(each) for each in channels.values()), default=1)
        self._device: Int = np.full(MOST, -1, np.int64)
        self._at_us: Int = np.zeros(MOST, np.int64)
        self._told: Reals = np.full((4, MOST, width), np.nan)
        """Value, score, and between what a value is normal, of each channel."""
        self._next = 0

    def note(self, device: Device, at_us: Int, told: Sequence[Reals]) -> None:
        """Keep readings of a kind, the newest of them if they are too many.

        Args:
            at_us: when each arrived.
            told: values, scores, and the lowest and the highest that are normal, float64 (k, channels) each; NaN:
                nobody can say.
        """
        many = min(len(device), MOST)
        place = (self._next + np.arange(many)) % MOST
        self._next = (self._next + many) % MOST
        self._device[place], self._at_us[place] = device[-many:], at_us[-many:]
        self._told[:, place] = np.nan
        for row, each in enumerate(told):
            self._told[row, place, : each.shape[1]] = each[-many:]

    def known(self, device: Device) -> Device:
        """Those of these devices of which something is known, in their order."""
        return device[np.isin(device, self._device)]

    def of(self, device: int, limit: float) -> tuple[Seen, ...]:
        """What the newest reading of a device held that counted, the highest score first; empty: it is not known.

        Args:
            limit: score from which a value counts; of others nothing is told.
        """
        places = np.flatnonzero(self._device == device)
        if not len(places):
            return ()
        # By their order in the ring: several may have arrived at one instant.
        newest = places[np.argmax((places - self._next) % MOST)]
        values, scores, lows, highs = self._told[:, newest].tolist()
        channels = self._channels[int(self._kind[device])]
        seen = [
            Seen(
                channel.name, channel.unit, value, round(score, 3), _known(low), _known(high), int(self._at_us[newest])
            )
            for channel, value, score, low, high in zip(channels, values, scores, lows, highs, strict=False)
            if score >= limit and value == value
        ]
        return tuple(sorted(seen, key=lambda each: -each.score)[:TOLD])


def _known(bound: float) -> float | None:
    return bound if np.isfinite(bound) else None
