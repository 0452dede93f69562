"""The right-hand panels of the overview in two lines, for narrow terminals."""

from __future__ import annotations

from textual.geometry import Size

from twinstorm.scenarios.protocol import Frame
from twinstorm.tui.app import numbers
from twinstorm.tui.app.incident_lines import headline, newest_first
from twinstorm.tui.app.lines import PLAIN, Line, ends, fit
from twinstorm.tui.app.widgets.panel import Panel

_WORST_FIRST = ("missed", "at risk", "no data", "warming up", "held")


class BriefRows(Panel):
    """Line 1: objectives (3) and broker (5); line 2: the newest open incident (4)."""

    def __init__(self, *, widget_id: str | None = None) -> None:
        super().__init__(widget_id=widget_id, focusable=False)

    def lines(self, size: Size) -> list[Line]:
        width = size.width
        frame = self.host.board.frame
        if frame is None:
            return []
        return [self._first(frame, width), self._second(frame, width)]

    def _first(self, frame: Frame, width: int) -> Line:
        broker, signs = frame.broker, self.signs
        words = f"5 connects {numbers.rate(broker.attempts_per_s)} queue {numbers.amount(broker.queue, 6)} "
        right: Line = [(words, PLAIN)] if broker.up else [("5 broker DOWN ", signs.bad)]
        room = width - len(words) - 3
        return ends(fit([self._objectives(frame)], ("  ", PLAIN), room), right, width)

    def _objectives(self, frame: Frame) -> list[Line]:
        pieces: list[Line] = []
        rows = sorted(
            frame.objectives,
            key=lambda row: _WORST_FIRST.index(row.verdict) if row.verdict in _WORST_FIRST else len(_WORST_FIRST),
        )
        for row in rows:
            sign, _, style = self.signs.objective(row.verdict)
            now = f" now {numbers.value(row.value, row.unit)}"
            piece: Line = [(f"{row.name} ", PLAIN), (sign, style), (now, PLAIN)]
            if row.verdict != "held" and row.burn is not None:
                piece.append((f" burn {numbers.short(row.burn)}x", PLAIN))
            pieces.append(piece)
        if not pieces:
            return [[(" 3 no objective", self.signs.muted)]]
        return [[(" 3 ", self.signs.muted), *pieces[0]], *pieces[1:]]

    def _second(self, frame: Frame, width: int) -> Line:
        rows = newest_first(frame)
        if not rows:
            return [(" 4 ", self.signs.muted), ("no incident", PLAIN)]
        more = f"  +{len(rows) - 1}" if len(rows) > 1 else ""
        room = min(width - 4 - len(more), 60)
        return [(" 4 ", self.signs.muted), *headline(rows[0], frame, self.signs, room), (more, self.signs.muted)]
