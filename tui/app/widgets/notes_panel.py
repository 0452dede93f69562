"""The last notes, on tall screens."""

from __future__ import annotations

from textual.geometry import Size

from twinstorm.tui.app.lines import Line, cut
from twinstorm.tui.app.timeline_lines import mark_line
from twinstorm.tui.app.widgets.panel import waiting_lines
from twinstorm.tui.app.widgets.wall_panel import WallPanel


class NotesPanel(WallPanel):
    """Notes and marks, the newest first."""

    opens = "timeline"

    def heading(self) -> tuple[str, list[str]]:
        return "Notes", []

    def lines(self, size: Size) -> list[Line]:
        width, height = size
        frame = self.host.board.frame
        if frame is None:
            return waiting_lines(self.host, width)
        notes = [mark for mark in frame.marks if mark.kind in ("note", "mark") and mark.at_us <= frame.at_us]
        if not notes:
            return [[(f"No note yet. {self.host.key('note.add')} writes one."[:width], self.signs.muted)]]
        return [cut(mark_line(mark, frame, self.signs), width) for mark in list(reversed(notes))[:height]]
