"""Messages of a live fleet that are on the air: written by their device, and not yet at the end of its access link.

How long that takes, the world works out as it does in virtual time: latency, time on air, repetitions, the line that a
site shares. Over real sockets it happens because a message is given to its socket only when it would have arrived. What
a connection carries stays in order.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from twinstorm.twin.flow import NEVER_US, Device, Int, Message

Said = tuple[Sequence[int] | Device, Sequence[int] | Int]
"""Devices and sequence numbers of readings that are one message."""


@dataclass(frozen=True)
class Departure:
    """A message on the air.

    Attributes:
        device: whose it is. seq: of its reading; None: it is a birth or a will, or has columns.
        said: what columns have.
    """

    device: int
    seq: int | None
    message: Message
    said: Said | None = None


class Departures:
    """What is on the air, by the connection that will carry it.

    Attributes:
        next_us: when the next one leaves; `NEVER_US`: there is none.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int]] = []
        """Instant, number, connection; numbers keep the order of one instant, and are those of `_waiting`."""
        self._waiting: dict[int, Departure] = {}
        self._last_us: dict[int, int] = {}
        """Of connections with something on the air: when the last of it leaves."""
        self._left: Counter[int] = Counter()
        self._number = 0
        self.next_us = NEVER_US

    def __len__(self) -> int:
        return len(self._waiting)

    def has(self, connection: int) -> bool:
        """Whether something is on its air, which nothing may overtake."""
        return connection in self._last_us

    def add(self, connection: int, at_us: int, departure: Departure) -> None:
        """This leaves the air at `at_us`, or when what is before it has left."""
        at_us = max(at_us, self._last_us.get(connection, 0))
        self._last_us[connection] = at_us
        self._left[connection] += 1
        self._number += 1
        self._waiting[self._number] = departure
        heapq.heappush(self._heap, (at_us, self._number, connection))
        self.next_us = self._heap[0][0]

    def due(self, now_us: int) -> Iterator[Departure]:
        """Take what has left by now, earliest first."""
        while self.next_us <= now_us:
            _, number, connection = heapq.heappop(self._heap)
            self.next_us = self._heap[0][0] if self._heap else NEVER_US
            departure = self._waiting.pop(number, None)
            if departure is not None:
                self._one_less(connection)
                yield departure

    def drop(self, connection: int) -> list[Departure]:
        """Take all that is on the air of a connection, in order: its transmitter has no power."""
        numbers = sorted(number for _, number, whose in self._heap if whose == connection and number in self._waiting)
        self._last_us.pop(connection, None)
        self._left.pop(connection, None)
        return [self._waiting.pop(number) for number in numbers]

    def readings(self) -> Iterable[int]:
        """Devices whose readings are on the air, one for each."""
        for each in self._waiting.values():
            if each.seq is not None:
                yield each.device
            elif each.said is not None:
                yield from map(int, each.said[0])

    def _one_less(self, connection: int) -> None:
        self._left[connection] -= 1
        if not self._left[connection]:
            del self._left[connection], self._last_us[connection]
