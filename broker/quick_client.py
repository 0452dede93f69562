"""paho's client without what it spends on every packet that nobody here asks for.

The session logic stays paho's: what is unacknowledged, what goes out again, keep-alive, reconnecting. Taken out are a
condition variable, properties of MQTT 5 and a callback for each message, and two of three reads of the system for each
acknowledgement. One thread only; whoever has the client reads and writes.
"""

from __future__ import annotations

import time
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import MessageState, MQTTErrorCode

from twinstorm.broker.raw_client import publish_packet

READ_BYTES = 4_096
_PUBACK = b"\x40\x02"


class _Unwatched(paho.MQTTMessage):
    """A message for whose acknowledgement nobody waits by its own."""

    __slots__ = ()

    def __init__(self, mid: int, topic: bytes, payload: bytes, qos: int) -> None:
        self.timestamp = time.monotonic()
        self.state = MessageState.MQTT_MS_WAIT_FOR_PUBACK if qos == 1 else MessageState.MQTT_MS_WAIT_FOR_PUBREC
        self.dup = self.retain = False
        self.mid, self._topic, self.payload, self.qos = mid, topic, payload, qos
        self.properties = None

    @property
    def info(self) -> paho.MQTTMessageInfo:  # type: ignore[override]
        return paho.MQTTMessageInfo(self.mid)


class QuickClient(paho.Client):
    """Speaks MQTT 3.1.1; see the module."""

    _ahead = b""
    """Read from the socket, and not yet by paho."""
    _dry = False
    """The last read took all that there was."""

    def say(self, topic: bytes, payload: bytes, qos: int) -> int:
        """Publish as `publish` does, and return the message id. The topic is taken as it is."""
        if self._sock is None or self._out_packet or len(self._out_messages) >= self._max_inflight_messages:
            return self.publish(topic.decode(), payload, qos).mid
        mid = self._mid_generate()
        packet = publish_packet(topic, payload, qos, mid)
        if qos:
            if mid in self._out_messages:
                return mid  # all ids are in use: as paho, it is not sent
            self._out_messages[mid] = _Unwatched(mid, topic, payload, qos)
            self._inflight_messages += 1
        try:
            sent = self._sock_send(packet)
        except OSError:
            sent = 0  # also when there is no room: paho finds that out, and what to do about it
        if sent:
            self._last_msg_out = time.monotonic()
        if sent < len(packet):
            self._out_packet.append(
                {
                    "command": packet[0],
                    "mid": mid,
                    "qos": qos,
                    "pos": sent,
                    "to_process": len(packet) - sent,
                    "packet": packet,
                    "info": paho.MQTTMessageInfo(mid),
                }
            )
            self.loop_write()
        return mid

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read all that is there."""
        self._dry = False
        while True:
            self._take_acknowledgements()
            before = len(self._ahead)
            code = super().loop_read(max_packets)
            if code or not self._ahead or len(self._ahead) == before or self._sock is None:
                return code

    def _take_acknowledgements(self) -> None:
        """Those that lie before anything else: most of what a device is told."""
        if self._in_packet["command"] or not self.is_connected():
            return
        if not self._ahead:
            try:
                self._ahead = self._read()
            except OSError:
                return  # paho finds it out again, and what to do about it
        ahead, at = self._ahead, 0
        while ahead[at : at + 2] == _PUBACK and len(ahead) >= at + 4:
            self._acknowledged(ahead[at + 2] << 8 | ahead[at + 3])
            at += 4
        if at:
            self._last_bytes_received = time.monotonic()
            self._ahead = ahead[at:]

    def reconnect(self) -> MQTTErrorCode:
        self._ahead, self._dry = b"", False
        return super().reconnect()

    def _messages_reconnect_reset_out(self) -> None:
        # paho publishes again what the broker has already received, if the connection before this one got no CONNACK.
        released = [
            one
            for one in self._out_messages.values()
            if one.state == MessageState.MQTT_MS_RESEND_PUBREL and not self._check_clean_session()
        ]
        super()._messages_reconnect_reset_out()
        for message in released:
            message.state = MessageState.MQTT_MS_RESEND_PUBREL

    def _sock_recv(self, bufsize: int) -> bytes:
        if not self._ahead:
            self._ahead = self._read()
        taken, self._ahead = self._ahead[:bufsize], self._ahead[bufsize:]
        return taken

    def _read(self) -> bytes:
        if self._dry:
            raise BlockingIOError
        found = super()._sock_recv(READ_BYTES)
        self._dry = 0 < len(found) < READ_BYTES
        return found

    def _acknowledged(self, mid: int) -> None:
        if self._out_messages.pop(mid, None) is None:
            return
        self._inflight_messages -= 1
        told: Any = self.on_publish
        if told is not None:
            told(self, self._userdata, mid, None, None)
        if len(self._out_messages) > self._inflight_messages:
            self._update_inflight()
