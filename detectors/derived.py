"""Channels that no device sends: worked out from each accepted reading, and watched like any other."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from twinstorm.detectors.taps import Accepted, Tap
from twinstorm.twin.flow import Registry, Values


class Derived(Protocol):
    """Works channels out.

    Attributes:
        registry: the fleet's, in which kinds have these channels behind their own.
    """

    registry: Registry

    def widened(self, accepted: Accepted) -> Values:
        """All channels of these readings: float32 (n, channels of the kind in `registry`), the kind's own first; NaN
        where there is nothing to tell. Asked once of each reading, in the order in which they are accepted."""


class Widened:
    """A tap that hands readings on with their derived channels.

    Attributes:
        taps: whom to.
    """

    def __init__(self, derived: Derived) -> None:
        self.taps: list[Tap] = []
        self._derived = derived

    def take(self, accepted: Accepted) -> None:
        """See `Tap`."""
        wide = replace(accepted, values=self._derived.widened(accepted))
        for tap in self.taps:
            tap.take(wide)
