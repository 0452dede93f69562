"""Mean and scatter of a stream of figures, which the tolerances of simulated cases are held against."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Moments(NamedTuple):
    """Attributes: number: of figures. mean. deviation: standard deviation of one of them, estimated from all."""

    number: int
    mean: float
    deviation: float

    @property
    def scatter(self) -> float:
        """Standard deviation of the mean."""
        return float(self.deviation / self.number**0.5)


def moments(figures: Iterable[float]) -> Moments:
    """Of at least two figures, by Welford's recurrence (Technometrics 4, 1962): nothing large is ever subtracted."""
    count, mean, squares = 0, 0.0, 0.0
    for figure in figures:
        count += 1
        way = figure - mean
        mean += way / count
        squares += way * (figure - mean)
    return Moments(count, mean, (squares / (count - 1)) ** 0.5)


def scatter_of_mean(figures: Iterable[float], batches: int = 30) -> float:
    """Standard deviation of the mean of figures of which neighbours are alike, by the means of long batches."""
    column = list(figures)
    size = len(column) // batches
    return moments(sum(column[start : start + size]) / size for start in range(0, size * batches, size)).scatter
