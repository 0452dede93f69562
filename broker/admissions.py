"""When a live broker took a message, for whoever gets it later: a message of MQTT 3.1.1 has no place for that.

A broker and a core in one process share this table: the broker enters what it takes, the core asks once. It goes by
topic and payload, which a reading has for itself alone: its number is in it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final

MOST: Final = 100_000
"""Messages that are remembered; the oldest go first, and nobody knows when they came."""


class Admissions:
    """Instants of the run at which messages came, until somebody has asked.

    Args:
        now_us: simulated time; called on the thread of the broker.
    """

    def __init__(self, now_us: Callable[[], int], most: int = MOST) -> None:
        self._now_us, self._most = now_us, most
        self._lock = Lock()
        self._at_us: OrderedDict[tuple[str, bytes], int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._at_us)

    def enter(self, topic: str, payload: bytes) -> None:
        """It comes now; of a repeat the first time counts."""
        with self._lock:
            self._at_us.setdefault((topic, payload), self._now_us())
            if len(self._at_us) > self._most:
                self._at_us.popitem(last=False)

    def taken(self, topic: str, payload: bytes) -> int | None:
        """When it came; None: nobody knows."""
        with self._lock:
            return self._at_us.pop((topic, payload), None)
