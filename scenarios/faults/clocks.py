"""Faults of clocks: what a device measures is right, when it says it did is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from twinstorm.scenarios.faults.base import Fault, Setting
from twinstorm.twin.signs import Sign

if TYPE_CHECKING:
    from twinstorm.twin.flow import Device, FaultOrder
    from twinstorm.twin.machines.kind import MachineKind
    from twinstorm.twin.world import World

MOST_PPM = 10_000.0

_EVIDENCE = (
    " The core orders readings by boot and number and judges them by their arrival, so it loses none; it counts those "
    "whose time stamp cannot be right (`misdated`). Evidence: readings that the fault dated wrongly by more than a "
    "synchronisation leaves."
)
_UNTIL = (
    " A device whose firmware synchronises its clock is right again at its next turn; the others when the fault ends."
)


class ClockFault(Fault):
    """What faults of clocks share."""

    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.VALUES, Sign.TRAFFIC})

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.clocks.end(order.step, device, at_us)


class ClockJump(ClockFault):
    """Clocks are set wrongly."""

    name: ClassVar[str] = "clock-jump"
    summary: ClassVar[str] = "clocks jump by a time, forwards or backwards"
    effect: ClassVar[str] = (
        "The clocks of the targeted devices are set forwards or backwards by `by`, as by a wrong time server or a "
        "mistaken zone. What waits in a buffer keeps the stamp of its time." + _UNTIL + _EVIDENCE
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("by", "duration", "1 h", "how far"),
        Setting("direction", "word", "forwards", "to the future or to the past", ("forwards", "backwards")),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        by_us = order.settings["by"]
        on.clocks.step(order.step, device, at_us, by_us if order.settings["direction"] == "forwards" else -by_us)


class ClockLost(ClockFault):
    """Clocks lose the time."""

    name: ClassVar[str] = "clock-lost"
    summary: ClassVar[str] = "clocks lose the time and show their epoch"
    effect: ClassVar[str] = (
        "The clocks of the targeted devices begin again with the epoch of their firmware (1970, if it names none), as "
        "after a fault of their clock chip." + _UNTIL + _EVIDENCE
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.clocks.forget(order.step, device, at_us)


class ClockDrift(ClockFault):
    """Clocks run fast or slow."""

    name: ClassVar[str] = "clock-drift"
    summary: ClassVar[str] = "clocks run fast or slow"
    effect: ClassVar[str] = (
        "The clocks of the targeted devices gain `by` (lose it, where it is negative) until the fault ends: 100 ppm "
        "are 8.64 s a day. A synchronisation takes back what has come together; what is left when the fault ends "
        "stays until the next." + _EVIDENCE
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("by", "quantity", "100 ppm", "what is added to their rate, up to 10,000 ppm"),
    )

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        rate, unit = settings["by"]
        if unit != "ppm":
            return f"a clock drifts by parts per million, and `by` is in {unit}; write `100 ppm`"
        if not 0.0 < abs(rate) <= MOST_PPM:
            return f"`by` is {rate:g} ppm; allowed: -{MOST_PPM:g} .. {MOST_PPM:g} ppm, and not 0"
        return ""

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        rate, _ = order.settings["by"]
        on.clocks.drift(order.step, device, at_us, round(rate * 1_000_000))
