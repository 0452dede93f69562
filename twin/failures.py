"""What fails in machines: which, how far, and what it changed.

How far a failure has gone is an input of the machine's step; what that does is the machine's physics. The evidence is
measured against a counterfactual: the same machines, stepped beside them without this failure, on the same noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Device, Int, Mask, Values
from twinstorm.twin.machines import checked
from twinstorm.twin.machines.kind import Inputs, MachineKind
from twinstorm.twin.resolution import Scale, Steps, keep_in_range
from twinstorm.twin.rows import Rows, count, meet

Columns = Mapping[str, NDArray[Any]]


@dataclass
class MachineFailure:
    """One order: these machines fail in this way.

    Attributes:
        severity: 0..1, how far it goes. grows_us: how long it takes from 0 to there.
        device: int32, ascending, all of one sample group. from_us: int64, since when each fails.
        without: state of the same machines had they not failed, (devices,) each.
        changed: readings that told something else than they would have, so far.
    """

    step: str
    mode: str
    severity: float
    grows_us: int
    device: Device = field(default_factory=lambda: np.empty(0, np.int32))
    from_us: Int = field(default_factory=lambda: np.empty(0, np.int64))
    without: dict[str, NDArray[Any]] = field(default_factory=dict)
    changed: int = 0

    def join(self, device: Device, at_us: int, first: int, state: Columns) -> None:
        """Let more machines fail from now on, before they are stepped again.

        Args:
            first: the first device of the sample group. state: of its machines.
        """
        device_all = np.concatenate((self.device, device))
        order = np.argsort(device_all, kind="stable")
        rows = device.astype(np.intp) - first
        self.without = {
            name: np.concatenate((self.without.get(name, column[:0]), column[rows]))[order]
            for name, column in state.items()
        }
        self.from_us = np.concatenate((self.from_us, np.full(len(device), at_us, np.int64)))[order]
        self.device = device_all[order]

    def leave(self, device: Device) -> None:
        """These machines are repaired and fail no more."""
        kept = ~np.isin(self.device, device)
        self.device, self.from_us = self.device[kept], self.from_us[kept]
        self.without = {name: column[kept] for name, column in self.without.items()}

    def severities_at(self, now_us: int, rows: Rows) -> Values:
        """How far it has gone in some of the machines: float32."""
        from_us = self.from_us[rows]
        if self.grows_us <= 0:
            return np.full(len(from_us), self.severity, np.float32)
        grown = np.clip((now_us - from_us) / self.grows_us, 0.0, 1.0)
        return (self.severity * grown).astype(np.float32)


@dataclass(frozen=True)
class Counterfactual:
    """The machines of one failure that stand in one block, ready to be stepped without it."""

    failure: MachineFailure
    mine: Rows
    rows: Int
    inputs: Inputs
    noise: Values

    def count(
        self,
        kind: MachineKind,
        parameters: Columns,
        told: Steps,
        scale: Scale,
        counts: Mask,
        foreign: int | None = None,
    ) -> None:
        """Step the machines without the failure and count the readings that differ.

        Args:
            parameters: of the block. told: steps that the block measured, int16 (channels, n). counts: whose reading
                is one. foreign: a channel that somebody else measures.
        """
        without = self.failure.without
        state = {name: column[self.mine] for name, column in without.items()}
        values = np.empty((len(kind.channels), len(self.rows)), np.float32)
        of_rows = {name: column[self.rows] for name, column in parameters.items()}
        checked.step(kind, state, of_rows, self.inputs, self.noise, values)
        if not isinstance(self.mine, slice):  # these were copies
            for name, column in state.items():
                without[name][self.mine] = column
        counts = counts[self.rows]
        if self.inputs.running is not None:
            keep_in_range(values, counts & ~self.inputs.running, kind.channels)
        differing = scale.rounded(values, counts) != told[:, self.rows]
        if foreign is not None:
            differing[foreign] = False
        self.failure.changed += int(np.count_nonzero(differing.any(axis=0) & counts))


def severities(failures: list[MachineFailure], block: Rows, now_us: int) -> dict[str, Values]:
    """How far each mode has gone in the devices of a block: float32 (n,), the worst of several orders."""
    columns: dict[str, Values] = {}
    for failure in failures:
        mine, rows = meet(failure.device, block)
        if not len(rows):
            continue
        column = columns.setdefault(failure.mode, np.zeros(count(block), np.float32))
        column[rows] = np.maximum(column[rows], failure.severities_at(now_us, mine))
    return columns


def counterfactuals(failures: list[MachineFailure], block: Rows, inputs: Inputs, noise: Values) -> list[Counterfactual]:
    """For each failure with devices in this block, what it takes to step them without it.

    Args:
        inputs: of the block, with the failures. noise: of the block, not yet used.
    """
    found = []
    for failure in failures:
        mine, rows = meet(failure.device, block)
        if not len(rows):
            continue
        others = severities([each for each in failures if each is not failure], block, inputs.now_us)
        without = replace(
            inputs,
            running=None if inputs.running is None else inputs.running[rows],
            drives={name: column[rows] for name, column in inputs.drives.items()},
            failures={name: column[rows] for name, column in others.items()},
            lived_us=None if inputs.lived_us is None else inputs.lived_us[rows],
        )
        found.append(Counterfactual(failure, mine, rows, without, np.ascontiguousarray(noise[:, rows])))
    return found
