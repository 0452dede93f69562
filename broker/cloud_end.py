"""The core's side of a real broker: one subscriber to everything that the fleet says.

paho reads on a thread of its own and only puts raw messages into a queue; they are decoded in `poll`, on the core's
thread, a batch at a time. Nothing that arrives raises.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from twinstorm.broker.admissions import Admissions
from twinstorm.broker.tls import ClientTls, client_context
from twinstorm.broker.websocket import WebSocketSocket
from twinstorm.twin.flow import (
    MIRRORED,
    UNSAID,
    UNTOLD_US,
    BrokerCounters,
    CloudOutcome,
    Delivery,
    Malformed,
    Mask,
    Registry,
    SessionEvent,
    SessionEvents,
)
from twinstorm.twin.wire.codecs import Reading, State
from twinstorm.twin.wire.columns import CHANNEL
from twinstorm.twin.wire.desk import Desk
from twinstorm.twin.wire.inbox import EXCERPT_BYTES, Inbox
from twinstorm.twin.wire.wires import Ear

CLIENT_ID = "twinstorm-core"
KEEP_ALIVE_S = 30
READ_BYTES = 65_536
START_TIMEOUT_S = 10.0
_LOOK_S = 0.05
_CALM_LOOKS = 3
RECONNECT_S = 0.1
"""paho takes fractions, though it asks for whole seconds."""

_Message = tuple[str, bytes, int]
_Row = tuple[int, Reading, int, int]
"""Device, what it said, when that arrived, and when the broker took it."""
_Event = tuple[int, int, int, int, int]
"""Instant, device, what, boot and configuration, as `SessionEvents` has them."""


class _Link(Enum):
    """What becomes of the connection, in the order of the messages."""

    LOST = 1
    RESUMED = 2
    """It is back, and the broker has kept the session."""


class CoreClient(paho.Client):
    """A paho client that knows the same WebSocket as the fleet, and reads many messages at a time."""

    path: str | None = None
    """See `BrokerUrl`."""
    under: socket.socket | None = None
    """The newest connection, as soon as there is one: a handshake that nobody answers can be cut short."""

    _ahead = b""
    """Read from the socket; paho has what lies before `_at`."""
    _at = 0

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read all that is there: paho would ask the system anew for every message, and for every part of one."""
        while True:
            code = super().loop_read(max_packets)
            if code or self._sock is None or self._at >= len(self._ahead):
                return code

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._at >= len(self._ahead):
            self._ahead, self._at = super()._sock_recv(READ_BYTES), 0
        taken = self._ahead[self._at : self._at + bufsize]
        self._at += len(taken)
        return taken

    def reconnect(self) -> MQTTErrorCode:
        self._ahead, self._at = b"", 0
        return super().reconnect()

    def cut(self) -> None:
        """End the connection, whatever waits on it."""
        if self.under is not None:
            with contextlib.suppress(OSError):
                self.under.shutdown(socket.SHUT_RDWR)

    def _create_socket_connection(self) -> socket.socket:
        self.under = super()._create_socket_connection()
        return self.under

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        assert self._ssl_context is not None
        made = self._ssl_context.wrap_socket(tcp_sock, server_hostname=self._host, do_handshake_on_connect=False)
        self.under = made
        try:
            made.settimeout(self._connect_timeout)
            made.do_handshake()
        except OSError:
            made.close()  # paho leaves it open
            raise
        return made

    def _create_socket(self) -> Any:
        made: Any = super()._create_socket()
        if self.path is None:
            return made
        framed = WebSocketSocket(made, self._host, self._port, self.path)
        try:
            made.settimeout(self._connect_timeout)
            framed.do_handshake()
        except OSError:
            made.close()
            raise
        return framed


class LiveCloudEnd:
    """Implements `CloudEnd` over a real socket.

    Args:
        registry: devices by name; what others send is malformed.
        now_us: simulated instant.
        origin_us: Unix microseconds of simulated instant 0.
        tls: certificate of the core, and whom it trusts; None: no TLS.
        path: MQTT over WebSocket, asked for by this path; None: MQTT over TCP.
        ear: what the core understands.
        qos: of its subscriptions, the highest of the fleet's; 1 or 2.
        persistent: let the broker keep the session while the core is away; only for a broker that ends with the run.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        username: str | None,
        password: str | None,
        registry: Registry,
        now_us: Callable[[], int],
        origin_us: int = 0,
        qos: int = 1,
        persistent: bool = False,
        tls: ClientTls | None = None,
        path: str | None = None,
        ear: Ear | None = None,
    ) -> None:
        self._host, self._port = host, port
        self._now_us = now_us
        self._registry = registry
        self._inbox = Inbox(registry, origin_us, ear)
        self._desk = Desk(registry, self._inbox)
        self._filters = [(topic, qos) for topic in self._inbox.ear.core_filters]
        self._raw: queue.SimpleQueue[_Message | _Link] = queue.SimpleQueue()
        """Messages as they came, and between them the fate of the connection."""
        self._granted = threading.Event()
        self._refused = ""
        self._kept: dict[str, None] = {}
        """Topics of retained messages: from before, and from what became of the run."""
        self._kept_before: frozenset[str] = frozenset()
        self._grants = 0
        self._is_twin: Mask = registry.origin != MIRRORED
        self._live = np.zeros(len(registry), np.bool_)
        self._boot = np.zeros(len(registry), np.int64)
        self._live_before = np.zeros(len(registry), np.bool_)
        """Who had a session when the connection was lost."""
        self._births = 0
        self._received = 0
        self._early: list[_Event] = []
        self.admissions: Admissions | None = None
        """When a broker in this process took each message; None: nobody tells."""
        self._up = False
        self._gone_since_s: float | None = None
        self._closing = False
        client = CoreClient(
            CallbackAPIVersion.VERSION2, client_id=CLIENT_ID, protocol=paho.MQTTv311, clean_session=not persistent
        )
        client.path = path
        if username:
            client.username_pw_set(username, password)
        if tls is not None:
            client.tls_set_context(client_context(tls))
        client.reconnect_delay_set(min_delay=RECONNECT_S, max_delay=RECONNECT_S)  # type: ignore[arg-type]
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        self._client = client

    def start(self, interrupted: Callable[[], bool] = lambda: False) -> bool:
        """Connect and subscribe. False: it was interrupted, and everything is closed.

        Args:
            interrupted: is asked while a broker takes its time.

        Raises:
            OSError: nobody answers there, or the broker refuses; the text says which.
        """
        failed: list[OSError] = []
        connected = threading.Event()

        def connect() -> None:
            try:
                self._client.connect(self._host, self._port, KEEP_ALIVE_S)
            except OSError as error:
                failed.append(error)
            connected.set()

        # On a thread of its own: paho waits for handshakes, and nothing that waits here can be interrupted.
        threading.Thread(target=connect, name="twinstorm-connect", daemon=True).start()
        if not _comes(connected, None, interrupted):
            self._client.cut()
            return False
        if failed:
            raise failed[0]
        self._client.loop_start()
        answered = _comes(self._granted, START_TIMEOUT_S, interrupted)
        if answered and not self._refused:
            return True
        is_interrupted, refused = interrupted(), self._refused  # closing would look like a refusal
        self.close(at_once=True)
        if is_interrupted:
            return False
        raise OSError(refused or f"the broker did not answer the core within {START_TIMEOUT_S:g} s")

    def poll(self, now_us: int) -> CloudOutcome:
        """Decode what has arrived; see `CloudEnd.poll`."""
        rows: dict[str, list[_Row]] = {}
        events, self._early = self._early, []
        malformed: list[Malformed] = []
        for _ in range(self._raw.qsize()):
            message = self._raw.get()
            if isinstance(message, _Link):
                self._note_link(message, now_us, events)
                continue
            wrong = self._sort(message, rows, events)
            if wrong:
                topic, payload, arrived_us = message
                malformed.append(Malformed(topic, payload[:EXCERPT_BYTES], arrived_us, wrong))
        deliveries = [self._delivery(kind, of_kind) for kind, of_kind in rows.items()]
        deliveries.extend(self._desk.deliveries())
        if malformed:
            none = np.empty(0, np.int64)
            deliveries.append(Delivery(None, none, now_us, tuple(malformed)))
        return CloudOutcome(tuple(deliveries), _session_events(events))

    def collect_until(
        self, births: int, timeout_s: float = 10.0, interrupted: Callable[[], bool] = lambda: False
    ) -> bool:
        """Wait until this many births of twins have arrived; they are told by the next `poll`. False: time is over, or
        somebody wants it to end."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until and not interrupted():
            outcome = self.poll(0)
            events = outcome.sessions
            self._early.extend(
                zip(
                    events.at_us.tolist(),
                    events.device.tolist(),
                    events.what.tolist(),
                    events.boot.tolist(),
                    [UNSAID] * len(events) if events.configuration is None else events.configuration.tolist(),
                    strict=True,
                )
            )
            if int(np.count_nonzero(self._live & self._is_twin)) >= births:
                return True
            time.sleep(0.01)
        return False

    @property
    def kept_before(self) -> int:
        """Retained messages about these devices that the broker had before the run: no news, and not ours to remove."""
        return len(self._kept_before)

    def begin(self) -> None:
        """The fleet has gathered: what is retained from now on is of this run."""
        self._kept_before = frozenset(self._kept)

    def clean(self, within_s: float) -> tuple[int, int]:
        """Remove what the broker has retained about these devices since `begin`.

        Returns:
            How many messages are removed, and how many were found and are still there: time was over.
        """
        until = time.monotonic() + within_s
        if not self._up:
            return 0, 0
        self._kept.clear()
        before, found, calm = self._grants, 0, 0
        # [MQTT-3.8.4-3]: they are all sent again, and nobody says which is the last.
        self._client.subscribe(self._filters)
        while time.monotonic() < until and calm < _CALM_LOOKS:
            time.sleep(_LOOK_S)
            calm = calm + 1 if self._grants != before and len(self._kept) == found else 0
            found = len(self._kept)
        mine = [topic for topic in list(self._kept) if topic not in self._kept_before]
        told = [self._client.publish(topic, b"", 1, retain=True) for topic in mine]
        while time.monotonic() < until and not all(one.is_published() for one in told):
            time.sleep(_LOOK_S)
        removed = sum(one.is_published() for one in told)
        return removed, len(told) - removed

    def counters(self, now_us: int) -> BrokerCounters:  # noqa: ARG002
        """What a subscriber can know of a foreign broker."""
        return BrokerCounters(
            admitted=self._births,
            attempts=self._births,
            messages_in=self._received,
            messages_out=self._received,
            sessions=int(np.count_nonzero(self._live)),
            queue=self._raw.qsize(),
            up=self._up,
        )

    @property
    def gone_s(self) -> float:
        """For how long the broker has been away, in wall seconds; 0: it is there."""
        since_s = self._gone_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def close(self, *, at_once: bool = False) -> None:
        """Take leave of the broker.

        Args:
            at_once: wait for nothing, not even until it has read our goodbye.
        """
        if self._closing:
            return
        self._closing = True
        self._client.disconnect()
        if at_once or self._client.want_write():
            self._client.cut()  # else paho waits for a broker that does not read
        self._client.loop_stop()
        self._client._reset_sockets()  # the pair that woke its thread; paho leaves it to the garbage collector

    # --- decoding -----------------------------------------------------------------------------------------------------

    def _sort(
        self,
        message: _Message,
        rows: dict[str, list[_Row]],
        events: list[_Event],
    ) -> str:
        """Put a message where it belongs; returns what is wrong with it, or nothing."""
        topic, payload, arrived_us = message
        admitted_us = None if self.admissions is None else self.admissions.taken(topic, payload)
        letter = self._inbox.letter(topic)
        if isinstance(letter, str):
            return letter
        if letter.address.channel == "state":
            state = self._inbox.state(letter, payload)
            if isinstance(state, str):
                return state
            self._note_state(letter.device, state, arrived_us, events)
            return ""
        if letter.address.channel == CHANNEL:
            return self._desk.take(letter, topic, payload, arrived_us)
        reading = self._inbox.reading(letter, payload)
        if isinstance(reading, str):
            return reading
        told_us = UNTOLD_US if admitted_us is None else admitted_us
        rows.setdefault(reading.kind, []).append((letter.device, reading, arrived_us, told_us))
        return ""

    def _note_state(self, device: int, state: State, arrived_us: int, events: list[_Event]) -> None:
        boot = state.boot
        if state.online:
            self._births += 1
            self._live[device] = True
            self._boot[device] = boot
            says = UNSAID if state.configuration is None else state.configuration
            events.append((arrived_us, device, SessionEvent.BORN, boot, says))
        elif self._live[device] and boot >= self._boot[device]:  # a late will of an earlier boot ends nothing
            # The will of a gateway speaks for all behind it.
            gone = self._registry.with_carried(np.array([device], np.int32))
            gone = gone[self._live[gone]]
            self._live[gone] = False
            events.extend((arrived_us, who, SessionEvent.LOST, 0, UNSAID) for who in gone.tolist())

    def _note_link(self, link: _Link, now_us: int, events: list[_Event]) -> None:
        """Without its connection the core knows of no session; what was true then still is when it resumes, and what
        has happened since follows."""
        if link is _Link.LOST:
            events.extend((now_us, who, SessionEvent.CLOSED, 0, UNSAID) for who in np.flatnonzero(self._live).tolist())
            self._live_before, self._live = self._live, np.zeros_like(self._live)
            return
        again = np.flatnonzero(self._live_before & ~self._live).tolist()
        events.extend((now_us, who, SessionEvent.BORN, int(self._boot[who]), UNSAID) for who in again)
        self._live |= self._live_before

    def _delivery(self, kind: str, rows: list[_Row]) -> Delivery:
        arrived_us = np.array([arrived for _, _, arrived, _ in rows], np.int64)
        admitted_us = None
        if self.admissions is not None:
            admitted_us = np.array([admitted for *_, admitted in rows], np.int64)
        of_device = [(device, reading) for device, reading, *_ in rows]
        readings = self._inbox.readings(kind, of_device, np.full(len(rows), UNTOLD_US), admitted_us)
        return Delivery(readings, arrived_us, int(arrived_us.max()))

    # --- what paho tells, on its thread -------------------------------------------------------------------------------

    def _on_connect(
        self,
        client: paho.Client,
        data: Any,  # noqa: ARG002
        flags: paho.ConnectFlags,
        reason: Any,
        properties: Any,  # noqa: ARG002
    ) -> None:
        if reason.is_failure:
            self._refused = f"the broker refuses the core: {reason}"
            self._granted.set()
            return
        if flags.session_present:
            self._raw.put(_Link.RESUMED)
        client.subscribe(self._filters)

    def _on_subscribe(self, client: paho.Client, data: Any, mid: int, reasons: Any, properties: Any) -> None:  # noqa: ARG002
        if any(reason.is_failure for reason in reasons):
            self._refused = "the broker does not let the core subscribe to the fleet"
        self._grants += 1
        self._up, self._gone_since_s = True, None
        self._granted.set()

    def _on_disconnect(self, client: paho.Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:  # noqa: ARG002
        if self._up and not self._closing:
            self._gone_since_s = time.monotonic()
            self._raw.put(_Link.LOST)
        elif not self._granted.is_set():  # with TLS 1.3 this is all that one learns who has not the right certificate
            self._refused = f"the broker closes the connection: {reason}"
            self._granted.set()
        self._up = False

    def _on_message(self, client: paho.Client, data: Any, message: paho.MQTTMessage) -> None:  # noqa: ARG002
        self._received += 1
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = repr(message._topic)
        if message.retain:  # it says what was, not what is
            letter = self._inbox.letter(topic)
            if isinstance(letter, str):
                return
            if self._is_twin[letter.device]:
                self._kept[topic] = None
                return
            # But of a device that is no twin: it was there before the run, and will be when the run is over.
        self._raw.put((topic, bytes(message.payload), self._now_us()))


def _comes(event: threading.Event, timeout_s: float | None, interrupted: Callable[[], bool]) -> bool:
    """Wait for it, at most so long and until somebody interrupts."""
    until = None if timeout_s is None else time.monotonic() + timeout_s
    while not event.wait(_LOOK_S):
        if interrupted() or (until is not None and time.monotonic() > until):
            return False
    return True


def _session_events(events: list[_Event]) -> SessionEvents:
    ordered = sorted(events, key=lambda event: event[0])
    columns = np.array(ordered, np.int64).reshape(-1, 5)
    return SessionEvents(
        columns[:, 0].copy(),
        columns[:, 1].astype(np.int32),
        columns[:, 2].astype(np.uint8),
        columns[:, 3].astype(np.int32),
        columns[:, 4].astype(np.int32),
    )
