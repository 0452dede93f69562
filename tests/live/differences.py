"""How other brokers differ from MQTT 3.1.1 as `defects.CASES` asks for it, and the page that tells.

python -m tests.live.differences      write the tables into docs/conformance.md
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.live.defects import CASES

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"
BEGIN, END = "<!-- cases: written by `python -m tests.live.differences` -->\n", "<!-- end of cases -->"

MOSQUITTO: Mapping[str, str] = {
    "keep-alive": "it looks every five seconds or so, so that short keep-alives end late",
    "stretched-packet": "it looks every five seconds or so, so that short keep-alives end late",
    "takeover-will": "no will is told when a kept session is taken over for another kept one",
    "stalled": "such a client is kept, and what it does not take is queued",
    "oversized": "there is no limit unless `message_size_limit` sets one",
    "ping-flags": "the flags of a PINGREQ are not looked at",
    "ping-body": "the body of a PINGREQ is not looked at",
    "repeated-qos-0": "the mark of a repetition at QoS 0 is not looked at",
}
"""Mosquitto 2.0.11 (Debian 12), by case."""

AEDES: Mapping[str, str] = {
    "unacknowledged-1": "the repetition is not marked as one",
    "unacknowledged-2": "the repetition is not marked as one",
    "waiting-has-an-end": "in memory, it has none",
    "in-flight": "it has no such limit",
    "stalled": "such a client is kept",
    "session-present": "a session without subscriptions counts as none",
    "bad-filter": "`a+/b` is granted",
    "shared-subscription": "granted, and nothing is delivered",
    "oversized": "there is no limit",
    "no-filters-left": "answered",
    "ping-body": "answered",
    "topic-utf8": "bytes that are no UTF-8 are replaced",
    "topic-nul": "taken",
    "topic-surrogate": "bytes that are no UTF-8 are replaced",
    "filter-utf8": "bytes that are no UTF-8 are replaced",
    "filter-nul": "taken",
    "publish-id-0": "taken, and acknowledged with number 0",
    "subscribe-id-0": "taken",
    "repeated-qos-0": "taken",
    "will-qos-3": "let in",
    "password-without-user": "let in, where nobody needs a name",
    "connect-tail": "let in",
    "client-id-utf8": "bytes that are no UTF-8 are replaced",
    "client-id-nul": "let in",
}
"""aedes 1.2.0, with its memory persistence, by case."""

UNKNOWABLE = frozenset({"refused-sessions"})
"""What only the broker itself could tell."""


def _cell(name: str, differences: Mapping[str, str]) -> str:
    if name in UNKNOWABLE:
        return "not seen"
    if CASES[name].is_slow:
        return "not tried"
    return "differs" if name in differences else "yes"


def tables() -> str:
    """Markdown."""
    lines = ["| case | what a broker must do | ours | stock amqtt | Mosquitto | aedes |", "|---|---|---|---|---|---|"]
    for one in CASES.values():
        stock = "**no**" if one.defect else "yes"
        cells = (f"`{one.name}`", one.asks, "yes", stock, _cell(one.name, MOSQUITTO), _cell(one.name, AEDES))
        lines.append(f"| {' | '.join(cells)} |")
    for title, differences in (("Mosquitto 2.0.11", MOSQUITTO), ("aedes 1.2.0", AEDES)):
        lines += ["", f"How {title} differs:", ""]
        lines += [f"- `{name}`: {how}." for name, how in differences.items()]
    return "\n".join(lines) + "\n"


def page_with(written: str) -> str:
    """The page with these tables in their place."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{written}{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page_with(tables()), encoding="utf-8")
