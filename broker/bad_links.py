"""What faults do to the links of a live fleet: its clients reach the broker through a fault proxy.

Every set of devices that faults meet together is a group of the proxy, with a port of its own; all others connect to
the broker. Simulated time becomes wall time here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Final

from twinstorm.broker.middlemen import Meddler, Replayer
from twinstorm.broker.proxy import FaultProxy
from twinstorm.broker.toxics import (
    Bandwidth,
    Blackhole,
    Direction,
    Latency,
    Limit,
    Refuse,
    Reset,
    Slicer,
    SlowClose,
    Stall,
    Toxic,
)
from twinstorm.twin.breaks import Blackout, ClosedPort, Interception, LateClose, Overhearing, Ration, Resetting
from twinstorm.twin.flow import SECOND_US, Int
from twinstorm.twin.uplink import LEAST_RETRY_US, LONGEST_RETRY_US, LinkFault, Losses, Slicing, Slowdown, Squeeze

_DIRECTIONS: Final[dict[str, Direction]] = {"both": "both", "up": "up", "down": "down"}


class BadLinks:
    """A proxy between a fleet and its broker, told of faults in the fleet's words.

    Args:
        host, port: of the broker.
        groups: devices that share their faults, none of them twice.
        speed: simulated seconds per wall second.
        seed: of the run.

    Raises:
        OSError: no port can be bound.
    """

    def __init__(self, host: str, port: int, groups: Sequence[Int], speed: Fraction, seed: int) -> None:
        self._speed = float(speed)
        self._groups = [frozenset(group.tolist()) for group in groups]
        self._proxy = FaultProxy(host, port, len(groups), seed)
        ports = self._proxy.open()
        self._ports = {who: port for group, port in zip(groups, ports, strict=True) for who in group.tolist()}

    @property
    def devices(self) -> int:
        """How many connect through the proxy."""
        return len(self._ports)

    def port_of(self, device: int) -> int | None:
        """Where this one connects; None: to the broker."""
        return self._ports.get(device)

    def begin(self, order: LinkFault) -> None:
        """Let this happen to what devices send from now on; they make up whole groups."""
        toxic = self._toxic(order)
        for group in self._met(order.device):
            self._proxy.set(group, order.step, toxic)

    def end(self, step: str, device: Int) -> None:
        """It is over for these devices; what has been sent arrives as late as it would have."""
        for group in self._met(device):
            self._proxy.remove(group, step)

    def counts(self) -> dict[str, Counter[str]]:
        """What each step did so far."""
        found: dict[str, Counter[str]] = {}
        for group in range(len(self._groups)):
            for step, count in self._proxy.counters(group).by_toxic.items():
                found.setdefault(step, Counter()).update(count)
        return found

    def close(self) -> None:
        """Cut what is still connected."""
        self._proxy.close()

    def _met(self, device: Int) -> list[int]:
        met = frozenset(device.tolist())
        return [number for number, group in enumerate(self._groups) if group & met]

    def _toxic(self, order: LinkFault) -> Toxic:
        if isinstance(order, Slowdown):
            return Latency(direction="up", delay_s=self._wall_s(order.more_us), jitter_s=self._wall_s(order.jitter_us))
        if isinstance(order, Squeeze):
            return Bandwidth(direction="up", bytes_per_s=order.bytes_per_s * self._speed)
        if isinstance(order, Slicing):
            return Slicer(direction="up", slice_bytes=order.slice_bytes, gap_s=self._wall_s(order.gap_us))
        if isinstance(order, Resetting):
            return Reset(after_s=self._wall_s(order.after_us))
        if isinstance(order, Ration):
            return Limit(direction="up", after_bytes=order.limit_bytes)
        if isinstance(order, ClosedPort):
            return Refuse(resets_open=order.reset_open)
        if isinstance(order, LateClose):
            return SlowClose(direction="down", delay_s=self._wall_s(order.by_us))
        if isinstance(order, Interception):
            return Meddler(direction="up")
        if isinstance(order, Overhearing):
            return Replayer(direction="up", after_s=self._wall_s(order.after_us), share=order.share)
        if isinstance(order, Blackout):
            return Blackhole(direction=_DIRECTIONS[order.direction])
        assert isinstance(order, Losses)
        return Stall(
            direction="up",
            chain=order.chain,
            first_s=self._wall_s(LEAST_RETRY_US),
            longest_s=self._wall_s(LONGEST_RETRY_US),
        )

    def _wall_s(self, simulated_us: int) -> float:
        return simulated_us / SECOND_US / self._speed
