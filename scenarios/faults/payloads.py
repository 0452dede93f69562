"""Faults of payloads: damaged, cut short, of another schema, repeated, out of order, late, on the wrong topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from twinstorm.scenarios.faults.base import Fault, Setting
from twinstorm.twin.signs import Sign

if TYPE_CHECKING:
    from twinstorm.twin.flow import Device, FaultOrder
    from twinstorm.twin.machines.kind import MachineKind
    from twinstorm.twin.world import World

_ACKNOWLEDGED = (
    " The broker looks into no payload: it takes and acknowledges them all, so that no device sends anything again. "
    "Births and wills stay as they are."
)


class PayloadFault(Fault):
    """What faults of messages share."""

    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.LETTERS, Sign.SILENCE})

    @classmethod
    def misfit(cls, kinds: Callable[[], Sequence[MachineKind]], settings: Mapping[str, Any]) -> str:  # noqa: ARG003
        return "" if settings.get("share", 1.0) > 0 else "a `share` of 0 % takes no message"

    @classmethod
    def end(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.payloads.end(order.step, device, at_us)


def _share(default: str, what: str) -> Setting:
    return Setting("share", "share", default, f"messages that {what}")


class PayloadCorruption(PayloadFault):
    """Bits flip."""

    name: ClassVar[str] = "payload-corruption"
    summary: ClassVar[str] = "bits of payloads are flipped before they are sent"
    effect: ClassVar[str] = (
        "In the share `share` of what the targeted devices send, so many bits are flipped, as by bad memory, before "
        "any checksum of the network is made. What is no document any more is a dead letter (lost: corrupt). What can "
        "still be read but not be true is refused by its range (lost: dead_letter). And what can be read and might be "
        "true is believed: a payload without a checksum of its own cannot tell. Only a changed boot or sequence number "
        "never passes: one more bit is flipped then." + _ACKNOWLEDGED + " Evidence: messages damaged, and how many of "
        "them can still be read."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.LETTERS, Sign.SILENCE, Sign.TOPICS, Sign.VALUES})
    settings: ClassVar[tuple[Setting, ...]] = (
        _share("10 %", "are damaged"),
        Setting("bits", "count", "4", "how many bits are flipped in each", least="1", most="1000"),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.payloads.corrupt(order.step, device, at_us, order.settings["share"], order.settings["bits"])


class PayloadTruncation(PayloadFault):
    """Payloads lose their end."""

    name: ClassVar[str] = "payload-truncation"
    summary: ClassVar[str] = "payloads are cut off after so many bytes"
    effect: ClassVar[str] = (
        "The share `share` of what the targeted devices send ends after `keep`, as in a modem with too small a buffer. "
        "Nobody can read the rest (lost: corrupt). Payloads, of some 500 bytes, that are shorter stay whole."
        + _ACKNOWLEDGED
        + " Evidence: messages truncated, and how many of them can still be read."
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        _share("100 %", "are cut off"),
        Setting("keep", "size", "256 B", "what is left of a payload"),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.payloads.truncate(order.step, device, at_us, order.settings["share"], round(order.settings["keep"]))


class SchemaBreak(PayloadFault):
    """Firmware sends documents that nobody agreed on."""

    name: ClassVar[str] = "schema-break"
    summary: ClassVar[str] = "firmware sends documents of a schema that the core does not know"
    effect: ClassVar[str] = (
        "From one message to the next the targeted devices send documents of another schema: `number`, the number of "
        "the next schema; `rename`, measurements under names in another style; `type`, numbers as text; `unit`, "
        "measurements in another unit, which their names tell. Devices and broker are content; the core refuses every "
        "reading, with a reason of its own (lost: dead_letter)." + _ACKNOWLEDGED + " Evidence: messages of another "
        "schema."
    )
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("how", "word", "number", "what is different", ("number", "rename", "type", "unit")),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.payloads.break_schema(order.step, device, at_us, order.settings["how"])


class PayloadDuplicate(PayloadFault):
    """Messages come twice."""

    name: ClassVar[str] = "payload-duplicate"
    summary: ClassVar[str] = "messages are sent twice"
    effect: ClassVar[str] = (
        "The share `share` of what the targeted devices send goes out once more, `after` so long, byte for byte. With "
        "`flag` it is marked as sent again (DUP) where the quality of service is 1; brokers do not pass the mark on, "
        "so that the core sees the same. It must take each reading once: repeats are counted beside the ledger. "
        "Evidence: messages repeated."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.TRAFFIC, Sign.QUEUE})
    settings: ClassVar[tuple[Setting, ...]] = (
        _share("20 %", "are sent twice"),
        Setting("after", "duration", "0 s", "how long after the first the second follows; live up to a second more"),
        Setting("flag", "word", "no", "whether the second is marked as sent again", ("no", "yes")),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        share, after_us = order.settings["share"], order.settings["after"]
        on.payloads.repeat(order.step, device, at_us, share, after_us, flagged=order.settings["flag"] == "yes")


class PayloadReorder(PayloadFault):
    """Messages overtake each other."""

    name: ClassVar[str] = "payload-reorder"
    summary: ClassVar[str] = "messages overtake each other on their way"
    effect: ClassVar[str] = (
        "The share `share` of what the targeted devices send takes up to `by` longer, each message by itself, as over "
        "parallel bridges or workers. The core must put up with readings that come after newer ones. It remembers 64 "
        "numbers and the longest gap: what comes later than that is taken for a repeat (lost: late). Messages that a "
        "device keeps, because their acknowledgement cannot come back, are in order. Live the delay is rounded up to "
        "whole seconds. Evidence: messages that overtake an older one; none if devices speak more rarely than `by`."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.SILENCE, Sign.QUEUE})
    settings: ClassVar[tuple[Setting, ...]] = (
        _share("50 %", "take longer"),
        Setting("by", "duration", "30 s", "how much longer, at most", least="1 ms"),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.payloads.reorder(order.step, device, at_us, order.settings["share"], order.settings["by"])


class LateFlood(PayloadFault):
    """Devices keep their readings and send them all at once."""

    name: ClassVar[str] = "late-flood"
    summary: ClassVar[str] = "devices hold readings back and send them all at once"
    effect: ClassVar[str] = (
        "The targeted devices keep their sessions and send nothing: what they sample waits in their buffers, which can "
        "overflow (lost: evicted) and lose their power (lost: power). Every `hold`, and when the fault ends, they send "
        "it all in one instant. To the core they are silent, then a flood of old readings arrives. Evidence: readings "
        "held back."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.SILENCE, Sign.TRAFFIC, Sign.QUEUE})
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("hold", "duration", "5 min", "for how long a device holds its readings back", least="1 s"),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.payloads.hold_back(order.step, device, at_us, order.settings["hold"])


class Misrouted(PayloadFault):
    """Messages go out on a wrong topic."""

    name: ClassVar[str] = "misrouted"
    summary: ClassVar[str] = "messages go out on the topic of another device, of another site, or where nobody listens"
    effect: ClassVar[str] = (
        "The share `share` of what the targeted devices send goes out on the topic of the next `device` of the fleet, "
        "of a device of the same name at the next `site`, or `nowhere`: below another tenant. The document still names "
        "its sender, so the core refuses what does not fit its topic (lost: dead_letter) and believes neither of the "
        "two. Of messages that go nowhere it sees nothing but the silence (lost: corrupt). It cannot see a device that "
        "names another one in the document as well. Live the embedded broker, which lets each device use its own "
        "topics only, keeps them all from the core; the cause of the loss is the same. Evidence: messages misrouted."
    )
    signs: ClassVar[frozenset[Sign] | None] = frozenset({Sign.LETTERS, Sign.SILENCE, Sign.TOPICS})
    settings: ClassVar[tuple[Setting, ...]] = (
        _share("100 %", "are misrouted"),
        Setting("to", "word", "device", "whose topic they go to", ("device", "site", "nowhere")),
    )

    @classmethod
    def start(cls, on: World, order: FaultOrder, device: Device, at_us: int) -> None:
        on.payloads.misroute(order.step, device, at_us, order.settings["share"], order.settings["to"])
