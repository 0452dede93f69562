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
    """Three lines: who is connected, what flows, who wants in."""
    up: Line = [("up", PLAIN)] if broker.up else [("DOWN", signs.bad)]
    rows: list[list[Line]] = [
        [up, _fact("sessions", numbers.count(broker.sessions)), _fact("connecting", numbers.count(broker.connecting))],
        [
            _fact("in", numbers.rate(broker.messages_in_per_s)),
            _fact("out", numbers.rate(broker.messages_out_per_s)),
            _fact("queue", numbers.amount(broker.queue, 7)),
            _fact("drops", numbers.amount(broker.dropped, 7)),
        ],
        [
            _fact("connects", numbers.rate(broker.attempts_per_s)),
            _fact("admitted", numbers.rate(broker.admitted_per_s)),
            _fact("refused", numbers.rate(broker.refused_per_s)),
        ],
    ]
    return [fit([pieces], ("  ", PLAIN), width) for pieces in rows]


def _fact(name: str, words: str) -> Line:
    return plain(f"{name} {words}")


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
