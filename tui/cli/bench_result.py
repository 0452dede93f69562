"""What a benchmark says: `bench()` of each file in `benchmarks/` gives these, in a list or one by one."""

from __future__ import annotations

import msgspec


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One figure.

    Attributes:
        value: in `unit`.
        peer: what it is compared with, e.g. ``one SimPy process a device``; `peer_value` in the same unit.
        ratio: how many times better than the peer.
        required: the bound as people read it, e.g. ``at least 30``.
        met: whether it keeps that bound; None without one.
    """

    name: str
    value: float
    unit: str
    peer: str = ""
    peer_value: float | None = None
    ratio: float | None = None
    required: str = ""
    met: bool | None = None
