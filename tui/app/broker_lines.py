"""The broker in numbers and bars: for the panel and the screen."""

from __future__ import annotations

from twinstorm.scenarios.protocol import BrokerRow, Frame
from twinstorm.tui.app import numbers
from twinstorm.tui.app.lines import PLAIN, Line, cut, fit, plain
from twinstorm.tui.app.plot import bars
from twinstorm.tui.app.signs import CODE, Signs

PLOTTED_S = 120
"""Seconds that `Frame.connects_per_s` looks back."""


def facts(broker: BrokerRow, signs: Signs, width: int) -> list[Line]:
    """Three lines: who is connected, what flows, who wants in. Words and numbers shrink before anything goes."""
    up: Line = [("up", PLAIN)] if broker.up else [("DOWN", signs.bad)]
    messages_in, messages_out = numbers.short(broker.messages_in_per_s), numbers.short(broker.messages_out_per_s)
    attempts, admitted = numbers.short(broker.attempts_per_s), numbers.short(broker.admitted_per_s)
    refused = numbers.short(broker.refused_per_s)
    queue, drops = numbers.short(broker.queue), numbers.short(broker.dropped)
    sessions, connecting = broker.sessions, broker.connecting
    rows = [
        [
            [up, plain(f"sessions {numbers.count(sessions)}"), plain(f"connecting {numbers.count(connecting)}")],
            [up, plain(f"sessions {numbers.short(sessions)}"), plain(f"connecting {numbers.short(connecting)}")],
        ],
        [
            _facts(f"in {messages_in}/s", f"out {messages_out}/s", f"queue {numbers.count(broker.queue)}",
                   f"drops {numbers.count(broker.dropped)}"),
            _facts(f"in {messages_in}", f"out {messages_out}", f"queue {queue}", f"drops {drops}"),
            _facts(f"in {messages_in}", f"queue {queue}", f"drops {drops}"),
        ],
        [
            _facts(f"connects {attempts}/s", f"admitted {admitted}/s", f"refused {refused}/s"),
            _facts(f"connect {attempts}", f"admit {admitted}", f"refuse {refused}/s"),
            _facts(f"connect {attempts}", f"refuse {refused}/s"),
        ],
    ]  # fmt: skip
    return [fit(variants, ("  ", PLAIN), width) for variants in rows]


def _facts(*facts: str) -> list[Line]:
    return [plain(fact) for fact in facts]


def connects(frame: Frame, signs: Signs, width: int, height: int) -> list[Line]:
    """Connect attempts a second over the last two minutes: a title, then `height` - 1 rows of bars."""
    recent = frame.connects_per_s[-PLOTTED_S:]
    padded: list[float | None] = [None] * (PLOTTED_S - len(recent)) + list(recent)
    top = max(recent, default=0.0)
    title: Line = [(f"connects/s, last 2 min, top {numbers.short(top)}", signs.muted)]
    style = signs.state_styles[CODE["reconnecting"]] if not signs.ascii else PLAIN
    return [cut(title, width), *bars(padded, width, height - 1, signs, style)]


def quiet(frame: Frame) -> bool:
    """The broker is up and nobody ever tried to connect."""
    broker = frame.broker
    return broker.up and not broker.sessions and not broker.connecting and not any(frame.connects_per_s)
