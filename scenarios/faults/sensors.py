"""Faults of sensors: the device is well, its values are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from twinstorm.scenarios.faults.base import Setting

if TYPE_CHECKING:
    from twinstorm.twin.flow import Device, Evidence, FaultOrder
    from twinstorm.twin.world import World


class SensorStuck:
    """A channel repeats the value it had when the fault began."""

    name: ClassVar[str] = "sensor-stuck"
    summary: ClassVar[str] = "a channel repeats its last value for ever"
    effect: ClassVar[str] = (
        "The targeted devices go on sending on time, but one channel repeats the value of its first sample under the "
        "fault. Nothing that looks at arrival can see it. Evidence: readings that told something else than the truth."
    )
    acts_on: ClassVar[Literal["world", "broker"]] = "world"
    clocks: ClassVar[frozenset[str]] = frozenset({"virtual", "live"})
    needs_target: ClassVar[bool] = True
    survivable: ClassVar[bool] = True
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("channel", "text", "first", "name of the channel, `first` or `all`"),
    )

    @staticmethod
    def start(on: World, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG004
        on.stick(order.step, device, order.settings["channel"])

    @staticmethod
    def end(on: World, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG004
        on.unstick(order.step, device)

    @staticmethod
    def evidence(on: World, order: FaultOrder) -> Evidence:
        return on.evidence_of(order.step)
