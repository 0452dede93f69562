"""Who is silent: a sensor whose device goes on speaking, or the device with its link. A tap, see `taps.Tap`."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from twinstorm.detectors.contract import LONG_AGO_US
from twinstorm.detectors.taps import Accepted
from twinstorm.twin.flow import Codes, Device, Int, Registry


class Silence(IntEnum):
    """What is known of one channel of one device."""

    HEARD = 0
    SENSOR = 1
    """The device speaks, and has left this channel out for too long."""
    LINK = 2
    """The device itself says nothing: of the sensor nobody knows."""
    NEVER = 3
    """Nothing was heard of the device yet."""
    NO_CHANNEL = 4
    """Its kind has fewer channels."""


class Continuity:
    """When each channel of each device was heard last, by arrival: clocks lie.

    Attributes:
        heard_us: int64 (channels of the widest kind, devices), arrival of the newest value. spoke_us: int64 (devices,),
            of the newest reading, whatever it held. Far below 0 before the first.
    """

    def __init__(self, registry: Registry) -> None:
        n = len(registry)
        widest = max((len(channels) for channels in registry.channels.values()), default=0)
        self.heard_us: Int = np.full((widest, n), LONG_AGO_US, np.int64)
        self.spoke_us: Int = np.full(n, LONG_AGO_US, np.int64)
        self._every_us = registry.every_us
        width = np.array([len(registry.channels[kind]) for kind in registry.kinds])
        self._width = width[registry.kind]

    def take(self, accepted: Accepted) -> None:
        """See `Tap`."""
        chosen = slice(None) if accepted.good is None else accepted.good
        device, at_us, values = accepted.device[chosen], accepted.arrived_us[chosen], accepted.values[chosen]
        once = bool((device[1:] > device[:-1]).all())
        _latest(self.spoke_us, device, at_us, once)
        for channel in range(values.shape[1]):
            there = ~np.isnan(values[:, channel])
            if there.all():
                _latest(self.heard_us[channel], device, at_us, once)
            else:
                _latest(self.heard_us[channel], device[there], at_us[there], once)

    def at(self, now_us: int, periods: float = 3.0, least_us: int = 10_000_000) -> Codes:
        """`Silence` of each channel of each device: uint8 (channels, devices).

        Args:
            periods, least_us: silent for so many sampling periods, and at least so long, is too long.
        """
        limit_us = np.maximum(self._every_us * periods, least_us)
        link = now_us - self.spoke_us > limit_us
        # Counted to the newest reading, not to now: a device that has just fallen silent has not lost its sensors.
        sensor = self.spoke_us - self.heard_us > limit_us
        found = np.where(link, Silence.LINK, np.where(sensor, Silence.SENSOR, Silence.HEARD)).astype(np.uint8)
        found[:, self.spoke_us == LONG_AGO_US] = Silence.NEVER
        found[np.arange(len(found))[:, np.newaxis] >= self._width] = Silence.NO_CHANNEL
        return found


def _latest(column: Int, device: Device, at_us: Int, once: bool) -> None:
    """Move instants of these devices on; `once`: each stands there once, which is quicker."""
    if once:
        column[device] = np.maximum(column[device], at_us)
    else:
        np.maximum.at(column, device, at_us)
