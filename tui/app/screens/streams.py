"""Screen 0: what the scenario asks of the stream of readings, and what became of them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from textual.geometry import Size

from twinstorm.scenarios.protocol import Frame
from twinstorm.tui.app.lines import Line
from twinstorm.tui.app.screens.list_detail import ListDetailScreen
from twinstorm.tui.app.stream_lines import NOTHING_ASKED, detail, headline


class StreamsScreen(ListDetailScreen):
    """By word of the language, in the order of the file."""

    TITLE_HERE = "0 Streams"
    LIST_NAME = "0 Streams"
    DETAIL_NAME = "Stream"

    def keys_of(self, frame: Frame) -> Sequence[Hashable]:
        return [(row.word, row.name) for row in frame.streams]

    def row_line(self, frame: Frame, row: int, width: int) -> Line:
        return headline(frame.streams[row], self.host.signs, width)

    def detail_lines(self, frame: Frame, row: int, size: Size) -> list[Line]:
        return detail(frame.streams[row], self.host.signs, size.width)

    def empty_words(self) -> str:
        frame = self.host.board.frame
        asked = frame is not None and frame.has_streams
        return self.host.board.why_not or "Asking the engine for them." if asked else NOTHING_ASKED
