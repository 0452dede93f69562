"""How many devices of each segment there are, and how many of them stand on each site. Whole numbers throughout."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import lcm

from twinstorm.scenarios.language.model import Site


def apportion(devices: int, shares: Sequence[Fraction]) -> tuple[int, ...]:
    """Whole numbers that add up to `devices`, by largest remainder; equal remainders in order.

    Args:
        shares: add up to 1.

    Example:
        >>> apportion(10, [Fraction(1, 3), Fraction(1, 3), Fraction(1, 3)])
        (4, 3, 3)
    """
    exact = [share * devices for share in shares]
    counts = [int(part) for part in exact]
    by_remainder = sorted(range(len(shares)), key=lambda i: (counts[i] - exact[i], i))
    for index in by_remainder[: devices - sum(counts)]:
        counts[index] += 1
    return tuple(counts)


def place(devices: int, sites: Sequence[Site]) -> tuple[int, ...]:
    """How many of a segment's devices stand on each site.

    One device more never moves another: the devices go one by one to the site that is furthest behind its share, so
    with equal shares device k goes to site k mod S. That is the divisor method of Webster: a site of weight w takes its
    n-th device (from 0) at (2 n + 1) / w, earliest first, ties in the order of the sites. The bulk is counted, only the
    last few are dealt.

    Returns:
        One count a site, adding up to `devices`.
    """
    weights = _weights([site.share for site in sites])
    total = sum(weights)
    # All that a site takes up to (devices - sites) / total, at most devices - sites / 2 together.
    bulk = max(devices - len(sites), 0)
    counts = [(2 * bulk * weight + total) // (2 * total) for weight in weights]
    waiting = [
        (Fraction(2 * count + 1, weight), index)
        for index, (count, weight) in enumerate(zip(counts, weights, strict=True))
    ]
    heapq.heapify(waiting)
    for _ in range(devices - sum(counts)):
        _, index = waiting[0]
        counts[index] += 1
        heapq.heapreplace(waiting, (Fraction(2 * counts[index] + 1, weights[index]), index))
    return tuple(counts)


def dealt(devices: int, gateways: int) -> tuple[int, ...]:
    """How many of a segment's devices on a site each of its gateways there carries: in a row, as equally as it goes.

    Device k (from 0) goes to gateway k * gateways // devices.

    Example:
        >>> dealt(7, 3)
        (3, 2, 2)
    """
    edges = [-(-devices * gateway // gateways) for gateway in range(gateways + 1)]
    return tuple(end - begin for begin, end in pairwise(edges))


def _weights(shares: Sequence[Fraction]) -> list[int]:
    """Whole numbers in the proportion of the shares."""
    common = lcm(*(share.denominator for share in shares))
    return [share.numerator * (common // share.denominator) for share in shares]
