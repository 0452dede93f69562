"""The broker on the overview: numbers, then connects a second as bars."""

from __future__ import annotations

from textual.geometry import Size

from twinstorm.tui.app.broker_lines import connects, facts, quiet
from twinstorm.tui.app.lines import Line
from twinstorm.tui.app.stream_lines import processing_line
from twinstorm.tui.app.widgets.panel import waiting_lines
from twinstorm.tui.app.widgets.wall_panel import WallPanel

NO_SESSION = "Broker up, no session yet."


class BrokerPanel(WallPanel):
    """Numbers first; the bars take what height is left."""

    opens = "broker"

    def heading(self) -> tuple[str, list[str]]:
        return "5 Broker", []

    def lines(self, size: Size) -> list[Line]:
        width, height = size
        frame = self.host.board.frame
        if frame is None:
            return waiting_lines(self.host, width)
        if quiet(frame):
            return [[(NO_SESSION[:width], self.signs.muted)]]
        made = facts(frame.broker, self.signs, width)
        if frame.processing is not None:
            made.append(processing_line(frame.processing, self.signs, width))
        room = height - len(made)
        if room >= 2:
            made += connects(frame, self.signs, width, room)
        return made
