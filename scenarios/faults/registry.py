"""Faults of the registry: what the operators know of the fleet, and what is there, drift apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from twinstorm.scenarios.faults.base import Fault, Setting
from twinstorm.twin.signs import Sign

if TYPE_CHECKING:
    from twinstorm.twin.flow import Device, FaultOrder, Knowledge
    from twinstorm.twin.world import World

RETIRED = "retired"


class StaleRegistry(Fault):
    """Devices that nobody entered, that somebody entered as others, and that nobody struck off."""

    name: ClassVar[str] = "stale-registry"
    summary: ClassVar[str] = "the core's registry is out of date: it lacks devices, has them wrong, or lists gone ones"
    effect: ClassVar[str] = (
        "With entries: missing, the registry lacks the targeted devices while it lasts. They connect and send as ever, "
        "and the broker takes it; the core refuses each of their readings as one of an unknown device (lost: "
        "dead_letter), shows them as unknown, raises nothing about them, and counts them in no indicator: what is left "
        "of the fleet looks well. At the end they are entered, and the core finds their sessions at the broker. With "
        "entries: site, they stand under another site, so under another name: their readings are those of an unknown "
        "device, their births and wills nobody's, and indicators count an entry that never speaks. With entries: kind, "
        "they stand as another kind of machine: the core knows their sessions and refuses their readings, so that they "
        "are connected and grow stale. Both are put right at the end. With entries: retired, the targeted devices are "
        "taken out of service for good when it starts, with what they held (lost: retired), and the registry lists "
        "them until it ends: to the core they are silent and offline, and indicators count them. At the end they are "
        "struck off. The core acts by the registry as it is when it processes a message, at most a second after it "
        "came. Evidence: readings refused, devices retired."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.LETTERS, Sign.SILENCE, Sign.TOPICS})
    survivable: ClassVar[bool] = False
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "entries",
            "word",
            "missing",
            "what is wrong with the entries of these devices: there are none yet, there still are, or they name "
            "another site or kind",
            ("missing", "site", "kind", RETIRED),
        ),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        if order.settings["entries"] == RETIRED:
            on.bit(order.step, "devices_retired", on.retire(device, at_us))

    @classmethod
    def misinform(cls, core: Knowledge, order: FaultOrder, device: Device, at_us: int) -> None:  # noqa: ARG003
        if order.settings["entries"] != RETIRED:
            core.strike_off(order.step, device, order.settings["entries"])

    @classmethod
    def correct(cls, core: Knowledge, order: FaultOrder, device: Device, at_us: int) -> None:
        if order.settings["entries"] == RETIRED:
            core.strike_off(order.step, device)
        else:
            core.list_again(order.step, at_us)
