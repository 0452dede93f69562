"""A server whose clients lose patience and ask again, while it still works on what they gave up.

That is enough for a metastable failure: a short stall fills the queue, everybody in it times out and asks once more,
the doubled load keeps the queue long after the stall is over. Work is served in order and never taken back.

Source: Bronson, Aghayev, Charapko and Zhu, Metastable Failures in Distributed Systems, HotOS 2021.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final

import numpy as np

from twinstorm.twin.flow import SECOND_US, Int
from twinstorm.twin.queues import ceil_div, gcra

_BOUNDLESS: Final = 1 << 60
"""Tolerance of a queue that refuses nobody."""


def amplification(tries: int, layers: int) -> int:
    """Calls of the innermost service for one of the outermost, where each layer tries so often and all fail.

    Example:
        >>> amplification(3, 5)
        243
    """
    return int(tries**layers)


@dataclass(frozen=True, slots=True)
class Service:
    """A server and the clients before it.

    Attributes:
        per_s: requests that it serves in a second, > 0; numerator up to 10**6.
        timeout_us: how long a client waits for the answer to one request, > 0.
        retries: how often it asks again, at once, after a timeout.
    """

    per_s: Fraction
    timeout_us: int
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Requests:
    """Every request, first ones and repeated ones, by the instant of sending: int64 (n,) each.

    Attributes:
        sent_us: when.
        answered_us: when the answer came, whether somebody waited for it or not.
        number: 0 for a first request, 1 for its first repetition, ...
        timeout_us: of the clients.
    """

    sent_us: Int
    answered_us: Int
    number: Int
    timeout_us: int

    def offered_per_s(self, from_us: int, until_us: int) -> float:
        """Requests sent in this span, over its length."""
        seen = (self.sent_us >= from_us) & (self.sent_us < until_us)
        return int(seen.sum()) * SECOND_US / (until_us - from_us)

    def answered_per_s(self, from_us: int, until_us: int) -> float:
        """Goodput: requests sent in this span whose answer came in time, over its length."""
        seen = (self.sent_us >= from_us) & (self.sent_us < until_us)
        seen &= self.answered_us - self.sent_us <= self.timeout_us
        return int(seen.sum()) * SECOND_US / (until_us - from_us)


def run(service: Service, arrivals_us: Int, stalls: Sequence[tuple[int, int]] = ()) -> Requests:
    """Send first requests and, after timeouts, repeated ones through the server, event-exact.

    A repetition comes one timeout after its request, so all of a span of that length are known when it begins.

    Args:
        arrivals_us: int64, ascending, >= 0: when first requests are sent.
        stalls: ascending spans (begin, end) in microseconds, apart from each other, in which the server does nothing;
            what is queued, and what comes, stays.

    Raises:
        ValueError: if stalls are not in order.
    """
    works = _Working(stalls)
    per_s, interval = service.per_s.numerator, service.per_s.denominator * SECOND_US
    columns: list[tuple[Int, Int, Int]] = []
    again_us, again_number = np.empty(0, np.int64), np.empty(0, np.int64)
    state = taken = begin_us = 0
    while taken < len(arrivals_us) or len(again_us):
        if not len(again_us):
            begin_us = int(arrivals_us[taken])
        upto = int(np.searchsorted(arrivals_us, begin_us + service.timeout_us))
        fresh_us, taken = arrivals_us[taken:upto], upto
        sent_us = np.concatenate([again_us, fresh_us])
        number = np.concatenate([again_number, np.zeros(len(fresh_us), np.int64)])
        order = np.argsort(sent_us, kind="stable")
        sent_us, number = sent_us[order], number[order]
        served = gcra(state, works.worked_us(sent_us) * per_s, interval, _BOUNDLESS)
        state = served.tat_after(len(sent_us), state)
        answered_us = works.at_us(ceil_div(served.tat, per_s))
        columns.append((sent_us, answered_us, number))
        impatient = (answered_us - sent_us > service.timeout_us) & (number < service.retries)
        again_us, again_number = sent_us[impatient] + service.timeout_us, number[impatient] + 1
        begin_us += service.timeout_us
    if not columns:
        columns = [(np.empty(0, np.int64),) * 3]
    sent, answered, numbers = (np.concatenate(column) for column in zip(*columns, strict=True))
    return Requests(sent, answered, numbers, service.timeout_us)


class _Working:
    """The server's own time, which stands still in stalls."""

    def __init__(self, stalls: Sequence[tuple[int, int]]) -> None:
        edges = [edge for stall in stalls for edge in stall]
        if any(late <= early for early, late in pairwise(edges)):
            raise ValueError(f"stalls must be ascending spans apart from each other, not {list(stalls)}")
        self._begin_us = np.array(edges[::2], np.int64)
        self._end_us = np.array(edges[1::2], np.int64)
        self._stalled_us = np.concatenate([[0], np.cumsum(self._end_us - self._begin_us)]).astype(np.int64)

    def worked_us(self, at_us: Int) -> Int:
        """How long the server has worked by then."""
        begun = np.searchsorted(self._begin_us, at_us)
        inside = np.concatenate([[0], self._end_us])[begun]
        worked: Int = at_us - self._stalled_us[begun] + np.maximum(inside - at_us, 0)
        # Inside a stall: its end less all stalls up to it, which is the work done when it began.
        return worked

    def at_us(self, worked_us: Int) -> Int:
        """When it has worked so long; at the begin of a stall, before it."""
        before = self._begin_us - self._stalled_us[:-1]
        at: Int = worked_us + self._stalled_us[np.searchsorted(before, worked_us)]
        return at
