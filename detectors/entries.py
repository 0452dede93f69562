"""The registry as it was: what its entry said of a device at the instant at which a reading was sampled.

A device that is moved to another site leaves what it measured before at the old one, also if that arrives later.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Device, Int, Registry

COLUMNS = ("segment", "site", "region", "link", "firmware", "gateway", "tenant")
"""Of the registry, those whose entries may change; a device keeps its name and its kind."""


class Entries:
    """What a registry says, and what it said."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._changes: dict[str, list[tuple[int, int, int]]] = {}
        """Column to (device, instant, code), in the order in which they were told."""
        self._sorted: dict[str, tuple[Int, Int, Int]] = {}
        """Column to instants, places (device and rank of the instant as one number) and codes; made when asked for."""

    def change(self, column: str, device: Device, at_us: int, code: int) -> None:
        """From this instant on, by the clock of stamps, these devices are entered so. May be told in any order; of two
        at one instant the one that is told last counts.

        Raises:
            ValueError: no such column, device or code.
        """
        if column not in COLUMNS or getattr(self._registry, column) is None:
            raise ValueError(f"no entry has a `{column}` that may change; there are {', '.join(COLUMNS)}")
        names = getattr(self._registry, f"{column}s")
        if not 0 <= code < len(names):
            raise ValueError(f"there is no {column} number {code}; there are {len(names)}")
        if len(device) and not 0 <= int(device.min()) <= int(device.max()) < len(self._registry):
            raise ValueError("there is no such device")
        self._changes.setdefault(column, []).extend((each, at_us, code) for each in device.tolist())
        self._sorted.pop(column, None)

    def at(self, column: str, device: Device, at_us: Int) -> NDArray[Any]:
        """Codes of the entries of these devices at these instants, one a row; they index the column's names."""
        first: NDArray[Any] = getattr(self._registry, column)[device]
        if column not in self._changes:
            return first
        instants, places, codes = self._in_order(column)
        ranks = len(instants) + 1
        here = device * np.int64(ranks) + np.searchsorted(instants, at_us, side="right")
        newest = np.searchsorted(places, here, side="right") - 1
        known = (newest >= 0) & (places[newest] // ranks == device)
        return np.where(known, codes[newest], first)

    def _in_order(self, column: str) -> tuple[Int, Int, Int]:
        found = self._sorted.get(column)
        if found is None:
            device, at_us, code = (np.array(each, np.int64) for each in zip(*self._changes[column], strict=True))
            instants = np.unique(at_us)
            places = device * (len(instants) + 1) + np.searchsorted(instants, at_us, side="right")
            order = np.argsort(places, kind="stable")
            found = self._sorted[column] = instants, places[order], code[order]
        return found
