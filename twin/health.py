"""How the machines of a fleet really are, a kind in one row. This is the truth: nobody who detects may see it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from twinstorm.twin.flow import Int, Values
from twinstorm.twin.machines.kind import Truth

WORST: Final = 3
"""Devices of each kind that are named."""


@dataclass(frozen=True, slots=True)
class MachineHealth:
    """One machine: its device, health 0..1, and seconds of life that remain, inf if nothing wears."""

    device: int
    health: float
    remaining_s: float


@dataclass(frozen=True, slots=True)
class KindHealth:
    """All machines of a kind.

    Attributes:
        ended: those without any health.
        median: of their health: half of them are worse.
        worst: by health, then by what remains, then in the order of devices; at most `WORST`.
    """

    kind: str
    machines: int
    ended: int
    median: float
    worst: tuple[MachineHealth, ...]


def by_kind(groups: Iterable[tuple[str, int, Truth]]) -> tuple[KindHealth, ...]:
    """Sum up groups of machines: each with its kind, its first device, and the truth about all of it."""
    found: dict[str, list[tuple[int, Truth]]] = {}
    for kind, first, truth in groups:
        if len(truth.health):
            found.setdefault(kind, []).append((first, truth))
    return tuple(_summed(kind, parts) for kind, parts in sorted(found.items()))


def _summed(kind: str, parts: list[tuple[int, Truth]]) -> KindHealth:
    device = np.concatenate([np.arange(first, first + len(truth.health), dtype=np.int64) for first, truth in parts])
    health = np.concatenate([truth.health for _, truth in parts])
    remaining_s = np.concatenate([truth.remaining_s for _, truth in parts])
    worst = [
        MachineHealth(int(device[row]), float(health[row]), float(remaining_s[row]))
        for row in _worst(device, health, remaining_s).tolist()
    ]
    middle = np.partition(health, len(health) // 2)[len(health) // 2]
    return KindHealth(kind, len(health), int(np.count_nonzero(health <= 0.0)), float(middle), tuple(worst))


def _worst(device: Int, health: Values, remaining_s: Values) -> Int:
    """Rows of the worst machines, without sorting those that cannot be among them."""
    some = np.arange(len(health))
    if len(health) > WORST:
        some = np.flatnonzero(health <= np.partition(health, WORST - 1)[WORST - 1])
    return some[np.lexsort((device[some], remaining_s[some], health[some]))[:WORST]]
