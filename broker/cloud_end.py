"""The core's side of a real broker: one subscriber to everything that the fleet says.

paho reads on a thread of its own and only puts raw messages into a queue; they are decoded in `poll`, on the core's
thread, a batch at a time. Nothing that arrives raises.
"""

from __future__ import annotations

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
from paho.mqtt.enums import CallbackAPIVersion

from twinstorm.broker.tls import ClientTls, client_context
from twinstorm.broker.websocket import WebSocketSocket
from twinstorm.twin.flow import (
    BrokerCounters,
    CloudOutcome,
    Delivery,
    Malformed,
    Registry,
    SessionEvent,
    SessionEvents,
)
from twinstorm.twin.wire.codecs import Reading
from twinstorm.twin.wire.inbox import EXCERPT_BYTES, Inbox
from twinstorm.twin.wire.wires import Ear

CLIENT_ID = "twinstorm-core"
KEEP_ALIVE_S = 30
START_TIMEOUT_S = 10.0
RECONNECT_S = 0.1
"""paho takes fractions, though it asks for whole seconds."""

_Message = tuple[str, bytes, int]


class _Link(Enum):
    """What becomes of the connection, in the order of the messages."""

    LOST = 1
    RESUMED = 2
    """It is back, and the broker has kept the session."""


class CoreClient(paho.Client):
    """A paho client that knows the same WebSocket as the fleet."""

    path: str | None = None
    """See `BrokerUrl`."""

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        assert self._ssl_context is not None
        made = self._ssl_context.wrap_socket(tcp_sock, server_hostname=self._host, do_handshake_on_connect=False)
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
        persistent: bool = False,
        tls: ClientTls | None = None,
        path: str | None = None,
        ear: Ear | None = None,
    ) -> None:
        self._host, self._port = host, port
        self._now_us = now_us
        self._registry = registry
        self._inbox = Inbox(registry, origin_us, ear)
        self._raw: queue.SimpleQueue[_Message | _Link] = queue.SimpleQueue()
        """Messages as they came, and between them the fate of the connection."""
        self._granted = threading.Event()
        self._refused = ""
        self._live = np.zeros(len(registry), np.bool_)
        self._boot = np.zeros(len(registry), np.int64)
        self._live_before = np.zeros(len(registry), np.bool_)
        """Who had a session when the connection was lost."""
        self._births = 0
        self._received = 0
        self._early: list[tuple[int, int, int, int]] = []
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

    def start(self) -> None:
        """Connect and subscribe.

        Raises:
            OSError: nobody answers there, or the broker refuses; the text says which.
        """
        self._client.connect(self._host, self._port, KEEP_ALIVE_S)
        self._client.loop_start()
        if not self._granted.wait(START_TIMEOUT_S) or self._refused:
            self.close()
            raise OSError(self._refused or "the broker did not answer")

    def poll(self, now_us: int) -> CloudOutcome:
        """Decode what has arrived; see `CloudEnd.poll`."""
        rows: dict[str, list[tuple[int, Reading, int]]] = {}
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
        if malformed:
            none = np.empty(0, np.int64)
            deliveries.append(Delivery(None, none, now_us, tuple(malformed)))
        return CloudOutcome(tuple(deliveries), _session_events(events))

    def collect_until(self, births: int, timeout_s: float = 10.0) -> bool:
        """Wait until this many births have arrived; they are told by the next `poll`. False: time is over."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            outcome = self.poll(0)
            events = outcome.sessions
            self._early.extend(
                zip(
                    events.at_us.tolist(),
                    events.device.tolist(),
                    events.what.tolist(),
                    events.boot.tolist(),
                    strict=True,
                )
            )
            if int(np.count_nonzero(self._live)) >= births:
                return True
            time.sleep(0.01)
        return False

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

    def close(self) -> None:
        self._closing = True
        self._client.disconnect()
        self._client.loop_stop()
        self._client._reset_sockets()  # the pair that woke its thread; paho leaves it to the garbage collector

    # --- decoding -----------------------------------------------------------------------------------------------------

    def _sort(
        self,
        message: _Message,
        rows: dict[str, list[tuple[int, Reading, int]]],
        events: list[tuple[int, int, int, int]],
    ) -> str:
        """Put a message where it belongs; returns what is wrong with it, or nothing."""
        topic, payload, arrived_us = message
        letter = self._inbox.letter(topic)
        if isinstance(letter, str):
            return letter
        if letter.address.channel == "state":
            state = self._inbox.state(letter, payload)
            if isinstance(state, str):
                return state
            self._note_state(letter.device, state.online, state.boot, arrived_us, events)
            return ""
        reading = self._inbox.reading(letter, payload)
        if isinstance(reading, str):
            return reading
        rows.setdefault(reading.kind, []).append((letter.device, reading, arrived_us))
        return ""

    def _note_state(
        self, device: int, online: bool, boot: int, arrived_us: int, events: list[tuple[int, int, int, int]]
    ) -> None:
        if online:
            self._births += 1
            self._live[device] = True
            self._boot[device] = boot
            events.append((arrived_us, device, SessionEvent.BORN, boot))
        elif self._live[device] and boot >= self._boot[device]:  # a late will of an earlier boot ends nothing
            # The will of a gateway speaks for all behind it.
            gone = self._registry.with_carried(np.array([device], np.int32))
            gone = gone[self._live[gone]]
            self._live[gone] = False
            events.extend((arrived_us, who, SessionEvent.LOST, 0) for who in gone.tolist())

    def _note_link(self, link: _Link, now_us: int, events: list[tuple[int, int, int, int]]) -> None:
        """Without its connection the core knows of no session; what was true then still is when it resumes, and what
        has happened since follows."""
        if link is _Link.LOST:
            events.extend((now_us, who, SessionEvent.CLOSED, 0) for who in np.flatnonzero(self._live).tolist())
            self._live_before, self._live = self._live, np.zeros_like(self._live)
            return
        again = np.flatnonzero(self._live_before & ~self._live).tolist()
        events.extend((now_us, who, SessionEvent.BORN, int(self._boot[who])) for who in again)
        self._live |= self._live_before

    def _delivery(self, kind: str, rows: list[tuple[int, Reading, int]]) -> Delivery:
        arrived_us = np.array([arrived for _, _, arrived in rows], np.int64)
        readings = self._inbox.readings(kind, [(device, reading) for device, reading, _ in rows], arrived_us)
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
        client.subscribe([(topic, 1) for topic in self._inbox.ear.core_filters])

    def _on_subscribe(self, client: paho.Client, data: Any, mid: int, reasons: Any, properties: Any) -> None:  # noqa: ARG002
        if any(reason.is_failure for reason in reasons):
            self._refused = "the broker does not let the core subscribe to the fleet"
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
        self._raw.put((topic, bytes(message.payload), self._now_us()))


def _session_events(events: list[tuple[int, int, int, int]]) -> SessionEvents:
    ordered = sorted(events, key=lambda event: event[0])
    columns = np.array(ordered, np.int64).reshape(-1, 4)
    return SessionEvents(
        columns[:, 0].copy(),
        columns[:, 1].astype(np.int32),
        columns[:, 2].astype(np.uint8),
        columns[:, 3].astype(np.int32),
    )
