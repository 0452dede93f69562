"""One connection to the embedded broker: upstream's protocol handler with its reading, ending and QoS repaired."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import cached_property, partial
from typing import Any

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
    MQTTFixedHeader,
)
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.pubcomp import PubcompPacket
from amqtt.mqtt.pubrec import PubrecPacket
from amqtt.mqtt.pubrel import PubrelPacket
from amqtt.session import OUTGOING, IncomingApplicationMessage, OutgoingApplicationMessage, Session

from twinstorm.broker.amqtt_packets import BROKEN, AbortingWriter, LimitedReader, MalformedError, read_packet

LONGEST_QUEUE = 50_000
"""Messages that wait for one client; more are dropped and counted. Packet ids end at 65,535."""
BRAKE_AT, GO_ON_AT = 1_000, 500
"""Messages that wait for the core while devices are not read from, and when that ends."""

Deliveries = dict[asyncio.Task[None], tuple[Session, str]]
"""Messages on their way to a client, being written or not yet acknowledged: to whom, and their topic."""


class Brake:
    """Stops reading from devices while too much waits for the core, so that TCP slows them down.

    The core shares its process with the broker. Without a brake a broker that is busy taking messages in leaves the
    core no time to take them: on a machine with other work 116,000 of 142,000 readings waited at the end of a run.
    """

    def __init__(self) -> None:
        self._off = asyncio.Event()
        self._off.set()

    def look(self, waiting: int) -> None:
        """So many messages wait for the core."""
        if waiting >= BRAKE_AT:
            self._off.clear()
        elif waiting <= GO_ON_AT:
            self._off.set()

    async def released(self) -> None:
        await self._off.wait()


class RepairedHandler(BrokerProtocolHandler):
    """One connection. `ended` is set when its message loop is over and its will, if due, was sent."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.ended = asyncio.Event()
        self.muted = False
        self.count: Counter[str] | None = None
        self.deliveries: Deliveries | None = None
        self.waiting = 0
        self.brake: Brake | None = None
        self.brakes = False
        """It is the core's: what waits for it holds up the others."""
        self._over: asyncio.Future[DisconnectPacket | None] | None = None

    async def start(self) -> None:
        # The reader may see the end of the stream before anybody waits for it: the future must be there first.
        self._disconnect_waiter = self._over = asyncio.get_running_loop().create_future()
        await super(BrokerProtocolHandler, self).start()

    async def wait_disconnect(self) -> DisconnectPacket | None:
        assert self._over is not None, "start() comes first"
        return await self._over

    async def handle_disconnect(self, disconnect: DisconnectPacket | None) -> None:
        if self._over is not None and not self._over.done():
            self._over.set_result(disconnect)

    def handle_read_timeout(self) -> None:
        if self.count is not None:
            self.count["expired"] += 1
        self.abort()

    def abort(self) -> None:
        """End the connection without waiting for the peer."""
        if isinstance(self.writer, AbortingWriter):
            self.writer.abort()

    def mute(self) -> None:
        """The host is gone: from now on nothing is answered, and nothing is closed."""
        self.muted = True
        if self._reader_task is not None:
            self._reader_task.cancel()
        if isinstance(self.writer, AbortingWriter):
            self.writer.is_closed = True

    # --- reading ------------------------------------------------------------------------------------------------------

    async def _reader_loop(self) -> None:
        """Read packets until the connection ends, is silent for too long, or says something that is no packet."""
        assert self.session is not None
        assert self._reader_ready is not None
        assert isinstance(self.reader, LimitedReader)
        self._reader_ready.set()
        patience_s = self.session.keep_alive or None
        try:
            while (frame := await self._next_frame(patience_s)) is not None:
                packet = await read_packet(*frame)
                await self._takers[packet.fixed_header.packet_type](packet)
                if isinstance(packet, DisconnectPacket):
                    break
        except TimeoutError:
            self.handle_read_timeout()
        except MalformedError:
            if self.count is not None:
                self.count["malformed"] += 1
            self.abort()
        except asyncio.CancelledError:
            pass  # the broker stops, or is muted
        except BROKEN:
            self.abort()
        finally:
            self._reader_stopped.set()
            if not self.muted:
                await self.handle_disconnect(None)

    async def _next_frame(self, patience_s: float | None) -> tuple[MQTTFixedHeader, bytes] | None:
        assert isinstance(self.reader, LimitedReader)
        if self.brake is not None and not self.brakes:
            await self.brake.released()
        return await asyncio.wait_for(self.reader.frame(), patience_s)

    @cached_property
    def _takers(self) -> dict[int, Callable[[Any], Coroutine[Any, Any, None]]]:
        """What takes a packet, by its type."""
        return {
            PUBLISH: self.handle_publish,
            PUBACK: self.handle_puback,
            PUBREC: self.handle_pubrec,
            PUBREL: self.handle_pubrel,
            PUBCOMP: self.handle_pubcomp,
            SUBSCRIBE: self.handle_subscribe,
            UNSUBSCRIBE: self.handle_unsubscribe,
            PINGREQ: self.handle_pingreq,
            DISCONNECT: self.handle_disconnect,
        }

    # --- QoS ----------------------------------------------------------------------------------------------------------

    async def handle_pubrel(self, pubrel: PubrelPacket) -> None:
        assert self.session is not None
        # [MQTT-4.3.3-2]: of this connection or an earlier one, or a second time: it is answered all the same.
        message = self.session.inflight_in.pop(pubrel.packet_id, None)
        if message is not None:
            self.session.delivered_message_queue.put_nowait(message)
        await self._send_packet(PubcompPacket.build(pubrel.packet_id))

    async def _retry_deliveries(self) -> None:
        """Send again what the last connection of this session did not acknowledge; wait for none of it."""
        assert self.session is not None
        for message in list(self.session.inflight_out.values()):
            self.deliver(message.topic, self._handle_message_flow(message))

    async def _handle_qos1_message_flow(
        self, app_message: OutgoingApplicationMessage | IncomingApplicationMessage
    ) -> None:
        if app_message.direction != OUTGOING:
            await super()._handle_qos1_message_flow(app_message)
            return
        assert self.session is not None
        assert isinstance(app_message, OutgoingApplicationMessage)
        assert app_message.packet_id is not None
        self.session.inflight_out[app_message.packet_id] = app_message
        publish = app_message.build_publish_packet(dup=app_message.publish_packet is not None)
        # The answer may be read while this still writes: the future must be there first.
        acknowledged = asyncio.get_running_loop().create_future()
        self._puback_waiters[app_message.packet_id] = acknowledged
        try:
            app_message.publish_packet = publish
            await self._send_packet(publish)
            app_message.puback_packet = await acknowledged
            self.session.inflight_out.pop(app_message.packet_id, None)
        finally:
            self._puback_waiters.pop(app_message.packet_id, None)

    async def _handle_qos2_message_flow(
        self, app_message: OutgoingApplicationMessage | IncomingApplicationMessage
    ) -> None:
        """Outwards: until PUBCOMP. Inwards: until PUBREC; `handle_pubrel` does the rest, on whatever connection."""
        assert self.session is not None
        number = app_message.packet_id
        assert number is not None
        if isinstance(app_message, IncomingApplicationMessage):
            self.session.inflight_in[number] = app_message
            await self._send_packet(PubrecPacket.build(number))
            return
        self.session.inflight_out[number] = app_message
        try:
            # What was received once is not sent again, only released: [MQTT-4.3.3-1]. As above each future comes first.
            if app_message.pubrec_packet is None:
                publish = app_message.build_publish_packet(dup=app_message.publish_packet is not None)
                received = self._pubrec_waiters[number] = asyncio.get_running_loop().create_future()
                app_message.publish_packet = publish
                await self._send_packet(publish)
                app_message.pubrec_packet = await received
            completed = self._pubcomp_waiters[number] = asyncio.get_running_loop().create_future()
            app_message.pubrel_packet = PubrelPacket.build(number)
            await self._send_packet(app_message.pubrel_packet)
            app_message.pubcomp_packet = await completed
            self.session.inflight_out.pop(number, None)
        finally:
            self._pubrec_waiters.pop(number, None)
            self._pubcomp_waiters.pop(number, None)

    def deliver(self, topic: str, work: Coroutine[Any, Any, Any]) -> None:
        """Write to the client, and wait for its acknowledgement, without holding anybody up."""
        assert self.session is not None
        if self.deliveries is None or self.waiting >= LONGEST_QUEUE:
            work.close()
            if self.count is not None:
                self.count["dropped"] += 1
            return
        task = asyncio.ensure_future(_quietly(work))
        self.deliveries[task] = self.session, topic
        self._wait_for(1)
        task.add_done_callback(partial(self._delivered, work))

    def _delivered(self, work: Coroutine[Any, Any, Any], task: asyncio.Task[None]) -> None:
        work.close()  # of a task that was cancelled before its first step nobody else would
        self._wait_for(-1)
        if self.deliveries is not None:
            self.deliveries.pop(task, None)

    def _wait_for(self, more: int) -> None:
        self.waiting += more
        if self.brakes and self.brake is not None:
            self.brake.look(self.waiting)


async def _quietly(work: Coroutine[Any, Any, Any]) -> None:
    """A receiver that has gone is no failure of the broker."""
    with contextlib.suppress(*BROKEN, asyncio.CancelledError):
        await work
