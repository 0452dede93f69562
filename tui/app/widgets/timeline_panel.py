"""The timeline on the overview: one row of time where there is no room, captions where there is."""

from __future__ import annotations

from textual.geometry import Size

from twinstorm.tui.app.lines import PLAIN, Line, cut, plain
from twinstorm.tui.app.timeline_lines import axis, captions, next_brief, next_words, steps_words, times
from twinstorm.tui.app.widgets.panel import waiting_lines
from twinstorm.tui.app.widgets.wall_panel import WallPanel

_SHORTEST_AXIS = 24
"""Columns of the axis below which the words beside it are cut instead."""


class TimelinePanel(WallPanel):
    """One row: axis and the next step. More rows: clock times, axis, captions."""

    opens = "timeline"

    def heading(self) -> tuple[str, list[str]]:
        frame = self.host.board.frame
        if frame is None:
            return "8 Timeline", []
        return "8 Timeline", [next_words(frame), steps_words(frame)]

    def lines(self, size: Size) -> list[Line]:
        width, height = size
        board, signs = self.host.board, self.signs
        frame = board.frame
        if frame is None or board.hello is None:
            return [] if height == 1 else waiting_lines(self.host, width)
        duration_us = board.hello.duration_us
        if height == 1:
            words = next_brief(frame, width - _SHORTEST_AXIS - 4)
            room = width - 1 if not words else max(width - len(words) - 4, _SHORTEST_AXIS)
            line: Line = [(" ", PLAIN), *axis(frame, duration_us, room, signs), ("   ", PLAIN), (words, PLAIN)]
            return [cut(line, width)]
        made = [times(frame, duration_us, width, signs), axis(frame, duration_us, width, signs)]
        told = captions(frame, signs, width, height - 2)
        if not told and frame.next_mark is not None:
            told = [plain(f"First step: {frame.next_mark.text}."[:width])]
        return (made + told)[: max(height, 1)]
