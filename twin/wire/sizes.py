"""How long messages are: measured on documents that are really encoded, once a segment, before a run.

A reading is as long as one in the middle of things: every channel at 61.8 % of its range, in the resolution of its
sensor, a five-digit sequence number, the longest name of a site. Whether it fits its link is asked of the longest of
three: that one, and all channels at either end of their range, with a sequence number of nine digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from twinstorm.twin.flow import Channel
from twinstorm.twin.wire.codecs import Sender
from twinstorm.twin.wire.layout import Layout
from twinstorm.twin.wire.wires import Wire

IN_THE_MIDDLE: Final = 0.618
"""No round part of any range, so that numbers have the digits that most have."""
_USUAL_SEQ, _LARGE_SEQ = 12_345, 123_456_789
_AT_US: Final = 1_893_974_400_500_000
"""2030-01-07T00:00:00.5Z"""
_PASSWORD_BYTES: Final = 16
_CONNECT_BYTES: Final = 14
"""Of a CONNECT without its name, password and will: MQTT's headers and lengths."""
_LENGTH_BYTES: Final = 2
"""Before every text in a CONNECT."""


@dataclass(frozen=True)
class Said:
    """Bytes of what devices of a segment say, where a scenario chooses their wire.

    Attributes:
        reading, birth: payloads.
        longest: of a reading.
        topic: of readings.
        connect: the whole CONNECT.
        always: devices send these documents themselves; False: on a link that packs readings, its gateway makes them.
    """

    reading: int
    longest: int
    birth: int
    topic: int
    connect: int
    always: bool


def said(wire: Wire, names: Sequence[str], segment: str, kind: str, firmware: str, channels: Sequence[Channel]) -> Said:
    """Measure what devices of a segment say.

    Args:
        names: of some of its devices, one a site: the longest counts.
    """
    layout = Layout(kind, tuple(channels))
    sender = Sender(max(names, key=lambda name: (len(name.encode()), name)), kind, segment, firmware)

    def reading(seq: int, part: float) -> int:
        values = [_at(channel, part) for channel in channels]
        return len(wire.encode_reading(sender, layout, 1, seq, _AT_US, values))

    usual = reading(_USUAL_SEQ, IN_THE_MIDDLE)
    will, name = len(wire.encode_will(sender, 1)), len(sender.name.encode())
    texts = (name, len(wire.state_topic(sender).encode()), will, name, _PASSWORD_BYTES)
    return Said(
        reading=usual,
        longest=max(usual, *(reading(_LARGE_SEQ, part) for part in (0.0, IN_THE_MIDDLE, 1.0))),
        birth=len(wire.encode_birth(sender, 1, _AT_US)),
        topic=len(wire.telemetry_topic(sender).encode()),
        connect=_CONNECT_BYTES + sum(_LENGTH_BYTES + length for length in texts),
        always=wire.spec is not None and wire.spec.flat is not None,
    )


def _at(channel: Channel, part: float) -> float:
    """A value of this channel that its sensor can report."""
    wanted = channel.lowest + part * (channel.highest - channel.lowest)
    return channel.offset + round((wanted - channel.offset) / channel.step) * channel.step
