"""Two named figures that move together: Pearson's correlation over the newest windows that both have.

What `correlations` of a scenario asks for, of each key that both figures have.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np

from twinstorm.detectors.figures import NamedFigure
from twinstorm.detectors.sums import Floats
from twinstorm.twin.flow import Mask

FEWEST: Final = 3
"""Windows without which nothing is said."""


@dataclass(frozen=True)
class CorrelationPlan:
    """Two figures by their names, and how many ends of windows are looked back."""

    name: str
    left: str
    right: str
    over: int


class NamedCorrelation:
    """One correlation of all keys.

    Raises:
        ValueError: the figures have windows of two spans, or other keys.

    Attributes:
        names: of the keys.
    """

    def __init__(self, plan: CorrelationPlan, left: NamedFigure, right: NamedFigure) -> None:
        if left.plan.span is None or left.plan.span != right.plan.span:
            raise ValueError(f"`{plan.name}`: both figures need windows of one span")
        if left.names != right.names:
            raise ValueError(f"`{plan.name}`: both figures need the same keys")
        self.plan = plan
        self.names = left.names
        self._figure = left
        self._every_us = left.plan.span.every_us
        self._left: deque[tuple[int, Floats]] = deque(maxlen=plan.over)
        self._right: deque[tuple[int, Floats]] = deque(maxlen=plan.over)

    def take(self, left: list[tuple[int, Floats]], right: list[tuple[int, Floats]]) -> None:
        """Ends and figures of the windows that closed."""
        self._left.extend(left)
        self._right.extend(right)

    def keys_among(self, device: Mask) -> Mask:
        """Keys under which any of these devices counts, by the left figure: bool (keys,)."""
        return self._figure.keys_among(device)

    def newest(self) -> Floats:
        """float64 (keys,), -1 to 1; NaN where fewer than three windows have both, or one of both never moves."""
        others = dict(self._right)
        newest_us = max([end_us for end_us, _ in (*self._left, *self._right)], default=0)
        oldest_us = newest_us - self.plan.over * self._every_us
        both = [(mine, others[end_us]) for end_us, mine in self._left if end_us in others and end_us > oldest_us]
        if len(both) < FEWEST:
            return np.full(len(self.names), np.nan)
        left, right = (np.array(column) for column in zip(*both, strict=True))
        known = ~(np.isnan(left) | np.isnan(right))
        count = known.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            left, right = (_about_mean(column, known, count) for column in (left, right))
            found: Floats = (left * right).sum(axis=0) / np.sqrt((left**2).sum(axis=0) * (right**2).sum(axis=0))
        return np.where(count >= FEWEST, np.clip(found, -1.0, 1.0), np.nan)

    def value(self, keys: Mask | None, *, least: bool = False) -> float | None:
        """The greatest of these keys, or the least; None without data."""
        newest = self.newest()
        known = newest if keys is None else newest[keys]
        known = known[~np.isnan(known)]
        return float(known.min() if least else known.max()) if len(known) else None


def _about_mean(column: Floats, known: Mask, count: Floats) -> Floats:
    """Distance from the mean of what is known, by column; nothing where it is not, or never moves."""
    mean = np.where(known, column, 0.0).sum(axis=0) / count
    # What never moves is told by its ends: its mean may be off by a rounding.
    moves = np.where(known, column, -np.inf).max(axis=0) > np.where(known, column, np.inf).min(axis=0)
    found: Floats = np.where(known & moves, column - mean, 0.0)
    return found
