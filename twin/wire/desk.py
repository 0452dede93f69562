"""Where columns are opened: many messages at a time, for what a message costs by itself is more than its readings.

Rows about devices that nobody knows, or that the gateway does not carry, are malformed, each by itself; others count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from twinstorm.twin.flow import UNTOLD_US, Delivery, Device, Malformed, Readings, Registry
from twinstorm.twin.wire.columns import CODEC, Columns, decode
from twinstorm.twin.wire.inbox import Inbox, Letter

UNCARRIED = "the gateway does not carry this device"
_NO_LINE = "a row points to no device"


@dataclass(frozen=True, slots=True)
class _Rows:
    """Whose rows a message has that names these devices and points to them so.

    Attributes:
        device: int32, in memory order; of all rows, or of those that are `good`.
        good: rows that may be taken; None: all.
        wrong: why each of the others may not.
    """

    devices: str
    which: bytes
    device: bytes
    good: Any = None
    wrong: tuple[str, ...] = ()


@dataclass
class _Stack:
    """What lies on the desk of one kind: messages and whose their rows are."""

    messages: list[Columns] = field(default_factory=list)
    device: list[bytes] = field(default_factory=list)
    arrived_us: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)


class Desk:
    """Takes columns, and gives what is in them when asked.

    Args:
        inbox: knows topics and names.
    """

    def __init__(self, registry: Registry, inbox: Inbox) -> None:
        self._registry, self._inbox = registry, inbox
        self._channels = {kind: tuple(each.name for each in of_kind) for kind, of_kind in registry.channels.items()}
        self._last: dict[int, _Rows] = {}
        """Of each gateway what its last columns named: the next ones name the same, mostly."""
        self._stacks: dict[str, _Stack] = {}
        self._odd: list[Delivery] = []

    def take(self, letter: Letter, topic: str, payload: bytes, arrived_us: int) -> str:
        """Take a message that came on the columns topic of this gateway; returns what is wrong with all of it, or
        nothing."""
        if letter.address.codec != CODEC:
            return "columns are in CBOR"
        found = decode(payload, letter.address.name, self._channels)
        if isinstance(found, str):
            return found
        last = self._last.get(letter.device)
        if last is None or last.which != found.which or last.devices != found.devices:
            last = self._last[letter.device] = self._looked_up(letter.device, found)
        if last.good is not None:
            self._odd.append(self._rest(found, last, topic, arrived_us))
            return ""
        stack = self._stacks.setdefault(found.kind, _Stack())
        stack.messages.append(found)
        stack.device.append(last.device)
        stack.arrived_us.append(arrived_us)
        stack.rows.append(found.rows)
        return ""

    def deliveries(self) -> tuple[Delivery, ...]:
        """All that was taken since the last call, one a kind and one for each message that has wrong rows."""
        stacks, self._stacks = self._stacks, {}
        odd, self._odd = self._odd, []
        return *(self._opened(kind, stack) for kind, stack in stacks.items()), *odd

    def _looked_up(self, gateway: int, found: Columns) -> _Rows:
        names = found.devices.split("\n")
        known = np.array([self._inbox.device_of.get(name, -1) for name in names], np.int32)
        of = self._registry.gateway
        carried = (known >= 0) & ((known == gateway) if of is None else (of[known] == of[gateway]))
        which = np.frombuffer(found.which, "<u2")
        points = which < len(names)
        good = points & carried[np.where(points, which, 0)]
        device: Device = known[which[good]]
        if good.all():
            return _Rows(found.devices, found.which, device.tobytes())
        wrong = tuple(
            _NO_LINE if row >= len(names) else UNCARRIED if known[row] >= 0 else f"unknown device: {names[row][:80]!a}"
            for row in which[~good].tolist()
        )
        return _Rows(found.devices, found.which, device.tobytes(), good, wrong)

    def _opened(self, kind: str, stack: _Stack) -> Delivery:
        messages = stack.messages
        values = np.stack(
            [
                np.frombuffer(b"".join(one.channel(number) for one in messages), "<f4")
                for number in range(len(self._channels[kind]))
            ]
        )
        arrived_us = np.repeat(np.array(stack.arrived_us, np.int64), stack.rows)
        readings = Readings(
            kind=kind,
            device=np.frombuffer(b"".join(stack.device), np.int32),
            # A number that is too large for a device turns negative, and ingest refuses it.
            boot=np.frombuffer(b"".join(one.boot for one in messages), "<i4"),
            seq=np.frombuffer(b"".join(one.seq for one in messages), "<i8"),
            device_time_us=np.frombuffer(b"".join(one.time_us for one in messages), "<i8") - self._inbox.origin_us,
            sent_us=np.full(len(arrived_us), UNTOLD_US),
            values=values.T,
        )
        return Delivery(readings, arrived_us, int(arrived_us.max()))

    def _rest(self, found: Columns, whose: _Rows, topic: str, arrived_us: int) -> Delivery:
        """A message some rows of which nobody may take."""
        malformed = tuple(Malformed(topic, b"", arrived_us, why) for why in whose.wrong)
        if not whose.device:
            return Delivery(None, np.empty(0, np.int64), arrived_us, malformed)
        # All rows are opened first: `device` has no place for those that are wrong.
        every = np.zeros(found.rows, np.int32)
        every[whose.good] = np.frombuffer(whose.device, np.int32)
        opened = self._opened(found.kind, _Stack([found], [every.tobytes()], [arrived_us], [found.rows]))
        assert opened.readings is not None
        return Delivery(opened.readings.taken(whose.good), opened.arrived_us[whose.good], arrived_us, malformed)
