"""What the door of the core passes on: the readings that it accepted, for whoever looks at what they say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twinstorm.twin.flow import Device, Int, Mask, Values


@dataclass(frozen=True, slots=True)
class Accepted:
    """New and valid readings of one kind of machine. Arrays may be views: never write to them, keep none.

    Attributes:
        code: of the kind, in the registry.
        device: int32 (n,).
        boot: int32 (n,). seq: int64 (n,), number of each reading.
        dated_us: int64 (n,), the device's own clock, wrong at times.
        sent_us: int64 (n,), as in `Readings`. arrived_us: int64 (n,).
        values: float32 (n, channels of the kind), NaN for a silent channel.
        rows: row i belongs to device ``rows.start + i``, and those alone count that `good` names; None: all rows count,
            and those of one device stand in the order of boot and number, unless they are late.
        good: bool (n,), None: all.
        late: each of these is older than a reading of its device that was passed on before.
        received_us: int64 (n,), when each came to the core, where it was processed later; None: as it came.
        admitted_us: int64 (n,), as in `Readings`.
    """

    code: int
    device: Device
    boot: Device
    seq: Int
    dated_us: Int
    sent_us: Int
    arrived_us: Int
    values: Values
    rows: slice | None = None
    good: Mask | None = None
    late: bool = False
    received_us: Int | None = None
    admitted_us: Int | None = None
    _tables: dict[tuple[int, bytes], NDArray[np.float64]] = field(default_factory=dict, repr=False, compare=False)

    def table(self, block: slice, columns: NDArray[np.intp]) -> NDArray[np.float64]:
        """Some channels of some rows, made once for all who ask.

        Args:
            block: everybody parts the rows in the same way.

        Returns:
            float64 (rows, channels), read-only, NaN where a row does not count or a channel is silent.
        """
        key = block.start, columns.tobytes()
        table = self._tables.get(key)
        if table is None:
            table = np.array(chosen(self.values[block], columns), np.float64, order="C")
            if self.good is not None:
                table[~self.good[block]] = np.nan
            table.flags.writeable = False
            self._tables[key] = table
        return table


class Tap(Protocol):
    """Gets every accepted reading once, at the moment at which it was accepted."""

    def take(self, accepted: Accepted) -> None:
        """Take these readings."""


class Follower(Tap, Protocol):
    """A tap that sees every second end."""

    def close(self, now_us: int, through_us: int | None = None) -> object:
        """A pane is over.

        Args:
            through_us: what was received by then has been passed on; None: by now.
        """


def chosen(values: Values, columns: NDArray[np.intp]) -> Values:
    """Some columns; a view if these are all."""
    return values if len(columns) == values.shape[1] else values[:, columns]


def one_of_each(device: Device) -> list[slice | NDArray[np.intp]]:
    """Part rows so that each part has a device at most once, ascending, and the rows of a device keep their order."""
    if not len(device):
        return []
    if np.count_nonzero(device[1:] > device[:-1]) == len(device) - 1:
        return [slice(0, len(device))]
    order = np.argsort(device, kind="stable")
    who = device[order]
    begins = np.ones(len(who), np.bool_)
    np.not_equal(who[1:], who[:-1], out=begins[1:])
    if begins.all():
        return [order]
    index = np.arange(len(who))
    rank = index - np.maximum.accumulate(np.where(begins, index, 0))
    by_rank = np.argsort(rank, kind="stable")
    edges = np.searchsorted(rank[by_rank], np.arange(int(rank.max()) + 2))
    return [order[by_rank[low:high]] for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)]
