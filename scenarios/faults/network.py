"""Network faults between devices and broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from twinstorm.scenarios.faults.base import Fault, Setting

if TYPE_CHECKING:
    from twinstorm.twin.flow import Device, FaultOrder
    from twinstorm.twin.world import World


class Partition(Fault):
    """Packets between the targeted devices and the broker stop getting through."""

    name: ClassVar[str] = "partition"
    summary: ClassVar[str] = "packets between devices and broker stop getting through, in one direction or both"
    effect: ClassVar[str] = (
        "Connections are not closed: they go silent. New connects are not answered. Devices keep sampling and buffer "
        "what they cannot deliver. A client notices when a ping stays unanswered, one to two keep-alives later; the "
        "broker after 1.5 keep-alives without a packet (not with direction: down). If the cut ends before that, the "
        "session goes on and the buffer is flushed; else the devices reconnect. Behind a cut of the direction down, "
        "readings at QoS 1 arrive but stay unacknowledged, and are sent again later. Evidence: sessions cut off, "
        "sessions that survived."
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "direction", "word", "both", "which packets are cut; up is from device to broker", ("both", "up", "down")
        ),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.bit(order.step, "sessions_cut_off", on.cut(device, at_us, order.settings["direction"]))

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.bit(order.step, "sessions_survived", on.heal(device, at_us, order.settings["direction"]))
