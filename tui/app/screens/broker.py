"""Screen 5: the broker. Connects as bars, sessions, queue and traffic as trends, who processes readings, and where they
went."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.geometry import Size

from twinstorm.scenarios.protocol import Frame
from twinstorm.tui.app import numbers
from twinstorm.tui.app.broker_lines import connects, facts, quiet
from twinstorm.tui.app.lines import PLAIN, Line, cut
from twinstorm.tui.app.plot import span_of, spark
from twinstorm.tui.app.screens.base import BaseScreen
from twinstorm.tui.app.stream_lines import processing_line, processing_lines
from twinstorm.tui.app.widgets.broker_panel import NO_SESSION
from twinstorm.tui.app.widgets.panel import waiting_lines
from twinstorm.tui.app.widgets.text_panel import TextPanel

_TRENDS = (
    ("sessions", "sessions"),
    ("queue", "queue"),
    ("in", "messages in/s"),
    ("out", "messages out/s"),
    ("drops", "drops in all"),
)
_WAITS = (("waits", "core waits"), ("lag", "core behind, s"))
_LEAST_SHARE = 0.1
"""A trend that moves by less than this share of its highest value looks steady."""


class BrokerScreen(BaseScreen):
    """Numbers and bars on the left, trends and ledger on the right, below each other where it is narrow."""

    TITLE_HERE = "5 Broker"

    def body(self) -> ComposeResult:
        yield TextPanel(self._broker, name_of_panel="5 Broker", widget_id="broker")
        yield Vertical(
            TextPanel(self._trends, name_of_panel="Last 15 minutes", widget_id="trends"),
            TextPanel(self._processing, name_of_panel="Processing", widget_id="processing"),
            TextPanel(self._ledger, name_of_panel="Ledger of readings", widget_id="ledger"),
            id="beside",
        )

    def renew(self) -> None:
        frame = self.host.board.frame
        self.set_class(frame is not None and frame.processing is not None, "-processing")
        self.set_class(frame is not None and frame.processing is not None and frame.processing.functions, "-functions")
        super().renew()

    def _broker(self, size: Size) -> list[Line]:
        width, height = size
        frame = self.host.board.frame
        if frame is None:
            return waiting_lines(self.host, width)
        if quiet(frame):
            return [[(NO_SESSION, self.host.signs.muted)]]
        made = facts(frame.broker, self.host.signs, width)
        if frame.processing is not None and self.has_class("-narrow"):
            made.append(processing_line(frame.processing, self.host.signs, width))
        return made + connects(frame, self.host.signs, width, max(height - len(made), 2))

    def _trends(self, size: Size) -> list[Line]:
        width = size.width
        board, signs = self.host.board, self.host.signs
        made: list[Line] = []
        waits = board.frame is not None and board.frame.processing is not None
        for name, words in (*_TRENDS, *_WAITS) if waits else _TRENDS:
            room = max(width - 25, 4)
            points = board.trends.of(name, room)
            now = points[-1] if points else None
            ends = span_of(points, least_share=_LEAST_SHARE)
            line: Line = [(f"{words:<15}", signs.muted), (spark(points, room, signs, ends), PLAIN)]
            line.append((f" {numbers.short(now) if now is not None else 'no data':>8}", PLAIN))
            made.append(cut(line, width))
        return made

    def _processing(self, size: Size) -> list[Line]:
        frame = self.host.board.frame
        if frame is None or frame.processing is None:
            return []
        return processing_lines(frame.processing, self.host.signs, size.width)

    def _ledger(self, size: Size) -> list[Line]:
        width = size.width
        frame = self.host.board.frame
        return ledger_lines(frame, width) if frame is not None else []


def ledger_lines(frame: Frame, width: int) -> list[Line]:
    """Every reading under the name of what became of it; nothing is lost without one."""
    ledger = frame.ledger
    produced, lost = ledger.produced, sum(ledger.lost.values())
    places = (("delivered", ledger.delivered), ("buffered", ledger.buffered), ("in flight", ledger.in_flight))
    parts = [*places, ("lost", lost)]
    shares = numbers.shares([number for _, number in parts], produced)
    rows = [("produced", produced, numbers.share(produced, produced))]
    rows += [(name, number, share) for (name, number), share in zip(parts, shares, strict=True)]
    for cause, number in ledger.lost.items():
        if number:
            rows.append((f"  lost: {cause.replace('_', ' ')}", number, numbers.share(number, produced)))
    rows.append(("repeated (beside)", ledger.repeated, numbers.share(ledger.repeated, produced)))
    return [
        cut([(f"{name:<22}{numbers.count(number):>15}", PLAIN), (f"  {share:>8}", PLAIN)], width)
        for name, number, share in rows
    ]
