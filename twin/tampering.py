"""What faults do to messages between the world and the wire: damage, another schema, a wrong topic, repeats, no order.

`Tampering` stands before the device end and takes the rows that a fault holds out of each batch. Their payloads are
encoded for real and changed as bytes; whatever reads them, the core in virtual time or a subscriber of a real broker,
finds out for itself. Only the ledger knows better: a reading whose payload the core cannot read is lost as soon as it
is sent, and its message is a ghost that no count of readings sees (`Readings.duplicate`).

Without a fault nothing here costs more than a look at an empty list.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from twinstorm.twin.chance import Words
from twinstorm.twin.damage import falsified, of_other_schema, with_number
from twinstorm.twin.flow import SECOND_US, Device, DeviceEnd, Int, LossCause, Mask, Message, Readings
from twinstorm.twin.parts import Part
from twinstorm.twin.tampers import (
    Always,
    Corruption,
    Dialect,
    Falsification,
    HoldingBack,
    Misrouting,
    Reordering,
    Repetition,
    SchemaBreak,
    Sometimes,
    Tamper,
    Truncation,
)
from twinstorm.twin.wire.codecs import Reading, Sender
from twinstorm.twin.wire.documents import SCHEMA
from twinstorm.twin.wire.inbox import Inbox
from twinstorm.twin.wire.layout import layouts
from twinstorm.twin.wire.profile import TWINSTORM, site_and_device
from twinstorm.twin.wire.wires import Ear, Wire

if TYPE_CHECKING:
    from twinstorm.twin.world import World

DIALECT: Final = "firmware/schema"
"""Stands for a step where firmware speaks another schema by itself; no step has such a name."""

READABLE: Final = "damaged_and_still_readable"
REPEATED, OVERTAKING, LATE = "messages_repeated", "messages_overtaking", "readings_held_back"

ELSEWHERE: Final = replace(TWINSTORM, tenant="elsewhere")
"""Topics of another tenant: the core does not listen there."""


@dataclass
class _Waiting:
    """What a live fleet sends later, as no real link can be told to."""

    due_us: int
    readings: Readings


@dataclass
class _Batch:
    """What becomes of one batch on its way out. Columns have one entry a row that counts.

    Attributes:
        row: of the batch.
        at_us: when the broker gets it.
        kept: see `DeviceEnd.publish`.
        changed: position to the message that is sent instead, of payloads that faults changed.
        damaged: positions whose payload is no document any more that somebody wrote.
        ghost: its message is no reading that anybody could read.
        delay_us: how much longer it takes.
    """

    row: Int
    device: Int
    seq: Int
    at_us: Int
    kept: Mask | None
    changed: dict[int, Message] = field(default_factory=dict)
    damaged: set[int] = field(default_factory=set)
    ghost: Mask = field(init=False)
    delay_us: Int = field(init=False)

    def __post_init__(self) -> None:
        self.ghost = np.zeros(len(self.row), np.bool_)
        self.delay_us = np.zeros(len(self.row), np.int64)


class Tampering(Part):
    """The way out of a world: `publish` as `DeviceEnd` has it, and what faults may do to it.

    Args:
        end: where messages go.
        origin_us: Unix microseconds of simulated instant 0.
        foreseen: the end is modelled, and holds back itself what arrives later.

    Attributes:
        held_back: bool, devices that keep what they sample, one row a device.
        unreadable: messages that nobody can read, repeats included.
        overtaken: some message has overtaken another.
    """

    def __init__(self, world: World, end: DeviceEnd, origin_us: int = 0, foreseen: bool = True) -> None:
        self._world, self._end = world, end
        self._fleet, self._channels, self._bit = world.fleet, world.channels, world.bit
        self._origin_us, self._foreseen = origin_us, foreseen
        self._layouts = layouts(world.channels)
        segments = self._fleet.plan.segments
        self._wires: tuple[Wire, ...] = tuple(part.speaks for part in segments)
        self._ear = Ear(part.wire for part in segments)
        self._orders: list[Tamper] = []
        self._waiting: list[_Waiting] = []
        self._reader: Inbox | None = None
        self.holding: list[HoldingBack] = []
        self.held_back: Mask = np.zeros(len(world.fleet), np.bool_)
        self.unreadable = 0
        self.overtaken = False

    @property
    def is_idle(self) -> bool:
        return not (self._orders or self._waiting or self.holding)

    # --- orders -------------------------------------------------------------------------------------------------------

    def break_schema(self, step: str, device: Device, at_us: int, how: str) -> None:
        """Let these devices send documents of another schema."""
        self._begin(SchemaBreak(*self._common(step, device, at_us), how))

    def begin_dialects(self) -> None:
        """Let devices send documents of the schema that their firmware has."""
        for number, segment in enumerate(self._fleet.plan.segments):
            if segment.schema != SCHEMA:
                self.speak(np.flatnonzero(self._fleet.segment == number).astype(np.int32), 0, segment.schema)

    def speak(self, device: Device, at_us: int, schema: int) -> None:
        """Let these devices send documents of this schema from now on."""
        if any(order.step == DIALECT for order in self._orders):
            self.end(DIALECT, device, at_us)
        if schema != SCHEMA and len(device):
            self._begin(Dialect(*self._common(DIALECT, device, at_us), schema))

    def corrupt(self, step: str, device: Device, at_us: int, share: float, bits: int) -> None:
        """Flip so many bits in this share of their payloads."""
        self._begin(Corruption(*self._common(step, device, at_us), share, bits))

    def falsify(self, step: str, device: Device, at_us: int) -> None:
        """Alter the measurements of all their payloads."""
        self._begin(Falsification(*self._common(step, device, at_us)))

    def truncate(self, step: str, device: Device, at_us: int, share: float, keep_bytes: int) -> None:
        """End this share of their payloads after so many bytes."""
        self._begin(Truncation(*self._common(step, device, at_us), share, keep_bytes))

    def misroute(self, step: str, device: Device, at_us: int, share: float, to: str) -> None:
        """Send this share of their messages on a wrong topic; see `Misrouting`."""
        self._begin(Misrouting(*self._common(step, device, at_us), share, to))

    def reorder(self, step: str, device: Device, at_us: int, share: float, by_us: int) -> None:
        """Let this share of their messages arrive up to `by_us` later."""
        self._begin(Reordering(*self._common(step, device, at_us), share, by_us))

    def repeat(
        self,
        step: str,
        device: Device,
        at_us: int,
        share: float,
        after_us: int,
        *,
        flagged: bool,
        counted_as: str = REPEATED,
    ) -> None:
        """Let this share of their messages come twice."""
        self._begin(Repetition(*self._common(step, device, at_us), share, after_us, flagged, counted_as))

    def hold_back(self, step: str, device: Device, at_us: int, every_us: int) -> None:
        """Let these devices keep what they sample and send it all at once, every so often."""
        self.holding.append(HoldingBack(*self._common(step, device, at_us), every_us))
        self.held_back[device] = True

    def end(self, step: str, device: Device, at_us: int) -> None:
        """End the orders of a step on these devices; who held readings back sends them now."""
        for order in [*self._orders, *self.holding]:
            if order.step == step:
                order.keep(~np.isin(order.device, device))
        self._orders = [order for order in self._orders if len(order.device)]
        self.holding = [order for order in self.holding if len(order.device)]
        before = self.held_back.copy()
        self.held_back[:] = False
        for order in self.holding:
            self.held_back[order.device] = True
        free = np.flatnonzero(before & ~self.held_back)
        if len(free):
            self._flood(step, free, at_us)

    def look(self, now_us: int) -> None:
        """Once a second: send what has been held back for long enough."""
        self.let_go(now_us)
        for order in self.holding:
            due = order.next_us <= now_us
            if due.any():
                order.next_us[due] += order.every_us
                self._flood(order.step, order.device[due], now_us)

    def _flood(self, step: str, device: Int, now_us: int) -> None:
        self._world.advance_to(now_us)
        sends = device[self._world.sending.ready()[device]]
        self._bit(step, LATE, int(self._world.buffers.depth[sends].sum()))
        self._world.sending.empty(sends, np.full(len(sends), now_us, np.int64))

    def _common(self, step: str, device: Device, at_us: int) -> tuple[str, Int, Words, int, int]:
        who = device.astype(np.int64)
        return step, who, self._fleet.key[who], at_us, self._world.seed

    def _begin(self, order: Tamper) -> None:
        self._orders.append(order)
        self._orders.sort(key=lambda one: one.turn)

    # --- on the way out -----------------------------------------------------------------------------------------------

    def publish(self, readings: Readings, at_broker_us: Int, kept: Mask | None = None) -> Mask | None:
        """See `DeviceEnd.publish`."""
        if not self._orders:
            return self._end.publish(readings, at_broker_us, kept)
        row = np.arange(len(readings.device)) if readings.present is None else np.flatnonzero(readings.present)
        batch = _Batch(
            row,
            readings.device[row].astype(np.int64),
            readings.seq[row],
            at_broker_us[row],
            None if kept is None else kept[row],
        )
        for order in self._orders:
            if order.evidence:
                self._rewrite(order, batch, readings)
        self._judge(batch, readings)
        self._delay(batch)
        return self._send(batch, readings, at_broker_us, kept)

    def _rewrite(self, order: Tamper, batch: _Batch, readings: Readings) -> None:
        """Let one order change payloads and topics."""
        mine, own = order.rows(batch.device)
        assert isinstance(order, Sometimes | Always)
        taken = order.takes(own, batch.seq[mine])
        damages = isinstance(order, Corruption | Truncation)
        touched = readable = 0
        for place in mine[taken].tolist():
            message = batch.changed.get(place) or self._message(readings, int(batch.row[place]))
            after = self._changed(order, message, readings, int(batch.row[place]))
            if after != message:
                batch.changed[place] = after
                touched += 1
                if damages:
                    batch.damaged.add(place)
                    readable += not isinstance(self._read(after), str)
        self._bit(order.step, order.evidence, touched)
        if damages:
            self._bit(order.step, READABLE, readable)

    def _changed(self, order: Tamper, message: Message, readings: Readings, row: int) -> Message:
        device, seq = int(readings.device[row]), int(readings.seq[row])
        payload = message.payload
        match order:
            case SchemaBreak(how=how):
                payload = of_other_schema(payload, how, self._channels[readings.kind], self._wire_of(device))
            case Falsification():
                payload = falsified(payload)
            case Dialect(schema=schema):
                payload = with_number(payload, schema, self._wire_of(device))
            case Corruption():
                boot = int(readings.boot[row])

                def forged(damaged: bytes) -> bool:
                    read = self._read(Message(message.topic, damaged))
                    return isinstance(read, Reading) and (read.boot, read.seq) != (boot, seq)

                payload = order.change(payload, int(self._fleet.key[device]), seq, forged)
            case Truncation(keep_bytes=keep_bytes):
                payload = payload[:keep_bytes]
            case Misrouting(to=to):
                return replace(message, topic=self._wrong_topic(device, to))
        return replace(message, payload=payload)

    def _message(self, readings: Readings, row: int) -> Message:
        """What a device sends by itself."""
        device = int(readings.device[row])
        sender, wire = self._sender(device), self._wire_of(device)
        payload = wire.encode_reading(
            sender,
            self._layouts[readings.kind],
            int(readings.boot[row]),
            int(readings.seq[row]),
            self._origin_us + int(readings.device_time_us[row]),
            readings.values[row].tolist(),
        )
        return Message(wire.telemetry_topic(sender), payload)

    def _sender(self, device: int) -> Sender:
        part = self._fleet.plan.segments[int(self._fleet.segment[device])]
        return Sender(self._fleet.names[device], part.kind, part.name, part.firmware)

    def _wire_of(self, device: int) -> Wire:
        return self._wires[int(self._fleet.segment[device])]

    def _wrong_topic(self, device: int, to: str) -> str:
        """Where a misrouted message of a device goes, the same each time; its own topic if there is no other."""
        names, fleet, sender = self._fleet.names, self._fleet, self._sender(device)
        site, station = site_and_device(sender.name)
        if to == "device":
            # The next one in the fleet's order is of the same segment, if it has more than one device at the site.
            site, station = site_and_device(names[(device + 1) % len(fleet)])
        elif to == "site":
            sites = fleet.plan.sites
            site = sites[(int(fleet.site[device]) + 1) % len(sites)][0]
        else:
            return ELSEWHERE.telemetry_topic(site, station)
        return self._wire_of(device).telemetry_topic(replace(sender, name=f"{site}/{station}"))

    def _read(self, message: Message) -> Reading | str:
        """What the core will make of a message."""
        if self._reader is None:
            self._reader = Inbox(self._fleet.registry(self._channels), self._origin_us, self._ear)
        if self._ear.is_elsewhere(message.topic):
            return "nobody listens there"
        read = self._reader.read(message)
        return read if isinstance(read, str) else read[1]

    def _judge(self, batch: _Batch, readings: Readings) -> None:
        """Find out which of the changed messages nobody can read, and account for their readings."""
        for place, message in sorted(batch.changed.items()):
            if not isinstance(self._read(message), str):
                continue
            batch.ghost[place] = True
            self.unreadable += not self._ear.is_elsewhere(message.topic)
            if readings.duplicate or (batch.kept is not None and batch.kept[place]):
                continue  # its reading is elsewhere: it came before, or its device keeps it and sends it again
            corrupt = place in batch.damaged or self._ear.is_elsewhere(message.topic)
            cause = LossCause.CORRUPT if corrupt else LossCause.DEAD_LETTER
            self._world.lose(cause, batch.device[place : place + 1])

    def _delay(self, batch: _Batch) -> None:
        for order in self._orders:
            if not isinstance(order, Reordering):
                continue
            mine, own = order.rows(batch.device)
            if not len(mine):
                continue
            delay_us = order.delay_us(own, batch.seq[mine])
            if batch.kept is not None:
                # What its device keeps is sent again when the link is whole, and must not overtake itself.
                delay_us[batch.kept[mine]] = 0
            batch.delay_us[mine] += delay_us
            overtaking = order.overtaking(own, batch.at_us[mine] + batch.delay_us[mine])
            self._bit(order.step, OVERTAKING, overtaking)
            self.overtaken |= overtaking > 0

    def _send(self, batch: _Batch, readings: Readings, at_us: Int, kept: Mask | None) -> Mask | None:
        """Hand everything on: what is as ever in its own batch, then the rest, then the repeats.

        Returns:
            See `DeviceEnd.publish`. A ghost that its device keeps counts as dropped: what arrived is not the reading.
        """
        is_changed = np.zeros(len(batch.row), np.bool_)
        is_changed[list(batch.changed)] = True
        apart = is_changed | (batch.delay_us > 0)
        dropped = np.zeros(len(batch.row), np.bool_)
        known = False
        if not apart.all():
            if not apart.any():
                result = self._end.publish(readings, at_us, kept)
            elif readings.dense_from >= 0:
                present = np.zeros(len(readings.device), np.bool_)
                present[batch.row[~apart]] = True
                result = self._end.publish(replace(readings, present=present), at_us, kept)
            else:
                rows = batch.row[~apart]
                result = self._end.publish(readings.taken(rows), at_us[rows], None if kept is None else kept[rows])
            if result is not None:
                known = True
                dropped[~apart] = result[batch.row[~apart]] if len(result) == len(readings.device) else result
        for ghost, changed in ((False, False), (False, True), (True, True)):
            places = np.flatnonzero(apart & (batch.ghost == ghost) & (is_changed == changed))
            if len(places):
                sent = self._taken(batch, readings, places, ghost)
                result = self._hand_on(sent, batch, places)
                if result is not None:
                    known = True
                    dropped[places] = result
        self._repeat(batch, readings, dropped)
        if batch.kept is not None:
            dropped |= batch.ghost & batch.kept
            known |= bool(batch.ghost.any())
        if not known:
            return None
        result = np.zeros(len(readings.device), np.bool_)
        result[batch.row] = dropped
        return result

    def _taken(self, batch: _Batch, readings: Readings, places: Int, ghost: bool) -> Readings:
        """These rows as a batch of their own, with the messages that are sent for them."""
        taken = readings.taken(batch.row[places])
        wire = tuple(batch.changed[place] for place in places.tolist() if place in batch.changed)
        return replace(taken, wire=wire, duplicate=taken.duplicate or ghost)

    def _hand_on(self, sent: Readings, batch: _Batch, places: Int) -> Mask | None:
        delay_us = batch.delay_us[places]
        kept = None if batch.kept is None else batch.kept[places]
        if self._foreseen:
            return self._end.publish(sent, batch.at_us[places] + delay_us, kept)
        now = delay_us == 0
        self._wait(sent.taken(~now), batch.at_us[places][~now] + delay_us[~now])
        if now.any():
            self._end.publish(sent.taken(now), batch.at_us[places][now], None if kept is None else kept[now])
        return None

    def _repeat(self, batch: _Batch, readings: Readings, dropped: Mask) -> None:
        """Send messages again that faults want to be sent twice and that the broker took."""
        for order in self._orders:
            if not isinstance(order, Repetition):
                continue
            mine, own = order.rows(batch.device)
            taken = order.takes(own, batch.seq[mine]) & ~dropped[mine]
            places = mine[taken]
            for changed in (False, True):
                some = np.array([place for place in places.tolist() if (place in batch.changed) == changed], np.int64)
                if len(some):
                    self._send_again(order, self._taken(batch, readings, some, ghost=True), batch, some)
                    self._bit(order.step, order.counted_as, self._heard_again(batch.device[some], changed))
            self.unreadable += int(np.count_nonzero(batch.ghost[places]))

    def _heard_again(self, device: Int, rewritten: bool) -> int:
        """How many of the repeats of these devices no gateway swallows."""
        gateways = self._world.gateways
        return (
            len(device) if gateways is None else int(np.count_nonzero(gateways.lets_pass(device, rewritten=rewritten)))
        )

    def _send_again(self, order: Repetition, again: Readings, batch: _Batch, places: Int) -> None:
        at_us = batch.at_us[places] + batch.delay_us[places] + order.after_us
        if self._foreseen:
            self._end.publish(again, at_us)
            return
        if not again.wire:
            # No gateway forwards a message twice.
            direct = self._fleet.carrier[again.device] == 0
            again, places, at_us = again.taken(direct), places[direct], at_us[direct]
            again = replace(again, wire=tuple(self._message(again, row) for row in range(len(places))))
        again = replace(again, wire=tuple(replace(message, repeated=order.flagged) for message in again.wire))
        if order.after_us or batch.delay_us[places].any():
            self._wait(again, at_us)
        else:
            self._end.publish(again, at_us)

    # --- later, in a live run -----------------------------------------------------------------------------------------

    def _wait(self, readings: Readings, due_us: Int) -> None:
        for second in np.unique(due_us // SECOND_US).tolist():
            rows = due_us // SECOND_US == second
            self._waiting.append(_Waiting((second + 1) * SECOND_US, readings.taken(rows)))

    def let_go(self, now_us: int) -> None:
        """Send what has waited long enough."""
        due = [one for one in self._waiting if one.due_us <= now_us]
        self._waiting = [one for one in self._waiting if one.due_us > now_us]
        for one in sorted(due, key=lambda one: one.due_us):
            self._end.publish(one.readings, np.full(len(one.readings.device), now_us, np.int64))
