"""Faults of devices: they crash, hang, reset in a loop, run out of memory, leave and come back, or talk too much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from twinstorm.scenarios.faults.base import Fault, Setting
from twinstorm.twin.signs import OF_ABSENCE, Sign

if TYPE_CHECKING:
    from twinstorm.twin.flow import Device, FaultOrder
    from twinstorm.twin.world import World

MINUTE_US = 60_000_000

_LOSES = (
    " A reset loses what the memory held (lost: power), the broker is not told, and the device boots and asks for "
    "a new session. Evidence: devices that were reset."
)


class DeviceCrash(Fault):
    """Devices crash once and boot again."""

    name: ClassVar[str] = "device-crash"
    summary: ClassVar[str] = "devices crash once and boot again at the same instant"
    effect: ClassVar[str] = "The firmware of the targeted devices crashes and starts again." + _LOSES
    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE | {Sign.REBOOTS}

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.bit(order.step, "devices_reset", on.power_off(device, at_us))
        on.power_on(device, at_us)


class DeviceFreeze(Fault):
    """Devices hang until a watchdog or a person resets them."""

    name: ClassVar[str] = "device-freeze"
    summary: ClassVar[str] = "devices hang: no readings, no pings, until a watchdog or the end of the fault resets them"
    effect: ClassVar[str] = (
        "The targeted devices stop in the middle of what they do: they sample nothing and answer nothing, and the "
        "broker finds out by keep-alive. With a watchdog, that of the fault or else of their firmware, they reset "
        "after its time and freeze again about `again` after they booted; without one they are reset when the fault "
        "ends." + _LOSES
    )
    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE | {Sign.REBOOTS}
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "watchdog",
            "duration",
            "0 s",
            "time after which a watchdog resets a hanging device; 0 s: as the firmware says",
        ),
        Setting("again", "duration", "1 h", "time after a boot in which a device with a watchdog hangs again"),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.resets.freeze(order.step, device, at_us, _around(order.settings["again"]), order.settings["watchdog"])

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.resets.end(order.step, device, at_us)


class ResetFault(Fault):
    """What faults share that reset devices again and again."""

    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE | {Sign.REBOOTS}

    @classmethod
    def up_us(cls, settings: Mapping[str, Any], devices: int) -> tuple[int, int]:
        """Shortest and longest time from a boot to the next reset."""
        raise NotImplementedError

    @classmethod
    def first_us(cls, up_us: tuple[int, int]) -> tuple[int, int]:
        """The same, from the start of the fault to the first reset."""
        return up_us

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        up_us = cls.up_us(order.settings, len(order.device))
        on.resets.begin(order.step, device, at_us, up_us, order.settings.get("away", 0), cls.first_us(up_us))

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.resets.end(order.step, device, at_us)


class CrashLoop(ResetFault):
    """Devices crash soon after every boot."""

    name: ClassVar[str] = "crash-loop"
    summary: ClassVar[str] = "devices crash soon after every boot, over and over"
    effect: ClassVar[str] = (
        "The targeted devices come up, connect, and crash again after about `uptime` (half to one and a half times), "
        "as with a poisoned configuration. Each round costs the broker a handshake." + _LOSES
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("uptime", "duration", "30 s", "mean time from a boot to the next crash", least="1 s"),
    )

    @classmethod
    def up_us(cls, settings: Mapping[str, Any], devices: int) -> tuple[int, int]:  # noqa: ARG003
        return _around(settings["uptime"])


class SteadyResets(ResetFault):
    """Resets that go on at the same rate from the start, because the first ones are spread over a whole period."""

    @classmethod
    def first_us(cls, up_us: tuple[int, int]) -> tuple[int, int]:
        return 0, (up_us[0] + up_us[1]) // 2


class WatchdogStorm(SteadyResets):
    """Watchdogs reset healthy devices at random."""

    name: ClassVar[str] = "watchdog-storm"
    summary: ClassVar[str] = "watchdogs reset devices at random, all over the fleet"
    effect: ClassVar[str] = (
        "A task that starves the watchdog resets each targeted device about every `every` (half to one and a half "
        "times): never many at once, and never an end." + _LOSES
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("every", "duration", "5 min", "mean time between two resets of one device", least="1 s"),
    )

    @classmethod
    def up_us(cls, settings: Mapping[str, Any], devices: int) -> tuple[int, int]:  # noqa: ARG003
        return _around(settings["every"])


class MemoryLeak(ResetFault):
    """Memory leaks until the watchdog resets the device."""

    name: ClassVar[str] = "memory-leak"
    summary: ClassVar[str] = "memory leaks until a watchdog resets the device, again and again"
    effect: ClassVar[str] = (
        "Each targeted device loses `rate` of its memory; when `free` is used up (within a tenth of that time), the "
        "watchdog resets it and the leak begins anew. The first resets come in a wave, for all leaks began together; "
        "the waves then spread." + _LOSES
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("rate", "size_rate", "24 kB/min", "how much is lost", least="1 B/d"),
        Setting("free", "size", "1.5 MB", "how much there is to lose after a boot", least="1 kB"),
    )

    @classmethod
    def up_us(cls, settings: Mapping[str, Any], devices: int) -> tuple[int, int]:  # noqa: ARG003
        full_us = min(round(settings["free"] / settings["rate"] * 1e6), CENTURY_US)
        return full_us * 9 // 10, full_us * 11 // 10


class BrownOut(ResetFault):
    """The supply sags: the weaker devices reset and reset again."""

    name: ClassVar[str] = "brown-out"
    summary: ClassVar[str] = "the supply sags: devices without margin reset over and over while it lasts"
    effect: ClassVar[str] = (
        "The voltage drops by `depth`. Each device has a margin of its own, from nothing to a third of the voltage; "
        "those with less than `depth` reset, boot, transmit, draw too much and reset again within seconds. A device "
        "with a battery has the margin that its charge and the cold leave for a burst of transmission. The others "
        "notice nothing." + _LOSES
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("depth", "share", "15 %", "how far the voltage drops", least="0.1 %"),
    )

    @classmethod
    def up_us(cls, settings: Mapping[str, Any], devices: int) -> tuple[int, int]:  # noqa: ARG003
        return 1_000_000, 10_000_000

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        weak = on.supply.with_margin_below(device, order.settings["depth"], at_us)
        if len(weak):
            on.resets.begin(order.step, weak, at_us, cls.up_us(order.settings, len(weak)), 0, (0, 0))


class Churn(SteadyResets):
    """A share of the fleet leaves and joins all the time."""

    name: ClassVar[str] = "churn"
    summary: ClassVar[str] = "part of the fleet leaves and joins all the time"
    effect: ClassVar[str] = (
        "Targeted devices are switched off one by one, `rate` of them, stay away for `away` and join again with a new "
        "boot, as rented, moved or unplugged devices do. No more can leave than are there: with `away` so long, the "
        "rate is at most the number of targeted devices over `away`." + _LOSES
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("rate", "rate", "1 %/min", "devices that leave; a share is of the fleet", least="1/d"),
        Setting("away", "duration", "2 min", "how long each stays away"),
    )

    @classmethod
    def misfit_of_number(cls, devices: int, settings: Mapping[str, Any]) -> str:
        rate, away_s = settings["rate"], settings["away"] / 1e6
        if rate * away_s <= devices:
            return ""
        most, left_s = 60 * devices / away_s, devices / rate
        return (
            f"`rate` is {60 * rate:g} a minute, but {devices:,} targeted devices that each stay away for {away_s:g} s "
            f"can leave at {most:g} a minute at most; lower `rate`, or let `away` be at most {left_s:g} s"
        )

    @classmethod
    def up_us(cls, settings: Mapping[str, Any], devices: int) -> tuple[int, int]:
        return _around(max(round(devices / settings["rate"] * 1e6) - settings["away"], 2))


CENTURY_US = 100 * 366 * 86_400 * 1_000_000
"""Longer than any run."""


def _around(mean_us: int) -> tuple[int, int]:
    """Half to one and a half times."""
    return mean_us // 2, mean_us * 3 // 2


class BufferOverflow(Fault):
    """Something else eats the flash in which readings wait."""

    name: ClassVar[str] = "buffer-overflow"
    summary: ClassVar[str] = (
        "a log eats the flash: buffers hold only a few readings and overflow while there is no session"
    )
    effect: ClassVar[str] = (
        "The targeted devices have room for `readings` readings, however large their buffers are. What they hold "
        "beyond that is lost at once, and while they have no session or a slow link each further one pushes another "
        "out, the oldest or the newest as `evict` says (lost: evicted). A device that is online and fast notices "
        "nothing, so let it meet an outage. Evidence: readings that were pushed out for want of this room."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset()
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("readings", "count", "5", "how many readings there is room for"),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.buffers.shrink(order.step, device, order.settings["readings"])

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.buffers.shrink_no_more(order.step, device)


class Peak(Fault):
    """The fleet samples several times as often for a while."""

    name: ClassVar[str] = "peak"
    summary: ClassVar[str] = "devices sample several times as often for a while"
    effect: ClassVar[str] = (
        "From its next reading on each targeted device makes `factor` times as many: between two instants of its "
        "period it samples at `factor` less one more, evenly spaced, and its ordinary instants stay what they are. "
        "Nothing in the machine changes by being looked at more often. Kinds that speak when something happens (a "
        "controller, a camera) live `factor` times as fast: so many times the orders, pictures and stops, and the "
        "longest silence is that part of `every`. Who has two peaks follows the larger. What the core expects of a "
        "device stays what was agreed, so that nothing is overdue sooner. Where links, gateways or `broker.messages` "
        "are slower than the peak, readings wait and may be lost; where nothing is, the fleet passes it unnoticed. "
        "Evidence: readings at instants at which there are none without it."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.TRAFFIC, Sign.QUEUE})
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("factor", "count", "4", "how many times as often", least="2", most="100"),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.peaks.begin(order.step, device, order.settings["factor"])

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        on.peaks.end(order.step, device)
