"""The embedded broker: amqtt with its session logic repaired, on an ephemeral loopback port, on a loop of its own.

twinstorm owns the listening socket and hands each connection over, so that an outage is a real one: connections are
reset, and the port refuses while the broker is down. With TLS every client, the core too, shows a certificate, which
stands for its user name and password.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import logging
import socket
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from amqtt.session import Session

from twinstorm.broker.admission import Admission
from twinstorm.broker.admissions import Admissions
from twinstorm.broker.amqtt_packets import AbortingWriter, LimitedReader
from twinstorm.broker.amqtt_repairs import RepairedBroker
from twinstorm.broker.broker_state import BrokerState
from twinstorm.broker.cloud_end import CLIENT_ID
from twinstorm.broker.door import Door, Ports
from twinstorm.broker.doorkeeper import CORE_USER, Doorkeeper
from twinstorm.broker.expiry import LOOK_S, calendar_s
from twinstorm.broker.file_limit import raise_file_limit
from twinstorm.broker.front import Alone, Front
from twinstorm.broker.limits import Limits
from twinstorm.broker.links import Links
from twinstorm.broker.listening import Listening, Streams
from twinstorm.broker.live_misconduct import LiveMisconduct
from twinstorm.broker.live_orders import LiveOrders
from twinstorm.broker.own_loop import ACCEPT_PASSES, OwnLoop, cancel_others
from twinstorm.broker.sys_topics import REFUSALS, told
from twinstorm.broker.tls import ServerTls, peer_of, server_context
from twinstorm.twin.flow import SECOND_US, BrokerCounters, Device, Turns
from twinstorm.twin.wire.columns import CHANNEL
from twinstorm.twin.wire.profile import TWINSTORM, site_and_device
from twinstorm.twin.wire.wires import Ear

if TYPE_CHECKING:
    from twinstorm.broker.run_certificates import RunCertificates

LISTENER = "default"
CORE_BACK_S = 1.0
"""For how long a broker that comes back without state lets clients wait for the core; `RECONNECT_S` is a tenth."""
DEFAULTS = Limits()
_CONFIG = {"listeners": {LISTENER: {"type": "external", "bind": "unused"}}, "plugins": {}}

for _name in ("amqtt", "transitions", "websockets"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


class EmbeddedBroker(LiveOrders):
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
        papers: certificates that faults may let end or call back; `tls` is of them. None: there are none.

    Attributes:
        refusals: handshakes that failed, by reason: the client often learns none.
        remarks: what was told, or would have been.
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
        papers: RunCertificates | None = None,
    ) -> None:
        self._ear = Ear() if ear is None else ear
        door = Door() if door is None else door
        self._ports = Ports(door)
        doorkeeper = Doorkeeper(
            names,
            through or {},
            self._ear,
            wall_s,
            asks_for_certificates=tls is not None and tls.is_mutual,
            any_topic=door.any_topic,
        )
        most_waiting = None if core_per_s is None else core_queue
        context = None if tls is None else server_context(tls)  # before there is a loop that would have to be closed
        own = OwnLoop("twinstorm-broker")
        super().__init__(own, doorkeeper, speed, seed, self._said_by, most_waiting, tell, papers)
        self.refusals = doorkeeper.refusals
        self.outages_of, self.absences_of = Turns(), Turns()
        self._core_expiries: dict[str, int] = {}
        """Steps that let the session of an absent core end after so long, simulated microseconds."""
        self._expired: Counter[str] = Counter()
        self._core_left_us = 0
        self._core_absences = 0
        self._now_us = now_us
        self._front: Front | None = None
        self._count: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._overflown: Counter[str] = Counter()
        self._drops: Counter[str] = Counter()
        self._limits = limits
        self._core_per_s, self._core_queue = core_per_s, core_queue
        self._sys_every_s = sys_every_s
        self._telling: asyncio.Task[None] | None = None
        self._connecting = 0
        self._awaits_core = False
        """It has lost the subscriptions of a core that was there when it died."""
        self._core: RepairedBroker | None = None
        self._admissions: Admissions | None = None
        self._listening: list[tuple[Listening, socket.socket]] = []
        self._links = Links(context, limits, self._count, self._handshake_failed, self._serve)
        self._outages = 0
        self._kept_state: BrokerState | None = None
        """What a broker that is down will know when it is back; None: nothing."""
        self._closed = False

    @property
    def port(self) -> int:
        """Where it listens, once it is open."""
        return self._ports.port

    @property
    def websocket_port(self) -> int:
        """Likewise, of the second listener; 0 if there is none."""
        return self._ports.websocket_port

    # --- who may come -------------------------------------------------------------------------------------------------

    @property
    def device_passwords(self) -> tuple[str, ...]:
        """One a device, in their order; made for this run, never logged. Empty: it has none, and is not let in."""
        return self._doorkeeper.device_passwords

    @property
    def core_credentials(self) -> tuple[str, str]:
        return self._doorkeeper.core_credentials

    def guest_credentials(self) -> tuple[str, str]:
        """User and password for any other client; the first call lets guests in."""
        return self._doorkeeper.guest_credentials()

    def welcome(self, names: Sequence[str]) -> None:
        """Let further devices in; those that are known stay as they are. Without certificates, each gets a password."""
        self._doorkeeper.welcome(names)

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

    async def _admit(self, session: Session) -> bool:
        """Devices meet the same limit as in virtual time, guests only if there is a crowd, and the core never."""
        front, user = self._front, session.username
        if front is not None and (user in self._doorkeeper.clients or (front.guests_too and user != CORE_USER)):
            now_us = self._now_us()
            start_us = await front.offer(now_us)
            if start_us is None:
                return False
            if start_us > now_us:
                await self._connects_for(asyncio.sleep(float(Fraction(start_us - now_us, SECOND_US) / self._speed)))
        if self._awaits_core and user != CORE_USER:
            await self._connects_for(self._core_listens())
        return True

    async def _connects_for(self, wait: Awaitable[None]) -> None:
        self._connecting += 1
        try:
            await wait
        finally:
            self._connecting -= 1

    async def _core_listens(self) -> None:
        """Wait until the core has subscribed again: what came before would be acknowledged and passed on to nobody. In
        virtual time the core is there as soon as the broker is."""
        if self._core is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._core.core_listens.wait(), CORE_BACK_S)
        self._awaits_core = False

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
        self._own.start()
        self._kept_state = state
        self._own.call(self._start())
        if self._doorkeeper.asks_for_certificates:
            asyncio.run_coroutine_threadsafe(self._cut_the_expired(), self._own.loop)
        return self.port

    async def _start(self) -> None:
        self._core = RepairedBroker(
            dict(_CONFIG),
            authenticate=self._doorkeeper.authenticate,
            admit=self._admit,
            may_use=self._doorkeeper.may_use,
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
        self._core.conduct, self._core.admissions = self._conduct, self._admissions
        await self._core.start()
        state, self._kept_state = self._kept_state, None
        if state is not None:
            await self._core.restore(state)
        for serve, listener in zip((self._links.serve, self._links.serve_frames), self._ports.take(), strict=False):
            streams = Streams(self._own.loop, serve)
            self._listening.append((Listening(self._own.loop, listener, streams.take, self._out_of_files), listener))
        if self._sys_every_s is not None:
            self._telling = asyncio.create_task(self._tell_again_and_again(self._core, self._sys_every_s))

    def _out_of_files(self) -> None:
        self.remarks.note(
            f"no connection can be accepted while {raise_file_limit(0):,} files are open, as many as this process may "
            "have: clients wait, and are tried again; raise `ulimit -n`"
        )

    async def _tell_again_and_again(self, core: RepairedBroker, every_s: float) -> None:
        version, began_s = importlib.metadata.version("twinstorm"), time.monotonic()
        while True:
            uptime_s = int(time.monotonic() - began_s)
            for topic, text in told(version, uptime_s, self._count, self._drops, core.depths()):
                core.tell(topic, text)
            await asyncio.sleep(every_s)

    async def _serve(self, reader: LimitedReader, link: AbortingWriter) -> None:
        if self._core is not None:
            await self._core.external_connected(reader, link, LISTENER)

    def revoke(self, serials: Sequence[str], crl: Path | None = None) -> int:
        """Believe these certificates no more, and cut the connections that they opened. Returns how many there were.

        Args:
            serials: hexadecimal, lower case.
            crl: a newer list of revoked certificates, that later handshakes are checked against.

        Raises:
            OSError: the list is not there, or is none.
        """
        return self._own.call(self._revoke(frozenset(serials), crl))

    async def _cut_the_expired(self) -> None:
        """Let connections end with the certificate that opened them."""
        while True:
            await asyncio.sleep(LOOK_S)
            held = [] if self._core is None or self._links.is_silent else self._core.connected()
            for session, handler in self._doorkeeper.expiries.over((each[0].ssl_object, each) for each in held):
                self._count["certificates_expired"] += 1
                renew = "it needs a new one (twinstorm pki renew)"
                self.remarks.note(f"cut {session.client_id}: its certificate has expired, and {renew}")
                handler.abort()

    async def _revoke(self, serials: frozenset[str], crl: Path | None) -> int:
        self._doorkeeper.revoked |= serials
        if self._links.context is not None and crl is not None:
            self._links.context.load_verify_locations(crl)
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
        return self._own.call(self._stop(silent, with_state)) if self._outages == 1 else 0

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
        if core is None or self._links.is_silent:
            return 0
        users = [session.username for session, _ in core.connected()]
        cost = sum(user in self._doorkeeper.clients for user in users)
        self._awaits_core = CORE_USER in users and not with_state
        self._kept_state = core.freeze() if with_state else None
        if silent:
            self._links.fall_silent()
            for _, handler in core.connected():
                handler.mute()
            core.forget()
            return cost
        await self._take_down()
        self._ports.hold()
        return cost

    async def _take_down(self) -> None:
        if self._telling is not None:
            self._telling.cancel()
            self._telling = None
        if self._listening:
            for listening, _ in self._listening:
                listening.end()
            # What is accepted and not yet handed over is nobody's to close.
            for _ in range(ACCEPT_PASSES):
                await asyncio.sleep(0)
            for _, listener in self._listening:
                listener.close()
            self._listening.clear()
        self._links.reset()
        core, self._core = self._core, None
        if core is not None:
            core.forget()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(core.shutdown(), 1.0)
        await self._links.end()
        if core is not None:
            core.forget()  # what the connections still passed on while they ended

    def start(self, at_us: int) -> None:  # noqa: ARG002 - now is when it is called
        """Come back on the same port, empty, once each outage has ended."""
        self._outages -= 1
        if not self._outages:
            self._own.call(self._restart())

    async def _restart(self) -> None:
        await self._take_down()
        self._links.is_silent = False
        if self._front is not None:
            self._front.reset()
        await self._start()

    def core_leaves(self, at_us: int) -> int:
        """See `Broker.core_leaves`: cut the core's connection, and let it in no more."""
        self._core_absences += 1
        self._doorkeeper.is_core_away = True
        if self._core_absences > 1:
            return 0
        self._core_left_us = at_us
        self._own.call(self._wait_for_core())
        self.kick([CLIENT_ID])
        return self.counters(0).sessions

    def core_returns(self, at_us: int) -> int:  # noqa: ARG002
        self._core_absences -= 1
        self._doorkeeper.is_core_away = self._core_absences > 0
        return 0 if self._core_absences else self._own.call(self._kept()).total()

    async def _kept(self) -> Counter[str]:
        return Counter() if self._core is None else self._core.kept_for(CLIENT_ID)

    def kick(self, client_ids: Sequence[str]) -> int:
        """Cut the connections of these clients. Returns how many there were."""
        return self._own.call(self._kick(frozenset(client_ids)))

    def end_sessions(self, device: Device, at_us: int) -> int:  # noqa: ARG002 - now is when it is called
        return self.kick(sorted(self._named(device) & self._doorkeeper.clients))

    def _go_by(self, tls: ServerTls) -> None:
        # Another context: one that has loaded two lists of revoked certificates may keep to the older.
        self._links.context = server_context(tls)

    def _adopt(self, conduct: LiveMisconduct) -> None:
        if self._core is not None:
            self._core.conduct = conduct

    def tell_admissions(self) -> Admissions:
        """From now on know when each message came, for who gets it in this process."""
        self._admissions = Admissions(self._now_us)
        if self._core is not None:
            self._core.admissions = self._admissions
        return self._admissions

    def expire_core(self, step: str, after_us: int) -> None:
        self._core_expiries[step] = after_us
        self._own.call(self._wait_for_core())

    def behave(self, step: str, device: Device, at_us: int) -> None:
        self._core_expiries.pop(step, None)
        super().behave(step, device, at_us)

    async def _wait_for_core(self) -> None:
        """Let its session end in time, if it is away and faults want that."""
        for after_us in self._core_expiries.values() if self._core_absences else ():
            wait_s = max(self._wall_s(self._core_left_us + after_us - self._now_us()), 0.0)
            self._own.loop.call_later(wait_s, lambda: self._own.loop.create_task(self._expire_core()))

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

    async def _kick(self, client_ids: frozenset[str]) -> int:
        found = [] if self._core is None else self._core.connected()
        handlers = [handler for session, handler in found if session.client_id in client_ids]
        for handler in handlers:
            handler.abort()
        return len(handlers)

    # --- looking ------------------------------------------------------------------------------------------------------

    def counters(self, now_us: int) -> BrokerCounters:  # noqa: ARG002 - now is when it is called
        core, count = self._core, self._count
        up = core is not None and not self._links.is_silent
        sessions = (
            sum(session.username in self._doorkeeper.clients for session, _ in core.connected()) if core and up else 0
        )
        # A core that a fault keeps away comes with the right credentials.
        strangers = count["unauthorised"] + count["bad_certificates"] - self._doorkeeper.core_turned_away
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
            unauthorised=strangers + count["distrusted"],
            strangers=strangers,
        )

    def lost_readings(self) -> dict[str, int]:
        """Readings a device that were acknowledged and have not reached the core: held by the broker when it died, or
        published before the core was back. At most so many: the core may have them, though its own answer was lost."""
        return self._by_device(self._lost)

    def kept_readings(self) -> dict[str, int]:
        """Readings a device that wait for a core that is away."""
        return self._by_device(self._own.call(self._kept()))

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
        """Whose telemetry it is, or whose columns; empty: it is neither."""
        said = self._ear.address(topic)
        return said[0].name if said is not None and said[0].channel in ("telemetry", CHANNEL) else ""

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
        if self._own.is_running:
            with contextlib.suppress(TimeoutError):
                state = self._own.call(self._end(), timeout_s=4.0)
        self._own.close()
        self._ports.let_go()
        return state

    async def _end(self) -> BrokerState | None:
        state = self._kept_state if self._core is None or self._links.is_silent else self._core.freeze()
        await self._take_down()
        await cancel_others()
        return state


def device_topics(name: str) -> tuple[str, str]:
    """Telemetry and state topic of a device."""
    site, device = site_and_device(name)
    return TWINSTORM.telemetry_topic(site, device), TWINSTORM.state_topic(site, device)
