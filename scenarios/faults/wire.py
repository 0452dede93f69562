"""Faults on the way between devices and broker that break connections or cut what they carry into pieces.

Live, a proxy between the devices and any broker does them, below TLS; in virtual time the world's links do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from twinstorm.scenarios.faults.base import Fault, Setting
from twinstorm.twin.signs import OF_ABSENCE, Sign

if TYPE_CHECKING:
    from twinstorm.twin.flow import Device, FaultOrder
    from twinstorm.twin.machines.kind import MachineKind
    from twinstorm.twin.world import World


class WireFault(Fault):
    """What faults of the wire share."""

    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE

    slows_links: ClassVar[bool] = True

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.breaks.end(order.step, device, at_us)


class ConnectionReset(WireFault):
    """A middlebox forgets connections."""

    name: ClassVar[str] = "connection-reset"
    summary: ClassVar[str] = "connections are reset again and again, some time after they were opened"
    effect: ClassVar[str] = (
        "Something on the way, such as a firewall that runs out of room, resets each connection of the targeted "
        "devices `after` it was opened, those that are open `after` the fault began. Both sides notice at once: the "
        "broker sends the will, and the device asks for a new session. What it had sent arrives; what follows waits in "
        "its buffer (at QoS 0 it is gone). In virtual time connections are reset at whole seconds. Live, a proxy "
        "before the broker does it. Evidence: connections reset."
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("after", "duration", "30 s", "how long a connection lasts", least="1 s"),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.breaks.reset(order.step, device, at_us, order.settings["after"])


class PortRefused(WireFault):
    """Nobody listens where devices connect."""

    name: ClassVar[str] = "port-refused"
    summary: ClassVar[str] = "new connections are refused before the broker sees them, as by a closed port"
    effect: ClassVar[str] = (
        "Connects of the targeted devices are refused by TCP itself, at no cost to the broker, and they come back by "
        "their reconnect policy. With `open: stay` connections that are open go on, and who needs no new one notices "
        "nothing; with `open: reset` they are reset when it begins. Live, a proxy before the broker does it. Evidence: "
        "connects refused, connections reset."
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("open", "word", "reset", "what becomes of open connections", ("reset", "stay")),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.breaks.shut(order.step, device, at_us, reset_open=order.settings["open"] == "reset")


class ByteLimit(WireFault):
    """Connections carry so much and no more."""

    name: ClassVar[str] = "byte-limit"
    summary: ClassVar[str] = "connections are closed after so many bytes"
    effect: ClassVar[str] = (
        "Each connection of the targeted devices carries `after` bytes from device to broker, counted from the begin "
        "of the fault or of the connection, and is closed. Both sides notice, as with `connection-reset`. In virtual "
        "time readings count, of some 600 bytes with their headers, and it ends at the next whole second; live a proxy "
        "counts every byte of MQTT, and cuts within a message (one at QoS 1 is sent again). Evidence: connections "
        "closed."
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("after", "size", "10 kB", "what a connection carries up", least="1 B"),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.breaks.ration(order.step, device, at_us, round(order.settings["after"]))


class SlowClose(WireFault):
    """Ends of connections travel slowly."""

    name: ClassVar[str] = "slow-close"
    summary: ClassVar[str] = "devices learn late that the other side has closed their connection"
    effect: ClassVar[str] = (
        "When the broker, or something on the way, closes or resets a connection of the targeted devices, they learn "
        "of it `by` later, if no unanswered ping tells them sooner; until then they believe to be online. It needs "
        "something else that closes connections: a `broker-outage`, a `connection-reset`. Live, a proxy before the "
        "broker does it. Evidence: closes noticed late."
    )
    settings: ClassVar[tuple[Setting, ...]] = (Setting("by", "duration", "30 s", "how much later"),)

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        return "" if settings["by"] > 0 else "a close that is 0 s late is on time"

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.breaks.close_late(order.step, device, at_us, order.settings["by"])


class PacketSlicing(Fault):
    """What is written at once arrives piece by piece."""

    name: ClassVar[str] = "packet-slicing"
    summary: ClassVar[str] = "messages arrive in small slices, one after the other"
    effect: ClassVar[str] = (
        "Whatever the targeted devices send is cut into slices of `slice` bytes that arrive `gap` after each other, so "
        "that a message is there with the last of them: whoever takes one read for one packet breaks. Order stays. "
        "Connects take their time too. Live, a proxy before the broker does it with the bytes of MQTT, or of TLS. "
        "Evidence: messages delayed; live, bytes delayed."
    )
    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE
    slows_links: ClassVar[bool] = True
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("slice", "size", "64 B", "bytes that arrive at once", least="1 B"),
        Setting("gap", "duration", "50 ms", "from one slice to the next"),
    )

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        return "" if settings["gap"] > 0 else "slices that arrive together delay nothing"

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.uplinks.slice(order.step, device, at_us, round(order.settings["slice"]), order.settings["gap"])

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.uplinks.end(order.step, device, at_us)


class ManInTheMiddle(WireFault):
    """Somebody reads what devices say, and alters it."""

    name: ClassVar[str] = "man-in-the-middle"
    summary: ClassVar[str] = "somebody between devices and broker reads their messages and alters what they measure"
    effect: ClassVar[str] = (
        "Somebody steps between the targeted devices and the broker: their connections break, and those that follow "
        "pass through other hands. In each reading the digits behind the points of its measurements are exchanged; "
        "it is as long as before, and nobody can tell. Only JSON documents of the built-in profile are altered. Live, "
        "a proxy before the broker does it, on plain MQTT; over TLS it can read nothing, and all that it gets is that "
        "handshakes fail. In virtual time nothing is encrypted. Evidence: messages altered; over TLS, handshakes "
        "broken; connections reset."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset(
        {Sign.VALUES, Sign.LETTERS, Sign.TOPICS, Sign.SESSIONS, Sign.SILENCE}
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.breaks.intercept(order.step, device, at_us)

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        super().end(on, order, device, at_us)
        on.payloads.end(order.step, device, at_us)


class ReplayedMessage(WireFault):
    """Somebody records what devices say, and says it again."""

    name: ClassVar[str] = "replayed-message"
    summary: ClassVar[str] = "somebody between devices and broker records messages and sends them again later"
    effect: ClassVar[str] = (
        "Somebody steps between the targeted devices and the broker: their connections break, and those that follow "
        "pass through other hands. The share `share` of their readings is recorded and said once more, `after` so "
        "long, with the same topic and payload, on the connection of the device itself: no credentials and no rights "
        "can tell it from the device. The core must know the number of the reading and take it once; repeats are "
        "counted beside the ledger. Live, a proxy before the broker does it, at QoS 0, with the first packet of the "
        "device that follows, for JSON documents of the built-in profile, and not with --tls: over TLS nobody can "
        "overhear anything. In virtual time nothing is encrypted. Evidence: messages replayed."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.TRAFFIC, Sign.LETTERS, Sign.TOPICS})
    needs_plain: ClassVar[bool] = True
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("share", "share", "20 %", "messages that are recorded"),
        Setting("after", "duration", "10 s", "how long after the first the second follows", least="1 ms"),
    )

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        return "" if settings["share"] > 0 else "a `share` of 0 % takes no message"

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.breaks.overhear(order.step, device, at_us, order.settings["share"], order.settings["after"])

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        super().end(on, order, device, at_us)
        on.payloads.end(order.step, device, at_us)
