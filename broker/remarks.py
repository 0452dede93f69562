"""What a broker has to say to the people who run it: a line once, with what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

MOST = 200
"""Different lines that are kept: their text holds what strangers send."""
LONGEST_ID = 40
LONGEST_REASON = 200


class Remarks:
    """Lines, and how often there was a reason for each.

    Args:
        tell: gets each line the first time, on the thread of the broker; None: nobody.
    """

    def __init__(self, tell: Callable[[str], None] | None = None) -> None:
        self._tell = tell
        self._times: Counter[str] = Counter()

    def note(self, line: str) -> None:
        """There is a reason for this line."""
        if line not in self._times:
            if len(self._times) >= MOST:
                return
            if self._tell is not None:
                self._tell(line)
        self._times[line] += 1

    def lines(self) -> list[str]:
        """All of them, in the order in which they came; may be asked from any thread."""
        return [line if count == 1 else f"{line} ({count:,} times)" for line, count in list(self._times.items())]


def other_version(connect: bytes) -> tuple[str, str] | None:
    """Which version of MQTT the body of a CONNECT asks for, and its client id; None: 3.1.1, or none that there is."""
    name_end = 2 + int.from_bytes(connect[:2])
    name, level = connect[2:name_end], connect[name_end : name_end + 1]
    rest = connect[name_end + 4 :]  # behind level, flags and keep-alive
    if (name, level) == (b"MQIsdp", b"\3"):
        return "3.1", _text(rest)
    if name == b"MQTT" and level == b"\5":
        return "5", _text(_past_properties(rest))
    return None


def refusal(version: str, client_id: str, address: str) -> str:
    """The line about a client that speaks another version."""
    shown = repr(client_id[:LONGEST_ID]) if client_id else "without an id"
    return (
        f"refused a client at {address}, {shown}: it speaks MQTT {version}, and this broker MQTT 3.1.1 only; "
        "set the client's version to 3.1.1 (mosquitto_sub -V mqttv311, paho protocol=MQTTv311)"
    )


def failed_handshake(reason: str) -> str:
    """The line about a client of which nobody learned who it is; a reason may hold what it sent."""
    shown = "".join(sign if sign.isprintable() else "?" for sign in reason[:LONGEST_REASON])
    return f"a handshake failed: {shown}"


def _past_properties(rest: bytes) -> bytes:
    length = shift = 0
    for position, low in enumerate(rest[:4]):
        length |= (low & 0x7F) << shift
        shift += 7
        if not low & 0x80:
            return rest[position + 1 + length :]
    return b""


def _text(raw: bytes) -> str:
    return raw[2 : 2 + int.from_bytes(raw[:2])].decode(errors="replace")
