"""What the door of the core passes on: the readings that it accepted, for whoever looks at what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from twinstorm.twin.flow import Device, Int, Mask, Values


@dataclass(frozen=True, slots=True)
class Accepted:
    """New and valid readings of one kind of machine. Arrays may be views: never write to them, keep none.

    Attributes:
        code: of the kind, in the registry.
        device: int32 (n,).
        boot: int32 (n,). seq: int64 (n,), number of each reading.
        dated_us: int64 (n,), the device's own clock, wrong at times.
        sent_us, arrived_us: int64 (n,).
        values: float32 (n, channels of the kind), NaN for a silent channel.
        rows: row i belongs to device ``rows.start + i``, and those alone count that `good` names; None: all rows count,
            and those of one device stand in the order of boot and number, unless they are late.
        good: bool (n,), None: all.
        late: each of these is older than a reading of its device that was passed on before.
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


class Tap(Protocol):
    """Gets every accepted reading once, at the moment at which it was accepted."""

    def take(self, accepted: Accepted) -> None:
        """Take these readings."""
