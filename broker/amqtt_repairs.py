"""amqtt's session logic, repaired: what a testbed for device failures must get exactly right.

Subclasses of amqtt 0.12.1's broker and, in `amqtt_connection`, of its protocol handler; `amqtt_packets` has the bytes.
A test compares the source of every upstream method that is replaced with the one that its repair was written against.

- A client is authenticated before anything of the session with its id is touched (upstream: after).
- A connection that closes right after CONNECT ends its session (upstream: connected for ever).
- A new connection takes a session over after the old one has really ended, its will sent (upstream: lives on, or mute).
- Keep-alive is enforced at 1.5 times its value, and the will follows (upstream: never).
- Retained messages reach only those who subscribed and may receive them (upstream: every client that connects).
- A message is delivered at the smaller of publisher's and subscriber's QoS (upstream: at the subscriber's).
- Oversized and malformed packets and impossible topics close the connection (upstream: payload is read as packets, or
  the connection is a zombie).
- What a client sent before it disconnected counts, in its order, and before its will (upstream: may be dropped).
- A message of QoS 1 or 2 stays in flight until it is acknowledged or its session ends (upstream: dropped after 5 s, or
  with the connection); neither it nor a queue kept for a session holds anything else up (upstream: SUBSCRIBE waits).
- A shared subscription is refused (upstream: granted, and nothing is ever delivered), and what a client publishes below
  `$` reaches nobody (upstream: its connection is a zombie).
- A message costs the same however many filters others have subscribed to (upstream: it is compared with each).
- A will is bound to the same rights as a message (upstream: anybody's will goes anywhere).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from amqtt.adapters import BufferReader, ReaderAdapter, WriterAdapter
from amqtt.broker import Action, Broker
from amqtt.mqtt.connack import ConnackPacket
from amqtt.mqtt.packet import CONNECT
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.session import Session

from twinstorm.broker.amqtt_connection import Brake, Deliveries, RepairedHandler
from twinstorm.broker.amqtt_packets import BROKEN, UNREADABLE, LimitedReader, MalformedError, is_topic
from twinstorm.broker.topic_index import TopicIndex

CONNECT_TIMEOUT_S = 10.0
TAKEOVER_TIMEOUT_S = 2.0

ACCEPTED, UNAVAILABLE, NOT_AUTHORISED = 0, 3, 5
"""CONNACK return codes of MQTT 3.1.1."""
REFUSED_FILTER = 0x80
"""SUBACK return code of MQTT 3.1.1."""

_SHARED = "$share/"
"""How a subscription begins that several clients share: there are none in MQTT 3.1.1."""

Authenticate = Callable[[Session], bool]
Admit = Callable[[Session], Awaitable[bool]]
MayUse = Callable[[Session, str, Action], bool]


class RepairedBroker(Broker):
    """The broker with its session logic in the right order.

    Args:
        authenticate: is this client who it says it is? Sees a fresh session only.
        admit: may it have a session now? May wait; False: CONNACK 3.
        may_use: may this session publish to, subscribe to or receive from this topic (or filter)?
        matters: is a message lost if this session does not get it?
        offline_queue: messages that wait for a session whose client is away; the newest beyond it are dropped.
        count: totals; see `EmbeddedBroker.counters`.

    Attributes:
        lost: messages that were acknowledged and reached nobody that matters, by topic; see `forget`.
        overflown: those that were dropped because the queue of a session that matters was full, by topic.
    """

    def __init__(
        self,
        config: dict[str, Any],
        *,
        authenticate: Authenticate,
        admit: Admit,
        may_use: MayUse,
        matters: Callable[[Session], bool],
        offline_queue: int,
        count: Counter[str],
        lost: Counter[str],
        overflown: Counter[str],
    ) -> None:
        super().__init__(config)
        self._subscriptions: TopicIndex[list[tuple[Session, int]]] = TopicIndex()
        self._filters_of: dict[str | None, dict[str, None]] = {}
        """Of each client what it has subscribed to, so that the end of a session costs no look at all filters."""
        self._may = authenticate
        self._admit = admit
        self._may_use = may_use
        self._matters = matters
        self._offline_queue = offline_queue
        self.count, self.lost, self.overflown = count, lost, overflown
        self.deliveries: Deliveries = {}
        self._brake = Brake()

    @property
    def queued(self) -> int:
        """Messages that were taken and have not reached everybody; may be asked from any thread."""
        kept = sum(session.retained_messages.qsize() for session, _ in list(self._sessions.values()))
        return self._broadcast_queue.qsize() + len(self.deliveries) + kept

    def kept_for(self, client_id: str) -> Counter[str]:
        """Messages that wait for this client while it is away, by topic."""
        known = self._sessions.get(client_id)
        if known is None or known[0].transitions.state == "connected":
            return Counter()
        session = known[0]
        waiting = [session.retained_messages.get_nowait() for _ in range(session.retained_messages.qsize())]
        for message in waiting:
            session.retained_messages.put_nowait(message)
        return Counter(message.topic for message in (*waiting, *session.inflight_out.values()))

    def forget(self) -> None:
        """Lose, as a dying broker does, every message that it has taken and that has not arrived."""
        for session, _ in list(self._sessions.values()):
            while not session.delivered_message_queue.empty():
                self.lost[session.delivered_message_queue.get_nowait().topic] += 1
            while not session.retained_messages.empty():
                self.lost[session.retained_messages.get_nowait().topic] += self._matters(session)
        while not self._broadcast_queue.empty():
            self.lost[self._broadcast_queue.get_nowait()["topic"]] += 1
        for task, (session, topic) in list(self.deliveries.items()):
            self.lost[topic] += self._matters(session)
            task.cancel()
        self.deliveries.clear()

    # --- connections --------------------------------------------------------------------------------------------------

    async def _client_connected(  # the listener is always ours
        self,
        listener_name: str,  # noqa: ARG002
        reader: ReaderAdapter,
        writer: WriterAdapter,
    ) -> None:
        assert isinstance(reader, LimitedReader)
        if writer.get_peer_info() is None:
            return
        try:
            frame = await asyncio.wait_for(reader.frame(), CONNECT_TIMEOUT_S)
            if frame is None or frame[0].packet_type != CONNECT or frame[0].flags:
                raise MalformedError("no CONNECT")
            connect = BufferReader(frame[0].to_bytes() + frame[1])
            handler, session = await RepairedHandler.init_from_connect(connect, writer, self.plugins_manager)
        except (*UNREADABLE, *BROKEN):
            self.count["bad_first_packet"] += 1
            return
        assert isinstance(handler, RepairedHandler)
        if not self._may(session) or not self._may_leave(session):
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
        session.keep_alive = session.keep_alive * 1.5
        session = await self._take_session(session)
        await self._serve_session(session, handler, reader, writer)

    def _may_leave(self, session: Session) -> bool:
        """May its will be published?"""
        topic = session.will_topic or ""
        leaves = is_topic(topic) and not topic.startswith("$")
        return not session.will_flag or (leaves and self._may_use(session, topic, Action.PUBLISH))

    async def _answer(self, writer: WriterAdapter, code: int) -> None:
        with contextlib.suppress(ConnectionError):
            await ConnackPacket.build(0, code).to_stream(writer)

    async def _take_session(self, fresh: Session) -> Session:
        """End the connection that holds this client id, then take its session, or a new one."""
        client_id = fresh.client_id
        assert client_id is not None
        taken_over = False
        # Several may come at once: whoever waits may find the next one there already.
        while (known := self._sessions.get(client_id)) is not None and known[0].transitions.state == "connected":
            handler = known[1]
            assert isinstance(handler, RepairedHandler)
            taken_over = True
            handler.abort()
            try:
                await asyncio.wait_for(handler.ended.wait(), TAKEOVER_TIMEOUT_S)
            except TimeoutError:
                await self._delete_session(client_id)
        self.count["takeovers"] += taken_over
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
            handler.count, handler.deliveries = self.count, self.deliveries
            handler.brake, handler.brakes = self._brake, self._matters(session)
            self._sessions[session.client_id] = (session, handler)
            await handler.mqtt_connack_authorize(True)
            await handler.start()
            await self._publish_session_retained_messages(session)
            await self._client_message_loop(session, handler)
        except BROKEN:
            self.count["broken"] += 1
        finally:
            if self._sessions.get(session.client_id, (None, None))[1] is handler:
                if session.transitions.state == "connected":
                    session.transitions.disconnect()
                if session.clean_session:
                    await self._delete_session(session.client_id)
            if handler.brakes:
                self._brake.look(0)
            handler.ended.set()

    async def _client_message_loop(self, client_session: Session, handler: BrokerProtocolHandler) -> None:
        """Serve until the connection ends; then finish what it had sent, and send its will if that is due."""
        assert isinstance(handler, RepairedHandler)
        pumps = [
            asyncio.create_task(self._pump(work, client_session, handler))
            for work in (self._next_subscription, self._next_unsubscription, self._next_message)
        ]
        try:
            packet = await handler.wait_disconnect()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        while not client_session.delivered_message_queue.empty():
            await self._next_message(client_session, handler)
        await self._handle_disconnect(client_session, handler, _done(packet))

    async def _pump(
        self,
        work: Callable[[Session, RepairedHandler], Coroutine[Any, Any, None]],
        session: Session,
        handler: RepairedHandler,
    ) -> None:
        try:
            while True:
                await work(session, handler)
        except BROKEN:
            handler.abort()

    async def _next_subscription(self, session: Session, handler: RepairedHandler) -> None:
        await self._handle_subscription(session, handler, _done(await handler.get_next_pending_subscription()))

    async def _next_unsubscription(self, session: Session, handler: RepairedHandler) -> None:
        await self._handle_unsubscription(session, handler, _done(await handler.get_next_pending_unsubscription()))

    async def _next_message(self, session: Session, handler: RepairedHandler) -> None:
        # Nothing below waits: a message that was taken is also passed on.
        await self._handle_message_delivery(session, handler, _done(await session.delivered_message_queue.get()))

    def connected(self) -> list[tuple[Session, RepairedHandler]]:
        """Sessions with a live connection."""
        return [
            (session, handler)
            for session, handler in list(self._sessions.values())  # other threads ask too
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
        if topic_filter.startswith(_SHARED):
            return REFUSED_FILTER
        # [MQTT-3.8.4-3]: a new subscription with the same filter replaces the old one.
        self._del_subscription(topic_filter, session)
        self._filters_of.setdefault(session.client_id, {})[topic_filter] = None
        return await super().add_subscription((topic_filter, qos), session)

    async def _del_all_subscriptions(self, session: Session) -> None:
        for topic_filter in self._filters_of.pop(session.client_id, {}):
            self._del_subscription(topic_filter, session)
            if not self._subscriptions.get(topic_filter, True):
                del self._subscriptions[topic_filter]

    async def _handle_message_delivery(
        self,
        client_session: Session,
        handler: BrokerProtocolHandler,  # noqa: ARG002 - `read_packet` has refused what ends a connection
        wait_deliver: asyncio.Future[Any],
    ) -> bool:
        message = wait_deliver.result()
        if message is None:
            return True
        topic = message.topic
        self.count["messages_in"] += 1
        # [MQTT-4.7.2-1]: such a topic is not for clients to talk to each other by.
        if topic.startswith("$") or not self._may_use(client_session, topic, Action.PUBLISH):
            self.count["denied"] += 1
            return True
        await self._broadcast_message(client_session, topic, message.data, message.qos)
        if message.publish_packet and message.publish_packet.retain_flag:
            await self.retain_message(client_session, topic, message.data, message.qos)
        return True

    async def _run_broadcast(self, running_tasks: Any) -> None:  # noqa: ARG002 - `deliver` keeps them
        broadcast = await self._broadcast_queue.get()
        topic, published_qos = broadcast["topic"], broadcast.get("qos")
        taken = False
        for subscriptions in self._subscriptions.matching(topic):
            for session, granted_qos in subscriptions:
                qos = granted_qos if published_qos is None else min(granted_qos, published_qos)
                if not self._may_use(session, topic, Action.RECEIVE):
                    continue
                taken |= self._matters(session)
                if session.transitions.state != "connected":
                    if qos and not session.clean_session:
                        if session.retained_messages.qsize() < self._offline_queue:
                            await self._retain_broadcast_message(broadcast, qos, session)
                        else:
                            self.count["dropped"] += 1
                            self.overflown[topic] += self._matters(session)
                    continue
                handler = self._get_handler(session)
                if isinstance(handler, RepairedHandler):
                    self.count["messages_out"] += 1
                    handler.deliver(topic, handler.mqtt_publish(topic, broadcast["data"], qos, retain=False))
        # Acknowledged, and nobody there to take it: after a restart, until the core has subscribed again.
        self.lost[topic] += not taken

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        topic_filter, qos = subscription
        handler = self._get_handler(session)
        if not isinstance(handler, RepairedHandler):
            return
        for topic, retained in list(self._retained_messages.items()):
            if self._matches(topic, topic_filter) and self._may_use(session, topic, Action.RECEIVE):
                smaller = min(qos, retained.qos or 0)
                handler.deliver(topic, handler.mqtt_publish(retained.topic, retained.data, smaller, retain=True))

    async def _publish_session_retained_messages(self, session: Session) -> None:
        handler = self._get_handler(session)
        if not isinstance(handler, RepairedHandler):
            return
        while not session.retained_messages.empty():
            kept = session.retained_messages.get_nowait()
            # [MQTT-3.3.1-9]: it was a message like any other, only late.
            handler.deliver(kept.topic, handler.mqtt_publish(kept.topic, kept.data, kept.qos, retain=False))


def _done(result: Any) -> asyncio.Future[Any]:
    """What upstream's handlers want: a future that has its result."""
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    future.set_result(result)
    return future


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
