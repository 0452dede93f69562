"""One connection to the embedded broker: upstream's handler with its reading, writing, ending and QoS repaired.

A packet is dealt with before the next one is read, so nothing that a client sent waits inside the broker. What is for
a client waits in its mailbox, and one task a connection writes it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from functools import cached_property
from typing import Any, Protocol

from amqtt.mqtt.disconnect import DisconnectPacket
from amqtt.mqtt.packet import (
    DISCONNECT,
    PINGREQ,
    PUBACK,
    PUBCOMP,
    PUBLISH,
    PUBREC,
    PUBREL,
    SUBSCRIBE,
    UNSUBSCRIBE,
)
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.session import Session

from twinstorm.broker.amqtt_packets import (
    BROKEN,
    AbortingWriter,
    Frame,
    LimitedReader,
    MalformedError,
    UnreleasedError,
    check,
    read_filters,
    read_number,
    read_publish,
)
from twinstorm.broker.limits import Limits
from twinstorm.broker.mailbox import Mailbox, Message
from twinstorm.broker.pacing import Pace

BRAKE_AT, GO_ON_AT = 1_000, 500
"""Messages that wait for the core while devices are not read from, and when that ends."""
CHUNK_BYTES = 32_768
"""Packets are written together, up to about so much."""

MAILBOX = "twinstorm.mailbox"


def mailbox_of(session: Session) -> Mailbox:
    """What waits for it, and is under way."""
    found: Mailbox = session.attributes.setdefault(MAILBOX, Mailbox())
    return found


class Brake:
    """Stops reading from devices while too much waits for the core, so that TCP slows them down.

    The core shares its process with the broker. Without a brake a broker that is busy taking messages in leaves the
    core no time to take them: on a machine with other work 116,000 of 142,000 readings waited at the end of a run.
    """

    def __init__(self) -> None:
        self._off = asyncio.Event()
        self._off.set()

    @property
    def is_on(self) -> bool:
        return not self._off.is_set()

    def look(self, waiting: int) -> None:
        """So many messages wait for the core."""
        if waiting >= BRAKE_AT:
            self._off.clear()
        elif waiting <= GO_ON_AT:
            self._off.set()

    async def released(self) -> None:
        await self._off.wait()


class Desk(Protocol):
    """What a connection asks of its broker.

    Attributes:
        count: totals; see `EmbeddedBroker.counters`.
        brake: None: of a broker that never holds its clients up.
    """

    count: Counter[str]
    limits: Limits
    brake: Brake | None

    async def take(self, session: Session, message: Message) -> None:
        """A client has published it."""

    async def subscribe(self, session: Session, handler: RepairedHandler, number: int, topics: list[Any]) -> None: ...

    async def unsubscribe(self, session: Session, handler: RepairedHandler, number: int, topics: list[Any]) -> None: ...


class RepairedHandler(BrokerProtocolHandler):
    """One connection. `ended` is set when its message loop is over and its will, if due, was sent."""

    desk: Desk
    mailbox: Mailbox

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.ended = asyncio.Event()
        self.muted = False
        self.is_core = False
        """What waits for it holds up the others, and nothing holds it up."""
        self.pace: Pace | None = None
        """How fast it is written to; None: as fast as it takes."""
        self._over: asyncio.Future[DisconnectPacket | None] | None = None
        self._work = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._is_paused = False

    def serve(self, desk: Desk, session: Session) -> None:
        """Before `start`: for whom."""
        self.desk, self.mailbox = desk, mailbox_of(session)

    async def start(self) -> None:
        # The reader may see the end of the stream before anybody waits for it: the future must be there first.
        self._disconnect_waiter = self._over = asyncio.get_running_loop().create_future()
        if self.muted:  # while its CONNACK was written
            return
        await super(BrokerProtocolHandler, self).start()

    async def wait_disconnect(self) -> DisconnectPacket | None:
        assert self._over is not None, "start() comes first"
        return await self._over

    async def handle_disconnect(self, disconnect: DisconnectPacket | None) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(disconnect)

    def handle_read_timeout(self) -> None:
        self.desk.count["expired"] += 1
        self.abort()

    def abort(self) -> None:
        """End the connection without waiting for the peer."""
        if isinstance(self.writer, AbortingWriter):
            self.writer.abort()
        if self._is_paused and self._reader_task is not None:
            self._reader_task.cancel()  # it does not look at the stream

    def mute(self) -> None:
        """The host is gone: from now on nothing is answered, and nothing is closed."""
        self.muted = True
        for task in (self._reader_task, self._writing):
            if task is not None:
                task.cancel()
        if isinstance(self.writer, AbortingWriter):
            self.writer.is_closed = True

    # --- reading ------------------------------------------------------------------------------------------------------

    async def _reader_loop(self) -> None:
        """Read packets until the connection ends, is silent for too long, or says something that is no packet."""
        assert self.session is not None
        assert self._reader_ready is not None
        assert isinstance(self.reader, LimitedReader)
        self._reader_ready.set()
        count, turn_packets = self.desk.count, self.desk.limits.turn_packets
        patience_s = self.session.keep_alive or None
        packets, kind = 0, None
        try:
            while kind != DISCONNECT:
                await self._pause()
                async with asyncio.timeout(patience_s):
                    frame = await self.reader.frame()
                if frame is None:
                    break
                check(frame)
                kind = frame.kind
                await self._takers[kind](frame)
                packets += 1
                if not packets % turn_packets:
                    await asyncio.sleep(0)  # what is in the buffer already is read without a pause
        except TimeoutError:
            self.handle_read_timeout()
        except MalformedError as error:
            count[error.counter] += 1
            self.abort()
        except asyncio.CancelledError:
            pass  # the broker stops, or the connection was cut or muted
        except BROKEN:
            self.abort()
        finally:
            if self._writing is not None:
                self._writing.cancel()
            self._reader_stopped.set()
            if not self.muted:
                await self.handle_disconnect(None)

    async def _pause(self) -> None:
        """Read no further while the core has too much to do."""
        brake = self.desk.brake
        if brake is not None and brake.is_on and not self.is_core:
            self.desk.count["braked"] += 1
            await self._cuttable(brake.released())

    async def _cuttable(self, what: Awaitable[None]) -> None:
        """Wait for something else than the stream."""
        self._is_paused = True
        try:
            await what
        finally:
            self._is_paused = False

    @cached_property
    def _takers(self) -> dict[int, Callable[[Frame], Coroutine[Any, Any, None]]]:
        """What takes a packet, by its type."""
        return {
            PUBLISH: self._take_publish,
            PUBACK: self._take_puback,
            PUBREC: self._take_pubrec,
            PUBREL: self._take_pubrel,
            PUBCOMP: self._take_pubcomp,
            SUBSCRIBE: self._take_filters,
            UNSUBSCRIBE: self._take_filters,
            PINGREQ: self._take_pingreq,
            DISCONNECT: self._take_disconnect,
        }

    @cached_property
    def _publishes(self) -> Pace | None:
        limits = self.desk.limits
        if limits.publishes_per_s is None or self.is_core:
            return None
        return Pace(limits.publishes_per_s, limits.publishes_burst)

    async def _take_publish(self, frame: Frame) -> None:
        assert self.session is not None
        message, number = read_publish(frame)
        if self._publishes is not None and (wait_s := self._publishes.wait_s() or 0.0) > 0:
            self.desk.count["throttled"] += 1
            await self._cuttable(asyncio.sleep(wait_s))
        if message.qos == 2:
            # [MQTT-4.3.3-2], method A: it is passed on when the client has let go of it; until then it may repeat it.
            limits = self.desk.limits
            if not self.mailbox.promise(number, message, limits.in_flight, limits.queue_bytes):
                raise UnreleasedError(f"{len(self.mailbox.received)} messages that it does not let go of")
            await self._answer(PUBREC, number)
            return
        await self.desk.take(self.session, message)
        if message.qos:
            await self._answer(PUBACK, number)

    async def _take_pubrel(self, frame: Frame) -> None:
        assert self.session is not None
        number = read_number(frame)
        message = self.mailbox.received.pop(number, None)
        if message is not None:
            await self.desk.take(self.session, message)
        # Of an earlier connection, or a second one: it is answered all the same.
        await self._answer(PUBCOMP, number)

    async def _take_puback(self, frame: Frame) -> None:
        if self.mailbox.acknowledged(read_number(frame)):
            self._moves_on()

    async def _take_pubrec(self, frame: Frame) -> None:
        # To one that nobody knows too: a broker that lost its state is answered, and both are done with it.
        number = read_number(frame)
        self.mailbox.arrived(number)
        await self._answer(PUBREL, number, 2)

    async def _take_pubcomp(self, frame: Frame) -> None:
        if self.mailbox.completed(read_number(frame)):
            self._moves_on()

    async def _take_filters(self, frame: Frame) -> None:
        assert self.session is not None
        number, topics = await read_filters(frame)
        take = self.desk.subscribe if frame.kind == SUBSCRIBE else self.desk.unsubscribe
        await take(self.session, self, number, topics)

    async def _take_pingreq(self, _: Frame) -> None:
        await self._send(b"\xd0\x00")

    async def _take_disconnect(self, _: Frame) -> None:
        await self.handle_disconnect(DisconnectPacket())

    async def _answer(self, kind: int, number: int, flags: int = 0) -> None:
        await self._send(bytes([kind << 4 | flags, 2]) + number.to_bytes(2))

    async def _send(self, packet: bytes) -> None:
        """A client that does not read its answers is not read from either."""
        assert self.writer is not None
        self.writer.write(packet)
        await self.writer.drain()

    # --- writing ------------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """Something was put into the mailbox."""
        self._work.set()
        self._tell_brake()

    def _moves_on(self) -> None:
        """The client has acknowledged something: the next one may go."""
        if self.mailbox.waiting:
            self._work.set()
        self._tell_brake()

    def _tell_brake(self) -> None:
        if self.is_core and self.desk.brake is not None:
            self.desk.brake.look(len(self.mailbox))

    async def _retry_deliveries(self) -> None:
        """Send again what the last connection of this session did not acknowledge, then what waits; wait for nobody."""
        assert self.writer is not None
        for packet in self.mailbox.again():
            self.writer.write(packet)
        if not self._reader_stopped.is_set():
            self._writing = asyncio.create_task(self._write_loop())

    async def _write_loop(self) -> None:
        """Write what waits, as far as the client acknowledges it, takes it, and may have it."""
        assert self.writer is not None
        window = self.desk.limits.in_flight
        try:
            while True:
                await self.writer.drain()
                while not self.mailbox.is_ready(window):
                    self._work.clear()
                    await self._work.wait()
                if self.pace is not None and (wait_s := self.pace.wait_s() or 0.0) > 0:
                    await asyncio.sleep(wait_s)
                self.writer.write(self._chunk(window))
                await asyncio.sleep(0)  # a host that takes everything would let nobody else have a turn
        except asyncio.CancelledError:
            pass  # the connection is over
        except BROKEN:
            self.abort()

    def _chunk(self, window: int) -> bytes:
        """Packets that may go now; with a pace, one."""
        most = 1 if self.pace is not None else CHUNK_BYTES
        packets: list[bytes] = []
        size = 0
        while size < most and (packet := self.mailbox.next_packet(window)) is not None:
            packets.append(packet)
            size += len(packet)
        self.desk.count["messages_out"] += len(packets)
        self._tell_brake()
        return b"".join(packets)
