"""How each machine of a fleet really is at one instant: what fails in it, how healthy it is, how long it will last.

This is the truth: models are taught and judged by it, and nobody who detects may see it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.failures import MachineFailure
from twinstorm.twin.flow import Values
from twinstorm.twin.machines.kind import Truth


@dataclass(frozen=True, slots=True)
class Conditions:
    """Of all devices of a fleet, a row each.

    Attributes:
        modes: names of failure modes.
        mode: int16 (n,), place among them of the one that has gone furthest, -1: nothing fails.
        severity: float32 (n,), 0..1, how far it has gone.
        health: float32 (n,), 1 as new, 0 at the end. remaining_s: float32 (n,), inf: nothing wears; see `Truth`.
    """

    modes: tuple[str, ...]
    mode: NDArray[np.int16]
    severity: Values
    health: Values
    remaining_s: Values


def conditions_of(
    devices: int, truths: Iterable[tuple[int, Truth]], failures: Sequence[Sequence[MachineFailure]], now_us: int
) -> Conditions:
    """Put together what is known of groups of machines.

    Args:
        truths: of each group, its first device and the truth about all of it.
        failures: orders that are in force, of each group.
    """
    orders = [order for group in failures for order in group]
    modes = tuple(sorted({order.mode for order in orders}))
    mode = np.full(devices, -1, np.int16)
    severity = np.zeros(devices, np.float32)
    for order in orders:
        reached = order.severities_at(now_us, slice(0, len(order.device)))
        further = (reached > severity[order.device]) & (reached > 0.0)
        mode[order.device[further]] = modes.index(order.mode)
        severity[order.device[further]] = reached[further]
    health = np.ones(devices, np.float32)
    remaining_s = np.full(devices, np.inf, np.float32)
    for first, truth in truths:
        health[first : first + len(truth.health)] = truth.health
        remaining_s[first : first + len(truth.remaining_s)] = truth.remaining_s
    return Conditions(modes, mode, severity, health, remaining_s)
