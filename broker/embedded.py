"""The embedded broker: amqtt with its session logic repaired, on an ephemeral loopback port, on a loop of its own.

twinstorm owns the listening socket and hands each connection over, so that an outage is a real one: connections are
reset, and the port refuses while the broker is down. With TLS every client, the core too, shows a certificate, which
stands for its user name and password.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import importlib.metadata
import ipaddress
import logging
import secrets
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from amqtt.broker import Action
from amqtt.session import Session

from twinstorm.broker.admission import Admission
from twinstorm.broker.amqtt_packets import AbortingWriter, LimitedReader
from twinstorm.broker.amqtt_repairs import RepairedBroker
from twinstorm.broker.broker_state import BrokerState
from twinstorm.broker.cloud_end import CLIENT_ID
from twinstorm.broker.expiry import LOOK_S, Expiries, calendar_s
from twinstorm.broker.front import Alone, Front
from twinstorm.broker.identity import Role, parse_identity
from twinstorm.broker.intruder import Intrusion, intrude
from twinstorm.broker.limits import Limits
from twinstorm.broker.live_misconduct import Distrust, LiveMisconduct, Refusal, Slowness, Throttle
from twinstorm.broker.remarks import Remarks
from twinstorm.broker.sockets import LOOPBACK, bound, reset
from twinstorm.broker.sys_topics import REFUSALS, told
from twinstorm.broker.tls import ServerTls, peer_of, server_context
from twinstorm.broker.websocket import FramedReader, FramingWriter, accepted
from twinstorm.twin.flow import SECOND_US, BrokerCounters, Device, Exhibits, Turns
from twinstorm.twin.wire.profile import TWINSTORM, site_and_device
from twinstorm.twin.wire.wires import Ear

T = TypeVar("T")

CORE_USER = "twinstorm-core"
GUEST_USER = "guest"
LISTENER = "default"
BACKLOG = 1_024
ACCEPT_PASSES = 4
"""Passes of the loop from accepting a connection to serving it."""
CALL_TIMEOUT_S = 10.0
HANDSHAKE_TIMEOUT_S = 10.0
DEFAULTS = Limits()
_CONFIG = {"listeners": {LISTENER: {"type": "external", "bind": "unused"}}, "plugins": {}}

for _name in ("amqtt", "transitions", "websockets"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Door:
    """Where the broker listens, and how much guests may say there.

    Attributes:
        host: an IPv4 address of this machine.
        port: 0: any that is free.
        wide: other machines may connect; they need credentials as everybody does.
        any_topic: guests may use every topic, not only those of the fleet.
        websocket: host and port of a second listener, for MQTT over WebSocket; over TLS if the first one is.

    Raises:
        ValueError: other machines could connect, and nobody has said that they may.
    """

    host: str = LOOPBACK
    port: int = 0
    wide: bool = False
    any_topic: bool = False
    websocket: tuple[str, int] | None = None

    def __post_init__(self) -> None:
        for host in (self.host, *(self.websocket or ())[:1]):
            if not self.wide and not ipaddress.ip_address(host).is_loopback:
                raise ValueError(f"{host} lets other machines in: say `wide=True` if that is meant")


class EmbeddedBroker(Exhibits):
    """A broker for the devices of one run; implements `twin.flow.Broker`.

    Args:
        names: devices; user name and client id of each is its name.
        through: those that have no client of their own, and the gateway that speaks for each.
        now_us: simulated instant, for admission.
        speed: simulated seconds per wall second.
        limits: of what one client may ask.
        core_per_s: messages a simulated second that reach the core; None: as many as it takes.
        core_queue: messages that wait for the core, and more are dropped; unused without a rate.
        sys_every_s: how often it tells about itself below `$SYS/broker/`, see `sys_topics`; None: never.
        tls: how the listener shows who it is. If it asks for certificates, they stand for user name and password, and
            nobody has a password; None: plain MQTT.
        door: where it listens.
        tell: gets what those who run it should know, a line once each, on the broker's own thread.
        wall_s: Unix seconds, for the end of certificates.
        ear: what the fleet says on which topics.
        seed: of the run: chance in what faults make it do.

    Attributes:
        refusals: handshakes that failed, by reason: the client often learns none.
        remarks: what was told, or would have been.
        port: where it listens, once it is open.
        websocket_port: likewise, of the second listener; 0 if there is none.
    """

    def __init__(
        self,
        names: Sequence[str],
        now_us: Callable[[], int],
        speed: Fraction = Fraction(1),
        limits: Limits = DEFAULTS,
        core_per_s: Fraction | None = None,
        core_queue: int = 0,
        sys_every_s: float | None = None,
        through: Mapping[str, str] | None = None,
        tls: ServerTls | None = None,
        door: Door | None = None,
        tell: Callable[[str], None] | None = None,
        wall_s: Callable[[], float] = calendar_s,
        ear: Ear | None = None,
        seed: int = 0,
    ) -> None:
        self._seed = seed
        self._conduct: LiveMisconduct | None = None
        self._intruders: dict[str, str] = {}
        self._intrusions: dict[str, list[asyncio.Task[None]]] = {}
        self._core_expiries: dict[str, int] = {}
        """Steps that let the session of an absent core end after so long, simulated microseconds."""
        self._expired: Counter[str] = Counter()
        self._core_left_us = 0
        self.evidence = {}
        self.outages_of, self.absences_of = Turns(), Turns()
        self._names, self._through = tuple(names), dict(through or {})
        self._clients = frozenset(name for name in names if name not in self._through)
        self._tls, self._context = tls, None if tls is None else server_context(tls)
        self._revoked: frozenset[str] = frozenset()
        self._expiries = Expiries(wall_s)
        self.refusals: Counter[str] = Counter()
        self.remarks = Remarks(tell)
        self._asks_for_certificates = tls is not None and tls.is_mutual
        self._passwords: dict[str, str] = {}
        if not self._asks_for_certificates:
            self._passwords = {name: secrets.token_urlsafe(12) for name in names if name not in self._through}
        self._core_password = secrets.token_urlsafe(16)
        self._guest_password: str | None = None
        self._now_us, self._speed = now_us, speed
        self._front: Front | None = None
        self._count: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._overflown: Counter[str] = Counter()
        self._drops: Counter[str] = Counter()
        self._limits = limits
        self._core_per_s, self._core_queue = core_per_s, core_queue
        self._sys_every_s = sys_every_s
        self._telling: asyncio.Task[None] | None = None
        self._core_absences = 0
        self._connecting = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="twinstorm-broker", daemon=True)
        self._core: RepairedBroker | None = None
        self._servers: list[asyncio.Server] = []
        self._held: list[socket.socket] = []
        self._links: dict[asyncio.Task[Any], tuple[asyncio.StreamWriter, AbortingWriter]] = {}
        """Every open connection, by the task that serves it."""
        self._outages = 0
        self._silent = False
        self._kept_state: BrokerState | None = None
        """What a broker that is down will know when it is back; None: nothing."""
        self._closed = False
        self._ear = Ear() if ear is None else ear
        self._roots = frozenset(self._ear.roots)
        self._door = Door() if door is None else door
        self.port = self._door.port
        self.websocket_port = 0 if self._door.websocket is None else self._door.websocket[1]

    # --- who may come -------------------------------------------------------------------------------------------------

    @property
    def device_passwords(self) -> tuple[str, ...]:
        """One a device, in their order; made for this run, never logged. Empty: it has none, and is not let in."""
        return tuple(self._passwords.get(name, "") for name in self._names)

    @property
    def core_credentials(self) -> tuple[str, str]:
        return CORE_USER, self._core_password

    def guest_credentials(self) -> tuple[str, str]:
        """User and password for any other client; the first call lets guests in."""
        if self._guest_password is None:
            self._guest_password = secrets.token_urlsafe(12)
        return GUEST_USER, self._guest_password

    def welcome(self, names: Sequence[str]) -> None:
        """Let further devices in; those that are known stay as they are. Without certificates, each gets a password."""
        fresh = [name for name in names if name not in self._clients]
        self._names += tuple(fresh)
        self._clients |= frozenset(fresh)
        if not self._asks_for_certificates:
            self._passwords |= {name: secrets.token_urlsafe(12) for name in fresh}

    @property
    def turned_away(self) -> int:
        """Connections that did not become a session: no TLS, no credentials, no place, or no MQTT."""
        return sum(self._count[name] for name in REFUSALS)

    @property
    def clients(self) -> int:
        """Clients with a session, whoever they are; may be asked from any thread."""
        return 0 if self._core is None else len(self._core.connected())

    def guests_may_come(self) -> None:
        """Let in whoever has a guest's certificate."""
        self.guest_credentials()

    def _authenticate(self, session: Session) -> bool:
        return (
            self._has_certificate(session) if self._asks_for_certificates else self._has_password(session)
        ) and self._may_be_called(session)

    def _may_be_called(self, session: Session) -> bool:
        """A client id belongs to one identity: else a guest could take a device's session over."""
        user, client_id = session.username, session.client_id
        if user in self._clients:
            return client_id == user
        return client_id not in self._clients and (client_id != CLIENT_ID or user == CORE_USER)

    def _has_certificate(self, session: Session) -> bool:
        """TLS has checked it; from here on who it speaks for is the session's user, and no other name is heard."""
        peer = peer_of(session.ssl_object)
        found = None if peer is None else parse_identity(peer.identity)
        if peer is None or found is None or peer.serial in self._revoked or not self._expiries.holds(peer):
            return False
        self._expiries.remember(session.ssl_object, peer)
        role, name = found
        user = {Role.CORE: CORE_USER, Role.GUEST: GUEST_USER, Role.DEVICE: name}.get(role)
        if user is None or session.username not in (None, "", user):
            return False
        session.username = user
        if role is Role.CORE:
            return not self._core_absences
        if role is Role.GUEST:
            return self._guest_password is not None
        if self._conduct is not None and (why := self._conduct.distrusts(name)):
            self.refusals[why] += 1
            return False
        return name in self._clients

    def _has_password(self, session: Session) -> bool:
        user, given = session.username or "", (session.password or "").encode()
        if user == CORE_USER:
            wanted: str | None = None if self._core_absences else self._core_password
        elif user == GUEST_USER:
            wanted = self._guest_password
        else:
            wanted = self._passwords.get(user) or self._intruders.get(user)
        return wanted is not None and hmac.compare_digest(wanted.encode(), given)

    def _may_use(self, session: Session, topic: str, action: Action) -> bool:
        user = session.username or ""
        if user in (CORE_USER, GUEST_USER):
            return self._door.any_topic or topic.partition("/")[0] in (*self._roots, "$SYS", "#")
        found = self._ear.address(topic)
        if found is None or not self._ear.is_own(topic):
            return False
        address, _ = found
        if self._through.get(address.name, address.name) != user:
            return False
        return address.up if action == Action.PUBLISH else not address.up

    async def _admit(self, session: Session) -> bool:
        """Devices meet the same limit as in virtual time, guests only if there is a crowd, and the core never."""
        front, user = self._front, session.username
        if front is None or not (user in self._clients or (front.guests_too and user != CORE_USER)):
            return True
        now_us = self._now_us()
        start_us = await front.offer(now_us)
        if start_us is None:
            return False
        if start_us > now_us:
            self._connecting += 1
            try:
                await asyncio.sleep(float(Fraction(start_us - now_us, SECOND_US) / self._speed))
            finally:
                self._connecting -= 1
        return True

    def begin(self, front: Front | Admission | None) -> None:
        """The fleet has gathered: count from here, and from now on devices meet this limit, or who knows of more."""
        self._front = Alone(front) if isinstance(front, Admission) else front
        self._lost.clear()
        self._overflown.clear()
        self._drops.clear()
        for name in (
            "attempts",
            "admitted",
            "refused",
            "takeovers",
            "expired",
            "messages_in",
            "messages_out",
            "dropped",
        ):
            self._count[name] = 0

    # --- life ---------------------------------------------------------------------------------------------------------

    def open(self, state: BrokerState | None = None) -> int:
        """Start on the ports of the door and return the first one.

        Args:
            state: what an earlier broker knew; None: nothing.

        Raises:
            OSError: no port can be bound.
        """
        self._thread.start()
        self._kept_state = state
        self._call(self._start())
        if self._asks_for_certificates:
            asyncio.run_coroutine_threadsafe(self._cut_the_expired(), self._loop)
        return self.port

    async def _start(self) -> None:
        self._core = RepairedBroker(
            dict(_CONFIG),
            authenticate=self._authenticate,
            admit=self._admit,
            may_use=self._may_use,
            is_core=lambda session: session.username == CORE_USER,
            limits=self._limits,
            core_per_s=None if self._core_per_s is None else self._core_per_s * self._speed,
            core_queue=self._limits.queue_messages if self._core_per_s is None else self._core_queue,
            count=self._count,
            drops=self._drops,
            remarks=self.remarks,
            lost=self._lost,
            overflown=self._overflown,
        )
        self._core.conduct = self._conduct
        await self._core.start()
        state, self._kept_state = self._kept_state, None
        if state is not None:
            await self._core.restore(state)
        self._let_ports_go()
        listeners = self._bound()
        self.port = listeners[0].getsockname()[1]
        self._servers.append(await asyncio.start_server(self._serve, sock=listeners[0], backlog=BACKLOG))
        if len(listeners) > 1:
            self.websocket_port = listeners[1].getsockname()[1]
            self._servers.append(await asyncio.start_server(self._serve_frames, sock=listeners[1], backlog=BACKLOG))
        if self._sys_every_s is not None:
            self._telling = asyncio.create_task(self._tell_again_and_again(self._core, self._sys_every_s))

    async def _tell_again_and_again(self, core: RepairedBroker, every_s: float) -> None:
        version, began_s = importlib.metadata.version("twinstorm"), time.monotonic()
        while True:
            uptime_s = int(time.monotonic() - began_s)
            for topic, text in told(version, uptime_s, self._count, self._drops, core.depths()):
                core.tell(topic, text)
            await asyncio.sleep(every_s)

    def _bound(self) -> list[socket.socket]:
        """The sockets of the door: of its first listener, and of the second if it has one."""
        places = [(self.port, self._door.host)]
        if self._door.websocket is not None:
            places.append((self.websocket_port, self._door.websocket[0]))
        made: list[socket.socket] = []
        try:
            made.extend(bound(*place) for place in places)
        except OSError:
            for each in made:
                each.close()
            raise
        return made

    def _let_ports_go(self) -> None:
        for each in self._held:
            each.close()
        self._held.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve_one(reader, writer, AbortingWriter(writer, self._limits, self._count))

    async def _serve_frames(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._serve_one(reader, writer, FramingWriter(writer, self._limits, self._count))

    async def _serve_one(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: AbortingWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links[task] = writer, link
        try:
            if not self._silent and await self._shake_hands(writer):
                writer.transport.set_write_buffer_limits(self._limits.write_buffer_bytes)  # TLS has one of its own
                source = await self._upgraded(reader, writer, link) if isinstance(link, FramingWriter) else reader
                if source is not None and self._core is not None and not self._silent:
                    await self._core.external_connected(self._reader(source), link, LISTENER)
            if self._silent:
                await asyncio.Event().wait()  # the host is gone: nobody answers, until the connection is cut
        except asyncio.CancelledError:
            pass  # the broker stops
        finally:
            del self._links[task]
            writer.transport.abort()

    def _reader(self, reader: asyncio.StreamReader | FramedReader) -> LimitedReader:
        return LimitedReader(reader, self._limits.packet_bytes, self._count)

    async def _shake_hands(self, writer: asyncio.StreamWriter) -> bool:
        """Begin TLS, if this listener has it. False: it failed; `refusals` knows why.

        asyncio would do this before it hands a connection over: a failure would be told to nobody, and an outage could
        not cut what is still shaking hands. Nothing is lost: the loop has read nothing before the first step of a task.
        """
        if self._context is None:
            return True
        plain = writer.transport
        try:
            await writer.start_tls(self._context, ssl_handshake_timeout=HANDSHAKE_TIMEOUT_S)
        except (OSError, AttributeError) as error:  # errors of TLS are OSErrors
            # When the connection is cut under a handshake, asyncio trips over the transport that does not come.
            writer._transport = plain  # type: ignore[attr-defined]
            self._count["handshakes_failed"] += 1
            self.refusals[_reason(error)] += 1
            return False
        return True

    async def _upgraded(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, link: FramingWriter
    ) -> FramedReader | None:
        """Begin WebSocket. None: it failed; `refusals` knows why."""
        try:
            return await accepted(reader, writer, link, HANDSHAKE_TIMEOUT_S, self._limits.packet_bytes)
        except (OSError, TimeoutError) as error:
            self._count["handshakes_failed"] += 1
            self.refusals["timeout" if isinstance(error, TimeoutError) else f"no WebSocket: {error}"] += 1
            return None

    def revoke(self, serials: Sequence[str], crl: Path | None = None) -> int:
        """Believe these certificates no more, and cut the connections that they opened. Returns how many there were.

        Args:
            serials: hexadecimal, lower case.
            crl: a newer list of revoked certificates, that later handshakes are checked against.

        Raises:
            OSError: the list is not there, or is none.
        """
        return self._call(self._revoke(frozenset(serials), crl))

    async def _cut_the_expired(self) -> None:
        """Let connections end with the certificate that opened them."""
        while True:
            await asyncio.sleep(LOOK_S)
            held = [] if self._core is None or self._silent else self._core.connected()
            for session, handler in self._expiries.over((each[0].ssl_object, each) for each in held):
                self._count["certificates_expired"] += 1
                renew = "it needs a new one (twinstorm pki renew)"
                self.remarks.note(f"cut {session.client_id}: its certificate has expired, and {renew}")
                handler.abort()

    async def _revoke(self, serials: frozenset[str], crl: Path | None) -> int:
        self._revoked |= serials
        if self._context is not None and crl is not None:
            self._context.load_verify_locations(crl)
        held = [] if self._core is None else self._core.connected()
        peers = [(peer_of(session.ssl_object), handler) for session, handler in held]
        cut = [handler for peer, handler in peers if peer is not None and peer.serial in serials]
        for handler in cut:
            handler.abort()
        return len(cut)

    def stop(self, at_us: int, silent: bool = False, *, with_state: bool = False) -> int:  # noqa: ARG002 - now
        """Die: with resets, or silently. Returns how many device sessions that cost; none if it is down already.

        Args:
            with_state: what it had acknowledged is not lost: when it is `start`ed again it knows the sessions that
                outlive a connection, their subscriptions, and what waits for them or is under way, and the retained
                messages. Clean sessions end, and no will is told. An outage within another one changes nothing.
        """
        self._outages += 1
        return self._call(self._stop(silent, with_state)) if self._outages == 1 else 0

    def sessions_saved(self) -> int:
        """See `Broker.sessions_saved`."""
        return 0 if self._kept_state is None else len(self._kept_state.sessions)

    def restart(self, at_us: int = 0, *, with_state: bool) -> int:
        """Die with resets, and come back on the same port at once; within an outage nothing happens.

        Args:
            with_state: see `stop`; False: it comes back empty, and what waited for the core is among `lost_readings`.

        Returns:
            How many device sessions it cost.
        """
        cost = self.stop(at_us, with_state=with_state)
        self.start(at_us)
        return cost

    async def _stop(self, silent: bool, with_state: bool) -> int:
        core = self._core
        if core is None or self._silent:
            return 0
        cost = sum(session.username in self._clients for session, _ in core.connected())
        self._kept_state = core.freeze() if with_state else None
        if silent:
            self._silent = True
            for writer, link in self._links.values():
                link.is_closed = True
                if isinstance(writer.transport, asyncio.ReadTransport):
                    with contextlib.suppress(RuntimeError):
                        writer.transport.pause_reading()
            for _, handler in core.connected():
                handler.mute()
            core.forget()
            return cost
        await self._take_down()
        self._held = self._bound()  # nobody else may take the ports; without listen() they refuse
        return cost

    async def _take_down(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if self._servers:
            # What asyncio has accepted and not yet handed over when its server closes is never closed by anybody.
            for listener in [each for server in self._servers for each in server.sockets]:
                self._loop.remove_reader(listener)
            for _ in range(ACCEPT_PASSES):
                await asyncio.sleep(0)
            for server in self._servers:
                server.close()
            self._servers.clear()
        for writer, _ in self._links.values():
            reset(writer.transport)
        core, self._core = self._core, None
        if core is not None:
            core.forget()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(core.shutdown(), 1.0)
        tasks = set(self._links)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=0.5)
        if core is not None:
            core.forget()  # what the connections still passed on while they ended

    def start(self, at_us: int) -> None:  # noqa: ARG002 - now is when it is called
        """Come back on the same port, empty, once each outage has ended."""
        self._outages -= 1
        if not self._outages:
            self._call(self._restart())

    async def _restart(self) -> None:
        await self._take_down()
        self._silent = False
        if self._front is not None:
            self._front.reset()
        await self._start()

    def core_leaves(self, at_us: int) -> int:
        """See `Broker.core_leaves`: cut the core's connection, and let it in no more."""
        self._core_absences += 1
        if self._core_absences > 1:
            return 0
        self._core_left_us = at_us
        self._call(self._wait_for_core())
        self.kick([CLIENT_ID])
        return self.counters(0).sessions

    def core_returns(self, at_us: int) -> int:  # noqa: ARG002
        self._core_absences -= 1
        return 0 if self._core_absences else self._call(self._kept()).total()

    async def _kept(self) -> Counter[str]:
        return Counter() if self._core is None else self._core.kept_for(CLIENT_ID)

    def kick(self, client_ids: Sequence[str]) -> int:
        """Cut the connections of these clients. Returns how many there were."""
        return self._call(self._kick(frozenset(client_ids)))

    # --- misconduct: see `Broker` -------------------------------------------------------------------------------------

    def end_sessions(self, device: Device, at_us: int) -> int:  # noqa: ARG002 - now is when it is called
        return self.kick(sorted(self._named(device) & self._clients))

    def refuse(self, step: str, device: Device, code: int) -> None:
        names = self._named(device)
        self._misbehave(lambda odd: odd.refusals.append(Refusal(step, names, code)))

    def distrust(self, step: str, device: Device, reason: str) -> None:
        names = self._named(device) if self._asks_for_certificates else frozenset[str]()
        self._misbehave(lambda odd: odd.distrusted.append(Distrust(step, names, reason)))

    def intrude(self, step: str, what: str, device: Device, at_us: int, per_s: float) -> None:  # noqa: ARG002
        user = f"nowhere/intruder-{len(self._intruders)}"
        self._intruders[user] = secrets.token_urlsafe(12)
        named = [self._names[who] for who in device.tolist()] or [user]
        topics = [TWINSTORM.telemetry_topic(*site_and_device(name)) for name in named]
        order = Intrusion(step, what, per_s * float(self._speed), topics, b"\x00 no document")

        def begin(odd: LiveMisconduct) -> None:
            odd.intruders[user] = step
            work = intrude(order, self.port, user, self._intruders[user], self.bit)
            self._intrusions.setdefault(step, []).append(self._loop.create_task(work))

        self._misbehave(begin)

    def slow_down(self, step: str, connect_us: int, message_us: int) -> None:
        order = Slowness(step, self._wall_s(connect_us), self._wall_s(message_us))
        self._misbehave(lambda odd: odd.slowness.append(order))

    def throttle(self, step: str, device: Device, per_s: float) -> None:
        order = Throttle(step, self._named(device), 1 / (per_s * float(self._speed)))
        self._misbehave(lambda odd: odd.throttles.append(order))

    def throttle_all(self, step: str, per_s: float) -> None:
        order = Throttle(step, frozenset(("",)), 1 / (per_s * float(self._speed)))
        self._misbehave(lambda odd: odd.throttles.append(order))

    def mishandle(self, step: str, device: Device, kind: str, *, twice: bool, share: float, nth: int) -> None:
        names = self._named(device)
        self._misbehave(lambda odd: odd.mishandle(step, names, self._seed, kind, twice=twice, share=share, nth=nth))

    def expire_core(self, step: str, after_us: int) -> None:
        self._core_expiries[step] = after_us
        self._call(self._wait_for_core())

    def behave(self, step: str, device: Device, at_us: int) -> None:  # noqa: ARG002 - now is when it is called
        self._core_expiries.pop(step, None)
        names = self._named(device)

        def end(odd: LiveMisconduct) -> None:
            odd.end(step, names)
            for task in self._intrusions.pop(step, []):
                task.cancel()

        self._misbehave(end)

    def _misbehave(self, order: Callable[[LiveMisconduct], None]) -> None:
        async def give() -> None:
            if self._conduct is None:
                self._conduct = LiveMisconduct(
                    self.bit, self._said_by, None if self._core_per_s is None else self._core_queue
                )
            if self._core is not None:
                self._core.conduct = self._conduct
            order(self._conduct)

        self._call(give())

    async def _wait_for_core(self) -> None:
        """Let its session end in time, if it is away and faults want that."""
        for after_us in self._core_expiries.values() if self._core_absences else ():
            wait_s = max(self._wall_s(self._core_left_us + after_us - self._now_us()), 0.0)
            self._loop.call_later(wait_s, lambda: self._loop.create_task(self._expire_core()))

    async def _expire_core(self) -> None:
        due = [
            step
            for step, after in self._core_expiries.items()
            if self._now_us() >= self._core_left_us + after - SECOND_US
        ]
        if due and self._core_absences and self._core is not None:
            gone = await self._core.expire(CLIENT_ID)
            self._expired.update(gone)
            self.bit(due[0], "messages_expired", gone.total())

    def _named(self, device: Device) -> frozenset[str]:
        return frozenset(self._names[who] for who in device.tolist())

    def _wall_s(self, simulated_us: int) -> float:
        return simulated_us / SECOND_US / float(self._speed)

    async def _kick(self, client_ids: frozenset[str]) -> int:
        found = [] if self._core is None else self._core.connected()
        handlers = [handler for session, handler in found if session.client_id in client_ids]
        for handler in handlers:
            handler.abort()
        return len(handlers)

    # --- looking ------------------------------------------------------------------------------------------------------

    def counters(self, now_us: int) -> BrokerCounters:  # noqa: ARG002 - now is when it is called
        core, count = self._core, self._count
        up = core is not None and not self._silent
        sessions = sum(session.username in self._clients for session, _ in core.connected()) if core and up else 0
        return BrokerCounters(
            attempts=count["attempts"],
            admitted=count["admitted"],
            refused=count["refused"],
            takeovers=count["takeovers"],
            expired=count["expired"],
            messages_in=count["messages_in"],
            messages_out=count["messages_out"],
            dropped=count["dropped"],
            sessions=sessions,
            connecting=self._connecting,
            queue=core.queued if core is not None and up else 0,
            up=up,
        )

    def lost_readings(self) -> dict[str, int]:
        """Readings a device that were acknowledged and have not reached the core: held by the broker when it died, or
        published before the core was back. At most so many: the core may have them, though its own answer was lost."""
        return self._by_device(self._lost)

    def kept_readings(self) -> dict[str, int]:
        """Readings a device that wait for a core that is away."""
        return self._by_device(self._call(self._kept()))

    def overflown_readings(self) -> dict[str, int]:
        """Readings a device that were dropped because too many waited for the core."""
        return self._by_device(self._overflown + (Counter() if self._conduct is None else self._conduct.overflown))

    def shed_readings(self) -> dict[str, int]:
        """Readings a device that a fault let the broker acknowledge and pass on to nobody."""
        return {} if self._conduct is None else self._by_device(self._conduct.shed)

    def expired_readings(self) -> dict[str, int]:
        """Readings a device that ended with the session of a core that was away."""
        return self._by_device(self._expired)

    def _by_device(self, topics: Counter[str]) -> dict[str, int]:
        """Telemetry a device."""
        found: dict[str, int] = {}
        for topic, count in list(topics.items()):
            name = self._said_by(topic)
            if count and name:
                found[name] = found.get(name, 0) + count
        return found

    def _said_by(self, topic: str) -> str:
        """Whose telemetry it is; empty: it is none."""
        said = self._ear.address(topic)
        return said[0].name if said is not None and said[0].channel == "telemetry" else ""

    def snapshot(self) -> Mapping[str, Any]:
        return {
            "clock": "live",
            "counters": dict(self._count),
            "handshakes refused": dict(self.refusals),
            "assumed": ["an outage loses sessions, retained and queued messages"],
        }

    def close(self) -> BrokerState | None:
        """End everything, within 2 s whoever is connected; a second call does nothing.

        Returns:
            What it knew, for `open`; None: it was not there.
        """
        if self._closed:
            return None
        self._closed = True
        state = None
        if self._thread.is_alive():
            with contextlib.suppress(TimeoutError):
                state = self._call(self._end(), timeout_s=4.0)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=5.0)
        if not self._loop.is_running():
            self._loop.close()
        self._let_ports_go()
        return state

    async def _end(self) -> BrokerState | None:
        state = self._kept_state if self._core is None or self._silent else self._core.freeze()
        await self._take_down()
        mine = asyncio.current_task()
        tasks = [task for task in asyncio.all_tasks() if task is not mine]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=1.0) if tasks else None
        return state

    def _call(self, work: Coroutine[Any, Any, T], timeout_s: float = CALL_TIMEOUT_S) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_s)


def _reason(error: Exception) -> str:
    """Why a handshake failed, in OpenSSL's words if it has any."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return (error.reason or "unknown").lower().replace("_", " ")
    return "timeout" if isinstance(error, ConnectionAbortedError) else "connection lost"


def device_topics(name: str) -> tuple[str, str]:
    """Telemetry and state topic of a device."""
    site, device = site_and_device(name)
    return TWINSTORM.telemetry_topic(site, device), TWINSTORM.state_topic(site, device)
