"""amqtt's session logic, repaired: what a testbed for device failures must get exactly right.

Subclasses of amqtt 0.12.1's broker and protocol handler. Every method that replaces an upstream one is listed in
`REPLACED`; a test compares the upstream sources with the ones they were written against.

- A client is authenticated before anything of the session with its id is touched (upstream: after).
- A connection that closes right after CONNECT ends its session (upstream: connected for ever).
- A new connection takes a session over after the old one has really ended, its will sent (upstream: lives on, or mute).
- Keep-alive is enforced at 1.5 times its value, and the will follows (upstream: never).
- Retained messages reach only those who subscribed and may receive them (upstream: every client that connects).
- A message is delivered at the smaller of publisher's and subscriber's QoS (upstream: at the subscriber's).
- Oversized packets and impossible topics close the connection (upstream: read on, or a zombie).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from amqtt.adapters import ReaderAdapter, StreamReaderAdapter, StreamWriterAdapter, WriterAdapter
from amqtt.broker import Action, Broker
from amqtt.errors import AMQTTError, MQTTError, NoDataError
from amqtt.mqtt.connack import ConnackPacket
from amqtt.mqtt.disconnect import DisconnectPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.session import Session

CONNECT_TIMEOUT_S = 10.0
TAKEOVER_TIMEOUT_S = 2.0
LARGEST_PACKET_BYTES = 1 << 20

ACCEPTED, UNAVAILABLE, NOT_AUTHORISED = 0, 3, 5
"""CONNACK return codes of MQTT 3.1.1."""

REPLACED: tuple[tuple[type, str], ...] = (
    (Broker, "_client_connected"),
    (Broker, "_initialize_client_session"),
    (Broker, "_handle_client_session"),
    (Broker, "_authenticate"),
    (Broker, "_topic_filtering"),
    (Broker, "_handle_message_delivery"),
    (Broker, "_run_broadcast"),
    (Broker, "_publish_retained_messages_for_subscription"),
    (Broker, "add_subscription"),
    (BrokerProtocolHandler, "start"),
    (BrokerProtocolHandler, "wait_disconnect"),
    (BrokerProtocolHandler, "handle_disconnect"),
    (BrokerProtocolHandler, "handle_read_timeout"),
)

Authenticate = Callable[[Session], bool]
Admit = Callable[[Session], Awaitable[bool]]
MayUse = Callable[[Session, str, Action], bool]


class TooLargeError(NoDataError):
    """A packet longer than `LARGEST_PACKET_BYTES`."""


class LimitedReader(StreamReaderAdapter):
    """Refuses to read a packet that is too long; the connection ends with it."""

    def __init__(self, reader: asyncio.StreamReader, abort: Callable[[], None], count: Counter[str]) -> None:
        super().__init__(reader)
        self._abort, self._count = abort, count

    async def read(self, n: int = -1) -> bytes:
        if n > LARGEST_PACKET_BYTES:
            self._count["too_large"] += 1
            self._abort()
            raise TooLargeError(f"a packet of {n} bytes")
        try:
            return await super().read(n)
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""


class AbortingWriter(StreamWriterAdapter):
    """Closes without waiting for a peer that does not read."""

    is_closed: bool

    async def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            transport = self._writer.transport
            transport.abort() if transport.get_write_buffer_size() else self._writer.close()

    def abort(self) -> None:
        self.is_closed = True
        self._writer.transport.abort()


class RepairedHandler(BrokerProtocolHandler):
    """One connection. `ended` is set when its message loop is over and its will, if due, was sent."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.ended = asyncio.Event()
        self.timed_out = False
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
        self.timed_out = True
        self.abort()

    def abort(self) -> None:
        """End the connection without waiting for the peer."""
        if isinstance(self.writer, AbortingWriter):
            self.writer.abort()


class RepairedBroker(Broker):
    """The broker with its session logic in the right order.

    Args:
        authenticate: is this client who it says it is? Sees a fresh session only.
        admit: may it have a session now? May wait; False: CONNACK 3.
        may_use: may this session publish to, subscribe to or receive from this topic (or filter)?
        count: totals; see `EmbeddedBroker.counters`.
    """

    def __init__(
        self, config: dict[str, Any], *, authenticate: Authenticate, admit: Admit, may_use: MayUse, count: Counter[str]
    ) -> None:
        super().__init__(config)
        self._may = authenticate
        self._admit = admit
        self._may_use = may_use
        self.count = count

    # --- connections --------------------------------------------------------------------------------------------------

    async def _client_connected(  # the listener is always ours
        self,
        listener_name: str,  # noqa: ARG002
        reader: ReaderAdapter,
        writer: WriterAdapter,
    ) -> None:
        if writer.get_peer_info() is None:
            return
        try:
            handler, session = await asyncio.wait_for(
                RepairedHandler.init_from_connect(reader, writer, self.plugins_manager), CONNECT_TIMEOUT_S
            )
        except (AMQTTError, MQTTError, NoDataError, TimeoutError, ConnectionError, ValueError, IndexError, TypeError):
            self.count["bad_first_packet"] += 1
            return
        assert isinstance(handler, RepairedHandler)
        if not self._may(session):
            self.count["unauthorised"] += 1
            await self._answer(writer, NOT_AUTHORISED)
            return
        self.count["attempts"] += 1
        if not await self._admit(session):
            self.count["refused"] += 1
            await self._answer(writer, UNAVAILABLE)
            return
        self.count["admitted"] += 1
        session.is_anonymous = False
        # A device that misses half of a second one is gone: [MQTT-3.1.2-24].
        session.keep_alive = math.ceil(session.keep_alive * 1.5)
        session = await self._take_session(session)
        await self._serve_session(session, handler, reader, writer)

    async def _answer(self, writer: WriterAdapter, code: int) -> None:
        with contextlib.suppress(ConnectionError):
            await ConnackPacket.build(0, code).to_stream(writer)

    async def _take_session(self, fresh: Session) -> Session:
        """End the connection that holds this client id, then take its session, or a new one."""
        client_id = fresh.client_id
        assert client_id is not None
        known = self._sessions.get(client_id)
        if known is not None and known[0].transitions.state == "connected":
            handler = known[1]
            assert isinstance(handler, RepairedHandler)
            self.count["takeovers"] += 1
            handler.abort()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(handler.ended.wait(), TAKEOVER_TIMEOUT_S)
        if fresh.clean_session:
            await self._delete_session(client_id)
            fresh.parent = 0
            return fresh
        known = self._sessions.get(client_id)
        if known is None or known[0].clean_session:
            fresh.parent = 0
            return fresh
        old = known[0]
        for name in _FROM_CONNECT:
            setattr(old, name, getattr(fresh, name))
        old.parent = 1
        return old

    async def _serve_session(
        self, session: Session, handler: RepairedHandler, reader: ReaderAdapter, writer: WriterAdapter
    ) -> None:
        assert session.client_id is not None
        try:
            session.transitions.connect()
            handler.attach(session, reader, writer)
            self._sessions[session.client_id] = (session, handler)
            await handler.mqtt_connack_authorize(True)
            await handler.start()
            await self._publish_session_retained_messages(session)
            await self._client_message_loop(session, handler)
        except (AMQTTError, MQTTError, NoDataError, ConnectionError):
            self.count["broken"] += 1
        finally:
            if handler.timed_out:
                self.count["expired"] += 1
            if (
                session.transitions.state == "connected"
                and self._sessions.get(session.client_id, (None, None))[1] is handler
            ):
                session.transitions.disconnect()
            handler.ended.set()

    def connected(self) -> list[tuple[Session, RepairedHandler]]:
        """Sessions with a live connection."""
        return [
            (session, handler)
            for session, handler in self._sessions.values()
            if session.transitions.state == "connected" and isinstance(handler, RepairedHandler)
        ]

    # --- rights -------------------------------------------------------------------------------------------------------

    async def _authenticate(self, session: Session, _: Any) -> bool:  # noqa: ARG002 - `_client_connected` has done it
        return True

    async def _topic_filtering(self, session: Session, topic: str, action: Action) -> bool:
        return self._may_use(session, topic, action)

    # --- messages -----------------------------------------------------------------------------------------------------

    async def add_subscription(self, subscription: tuple[str, int], session: Session) -> int:
        topic_filter, qos = subscription
        # [MQTT-3.8.4-3]: a new subscription with the same filter replaces the old one.
        self._del_subscription(topic_filter, session)
        return await super().add_subscription((topic_filter, qos), session)

    async def _handle_message_delivery(
        self, client_session: Session, handler: BrokerProtocolHandler, wait_deliver: asyncio.Future[Any]
    ) -> bool:
        message = wait_deliver.result()
        if message is None:
            return True
        topic = message.topic
        if not topic or "#" in topic or "+" in topic or topic.startswith("$"):
            self.count["bad_topic"] += 1
            assert isinstance(handler, RepairedHandler)
            handler.abort()
            return True  # the loop ends with the connection, and sends the will
        self.count["messages_in"] += 1
        if not self._may_use(client_session, topic, Action.PUBLISH):
            self.count["denied"] += 1
            return True
        await self._broadcast_message(client_session, topic, message.data, message.qos)
        if message.publish_packet and message.publish_packet.retain_flag:
            await self.retain_message(client_session, topic, message.data, message.qos)
        return True

    async def _run_broadcast(self, running_tasks: Any) -> None:
        broadcast = await self._broadcast_queue.get()
        topic, published_qos = broadcast["topic"], broadcast.get("qos")
        taken = False
        for topic_filter, subscriptions in self._subscriptions.items():
            if not self._matches(topic, topic_filter):
                continue
            for session, granted_qos in subscriptions:
                qos = granted_qos if published_qos is None else min(granted_qos, published_qos)
                if not self._may_use(session, topic, Action.RECEIVE):
                    continue
                taken = True
                if session.transitions.state != "connected":
                    if qos and not session.clean_session:
                        await self._retain_broadcast_message(broadcast, qos, session)
                    continue
                handler = self._get_handler(session)
                if handler is not None:
                    self.count["messages_out"] += 1
                    task = asyncio.ensure_future(_publish(handler, topic, broadcast["data"], qos, retain=False))
                    running_tasks.append(task)
        # Acknowledged, and nobody there to take it: after a restart, until the core has subscribed again.
        self.count["unrouted"] += not taken

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        topic_filter, qos = subscription
        handler = self._get_handler(session)
        if handler is None:
            return
        for topic, retained in list(self._retained_messages.items()):
            if self._matches(topic, topic_filter) and self._may_use(session, topic, Action.RECEIVE):
                task = asyncio.ensure_future(
                    _publish(handler, retained.topic, retained.data, min(qos, retained.qos or 0), retain=True)
                )
                self._tasks_queue.append(task)


async def _publish(handler: BrokerProtocolHandler, topic: str, data: bytes, qos: int, *, retain: bool) -> None:
    """Deliver; a receiver that has gone is no failure of the broker."""
    with contextlib.suppress(AMQTTError, MQTTError, TimeoutError, ConnectionError, asyncio.CancelledError):
        await handler.mqtt_publish(topic, data, qos, retain=retain)


_FROM_CONNECT = (
    "clean_session",
    "will_flag",
    "will_message",
    "will_topic",
    "will_qos",
    "will_retain",
    "keep_alive",
    "username",
    "password",
    "remote_address",
    "remote_port",
    "ssl_object",
    "is_anonymous",
)
