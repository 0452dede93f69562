"""Power faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from twinstorm.scenarios.faults.base import Setting

if TYPE_CHECKING:
    from twinstorm.twin.flow import Device, Evidence, FaultOrder
    from twinstorm.twin.world import World


class PowerOutage:
    """The supply of the targeted devices fails; when it returns they all boot."""

    name: ClassVar[str] = "power-outage"
    summary: ClassVar[str] = "devices lose power, boot when it returns and reconnect together"
    effect: ClassVar[str] = (
        "The targeted devices stop at once. What they had buffered is gone (lost: power). The broker is not told: it "
        "finds out after 1.5 keep-alives without a packet. When power returns each device boots for its own boot time, "
        "then asks for a session; many of them in the same seconds are a reboot storm. Evidence: devices that lost "
        "power, devices that booted."
    )
    acts_on: ClassVar[Literal["world", "broker"]] = "world"
    clocks: ClassVar[frozenset[str]] = frozenset({"virtual", "live"})
    needs_target: ClassVar[bool] = True
    survivable: ClassVar[bool] = True
    settings: ClassVar[tuple[Setting, ...]] = ()

    @staticmethod
    def start(on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.bit(order.step, "devices_without_power", on.power_off(device, at_us))

    @staticmethod
    def end(on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.bit(order.step, "devices_booted", on.power_on(device, at_us))

    @staticmethod
    def evidence(on: World, order: FaultOrder) -> Evidence:
        return on.evidence_of(order.step)
