"""How simulated time goes on under somebody's hands: as fast as asked in virtual time, or by the clock on the wall."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.errors import Refused
from twinstorm.scenarios.engine.rates import Figures, Rates
from twinstorm.scenarios.protocol import LiveRow
from twinstorm.scenarios.result import Ended as How
from twinstorm.twin.flow import SECOND_US

if TYPE_CHECKING:
    from twinstorm.scenarios.engine.live import LiveRun

FRAME_S = 0.1
_RATE_S = 1.0
_NOTE_S = 0.5


class Pace(Protocol):
    """Moves one engine. What it cannot do it refuses, with the reason.

    Attributes:
        speed: simulated seconds a wall second that are asked for; 0: as fast as it can.
        holding: those that are really reached.
        lag_s: wall seconds by which it is late.
        live: what a live run reaches beside what is asked of it; None in virtual time.
    """

    speed: float
    paused: bool

    @property
    def holding(self) -> float: ...
    @property
    def lag_s(self) -> float: ...
    @property
    def live(self) -> LiveRow | None: ...
    def play(self) -> None:
        """Go on for about one frame of wall time; returns at once when there is nothing to do yet."""

    def idle_s(self) -> float:
        """How long a driver may sleep before the next `play`."""

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def set_speed(self, speed: float) -> None: ...
    def step(self, us: int) -> None:
        """While paused, go on by this much."""

    def abort(self, reason: str) -> str:
        """End every fault and refuse new ones; returns what that means."""

    def finish(self, how: How) -> None:
        """End the run here."""


class VirtualPace:
    """Args:
    clock: monotonic seconds; tests give their own.
    """

    live: LiveRow | None = None
    lag_s = 0.0

    def __init__(self, engine: Engine, speed: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self.speed = speed
        self.paused = False
        self._clock = clock
        self._anchor = (clock(), engine.now_us)
        self._rate_from = (clock(), engine.now_us)
        self._holding = 0.0

    @property
    def holding(self) -> float:
        return 0.0 if self.paused else self._holding

    def play(self) -> None:
        engine = self._engine
        if self.paused or engine.ended:
            return
        stop_at = self._clock() + FRAME_S
        if self.speed:
            since, from_us = self._anchor
            target_us = from_us + int((self._clock() - since) * self.speed * SECOND_US)
            while not engine.ended and engine.next_us() <= target_us and self._clock() < stop_at:
                engine.step()
            if engine.next_us() > target_us:
                engine.advance(min(target_us, engine.end_us - 1))
            elif not engine.ended:
                self._anchor = (self._clock(), engine.now_us)  # behind: go on from here instead of chasing
        else:
            while not engine.ended and self._clock() < stop_at:
                engine.step()
        self._measure()

    def idle_s(self) -> float:
        return FRAME_S if self.paused or self._engine.ended or self.speed else 0.0

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self._anchor_here()

    def set_speed(self, speed: float) -> None:
        if speed < 0:
            raise Refused("a speed is not negative; 0 is as fast as it can")
        self.speed = speed
        self._anchor_here()

    def step(self, us: int) -> None:
        if not self.paused:
            raise Refused("one step works while paused: press space first")
        engine = self._engine
        engine.advance(min(engine.now_us + max(us, 1), engine.end_us))

    def abort(self, reason: str) -> str:
        """The simulation goes on, so that the recovery is seen."""
        ended = self._engine.abort_all(reason)
        return f"{ended} fault{'' if ended == 1 else 's'} ended; injection is disarmed until you arm again"

    def finish(self, how: How) -> None:
        self._engine.finish(how)

    def _measure(self) -> None:
        since, from_us = self._rate_from
        now = self._clock()
        if now - since >= _RATE_S:
            self._holding = (self._engine.now_us - from_us) / SECOND_US / (now - since)
            self._rate_from = (now, self._engine.now_us)

    def _anchor_here(self) -> None:
        self._anchor = self._rate_from = (self._clock(), self._engine.now_us)


class LivePace:
    """A live run follows the clock on the wall, at one speed, and nothing stops it but its end.

    Args:
        is_called: somebody wants it to end; asked between two looks at what is due.
    """

    paused = False

    def __init__(self, run: LiveRun, is_called: Callable[[], bool]) -> None:
        self._run = run
        self._is_called = is_called
        self.speed = float(run.speed)
        self._rates = Rates(self.speed)
        self._noted_s = 0.0

    @property
    def holding(self) -> float:
        figures = self._rates.figures
        return 0.0 if figures is None else figures.speed

    @property
    def lag_s(self) -> float:
        return self._run.wiring.lag_s / self.speed

    @property
    def live(self) -> LiveRow:
        from twinstorm.scenarios.engine.live_wiring import BROKER_GONE_S

        wiring = self._run.wiring
        figures = self._rates.figures or Figures(0.0, 0.0, 0.0, 0.0, 0.0)
        return LiveRow(
            broker=wiring.broker_words,
            asked_per_s=figures.asked,
            reached_per_s=figures.reached,
            connects_asked_per_s=figures.attempts,
            connects_admitted_per_s=figures.admitted,
            connects_most_per_s=wiring.connect_ceiling,
            connects_held=wiring.connects_held,
            away_s=wiring.away_s,
            patience_s=BROKER_GONE_S,
        )

    def play(self) -> None:
        from twinstorm.scenarios.engine.live import PAUSE_S

        until = time.monotonic() + FRAME_S
        while not self._run.engine.ended and not self._is_called():
            self._run.follow()
            now = time.monotonic()
            if self._run.engine.now_us and now - self._noted_s >= _NOTE_S:
                self._noted_s = now
                self._rates.note(self._run.wiring.reached(self._run.engine))
            if now >= until:
                return
            time.sleep(PAUSE_S)

    def idle_s(self) -> float:
        return FRAME_S if self._run.engine.ended else 0.0

    def pause(self) -> None:
        raise Refused("a live run cannot pause: devices and broker go by the clock on the wall")

    def resume(self) -> None:
        """It never stood still."""

    def set_speed(self, speed: float) -> None:
        if speed != self.speed:
            raise Refused(f"a live run keeps the speed that it began with, {self.speed:g}x: `--speed` at its start")

    def step(self, us: int) -> None:  # noqa: ARG002
        self.pause()

    def abort(self, reason: str) -> str:
        """There is somebody to protect: every connection is closed, and the run ends."""
        ended = self._run.engine.abort_all(reason)
        self.finish("stopped")
        return f"{ended} fault{'' if ended == 1 else 's'} ended; every connection is closed, and the run ends"

    def finish(self, how: How) -> None:
        self._run.finish(how)
