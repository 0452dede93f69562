"""The live fleet: one paho client a device or gateway, all driven by one loop, no thread and no blocking call.

`poll` moves every socket that is ready and tells what happened. A paho client is used again when its device reconnects,
so that what it had sent and nobody acknowledged goes out again with the DUP flag, in order; a device that loses power
gets a new client, for its queue is gone with its memory; what a gateway has on a disk it sends again.

Devices behind a gateway have no client. What they say goes out on the connection of their gateway, on their own topics.
"""

from __future__ import annotations

import contextlib
import math
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import numpy as np
import paho.mqtt.client as paho
from numpy.typing import NDArray
from paho.mqtt.enums import CallbackAPIVersion

from twinstorm.broker.bad_links import BadLinks
from twinstorm.broker.ceiling import Ceiling
from twinstorm.broker.departures import Departure, Departures, Said
from twinstorm.broker.file_limit import SPARE, raise_file_limit
from twinstorm.broker.quick_client import QuickClient
from twinstorm.broker.sockets import LOOPBACK, will_reset
from twinstorm.broker.tls import ClientTls, client_context, file_stamp
from twinstorm.broker.websocket import WebSocketSocket
from twinstorm.twin.fleet import FleetPlan
from twinstorm.twin.flow import (
    NEVER_US,
    SECOND_US,
    UNSAID,
    Answer,
    Device,
    DeviceEvent,
    DeviceOutcome,
    Identities,
    Int,
    Mask,
    Message,
    Outcome,
    Readings,
    SessionEvent,
    SessionEvents,
    Together,
)
from twinstorm.twin.machines.kind import catalogue
from twinstorm.twin.uplink import LinkFault
from twinstorm.twin.wire import columns
from twinstorm.twin.wire.codecs import Sender
from twinstorm.twin.wire.layout import layouts
from twinstorm.twin.wire.profile import site_and_device

_MISC_EVERY_S = 0.25
_MISC_AT_LEAST = 64
"""Clients looked at each time, at least: those of a small fleet notice a dead connection as soon as they can."""
_MOST_QUEUED = 0
"""paho: no limit; the twin's own buffer is the one with a limit."""
WINDOW = 20
"""Unacknowledged or unwritten messages at which a gateway, or a device on a bad link, stops to send: the rest waits
where its limits are, in its buffer."""
LITTLE_BYTES = 8_192
_AT_ONCE_S = 0.01
"""What has left the air so soon is sent at once: the loop that drives this turns no faster."""


class FleetClient(QuickClient):
    """A client whose connect never blocks, and whose writes a partition can hold back."""

    held = False
    """Nothing is written: what paho sends, pings too, waits in its queue."""
    sends_little = False
    """The next connection is one over which the system may hold little that was written and not yet sent."""

    def listens_again(self) -> None:
        """A cut is over: keep-alive counts from now on."""
        now_s = self._last_bytes_received = self._last_msg_out = time.monotonic()
        if self._ping_t:  # whose answer, if there was one, lies in the socket
            self._ping_t = now_s

    @property
    def unwritten(self) -> int:
        """Packets that wait for room in the socket."""
        return len(self._out_packet)

    def _sock_send(self, buf: bytes | bytearray) -> int:
        if self.held:
            raise BlockingIOError
        return super()._sock_send(buf)

    def _sock_close(self) -> None:
        # Behind a cut paho's own keep-alive ends the connection, but its FIN must not get through: the line keeps the
        # socket, as an abandoned one.
        if self.held:
            self._sock = None
        else:
            super()._sock_close()

    def _create_socket_connection(self) -> socket.socket:
        # Not bound to a source address first: with many sockets in TIME_WAIT that fails.
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.sends_little:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LITTLE_BYTES)
        try:
            connection.connect((self._host, self._port))
        except BlockingIOError:
            pass
        except OSError:
            connection.close()
            raise
        return connection


@dataclass
class _Line:
    """One device's connection.

    Attributes:
        tries: attempt that this connection belongs to.
        session: the broker has accepted it.
        refused: its CONNACK refused; the end of the connection, which follows, is no news.
        connecting: the TCP handshake is still under way; that of TLS or CONNECT follows it.
        shaking: what the handshake of TLS or WebSocket waits for, as the selector calls it; 0: it is over, or there is
            none.
        watched: what the selector waits for on its socket.
        muted: a partition: bit 1, nothing is written; bit 2, nothing is read.
        sent: message id to devices and sequence numbers, of readings that nobody has acknowledged.
    """

    client: FleetClient
    tries: int = 0
    open: bool = False
    connecting: bool = False
    shaking: int = 0
    session: bool = False
    refused: bool = False
    socket: Any = None
    watched: int = 0
    muted: int = 0
    sent: dict[int, Said] = field(default_factory=dict)

    @property
    def speaks(self) -> bool:
        """paho has its socket."""
        return self.open and not self.connecting and not self.shaking


@dataclass
class Connects:
    """Counts of CONNECTs, as the devices saw them."""

    asked: int = 0
    admitted: int = 0
    refused: int = 0


_WRITE, _READ = 1, 2
_MUTES = {"both": _WRITE | _READ, "up": _WRITE, "down": _READ}


class LiveDeviceEnd:
    """Implements `Trunk` over real sockets.

    Args:
        passwords: one a device, empty for those without a client; the user name is the device's name.
        speed: simulated seconds per wall second.
        now_us: simulated instant.
        origin_us: Unix microseconds of simulated instant 0.
        tls: how everybody trusts the broker, or certificates of those with a client, by name; None: no TLS.
        path: MQTT over WebSocket, asked for by this path; None: MQTT over TCP.
        bad_links: a proxy through which some connect; whoever made it closes it.
        ceiling: of all connects together; None: there is none.

    Attributes:
        connects: asked for by devices, and what they saw of them: CONNACKs that admit, and refusals of any sort.
        in_doubt_each: int64, readings at QoS 1 and 2 of each device that nobody had acknowledged when it, or its
            gateway, lost its memory: delivered or lost, only the core knows.
        payload_bytes, packet_bytes: of the messages of each segment, alone and as whole MQTT packets.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        passwords: tuple[str, ...],
        plan: FleetPlan,
        speed: Fraction,
        now_us: Callable[[], int],
        username: str | None = None,
        origin_us: int = 0,
        tls: Mapping[str, ClientTls] | ClientTls | None = None,
        path: str | None = None,
        bad_links: BadLinks | None = None,
        ceiling: Ceiling | None = None,
    ) -> None:
        self._host, self._port = host, port
        self._ceiling = ceiling
        self._held: dict[int, int] = {}
        """Devices whose connect waits below the ceiling, in order, and their attempt."""
        self._bad_links = bad_links
        self._tls = tls
        self._path = path
        self._contexts: dict[ClientTls, tuple[tuple[int, int], ssl.SSLContext]] = {}
        self._passwords, self._username = passwords, username
        self._plan = plan
        self.configurations: Device | None = None
        """int32, one a device: what its births say of its configuration; None: nothing."""
        self._speed = speed
        self._now_us = now_us
        self._origin_us = origin_us
        self._selector = selectors.DefaultSelector()
        self._closed = False
        self._lines: dict[int, _Line] = {}
        self.in_doubt_each: Int = np.zeros(0, np.int64)
        self.begin_to_count()
        self._abandoned: dict[int, list[Any]] = {}
        self._air = Departures()
        self._at_once_us = round(_AT_ONCE_S * SECOND_US * speed)
        self._happened: list[tuple[int, int, DeviceEvent]] = []
        self._offered: tuple[Device, Int] | None = None
        self._misc_at = 0.0
        self._misc_next = 0
        kinds = catalogue()
        self._layouts = layouts({part.kind: kinds[part.kind].channels for part in plan.segments})

    def begin_to_count(self) -> None:
        """Begin to count connects, and the bytes of what is published."""
        self.connects = Connects()
        self.payload_bytes, self.packet_bytes = ([0] * len(self._plan.segments) for _ in range(2))

    # --- DeviceEnd ----------------------------------------------------------------------------------------------------

    def open(self, identities: Identities) -> None:
        self._names = list(identities.client_ids)
        clients = range(len(self._names)) if identities.clients is None else identities.clients.tolist()
        # A connection through the proxy has two more ends here.
        raise_file_limit(len(clients) + (2 * self._bad_links.devices if self._bad_links is not None else 0) + SPARE)
        self._speaker = list(clients) if identities.speaker is None else identities.speaker.tolist()
        self._keep_alive_s = [math.ceil(us / 1e6 / self._speed) for us in identities.keep_alive_us.tolist()]
        self._qos = identities.qos.tolist()
        plans = {part.name: part for part in self._plan.segments}
        self._senders, self._wires, self._durable = [], [], []
        numbers = {part.name: number for number, part in enumerate(self._plan.segments)}
        self._segment: list[int] = []
        for name in self._names:
            part = plans[site_and_device(name)[1].rpartition("-")[0]]
            self._senders.append(Sender(name, part.kind, part.name, part.firmware))
            self._wires.append(part.speaks)
            self._segment.append(numbers[part.name])
            self._durable.append(part.gateway is not None and part.gateway.durable)
        speakers = list(zip(self._wires, self._senders, strict=True))
        self._telemetry = [wire.telemetry_topic(sender) for wire, sender in speakers]
        self._state = [wire.state_topic(sender) for wire, sender in speakers]
        self._boots = [1] * len(self._names)
        self.in_doubt_each = np.zeros(len(self._names), np.int64)
        self._lines = {device: self._new_line(device) for device in clients}
        self._order = list(clients)
        if self._tls is not None:
            # A key takes a millisecond to read, as long as a handshake: read now, it is no part of a storm.
            for device in clients:
                self._context(device)
        self._last_named: dict[int, tuple[Device, str, NDArray[np.uint16]]] = {}

    def offer(self, at_us: Int, device: Device, tries: Int, begin_us: Int) -> Outcome:  # noqa: ARG002
        self._offered = (device.copy(), tries.copy())
        return Outcome(np.full(len(device), Answer.OPEN, np.uint8), np.full(len(device), NEVER_US, np.int64))

    def commit(self, count: int) -> None:
        assert self._offered is not None, "commit follows an offer"
        device, tries = self._offered
        for who, number in zip(device[:count].tolist(), tries[:count].tolist(), strict=True):
            self._connect(who, number)

    def disconnect(self, device: Device, at_us: Int, last_packet_us: Int, abrupt: bool) -> None:  # noqa: ARG002
        for who in device.tolist():
            self._held.pop(who, None)
            self._hang_up(who, silently=abrupt)
            if abrupt:
                self._forget(who)

    def silence(self, device: Device, at_us: int, last_packet_us: Int, direction: str) -> None:  # noqa: ARG002
        for who in device.tolist():
            line = self._lines[who]
            line.muted = _MUTES[direction]
            line.client.held = bool(line.muted & _WRITE)
            self._watch(who)

    def resume(self, device: Device, at_us: int, kept: Mask) -> None:  # noqa: ARG002
        for who in device.tolist():
            line = self._lines[who]
            line.muted = 0
            line.client.held = False
            line.client.listens_again()
            self._close_abandoned(who)
            if line.speaks:
                line.client.loop_write()
            self._watch(who)

    def announce(self, device: Device, boot: Device, at_us: Int) -> None:
        for who, number, instant in zip(device.tolist(), boot.tolist(), at_us.tolist(), strict=True):
            self._boots[who] = number
            sender = self._senders[who]
            if self.configurations is not None and self.configurations[who] != UNSAID:
                sender = replace(sender, configuration=int(self.configurations[who]))
            payload = self._wires[who].encode_birth(sender, number, self._origin_us + instant)
            self._depart(instant, self._soon_us(), who, None, Message(self._state[who], payload))

    def begin(self, order: LinkFault) -> None:
        """See `twin.uplink.Wire`."""
        if self._bad_links is not None:
            self._bad_links.begin(order)

    def end(self, step: str, device: Int) -> None:
        if self._bad_links is not None:
            self._bad_links.end(step, device)

    def forward(self, events: SessionEvents) -> None:
        for row in range(len(events)):
            one = slice(row, row + 1)
            if events.what[row] == SessionEvent.BORN:
                self.announce(events.device[one], events.boot[one], events.at_us[one])
            else:
                who = int(events.device[row])
                will = Message(self._state[who], self._will(who))
                self._depart(int(events.at_us[row]), self._soon_us(), who, None, will)

    def _will(self, device: int) -> bytes:
        return self._wires[device].encode_will(self._senders[device], self._boots[device])

    def backed_up(self, device: Int) -> Mask:
        lines = [self._lines[who] for who in device.tolist()]
        return np.array([max(len(line.sent), line.client.unwritten) >= WINDOW for line in lines], np.bool_)

    def publish(self, readings: Readings, at_broker_us: Int, kept: Mask | None = None) -> Mask | None:  # noqa: ARG002
        """See `DeviceEnd`: each goes to its socket at `at_broker_us`, for loopback takes no time. What a broker drops
        nobody tells."""
        if readings.together is not None:
            self._publish_columns(readings, readings.together, at_broker_us)
            return None
        layout, soon_us = self._layouts[readings.kind], self._soon_us()
        rows = range(len(readings.device)) if readings.present is None else np.flatnonzero(readings.present).tolist()
        for row in rows:
            who, seq = int(readings.device[row]), int(readings.seq[row])
            at_us = int(at_broker_us[row])
            if readings.wire:
                self._depart(at_us, soon_us, who, seq, readings.wire[row])
                continue
            payload = self._wires[who].encode_reading(
                self._senders[who],
                layout,
                int(readings.boot[row]),
                seq,
                self._origin_us + int(readings.device_time_us[row]),
                readings.values[row].tolist(),
            )
            self._depart(at_us, soon_us, who, seq, Message(self._telemetry[who], payload))
        return None

    def _soon_us(self) -> int:
        return self._now_us() + self._at_once_us

    def _depart(
        self, at_us: int, soon_us: int, device: int, seq: int | None, message: Message, said: Said | None = None
    ) -> None:
        """Send this when it has left the air, behind what its connection carries already."""
        if at_us > soon_us or self._air.has(self._speaker[device]):
            self._air.add(self._speaker[device], at_us, Departure(device, seq, message, said))
        else:
            self._arrive(device, seq, message, said)

    def _arrive(self, device: int, seq: int | None, message: Message, said: Said | None = None) -> None:
        if said is not None:
            mid = self._publish(device, message.topic, message.payload, qos=1)
            self._lines[self._speaker[device]].sent[mid] = said
        elif seq is None:
            self._publish(device, message.topic, message.payload, qos=1)
        else:
            self._send(device, seq, message)

    def _publish_columns(self, readings: Readings, together: Together, at_broker_us: Int) -> None:
        """Send what gateways have gathered."""
        soon_us = self._soon_us()
        channels = [each.name for each in self._layouts[readings.kind].channels]
        first = np.flatnonzero(together.begins)
        clients = together.client[together.message[first]].tolist()
        for gateway, start, stop in zip(clients, first.tolist(), [*first[1:].tolist(), len(readings)], strict=True):
            rows = slice(start, stop)
            text, which = self._named(gateway, readings.device[rows])
            payload = columns.encode(
                self._names[gateway],
                channels,
                columns.Columns.of(
                    readings.kind,
                    text,
                    which,
                    readings.boot[rows],
                    readings.seq[rows],
                    readings.device_time_us[rows] + self._origin_us,
                    readings.values[rows],
                ),
            )
            message = Message(columns.topic(self._names[gateway]), payload)
            said = readings.device[rows], readings.seq[rows]
            self._depart(int(at_broker_us[start]), soon_us, gateway, None, message, said)

    def _named(self, gateway: int, device: Device) -> tuple[str, NDArray[np.uint16]]:
        """Names of these devices as columns have them, and the line of each; those of the last message, mostly."""
        last = self._last_named.get(gateway)
        if last is None or not np.array_equal(last[0], device):
            distinct, which = np.unique(device, return_inverse=True)
            text = "\n".join(self._names[who] for who in distinct.tolist())
            last = self._last_named[gateway] = device, text, which.astype(np.uint16)
        return last[1], last[2]

    def poll(self, now_us: int) -> DeviceOutcome:
        """Move every socket that is ready; tell what happened, at `now_us`."""
        self._let_go()
        if not self._closed:
            for left in self._air.due(self._now_us() + self._at_once_us // 2):
                self._arrive(left.device, left.seq, left.message, left.said)
            for key, mask in self._selector.select(timeout=0):
                self._move(key.data, key.fileobj, mask)
            self._keep_alive()
        happened, self._happened = self._happened, []
        # One row a device and poll: the last word counts (connected and lost within one poll is lost).
        last = {device: (tries, what) for device, tries, what in happened}
        device = np.array(sorted(last), np.int32)
        return DeviceOutcome(
            at_us=np.full(len(device), now_us, np.int64),
            device=device,
            tries=np.array([last[who][0] for who in device.tolist()], np.int64),
            what=np.array([last[who][1] for who in device.tolist()], np.uint8),
        )

    def unacknowledged(self) -> int:
        """Readings at QoS 1 and 2 that nobody has acknowledged, at QoS 2 by a PUBCOMP, and those on the air."""
        return sum(len(said) for line in self._lines.values() for said, _ in line.sent.values()) + sum(
            1 for _ in self._air.readings()
        )

    def unwritten(self) -> int:
        """Packets that wait for room in their sockets."""
        return sum(line.client.unwritten for line in self._lines.values())

    def unacknowledged_each(self) -> Int:
        """The same, one a device."""
        waiting = np.zeros(len(self._names), np.int64)
        for line in self._lines.values():
            for said, _ in line.sent.values():
                for device in said:
                    waiting[device] += 1
        for device in self._air.readings():
            waiting[device] += 1
        return waiting

    def close(self) -> None:
        """Take leave of the broker and leave no socket, now: a broker that does not read is not waited for. A second
        call does nothing."""
        if self._closed:
            return
        self._closed = True
        for who, line in self._lines.items():
            if line.speaks and not line.muted:
                with contextlib.suppress(OSError, ValueError):
                    line.client.disconnect()
                if line.client.unwritten and line.socket is not None:
                    will_reset(line.socket)
            line.muted = 0
            self._hang_up(who)
            self._close_abandoned(who)
        self._selector.close()

    # --- one device ---------------------------------------------------------------------------------------------------

    def _new_line(self, device: int, muted: int = 0) -> _Line:
        client = self._new_client(device)
        client.held = bool(muted & _WRITE)
        return _Line(client, muted=muted)

    def _forget(self, device: int) -> None:
        """A new client: what the old one still had to send is gone with the power, unless it lies on a disk."""
        before = self._lines[device]
        self._lines[device] = self._new_line(device, before.muted)
        # Its session outlives it at QoS 2: ids go on, for the broker may still hold some of the last ones.
        self._lines[device].client._last_mid = before.client._last_mid
        for mid, said in before.sent.items():
            first = int(said[0][0])
            if first != device and self._durable[device]:
                message = before.client._out_messages[mid]
                again = self._publish(first, message.topic, bytes(message.payload), 1)
                self._lines[device].sent[again] = said
            else:
                for who in said[0]:
                    self.in_doubt_each[who] += 1
        for one in self._air.drop(device):
            if one.said is not None and self._durable[device]:
                self._arrive(one.device, None, one.message, one.said)
                continue
            for who in () if one.said is None else one.said[0]:
                self.in_doubt_each[who] += 1
            if one.seq is None:
                continue
            if one.device != device and self._durable[device]:
                self._send(one.device, one.seq, one.message)
            else:
                self.in_doubt_each[one.device] += 1

    def _new_client(self, device: int) -> FleetClient:
        name = self._names[device]
        client = FleetClient(
            CallbackAPIVersion.VERSION2,
            client_id=name,
            protocol=paho.MQTTv311,
            # At QoS 2 the broker has to know over a reconnect what it has received.
            clean_session=self._qos[device] != 2,
            userdata=device,
        )
        if not isinstance(self._tls, Mapping):  # else its certificate says who it is
            client.username_pw_set(self._username or name, self._passwords[device] or None)
        client.max_inflight_messages_set(0x7FFF)
        client.max_queued_messages_set(_MOST_QUEUED)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        return client

    def _connect(self, device: int, tries: int) -> None:
        line = self._lines[device]
        self._hang_up(device)
        line.tries = tries
        if self._closed:
            return
        self.connects.asked += 1
        if line.muted:
            return  # the packets of the handshake get nowhere: no answer, until the client's timeout
        if self._ceiling is not None and (self._held or not self._ceiling.lets()):
            self._ceiling.held += 1
            self._held[device] = tries  # who waits already keeps the place
            return
        self._dial(device)

    def _let_go(self) -> None:
        """Those who wait below the ceiling, as far as it lets them."""
        while self._held and not self._closed and self._ceiling is not None and self._ceiling.lets():
            device, tries = next(iter(self._held.items()))
            del self._held[device]
            if self._lines[device].tries == tries and not self._lines[device].muted:
                self._dial(device)

    def _dial(self, device: int) -> None:
        line = self._lines[device]
        client = line.client
        client.will_set(self._state[device], self._will(device), qos=1)
        detour = None if self._bad_links is None else self._bad_links.port_of(device)
        client._host, client._port = (self._host, self._port) if detour is None else (LOOPBACK, detour)
        client._keepalive, client.sends_little = self._keep_alive_s[device], detour is not None
        try:
            line.socket = client._create_socket_connection()
        except OSError:
            self._tell(device, DeviceEvent.REFUSED)
            return
        line.open = line.connecting = True
        self._watch(device)

    def _established(self, device: int) -> None:
        """TCP is up (or refused): go on with TLS, or let paho send its CONNECT."""
        line = self._lines[device]
        error = line.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            self._fail(device)
            return
        line.connecting = False
        if self._tls is None:
            if self._path is None:
                self._speak(device)
            else:
                self._ask_for_frames(device)
            return
        self._unwatch(line)
        try:
            line.socket = self._context(device).wrap_socket(
                line.socket, server_hostname=self._host, do_handshake_on_connect=False
            )
        except OSError:
            self._fail(device)
            return
        line.shaking = selectors.EVENT_WRITE
        self._shake(device)

    def _context(self, device: int) -> ssl.SSLContext:
        """Made before the first connect, and again when its certificate has changed."""
        assert self._tls is not None
        papers = self._tls[self._names[device]] if isinstance(self._tls, Mapping) else self._tls
        found, file = self._contexts.get(papers), file_stamp(papers)
        if found is None or found[0] != file:
            found = self._contexts[papers] = file, client_context(papers)
        return found[1]

    def _shake(self, device: int) -> None:
        """A step of the handshakes, of TLS and then of WebSocket; after the last one paho sends its CONNECT."""
        line = self._lines[device]
        try:
            line.socket.do_handshake()
        except ssl.SSLWantReadError:
            line.shaking = selectors.EVENT_READ
        except ssl.SSLWantWriteError:
            line.shaking = selectors.EVENT_WRITE
        except OSError:  # of TLS, too: one refuses the other
            self._fail(device)
            return
        else:
            if self._path is not None and isinstance(line.socket, ssl.SSLSocket):
                self._ask_for_frames(device)
                return
            line.shaking = 0
            self._speak(device)
            return
        self._watch(device)

    def _ask_for_frames(self, device: int) -> None:
        """Begin WebSocket on a connection that is up."""
        assert self._path is not None
        line = self._lines[device]
        self._unwatch(line)
        line.socket = WebSocketSocket(line.socket, self._host, self._port, self._path)
        line.shaking = selectors.EVENT_WRITE
        self._shake(device)

    def _fail(self, device: int) -> None:
        self._hang_up(device)
        self._tell(device, DeviceEvent.REFUSED)

    def _speak(self, device: int) -> None:
        """The connection is up: let paho send its CONNECT."""
        line = self._lines[device]
        ready, client = line.socket, line.client
        client._create_socket_connection = lambda: ready  # type: ignore[method-assign]
        try:
            client.reconnect()
        except OSError:
            self._fail(device)
            return
        finally:
            del client._create_socket_connection
        line.socket = client.socket()
        self._watch(device)

    def _hang_up(self, device: int, *, silently: bool = False) -> None:
        """End the connection, without DISCONNECT.

        Args:
            silently: not even the system tells the broker (no power): the socket stays open until the device is back.
                Behind a cut the same holds: a FIN would get through it.
        """
        line = self._lines[device]
        line.open = line.connecting = line.session = line.refused = False
        line.shaking = 0
        if line.socket is None:
            return
        self._unwatch(line)
        if silently or line.muted & _WRITE:
            self._abandoned.setdefault(device, []).append(line.socket)
            line.client._sock = None
        else:
            line.client._sock_close()
            with contextlib.suppress(OSError):
                line.socket.close()
        line.socket = None

    def _close_abandoned(self, device: int) -> None:
        for abandoned in self._abandoned.pop(device, ()):
            with contextlib.suppress(OSError):
                abandoned.close()

    def _send(self, device: int, seq: int, message: Message) -> None:
        """Send a reading, or, marked as repeated and while nobody has acknowledged it, its message again."""
        speaker = self._speaker[device]
        line = self._lines[speaker]
        qos = self._qos[device] if speaker == device else 1
        # At QoS 2 the same id would be one message to the broker: there a repeat is another message.
        if message.repeated and qos == 1:
            waiting = next((mid for mid, sent in line.sent.items() if _is_one(sent, device, seq)), None)
            if waiting is not None and line.session:
                line.client._send_publish(waiting, message.topic.encode(), message.payload, qos, dup=True)
                self._watch(speaker)
                return
        mid = self._publish(device, message.topic, message.payload, qos)
        if qos:
            line.sent[mid] = (device,), (seq,)

    def _publish(self, device: int, topic: str, payload: bytes, qos: int) -> int:
        """Returns the message id. Whatever the socket makes of it, paho keeps it until its PUBACK or PUBCOMP."""
        speaker = self._speaker[device]
        client = self._lines[speaker].client
        name = topic.encode()
        mid = client.say(name, payload, qos)
        if client.unwritten:
            self._watch(speaker)
        segment = self._segment[device]
        self.payload_bytes[segment] += len(payload)
        self.packet_bytes[segment] += _packet_bytes(len(name), len(payload), qos)
        return mid

    def _watch(self, device: int) -> None:
        """Ask the selector for what this connection can do now."""
        line = self._lines[device]
        if line.socket is None or not line.open:
            return
        events = 0
        if line.connecting:
            events = selectors.EVENT_WRITE
        elif line.shaking:
            events = 0 if line.muted else line.shaking
        else:
            if not line.muted & _READ:
                events |= selectors.EVENT_READ
            if not line.muted & _WRITE and line.client.want_write():
                events |= selectors.EVENT_WRITE
        if events == line.watched:
            return
        with contextlib.suppress(KeyError, ValueError, OSError):
            if not line.watched:
                self._selector.register(line.socket, events, device)
            elif not events:
                self._selector.unregister(line.socket)
            else:
                self._selector.modify(line.socket, events, device)
        line.watched = events

    def _unwatch(self, line: _Line) -> None:
        if line.watched:
            line.watched = 0
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(line.socket)

    def _move(self, device: int, ready: Any, mask: int) -> None:
        line = self._lines[device]
        if line.socket is not ready:
            return
        if line.connecting:
            self._established(device)
            return
        if line.shaking:
            self._shake(device)
            return
        if mask & selectors.EVENT_READ:
            line.client.loop_read()
            # What TLS or a frame has already taken from the socket wakes no selector.
            while line.socket is ready and isinstance(ready, ssl.SSLSocket | WebSocketSocket) and ready.pending():
                line.client.loop_read()
        if line.open and mask & selectors.EVENT_WRITE:
            line.client.loop_write()
        if mask & selectors.EVENT_WRITE or line.client.unwritten:
            self._watch(device)

    def _keep_alive(self) -> None:
        """Pings and their timeouts, for a slice of the clients at a time."""
        now = time.monotonic()
        if now < self._misc_at:
            return
        self._misc_at = now + _MISC_EVERY_S
        share = max(-(-len(self._order) // 4), _MISC_AT_LEAST)
        for device in self._order[self._misc_next : self._misc_next + share]:
            line = self._lines[device]
            # Before a CONNACK paho would give up after a keep-alive; how long to wait is for the firmware to say.
            # Behind a cut that the world makes, it is for the world, by the draw of virtual time.
            if line.session and not line.muted:
                line.client.loop_misc()
                self._watch(device)
        self._misc_next = self._misc_next + share if self._misc_next + share < len(self._order) else 0

    # --- what paho tells ----------------------------------------------------------------------------------------------

    def _on_connect(self, client: paho.Client, device: int, flags: Any, reason: Any, properties: Any) -> None:  # noqa: ARG002
        line = self._lines[device]
        if reason.is_failure:
            self._tell(device, DeviceEvent.REFUSED)
            line.refused = True
        else:
            line.session = True
            self._close_abandoned(device)
            self._tell(device, DeviceEvent.CONNECTED)

    def _on_disconnect(self, client: paho.Client, device: int, flags: Any, reason: Any, properties: Any) -> None:  # noqa: ARG002
        line = self._lines[device]
        if not line.open or line.client is not client:
            return  # paho tells it twice when a ping stays without answer
        had_session, refused = line.session, line.refused
        self._hang_up(device)
        if had_session:
            self._tell(device, DeviceEvent.LOST)
        elif not refused:  # closed before a CONNACK
            self._tell(device, DeviceEvent.REFUSED)

    def _on_publish(self, client: paho.Client, device: int, mid: int, reason: Any, properties: Any) -> None:  # noqa: ARG002
        self._lines[device].sent.pop(mid, None)

    def _tell(self, device: int, what: DeviceEvent) -> None:
        self.connects.admitted += what == DeviceEvent.CONNECTED
        self.connects.refused += what == DeviceEvent.REFUSED
        self._happened.append((device, self._lines[device].tries, what))


def _is_one(sent: Said, device: int, seq: int) -> bool:
    """Whether a message has this reading, and no other."""
    return len(sent[0]) == 1 and (sent[0][0], sent[1][0]) == (device, seq)


def _packet_bytes(topic_bytes: int, payload_bytes: int, qos: int) -> int:
    """Of a PUBLISH: fixed header with a length of seven bits a byte, topic, identifier, payload (MQTT 3.1.1, 3.3)."""
    rest = 2 + topic_bytes + 2 * (qos > 0) + payload_bytes
    return 1 + -(-rest.bit_length() // 7) + rest
