"""A published figure, and how this project comes to its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import floor, log10


@dataclass(frozen=True)
class Case:
    """One line of ``docs/validation.md``, and one test.

    Attributes:
        name: what is compared, once among all cases; with its unit.
        source: who published the figure.
        published: the figure.
        tolerance: how far ours may be off; 0 for what is counted.
        ours: the project's own models at work, always with the same result.
        relative: the tolerance is a share of the published figure, not of its unit.
    """

    name: str
    source: str
    published: float
    tolerance: float
    ours: Callable[[], float]
    relative: bool = False

    @property
    def allowed(self) -> float:
        """The tolerance in the figure's unit."""
        return abs(self.published) * self.tolerance if self.relative else self.tolerance

    def holds(self, value: float) -> bool:
        """Whether a figure is as published. NaN is not."""
        # What a published figure such as 0.1741 loses in binary is nobody's error.
        return abs(value - self.published) <= self.allowed * (1.0 + 1e-9)

    def told(self, value: float) -> str:
        """A figure to about a tenth of the tolerance, so that no processor's last bit shows."""
        places = max(0, 1 - floor(log10(self.allowed))) if self.allowed else 0
        return _plain(value, places)

    @property
    def told_published(self) -> str:
        return _plain(self.published, 6)

    @property
    def told_tolerance(self) -> str:
        if not self.tolerance:
            return "none"
        return f"±{_plain(self.tolerance * 100, 6)} %" if self.relative else f"±{_plain(self.tolerance, 6)}"


@cache
def figure(case: Case) -> float:
    """What `ours` comes to, once for the test of the case and for the page."""
    return case.ours()


def _plain(value: float, places: int) -> str:
    """At most so many places, without the zeros at their end."""
    text = f"{value:.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


@dataclass(frozen=True)
class Subject:
    """A section of the page: its title, which models its figures come from, and the cases.

    Attributes:
        note: what a reader should know besides. told: what the figures are that ours stand beside.
    """

    title: str
    models: str
    cases: tuple[Case, ...]
    note: str = ""
    told: str = "published"
