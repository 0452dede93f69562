"""What the screen knows of the run: the newest of everything, and when it came. Widgets read it and keep nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from twinstorm.scenarios.protocol import Answered, Ended, Event, Frame, Hello, Loading, ObjectiveRow
from twinstorm.tui.app.trends import Trends

STALE_AFTER_S = 2.0
"""Wall seconds without a frame after which values count as old."""

FRAMES_UNDER_WAY = 10
"""Frames that may be older than a command that was sent before they came."""


@dataclass
class Board:
    """One run as far as its engine told. A new run gets a new board.

    Attributes:
        dead: why the engine is gone without a verdict; None while it is there.
        followed: device whose page was asked for last, empty for none.
        waiting_since_s: wall instant since which a frame is due; None while none is (before the first one, and while
            the run is paused and nothing was asked).
    """

    starting: str = ""
    hello: Hello | None = None
    loading: Loading | None = None
    frame: Frame | None = None
    ended: Ended | None = None
    dead: str | None = None
    waiting_since_s: float | None = None
    asked_speed: float | None = None
    followed: str = ""
    trends: Trends = field(default_factory=Trends)
    _other_speeds: int = 0

    def take(self, event: Event, now_s: float) -> None:
        """Remember an event that came at wall instant `now_s`."""
        match event:
            case Hello():
                self.hello = event
            case Loading():
                self.loading = event
            case Frame():
                self.frame = event
                self.waiting_since_s = now_s if event.state == "running" else None
                self._compare_speed(event.speed)
                self.trends.take(event)
            case Ended():
                self.ended = event
                self.waiting_since_s = None
            case Answered(ok=False):
                self.asked_speed = None
                self._answered()
            case _:
                self._answered()

    def _answered(self) -> None:
        """An answer shows that the engine is there, also while no simulated time passes."""
        if self.frame is not None and self.frame.state != "running":
            self.waiting_since_s = None

    def ask_speed(self, speed: float) -> None:
        """A command for this speed went out; it is shown at once."""
        self.asked_speed, self._other_speeds = speed, 0

    def _compare_speed(self, speed: float) -> None:
        """Frames that were under way still have the speed before; after some of them the engine's word counts."""
        self._other_speeds = 0 if speed == self.asked_speed else self._other_speeds + 1
        if self._other_speeds in (0, FRAMES_UNDER_WAY):
            self.asked_speed = None

    def asked(self, now_s: float) -> None:
        """A command went out: its effect must show in a frame, also while the run is paused."""
        if self.frame is not None and self.waiting_since_s is None and self.goes_on:
            self.waiting_since_s = now_s

    def stale_s(self, now_s: float) -> int:
        """Whole seconds for which values have been old; 0 while they are fresh. A run that is over is not stale."""
        if self.waiting_since_s is None or not self.goes_on:
            return 0
        quiet_s = now_s - self.waiting_since_s
        return int(quiet_s) if quiet_s >= STALE_AFTER_S else 0

    @property
    def is_live(self) -> bool:
        """Over real sockets, by the clock on the wall."""
        return self.hello is not None and self.hello.clock == "live"

    @property
    def goes_on(self) -> bool:
        """A run exists and is not over."""
        return self.hello is not None and self.ended is None and self.dead is None

    @property
    def why_not(self) -> str | None:
        """Why no command can be given now; None if it can."""
        if self.dead is not None:
            return f"The engine is gone: {self.dead}. q quits."
        if self.ended is not None:
            return "The run has ended. q quits."
        if self.hello is None:
            return "Wait: the engine is starting." if self.starting else "No run yet: Enter picks a scenario."
        return None

    @property
    def speed(self) -> float:
        """The speed asked last, also when no frame has confirmed it yet."""
        if self.asked_speed is not None:
            return self.asked_speed
        return self.frame.speed if self.frame is not None else 1.0

    @property
    def devices(self) -> int:
        return self.hello.devices if self.hello is not None else 0

    def worst_objective(self) -> ObjectiveRow | None:
        """The one to show where there is room for one only."""
        order = ("missed", "at risk", "no data", "warming up", "held")
        if self.frame is None or not self.frame.objectives:
            return None
        return min(
            self.frame.objectives, key=lambda row: order.index(row.verdict) if row.verdict in order else len(order)
        )
