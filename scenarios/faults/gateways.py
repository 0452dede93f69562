"""Faults of gateways that carry other devices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from twinstorm.scenarios.faults.base import Fault, Setting
from twinstorm.twin.signs import OF_ABSENCE, Sign

if TYPE_CHECKING:
    from twinstorm.scenarios.language.model import Gateway, Segment
    from twinstorm.twin.flow import Device, FaultOrder
    from twinstorm.twin.world import World

WHOLE = "all"
SERVICES = ("broker", "processor", "buffer", "forwarder")


class GatewayFault(Fault):
    """What faults of gateways share: among their targets they act on the gateways only."""

    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE | {Sign.REBOOTS}

    @classmethod
    def misfit_of_segments(cls, segments: Sequence[Segment]) -> str:
        gateways = [segment.gateway for segment in segments if segment.gateway is not None]
        if not gateways:
            return "no targeted device is a gateway that carries others; target their segment, or `gateway=NAME`"
        return cls.misfit_of_gateways(gateways)

    @classmethod
    def misfit_of_gateways(cls, gateways: Sequence[Gateway]) -> str:  # noqa: ARG003
        """As `misfit`: why it cannot bite on these."""
        return ""


class GatewayCrash(GatewayFault):
    """Gateways stop, as a whole or one service of them."""

    name: ClassVar[str] = "gateway-crash"
    summary: ClassVar[str] = "gateways stop, as a whole or one service of them, and start again when the fault ends"
    effect: ClassVar[str] = (
        "service: all stops the machine: what is in its memory is gone (lost: power), a durable buffer stays, nobody "
        "answers the devices behind it, and when the fault ends it boots. broker: its devices lose their sessions and "
        "meet a closed port; what waits for the processor is gone (lost: outage). processor: what arrives waits in "
        "front of it, and is lost when the queue is full (queue_full). buffer: the same, and what a buffer in memory "
        "held is gone (lost: outage). forwarder: the gateway hangs up, to the core it is gone with all behind it, and "
        "the buffer fills. Evidence: gateways or services stopped, sessions ended, readings lost."
    )
    settings: ClassVar[tuple[Setting, ...]] = (Setting("service", "word", WHOLE, "what stops", (WHOLE, *SERVICES)),)

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        if on.gateways is None:
            return
        service = order.settings["service"]
        if service == WHOLE:
            found = on.gateways.crash(device, at_us)
        else:
            found = on.gateways.stop(device, SERVICES.index(service), at_us)
        for what, count in found.items():
            on.bit(order.step, what, count)

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        if on.gateways is None:
            return
        service = order.settings["service"]
        if service == WHOLE:
            on.gateways.restart(device, at_us)
        else:
            on.gateways.start(device, SERVICES.index(service), at_us)


class GatewayFailover(GatewayFault):
    """The active machine of a pair dies, and the spare takes over."""

    name: ClassVar[str] = "gateway-failover"
    summary: ClassVar[str] = "the active machine of a gateway dies and its spare takes over"
    effect: ClassVar[str] = (
        "The active machine dies: its memory is gone (lost: power) and nobody answers its devices. After `takeover` "
        "the spare works under its name: it asks the broker for a session, its devices find a broker that does not "
        "know them, and a durable buffer, which both machines share, is sent on. The machine that died is repaired "
        "when the fault ends, and stands by from then on. Evidence: machines failed, spares called."
    )
    settings: ClassVar[tuple[Setting, ...]] = (Setting("takeover", "duration", "30 s", "time until the spare works"),)

    @classmethod
    def misfit_of_gateways(cls, gateways: Sequence[Gateway]) -> str:
        if all(gateway.spare == "none" for gateway in gateways):
            return "no targeted gateway has a spare; write `gateway: {spare: standby}`, or use `gateway-crash`"
        return ""

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        if on.gateways is None:
            return
        for what, count in on.gateways.fail_over(device, at_us, order.settings["takeover"]).items():
            on.bit(order.step, what, count)

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        if on.gateways is not None:
            on.gateways.repaired(device, at_us)


class DiskFull(GatewayFault):
    """Nothing more fits on the disk."""

    name: ClassVar[str] = "disk-full"
    summary: ClassVar[str] = "disks of gateways are full: buffers cannot grow"
    effect: ClassVar[str] = (
        "Buffers on the disks of the targeted gateways keep the size that they have: while the uplink is away each "
        "further reading costs one, the oldest or the newest (lost: evicted). While everything is sent on at once, "
        "nothing is seen of it. Evidence: readings evicted."
    )

    @classmethod
    def misfit_of_gateways(cls, gateways: Sequence[Gateway]) -> str:
        if all(gateway.store == "memory" for gateway in gateways):
            return "no targeted gateway buffers on a disk; write `gateway: {store: disk}`"
        return ""

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        if on.gateways is not None:
            on.gateways.fill_disks(order.step, device, at_us)

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        if on.gateways is not None:
            on.gateways.clear_disks(order.step, at_us)
