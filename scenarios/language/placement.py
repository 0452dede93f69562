"""How many devices of each segment there are, and how many of them stand on each site. Whole numbers throughout."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from fractions import Fraction
from math import lcm

from twinstorm.scenarios.language.model import Site


def apportion(devices: int, shares: Sequence[Fraction]) -> tuple[int, ...]:
    """Whole numbers that add up to `devices`, in proportion.

    One device more is never taken from another share: the devices go one by one to the share that is furthest behind.
    That is the divisor method of Webster: a share of weight w takes its n-th device (from 0) at (2 n + 1) / w, earliest
    first, ties in order; so with equal shares device k goes to share k mod S. The bulk is counted, only the last few
    are dealt.

    Args:
        shares: add up to 1.

    Example:
        >>> apportion(10, [Fraction(1, 3), Fraction(1, 3), Fraction(1, 3)])
        (4, 3, 3)
    """
    weights = _weights(shares)
    total = sum(weights)
    # All that a share takes up to (devices - shares) / total, at most devices - shares / 2 together.
    bulk = max(devices - len(weights), 0)
    counts = [(2 * bulk * weight + total) // (2 * total) for weight in weights]
    waiting = [
        (Fraction(2 * count + 1, weight), index)
        for index, (count, weight) in enumerate(zip(counts, weights, strict=True))
        if weight
    ]
    heapq.heapify(waiting)
    for _ in range(devices - sum(counts)):
        _, index = waiting[0]
        counts[index] += 1
        heapq.heapreplace(waiting, (Fraction(2 * counts[index] + 1, weights[index]), index))
    return tuple(counts)


def place(devices: int, sites: Sequence[Site]) -> tuple[int, ...]:
    """How many of a segment's devices stand on each site."""
    return apportion(devices, [site.share for site in sites])


def _weights(shares: Sequence[Fraction]) -> list[int]:
    """Whole numbers in the proportion of the shares."""
    common = lcm(*(share.denominator for share in shares))
    return [share.numerator * (common // share.denominator) for share in shares]
