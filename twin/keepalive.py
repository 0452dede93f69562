"""MQTT's keep-alive: how long either end of a session waits for the other before it takes it for gone.

0 is none: nobody pings, the broker waits for ever, and a device learns that nothing gets through when TCP gives up what
it sent. On a connection that has nothing to send, never.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from twinstorm.twin.flow import Int, Mask
from twinstorm.twin.queues import ceil_div

FOREVER_US: Final = 1 << 60
"""Longer than any run; what it is added to stays an int64."""
TCP_GIVES_UP_US: Final = 924_600_000
"""From a segment that nobody acknowledges to the end of its connection: fifteen retransmissions, the first after 200
ms, none more than 120 s after the one before (Linux, `tcp_retries2`)."""


def patience_us(keep_alive_us: Int) -> Int:
    """How long a broker hears nothing of a client before it ends the session: one and a half keep-alives."""
    patience: Int = np.where(keep_alive_us > 0, ceil_div(keep_alive_us * 3, 2), FOREVER_US)
    return patience


def beat_us(every_us: Int, keep_alive_us: Int) -> Int:
    """Longest time between two packets of a session: a reading, or where these are rarer a ping."""
    beat: Int = np.where(pings(every_us, keep_alive_us), keep_alive_us, every_us)
    return beat


def pings(every_us: Int, keep_alive_us: Int) -> Mask:
    """Whose readings alone are too rare to keep a session alive."""
    rare: Mask = (keep_alive_us > 0) & (every_us > keep_alive_us)
    return rare
