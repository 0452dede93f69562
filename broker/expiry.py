"""When certificates end, and whose connections end with them.

A connection that is open lives on whatever becomes of its certificate, for nobody looks at it again. So the broker
does, at every connection that a certificate opened.
"""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Callable, Iterable
from typing import TypeVar
from weakref import WeakKeyDictionary

from twinstorm.broker.tls import Peer

LOOK_S = 0.25
"""How soon after its end a certificate costs its connection."""

Held = TypeVar("Held")


def calendar_s() -> float:
    """Unix seconds now, by which certificates hold or not."""
    return time.time()


class Expiries:
    """Until when the certificates of connections hold.

    Args:
        wall_s: Unix seconds now.
    """

    def __init__(self, wall_s: Callable[[], float]) -> None:
        self._wall_s = wall_s
        self._until_s: WeakKeyDictionary[ssl.SSLObject, float] = WeakKeyDictionary()
        self._earliest_s = math.inf

    def holds(self, peer: Peer) -> bool:
        """Its last second is still one of them."""
        return self._wall_s() <= peer.valid_until_s

    def remember(self, connection: ssl.SSLObject, peer: Peer) -> None:
        self._until_s[connection] = peer.valid_until_s
        self._earliest_s = min(self._earliest_s, peer.valid_until_s)

    def over(self, connections: Iterable[tuple[ssl.SSLObject | None, Held]]) -> list[Held]:
        """What of these belongs to a connection whose certificate has ended; costs nothing before the first one."""
        now_s = self._wall_s()
        if now_s <= self._earliest_s:
            return []
        found, later = [], [math.inf]
        for connection, held in connections:
            until_s = math.inf if connection is None else self._until_s.get(connection, math.inf)
            if until_s < now_s:
                found.append(held)
            else:
                later.append(until_s)
        self._earliest_s = min(later)
        return found
