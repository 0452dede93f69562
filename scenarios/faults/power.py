"""Power faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from twinstorm.scenarios.faults.base import Fault

if TYPE_CHECKING:
    from twinstorm.twin.flow import Device, FaultOrder
    from twinstorm.twin.world import World


class PowerOutage(Fault):
    """The supply of the targeted devices fails; when it returns they all boot."""

    name: ClassVar[str] = "power-outage"
    summary: ClassVar[str] = "devices lose power, boot when it returns and reconnect together"
    effect: ClassVar[str] = (
        "The targeted devices stop at once. What they had buffered is gone (lost: power). The broker is not told: it "
        "finds out after 1.5 keep-alives without a packet. When power returns each device boots for its own boot time, "
        "then asks for a session; many of them in the same seconds are a reboot storm. Evidence: devices that lost "
        "power, devices that booted."
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.bit(order.step, "devices_without_power", on.power_off(device, at_us))

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.bit(order.step, "devices_booted", on.power_on(device, at_us))
