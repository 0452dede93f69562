"""Connections that break, are refused, or end unnoticed: what somebody on the way between device and broker does.

A middlebox that resets connections after a while, one that allows so many bytes, a port that refuses, a close that
arrives late. Orders are carried out for devices whose connections are modelled; real sockets have a proxy for it
(`twin.uplink.Wire`), and it is told. What must happen later happens at whole seconds, so that many devices share an
instant.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from twinstorm.twin.flow import NEVER_US, Device, Int, Mask
from twinstorm.twin.parts import Part
from twinstorm.twin.rows import Rows
from twinstorm.twin.uplink import LinkFault, Wire

if TYPE_CHECKING:
    from twinstorm.twin.world import World

RESET, SPENT, LATE, REFUSED = (
    "connections_reset",
    "connections_closed",
    "closes_noticed_late",
    "connects_refused",
)
REPLAYED: Final = "messages_replayed"
CUT_OFF: Final = "sessions_cut_off"

Order = TypeVar("Order", bound=LinkFault)


@dataclass
class Resetting(LinkFault):
    """Connections are reset `after_us` after they began, or after this order did.

    Attributes:
        due_us: int64, when that of each is reset next.
    """

    after_us: int
    due_us: Int = field(init=False)

    def __post_init__(self) -> None:
        self.due_us = np.full(len(self.device), self.from_us + self.after_us, np.int64)

    def keep(self, rows: Mask) -> None:
        super().keep(rows)
        self.due_us = self.due_us[rows]


@dataclass
class Ration(LinkFault):
    """A connection carries so many bytes up, and is closed.

    Attributes:
        message_bytes: int64, of a reading of each, with its headers. sent_bytes: since the connection began.
    """

    limit_bytes: int
    message_bytes: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    sent_bytes: Int = field(init=False)

    def __post_init__(self) -> None:
        self.sent_bytes = np.zeros(len(self.device), np.int64)

    def keep(self, rows: Mask) -> None:
        super().keep(rows)
        self.sent_bytes = self.sent_bytes[rows]
        if len(self.message_bytes):
            self.message_bytes = self.message_bytes[rows]


@dataclass
class ClosedPort(LinkFault):
    """Connects are refused, as where nothing listens.

    Attributes:
        reset_open: connections that are open when it begins are reset.
    """

    reset_open: bool


@dataclass
class LateClose(LinkFault):
    """Devices learn so much later that the other side has closed or reset their connection."""

    by_us: int


@dataclass
class Interception(LinkFault):
    """Somebody stands between them and the broker, reads, and alters what they measure: over real sockets."""


@dataclass
class Overhearing(LinkFault):
    """Somebody stands between them and the broker, and says `share` of what they said once more, `after_us` later: over
    real sockets."""

    share: float
    after_us: int


@dataclass
class Blackout(LinkFault):
    """Nothing gets through real sockets, in the direction ``both``, ``up`` or ``down``; nobody models it."""

    direction: str


class Breaks(Part):
    """All such orders of one world; joins it when the first begins.

    Args:
        unforeseen: bool, devices with real sockets; None: there are none.
        wire: these sockets; None: no fault holds them.
    """

    def __init__(self, world: World, unforeseen: Mask | None, wire: Wire | None) -> None:
        self._world, self._wire = world, wire
        self._real = unforeseen if wire is not None and unforeseen is not None else None
        self._joined = False
        self._resetting: list[Resetting] = []
        self._rations: list[Ration] = []
        self._shut: list[ClosedPort] = []
        self._late: list[LateClose] = []

    # --- orders -------------------------------------------------------------------------------------------------------

    def reset(self, step: str, device: Device, at_us: int, after_us: int) -> None:
        """Reset connections of these devices, again and again, `after_us` after they were opened."""
        self._resetting += self._begun(Resetting(*self._common(step, device, at_us), after_us))

    def ration(self, step: str, device: Device, at_us: int, limit_bytes: int) -> None:
        """Close each connection of these devices after so many bytes up."""
        fleet, sizes = self._world.fleet, self._world.reading_sizes
        each = np.zeros(len(device), np.int64)
        for number, part in enumerate(fleet.plan.segments):
            mine = np.flatnonzero(fleet.segment[device] == number)
            each[mine] = sizes[part.kind].total_bytes[fleet.link[device[mine]]]
        self._rations += self._begun(Ration(*self._common(step, device, at_us), limit_bytes, each))

    def shut(self, step: str, device: Device, at_us: int, *, reset_open: bool) -> None:
        """Refuse connects of these devices from now on."""
        order = ClosedPort(*self._common(step, device, at_us), reset_open)
        modelled = self._begun(replace(order))
        # Who is refused over a real socket is counted here too: a closed port tells nobody whom it turned away.
        self._shut.append(order)
        self._world.life.shut(order.device, 1)
        for part in modelled if reset_open else ():
            self._break(part, np.ones(len(part.device), np.bool_), RESET, at_us)

    def close_late(self, step: str, device: Device, at_us: int, by_us: int) -> None:
        """Let these devices learn later that their connection was closed."""
        self._late += self._begun(LateClose(*self._common(step, device, at_us), by_us))

    def black_out(self, step: str, device: Device, at_us: int, direction: str) -> None:
        """Let nothing through the real sockets of these devices, for those that have one."""
        self._begun(Blackout(*self._common(step, device, at_us), direction))

    def intercept(self, step: str, device: Device, at_us: int) -> None:
        """Let somebody step in between: connections break, and those that follow pass through other hands."""
        for order in self._begun(Interception(*self._common(step, device, at_us))):
            self._break(order, np.ones(len(order.device), np.bool_), RESET, at_us)
            self._world.payloads.falsify(step, order.device.astype(np.int32), at_us)

    def overhear(self, step: str, device: Device, at_us: int, share: float, after_us: int) -> None:
        """Let somebody step in between, as in `intercept`, who records what they say and says it again."""
        for order in self._begun(Overhearing(*self._common(step, device, at_us), share, after_us)):
            who = order.device.astype(np.int32)
            self._world.break_connections(who, at_us)
            self._world.payloads.repeat(step, who, at_us, share, after_us, flagged=False, counted_as=REPLAYED)

    def without_socket(self, device: Device) -> Device:
        """Those of these devices whose connections are modelled."""
        return device if self._real is None else device[~self._real[device]]

    def end(self, step: str, device: Device, at_us: int) -> None:  # noqa: ARG002 - what has happened stays
        """End the orders of a step on these devices."""
        if self._wire is not None and self._real is not None:
            who = device.astype(np.int64)
            self._wire.end(step, who[self._real[who]])
        for order in self._shut:
            if order.step == step:
                self._world.life.shut(order.device[np.isin(order.device, device)], -1)
        self._resetting = _without(self._resetting, step, device)
        self._rations = _without(self._rations, step, device)
        self._shut = _without(self._shut, step, device)
        self._late = _without(self._late, step, device)

    def _common(self, step: str, device: Device, at_us: int) -> tuple[str, Int, np.ndarray, int, int]:
        who = device.astype(np.int64)
        return step, who, self._world.fleet.key[who], at_us, self._world.seed

    def _begun(self, order: Order) -> list[Order]:
        """Hand the real part of an order to the wire. Returns the rest, if there is any."""
        if not self._joined:
            self._joined = True
            self._world.join(self)
        if self._wire is not None and self._real is not None:
            real = self._real[order.device]
            on_wire = replace(order)
            on_wire.keep(real)
            order.keep(~real)
            if len(on_wire.device):
                self._wire.begin(on_wire)
        return [order] if len(order.device) else []

    # --- what happens -------------------------------------------------------------------------------------------------

    def connected(self, device: Int, at_us: Int) -> None:
        for resetting in self._resetting:
            mine, own = resetting.rows(device)
            resetting.due_us[own] = at_us[mine] + resetting.after_us
        for ration in self._rations:
            _, own = ration.rows(device)
            ration.sent_bytes[own] = 0

    def count_sent(self, device: Rows, messages: Int | Mask | int) -> None:
        if not self._rations:
            return
        who = np.arange(device.start, device.stop) if isinstance(device, slice) else device
        for ration in self._rations:
            mine, own = ration.rows(who)
            number = messages if isinstance(messages, int) else messages[mine]
            ration.sent_bytes[own] += ration.message_bytes[own] * number

    def look(self, now_us: int) -> None:
        """Once a second: break what is due."""
        for resetting in self._resetting:
            due = resetting.due_us <= now_us
            if due.any():
                resetting.due_us[due] = NEVER_US
                self._break(resetting, due, RESET, now_us)
        for ration in self._rations:
            spent = ration.sent_bytes >= ration.limit_bytes
            if spent.any():
                ration.sent_bytes[spent] = 0
                self._break(ration, spent, SPENT, now_us)

    def _break(self, order: LinkFault, rows: Mask, what: str, now_us: int) -> None:
        self._world.bit(order.step, what, self._world.break_connections(order.device[rows].astype(np.int32), now_us))

    def turned_away(self, device: Int) -> None:
        """Connects of these devices were refused."""
        for order in self._shut:
            mine, _ = order.rows(device)
            self._world.bit(order.step, REFUSED, len(mine))

    def close_extra_us(self, device: Int) -> Int | int:
        """How much later these devices learn that their connection is closed; of two faults, the later one."""
        if not self._late:
            return 0
        extra_us = np.zeros(len(device), np.int64)
        for order in self._late:
            mine, _ = order.rows(device)
            extra_us[mine] = np.maximum(extra_us[mine], order.by_us)
            if order.by_us:
                self._world.bit(order.step, LATE, len(mine))
        return extra_us


def _without(orders: list[Order], step: str, device: Device) -> list[Order]:
    """What is left when this step lets go of these devices."""
    for order in orders:
        if order.step == step:
            order.keep(~np.isin(order.device, device))
    return [order for order in orders if len(order.device)]
