"""Noise with a memory: what wanders about without a clock of its own, the same for those who share a phase.

A table of values that repeats, drawn once and the same in every run; a phase of one's own in it is what differs. Slow
and quick together (octaves) look like clouds, crowds and feeder voltages do.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

import numpy as np

from twinstorm.twin.chance import Words, stream, words
from twinstorm.twin.flow import Values
from twinstorm.twin.physics.spread import Floats, unit, whole

ENTRIES: Final = 16_384
"""Of every table: with a phase of as many slots, float32 still tells a 1/512 of a slot."""


def phase(draws: Words) -> Values:
    """A phase for `Wander.at`, in slots: float32, whole and four binary digits."""
    return whole(draws, ENTRIES * 16) / np.float32(16.0)


def drawn(table: int, count: int = ENTRIES) -> Floats:
    """Uniform numbers in [0, 1), the same in every run: what tables are made of."""
    return unit(words(stream(0, table), np.arange(count, dtype=np.uint64), 0))


class Wander:
    """One such noise.

    Args:
        table: number of the table; two noises of one number are the same.
        slot_us: time from one entry to the next; values between are linear.
        octaves: standard deviation by distance in slots, a power of two up to `ENTRIES` / 16: how much of it is as slow
            as that.
    """

    def __init__(self, table: int, slot_us: int, octaves: Mapping[int, float]) -> None:
        self._number = table
        self._slot_us = slot_us
        self._octaves = octaves

    @cached_property
    def values(self) -> Values:
        """All entries: float32 (`ENTRIES`,)."""
        return self._table[0]

    @cached_property
    def _table(self) -> tuple[Values, Values]:
        """Values, and their changes to the next."""
        values: Floats = np.zeros(ENTRIES)
        for number, (distance, deviation) in enumerate(self._octaves.items()):
            knots = (drawn(self._number * 64 + number, ENTRIES // distance) - 0.5) * 12.0**0.5
            ends = np.append(knots[1:], knots[0])
            share = np.arange(distance, dtype=np.float64) / distance
            # Between independent knots the deviation of a linear mixture falls to sqrt(2/3) on average.
            mixed = knots[:, None] + (ends - knots)[:, None] * share
            values += mixed.reshape(-1) * (deviation / (1.0 if distance == 1 else (2.0 / 3.0) ** 0.5))
        changes = np.append(values[1:] - values[:-1], values[0] - values[-1])
        return values.astype(np.float32), changes.astype(np.float32)

    def at(self, phases: Values, now_us: int) -> Values:
        """Value at an instant of those who have these phases: float32 (n,), mean 0."""
        values, changes = self._table
        place = phases + np.float32(now_us % (ENTRIES * self._slot_us) / self._slot_us)
        entry = place.astype(np.int32)
        place -= entry
        entry &= ENTRIES - 1
        place *= changes.take(entry)
        place += values.take(entry)
        return place
