"""What a scenario says of a mesh: plain figures, of which the language needs no more than this module."""

from __future__ import annotations

from dataclasses import dataclass

LINKS = ("zigbee",)
"""Classes of access network whose devices pass on each other's messages."""


@dataclass(frozen=True)
class MeshPlan:
    """How the devices of a segment reach their gateway by way of others.

    Attributes:
        routers: share of them, 0 to 1, that pass on what others send; who, is drawn a device.
        range_m: how far each can be from whom it talks with.
        area_m: side of the square in which they stand, by lot; the gateway is in its middle.
        rejoin_us: mean time from the loss of a route until a device has another one.
    """

    routers: float = 1.0
    range_m: float = 20.0
    area_m: float = 60.0
    rejoin_us: int = 20_000_000
