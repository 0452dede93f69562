"""Faults of how devices are set up: what they have, and what the registry says they should have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from twinstorm.scenarios.faults.base import Fault, Setting
from twinstorm.twin.signs import Sign

if TYPE_CHECKING:
    from twinstorm.scenarios.language.model import Segment
    from twinstorm.twin.flow import Device, FaultOrder
    from twinstorm.twin.world import World


class WrongConfiguration(Fault):
    """Somebody has set devices up in another way, and told nobody."""

    name: ClassVar[str] = "wrong-configuration"
    summary: ClassVar[str] = "devices have another configuration than the registry says, as after a technician's visit"
    effect: ClassVar[str] = (
        "The targeted devices have the configuration `to`, 0 as they left the factory, until it ends; then they have "
        "again what they should have. Whoever is online sends its birth once more at once, within its session; the "
        "others tell it with the birth of their next session. Nothing else of them changes. Devices whose segment says "
        "no `configuration` tell none and keep theirs. Of several such faults on a device the one that began last "
        "counts. Evidence: devices whose configuration it made another than they should have."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.CONFIGURATION})
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("to", "count", "0", "number of the configuration that they have; 0: of the factory", most="1000000000"),
    )

    @classmethod
    def misfit_of_segments(cls, segments: Sequence[Segment]) -> str:
        if all(segment.configuration is None for segment in segments):
            return "no targeted device tells its configuration; give their segment one: `configuration: 7`"
        return ""

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        if on.configurations is not None:
            on.configurations.change(order.step, device, order.settings["to"], at_us)

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        if on.configurations is not None:
            on.configurations.restore(order.step, device, at_us)
