"""Recent values for sparklines, kept by the screen itself from the frames that it saw."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from twinstorm.scenarios.protocol import Frame
from twinstorm.tui.app.numbers import MINUTE_US, SECOND_US

KEEP_US = 15 * MINUTE_US
"""Simulated time that a trend looks back."""

Point = tuple[int, float | None]


class Trends:
    """At most one point a simulated second and name, none older than `KEEP_US`."""

    def __init__(self) -> None:
        self._points: dict[str, deque[Point]] = {}

    def take(self, frame: Frame) -> None:
        for row in frame.objectives:
            self._add(f"objective {row.name}", frame.at_us, row.value)
        broker = frame.broker
        for name, value in (
            ("sessions", broker.sessions),
            ("queue", broker.queue),
            ("in", broker.messages_in_per_s),
            ("out", broker.messages_out_per_s),
            ("drops", broker.dropped),
        ):
            self._add(name, frame.at_us, float(value))
        if frame.processing is not None:
            self._add("waits", frame.at_us, float(frame.processing.waiting))
            self._add("lag", frame.at_us, frame.processing.lag_s)

    def of(self, name: str, width: int) -> list[float | None]:
        """The last 15 simulated minutes in `width` equal steps, oldest first; None where no value is known."""
        points = self._points.get(name)
        if not points or width < 1:
            return []
        end_us = points[-1][0]
        steps: list[float | None] = [None] * width
        for at_us, value in points:
            step = width - 1 - (end_us - at_us) * width // KEEP_US
            if 0 <= step < width and value is not None:
                steps[step] = value
        return _carry(steps)

    def _add(self, name: str, at_us: int, value: float | None) -> None:
        points = self._points.setdefault(name, deque())
        if points and at_us < points[-1][0] + SECOND_US:
            return
        points.append((at_us, value))
        while points[0][0] < at_us - KEEP_US:
            points.popleft()


def _carry(steps: Iterable[float | None]) -> list[float | None]:
    """Fill gaps between known values with the value before: frames at high speed lie minutes apart."""
    filled: list[float | None] = []
    for step in steps:
        filled.append(step if step is not None or not filled else filled[-1])
    return filled
