"""What fails in machines: which, how far, and what it changed.

How far a failure has gone is an input of the machine's step; what that does is the machine's physics. The evidence is
measured against a counterfactual: the same machines, stepped beside them without this failure, on the same noise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from twinstorm.twin.flow import Device, Mask, Values
from twinstorm.twin.machines.kind import Inputs, MachineKind
from twinstorm.twin.resolution import Scale, Steps

Columns = Mapping[str, Values]


@dataclass
class MachineFailure:
    """One order: these machines fail in this way.

    Attributes:
        device: int32, ascending, all of one sample group.
        severity: 0..1, how far it goes. grows_us: how long it takes from 0 to there.
        without: state of the same machines had they not failed, float32 (devices,) each; empty before the first step.
        changed: readings that told something else than they would have, so far.
    """

    step: str
    device: Device
    mode: str
    severity: float
    from_us: int
    grows_us: int
    without: dict[str, Values] = field(default_factory=dict)
    changed: int = 0

    def severity_at(self, now_us: int) -> float:
        """How far it has gone."""
        if self.grows_us <= 0:
            return self.severity
        return self.severity * min(max((now_us - self.from_us) / self.grows_us, 0.0), 1.0)

    def begin(self, first: int, state: Columns) -> None:
        """Remember the machines as they are now; `state`: columns of the sample group, whose first device is `first`.

        Done before the first step under the failure.
        """
        rows = self.device.astype(np.intp) - first
        self.without = {name: column[rows] for name, column in state.items()}


@dataclass(frozen=True)
class Counterfactual:
    """The machines of one failure that stand in one block, ready to be stepped without it."""

    failure: MachineFailure
    mine: slice
    rows: np.ndarray
    inputs: Inputs
    noise: Values

    def count(self, kind: MachineKind, parameters: Columns, told: Steps, scale: Scale, powered: Mask) -> None:
        """Step the machines without the failure and count the readings that differ.

        Args:
            parameters: of the block. told: steps that the block measured, int16 (channels, n).
        """
        state = {name: column[self.mine] for name, column in self.failure.without.items()}
        values = np.empty((len(kind.channels), len(self.rows)), np.float32)
        of_rows = {name: column[self.rows] for name, column in parameters.items()}
        kind.step(state, of_rows, self.inputs, self.noise, values)
        differs = (scale.rounded(values) != told[:, self.rows]).any(axis=0)
        self.failure.changed += int(np.count_nonzero(differs & powered[self.rows]))


def severities(failures: list[MachineFailure], first: int, n: int, now_us: int) -> dict[str, Values]:
    """How far each mode has gone in devices [first, first + n): float32 (n,), the worst of several orders."""
    columns: dict[str, Values] = {}
    for failure in failures:
        low, high = np.searchsorted(failure.device, [first, first + n]).tolist()
        if low == high:
            continue
        column = columns.setdefault(failure.mode, np.zeros(n, np.float32))
        rows = failure.device[low:high].astype(np.intp) - first
        column[rows] = np.maximum(column[rows], np.float32(failure.severity_at(now_us)))
    return columns


def counterfactuals(failures: list[MachineFailure], first: int, inputs: Inputs, noise: Values) -> list[Counterfactual]:
    """For each failure with devices in this block, what it takes to step them without it.

    Args:
        inputs: of the block, with the failures. noise: of the block, not yet used.
    """
    found = []
    n = noise.shape[1]
    for failure in failures:
        low, high = np.searchsorted(failure.device, [first, first + n]).tolist()
        if low == high:
            continue
        rows = failure.device[low:high].astype(np.intp) - first
        others = severities([each for each in failures if each is not failure], first, n, inputs.now_us)
        without = replace(
            inputs,
            running=None if inputs.running is None else inputs.running[rows],
            drives={name: column[rows] for name, column in inputs.drives.items()},
            failures={name: column[rows] for name, column in others.items()},
        )
        found.append(Counterfactual(failure, slice(low, high), rows, without, np.ascontiguousarray(noise[:, rows])))
    return found
