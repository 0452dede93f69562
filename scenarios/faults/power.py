"""Power faults: the mains fail, batteries run down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from twinstorm.scenarios.faults.base import Fault, Setting
from twinstorm.twin.signs import OF_ABSENCE, Sign

if TYPE_CHECKING:
    from twinstorm.scenarios.language.model import Segment
    from twinstorm.twin.flow import Device, FaultOrder
    from twinstorm.twin.world import World


class PowerOutage(Fault):
    """The supply of the targeted devices fails; when it returns they all boot."""

    name: ClassVar[str] = "power-outage"
    summary: ClassVar[str] = "devices lose power, boot when it returns and reconnect together"
    effect: ClassVar[str] = (
        "The targeted devices stop at once. What they had buffered is gone (lost: power). The broker is not told: it "
        "finds out after 1.5 keep-alives without a packet. When power returns each device boots for its own boot time, "
        "then asks for a session; many of them in the same seconds are a reboot storm. Devices with a battery go on: "
        "one on a charger lives on what it has until the mains return, the others do not notice. Evidence: devices "
        "that lost power, devices that booted, devices on their battery instead of a charger."
    )
    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE | {Sign.REBOOTS}

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        without_power, on_battery = on.supply.mains_off(device, at_us)
        on.bit(order.step, "devices_without_power", without_power)
        if on_battery:
            on.bit(order.step, "devices_on_battery", on_battery)

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.bit(order.step, "devices_booted", on.supply.mains_on(device, at_us))


class BatteryDrain(Fault):
    """Batteries run down faster than they should."""

    name: ClassVar[str] = "battery-drain"
    summary: ClassVar[str] = "batteries run down: a share of them at once or in a time, or a multiple of the usual draw"
    effect: ClassVar[str] = (
        "The batteries of the targeted devices lose `share` of a full charge within `over`, and the devices draw "
        "`times` what they usually do, as after a bad batch of cells, a firmware that does not sleep, or a radio that "
        "searches. A nearly empty battery gives in when the device transmits: it resets (lost: power), boots, connects "
        "and resets again, until it is too empty to boot. What is gone is gone; with `swap: yes` the end of the fault "
        "is a crew that puts full batteries in. Devices without a battery notice nothing. Evidence: devices that were "
        "drained, joules drained, and brown-outs of these devices."
    )
    signs: ClassVar[frozenset[Sign] | None] = OF_ABSENCE | {Sign.REBOOTS, Sign.VALUES}
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("share", "share", "50 %", "how much of a full charge is lost"),
        Setting("over", "duration", "1 h", "in which time; 0 s: within the minute"),
        Setting("times", "number", "1", "by how much the device's own draw is multiplied", least="1"),
        Setting("swap", "word", "no", "full batteries at the end of the fault", ("no", "yes")),
    )

    @classmethod
    def misfit_of_segments(cls, segments: Sequence[Segment]) -> str:
        if all(segment.power is None for segment in segments):
            return "no targeted device has a battery; give their segment one: `power: {battery: 19 Wh}`"
        return ""

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        wanted = order.settings
        on.supply.drain(order.step, device, at_us, wanted["share"], wanted["over"], wanted["times"])

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.supply.drain_no_more(order.step, device, at_us, order.settings["swap"] == "yes")
