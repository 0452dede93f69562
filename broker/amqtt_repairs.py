"""amqtt's session logic, repaired: what a testbed for device failures must get exactly right.

Subclasses of amqtt 0.12.1's broker and, in `amqtt_connection`, of its protocol handler; `amqtt_packets` has the bytes,
`mailbox` what waits for a client. A test compares the source of every upstream method that is replaced with the one
that its repair was written against.

- A client is authenticated before anything of the session with its id is touched (upstream: after).
- A connection that closes right after CONNECT ends its session (upstream: connected for ever).
- A new connection takes a session over after the old one has really ended, its will sent (upstream: lives on, or mute).
- Keep-alive is enforced at 1.5 times its value, and the will follows (upstream: never).
- Retained messages reach only those who subscribed and may receive them (upstream: every client that connects).
- A message is delivered at the smaller of publisher's and subscriber's QoS (upstream: at the subscriber's).
- Oversized and malformed packets and impossible topics close the connection (upstream: payload is read as packets, or
  the connection is a zombie).
- What a client sent before it disconnected counts, in its order, and before its will (upstream: may be dropped).
- A message at QoS 1 or 2 stays in flight until it is acknowledged or its session ends (upstream: dropped after 5 s, or
  with the connection); neither it nor a queue kept for a session holds anything else up (upstream: SUBSCRIBE waits).
- What waits, for a client or of one, has a limit (upstream: none).
- A shared subscription is refused (upstream: granted, and nothing is ever delivered), and what a client publishes below
  `$` reaches nobody (upstream: its connection is a zombie).
- A message costs the same however many filters others have subscribed to (upstream: it is compared with each).
- A will is bound to the same rights as a message (upstream: anybody's will goes anywhere).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from fractions import Fraction
from typing import Any

from amqtt.adapters import BufferReader, ReaderAdapter, WriterAdapter
from amqtt.broker import Action, Broker, RetainedApplicationMessage
from amqtt.mqtt.connack import ConnackPacket
from amqtt.mqtt.packet import CONNECT
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler, Subscription, UnSubscription
from amqtt.session import Session

from twinstorm.broker.admissions import Admissions
from twinstorm.broker.amqtt_connection import MAILBOX, Brake, RepairedHandler, mailbox_of
from twinstorm.broker.amqtt_packets import BROKEN, UNREADABLE, AbortingWriter, LimitedReader, MalformedError, is_topic
from twinstorm.broker.broker_state import BrokerState, SavedMessage, restored, saved, saved_session
from twinstorm.broker.connack import NOT_AUTHORISED, OF_IDENTITY, OTHER_VERSION, UNAVAILABLE
from twinstorm.broker.connect_check import check_connect
from twinstorm.broker.limits import Limits
from twinstorm.broker.live_misconduct import LiveMisconduct
from twinstorm.broker.mailbox import Message, readings_of
from twinstorm.broker.pacing import Pace
from twinstorm.broker.remarks import Remarks, other_version, refusal
from twinstorm.broker.topic_index import TopicIndex
from twinstorm.twin.wire.columns import topics_of

TAKEOVER_TIMEOUT_S = 2.0

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
        is_core: is it the core's session, for which a message is lost that does not get there?
        limits: of every client.
        core_per_s: messages a second, on the wall, that the core gets; the newest beyond its queue are dropped. None:
            as fast as it takes them, and who sends too much for it is not read from.
        core_queue: messages that wait for the core.
        count: totals; see `EmbeddedBroker.counters`.
        drops: messages that were not passed on, by cause.
        remarks: what to tell those who run it.
        lost: messages that were acknowledged and reached nobody that matters, by topic, and of columns the readings, by
            theirs; see `forget`.
        overflown: those that were dropped because too much waited for the core, by topic.
    """

    def __init__(
        self,
        config: dict[str, Any],
        *,
        authenticate: Authenticate,
        admit: Admit,
        may_use: MayUse,
        is_core: Callable[[Session], bool],
        limits: Limits,
        core_per_s: Fraction | None,
        core_queue: int,
        count: Counter[str],
        drops: Counter[str],
        remarks: Remarks,
        lost: Counter[str],
        overflown: Counter[str],
    ) -> None:
        super().__init__(config)
        self._is_frozen = False
        self._subscriptions: TopicIndex[list[tuple[Session, int]]] = TopicIndex()
        self._filters_of: dict[str | None, dict[str, None]] = {}
        """Of each client what it has subscribed to, so that the end of a session costs no look at all filters."""
        self._may = authenticate
        self._admit = admit
        self._may_use = may_use
        self._is_core = is_core
        self._core_per_s, self._core_queue = core_per_s, core_queue
        self._connects = (
            None if limits.connects_per_s is None else Pace(limits.connects_per_s, limits.connects_burst, waits=False)
        )
        self.limits = limits
        self._remarks = remarks
        self.count, self.drops, self.lost, self.overflown = count, drops, lost, overflown
        self.brake = Brake() if core_per_s is None else None
        self.core_listens = asyncio.Event()
        """The core has subscribed."""
        self.conduct: LiveMisconduct | None = None
        """What faults make it do; None: nothing yet."""
        self.admissions: Admissions | None = None

    @property
    def queued(self) -> int:
        """Messages that were taken and have not reached everybody; may be asked from any thread."""
        slow = 0 if self.conduct is None else self.conduct.waiting
        return slow + sum(len(mailbox_of(session)) for session, _ in list(self._sessions.values()))

    def depths(self) -> dict[str, int]:
        """See `sys_topics.DEPTHS`."""
        boxes = [mailbox_of(session) for session, _ in self._sessions.values()]
        connected = len(self.connected())
        return {
            "clients/connected": connected,
            "clients/away": len(boxes) - connected,
            "queue/messages": sum(len(box.waiting) for box in boxes),
            "queue/bytes": sum(box.waiting_bytes for box in boxes),
            "in_flight/out": sum(len(box.in_flight) for box in boxes),
            "in_flight/in": sum(len(box.received) for box in boxes),
            "retained/messages": sum(not topic.startswith("$") for topic in self._retained_messages),
            "subscriptions": sum(map(len, self._subscriptions.values())),
        }

    def kept_for(self, client_id: str) -> Counter[str]:
        """Messages that wait for this client while it is away, by topic; of columns the readings."""
        known = self._sessions.get(client_id)
        if known is None or known[0].transitions.state == "connected":
            return Counter()
        return readings_of(mailbox_of(known[0]).owed())

    def forget(self) -> None:
        """Lose, as a dying broker does, every message that it has taken and that has not arrived."""
        for session, _ in list(self._sessions.values()):
            mailbox = mailbox_of(session)
            # PUBREC was the promise to pass it on.
            self.lost.update(readings_of(mailbox.received.values()))
            if self._is_core(session):
                self.lost.update(readings_of(mailbox.owed()))
            mailbox.clear()
        if self.conduct is not None:
            self.lost.update(self.conduct.forget())

    async def expire(self, client_id: str) -> Counter[str]:
        """End the session of a client that is away. Returns what waited in it, by topic."""
        known = self._sessions.get(client_id)
        if known is None or known[0].transitions.state == "connected":
            return Counter()
        kept = self.kept_for(client_id)
        mailbox_of(known[0]).clear()
        await self._delete_session(client_id)
        return kept

    # --- state --------------------------------------------------------------------------------------------------------

    def freeze(self) -> BrokerState:
        """Do nothing more for any client, and say what it knows: whatever was acknowledged is in it.

        Whoever comes back with the state goes on from there; this broker has no messages any more.
        """
        self._is_frozen = True
        for _, handler in self.connected():
            handler.mute()
        if self.conduct is not None:
            self.conduct.hurry()
        sessions = []
        for client_id, (session, _) in self._sessions.items():
            box = mailbox_of(session)
            if not session.clean_session:
                granted = [
                    (name, qos)
                    for name in self._filters_of.get(client_id, {})
                    for subscriber, qos in self._subscriptions.get(name, [])
                    if subscriber is session
                ]
                sessions.append(saved_session(client_id, session.username or "", granted, box))
            box.clear()
        retained = tuple(
            saved(Message(topic, bytes(kept.data), kept.qos or 0, retain=True))
            for topic, kept in self._retained_messages.items()
            if not topic.startswith("$")
        )
        return BrokerState(sessions=tuple(sessions), retained=retained)

    async def restore(self, state: BrokerState) -> None:
        """Know what another broker knew. What a user may no longer subscribe to is left out."""
        for kept in state.retained:
            self._retain(kept)
        for one in state.sessions:
            session = Session()
            session.client_id, session.username = one.client_id, one.user
            session.clean_session, session.is_anonymous = False, False
            session.attributes[MAILBOX] = restored(one)
            session.transitions.disconnect()
            self._sessions[one.client_id] = (session, RepairedHandler(self.plugins_manager))
            for subscription in one.subscriptions:
                await self.add_subscription(subscription, session)

    def _retain(self, kept: SavedMessage) -> None:
        self._retained_messages[kept.topic] = RetainedApplicationMessage(None, kept.topic, kept.payload, kept.qos)

    # --- connections --------------------------------------------------------------------------------------------------

    async def _client_connected(  # the listener is always ours
        self,
        listener_name: str,  # noqa: ARG002
        reader: ReaderAdapter,
        writer: WriterAdapter,
    ) -> None:
        assert isinstance(reader, LimitedReader)
        assert isinstance(writer, AbortingWriter)
        if writer.get_peer_info() is None:
            return
        try:
            async with asyncio.timeout_at(writer.connect_by):
                frame = await reader.frame()
        except (TimeoutError, MalformedError) as error:
            self.count["connect_timeouts" if isinstance(error, TimeoutError) else "bad_first_packet"] += 1
            return
        if self._connects is not None and self._connects.wait_s() is None:
            self.count["too_many_connects"] += 1
            await self._answer(writer, UNAVAILABLE)
            return
        try:
            if frame is None or frame.kind != CONNECT or frame.flags:
                raise MalformedError("no CONNECT")
            if (other := other_version(frame.body)) is not None:
                self.count["other_versions"] += 1
                self._remarks.note(refusal(*other, writer.get_peer_info()[0]))
                await self._answer(writer, OTHER_VERSION)
                return
            check_connect(frame.body)
            connect = BufferReader(frame.raw())
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
        if self.conduct is not None and (code := await self.conduct.refusal(session.username or "")):
            self.count["refused"] += 1
            self.count["distrusted"] += code in OF_IDENTITY
            await self._answer(writer, code)
            return
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
        if self._is_frozen:  # whatever it acknowledged now would be lost
            return
        try:
            session.transitions.connect()
            handler.attach(session, reader, writer)
            handler.serve(self, session)
            handler.is_core = self._is_core(session)
            if handler.is_core and self._core_per_s is not None:
                handler.pace = Pace(self._core_per_s)
            self._sessions[session.client_id] = (session, handler)
            if self.conduct is None or not self.conduct.loses_connack(session.username or ""):
                await handler.mqtt_connack_authorize(True)
            await handler.start()
            await self._client_message_loop(session, handler)
        except BROKEN:
            self.count["broken"] += 1
        finally:
            if self._sessions.get(session.client_id, (None, None))[1] is handler:
                if session.transitions.state == "connected":
                    session.transitions.disconnect()
                self._drop("disconnected", mailbox_of(session).hang_up())
                if session.clean_session:
                    await self._delete_session(session.client_id)
            if handler.is_core and self.brake is not None:
                self.brake.look(0)
            handler.ended.set()

    async def _client_message_loop(self, client_session: Session, handler: BrokerProtocolHandler) -> None:
        """Wait until the connection ends, with everything that it had sent; then send its will if that is due."""
        packet = await handler.wait_disconnect()
        await self._handle_disconnect(client_session, handler, _done(packet))

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

    async def subscribe(self, session: Session, handler: RepairedHandler, number: int, topics: list[Any]) -> None:
        """See `Desk`."""
        await self._handle_subscription(session, handler, _done(Subscription(number, topics)))
        if self._is_core(session):
            self.core_listens.set()

    async def unsubscribe(self, session: Session, handler: RepairedHandler, number: int, topics: list[Any]) -> None:
        """See `Desk`."""
        await self._handle_unsubscription(session, handler, _done(UnSubscription(number, topics)))

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

    async def take(self, session: Session, message: Message) -> None:
        """A client has published it: pass it on to whoever wants it and may have it."""
        self.count["messages_in"] += 1
        # [MQTT-4.7.2-1]: a topic below `$` is not for clients to talk to each other by.
        if message.topic.startswith("$") or not self._may_use(session, message.topic, Action.PUBLISH):
            self.count["denied"] += 1
            if self.conduct is not None:
                self.conduct.denied(session.username or "")
            return
        if self.admissions is not None:
            self.admissions.enter(message.topic, bytes(message.payload))
        told = message.topic, message.payload, message.qos
        if self.conduct is None or not self.conduct.meddles(*told, self._hand_on):
            self._hand_on(*told)
        if message.retain:
            await self.retain_message(session, message.topic, message.payload, message.qos)

    def _hand_on(self, topic: str, payload: bytes, qos: int | None) -> None:
        """Pass on what a client published."""
        if not self._pass_on(topic, payload, qos):
            # Acknowledged, and nobody there to take it: after a restart, until the core has subscribed again.
            self.lost.update(topics_of(topic, payload))

    async def _broadcast_message(
        self,
        session: Session | None,  # noqa: ARG002 - who sent it makes no difference
        topic: str | None,
        data: bytes | bytearray | None,
        force_qos: int | None = None,
    ) -> None:
        """A will, or a message of the broker's own."""
        self._pass_on(topic or "", bytes(data or b""), force_qos)

    def tell(self, topic: str, text: str) -> None:
        """Say something of its own, and keep it for those who ask later."""
        self._retained_messages[topic] = RetainedApplicationMessage(None, topic, text.encode(), 0)
        self._pass_on(topic, text.encode(), 0)

    def _pass_on(self, topic: str, payload: bytes, published_qos: int | None) -> bool:
        """To everybody who wants it and may have it; is the core among them?"""
        is_taken = False
        for subscriptions in self._subscriptions.matching(topic):
            for session, granted_qos in subscriptions:
                if self._may_use(session, topic, Action.RECEIVE):
                    qos = granted_qos if published_qos is None else min(granted_qos, published_qos)
                    is_taken |= self._is_core(session)
                    self._post(session, Message(topic, payload, qos))
        return is_taken

    def _post(self, session: Session, message: Message) -> None:
        """Let it wait for a client, or drop it: see `Limits`."""
        mailbox, limits = mailbox_of(session), self.limits
        handler = self._get_handler(session) if session.transitions.state == "connected" else None
        if isinstance(handler, RepairedHandler):
            most = self._core_queue if handler.is_core else limits.queue_messages
            cause = mailbox.put(message, most, limits.queue_bytes)
            if not cause:
                handler.look()
                return
            cause = f"queue_{cause}"
        else:
            if session.clean_session or not message.qos:
                return
            cause = mailbox.put(message, limits.offline_messages, limits.offline_bytes)
            if not cause:
                return
            cause = f"offline_{cause}"
        self._drop(cause, 1)
        if self._is_core(session):
            self.overflown.update(topics_of(message.topic, message.payload))

    def _drop(self, cause: str, messages: int) -> None:
        if messages:
            self.drops[cause] += messages
            self.count["dropped"] += messages

    async def _publish_retained_messages_for_subscription(
        self, subscription: tuple[str, int], session: Session
    ) -> None:
        topic_filter, qos = subscription
        for topic, kept in list(self._retained_messages.items()):
            if self._matches(topic, topic_filter) and self._may_use(session, topic, Action.RECEIVE):
                self._post(session, Message(topic, bytes(kept.data), min(qos, kept.qos or 0), retain=True))


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
