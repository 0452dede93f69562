"""A live run: real MQTT over real sockets, in wall time. World and fleet in a worker, broker and core here.

`LiveRun` is the run in pieces, for whoever drives it; `play_live` drives it without a screen.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Sequence
from fractions import Fraction

from twinstorm.broker.own_loop import NotAnswered
from twinstorm.broker.pauses import spare_pauses
from twinstorm.scenarios.engine.crowd import split
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.errors import Unavailable
from twinstorm.scenarios.engine.live_ending import drain
from twinstorm.scenarios.engine.live_wiring import LiveWiring
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.rates import Rates
from twinstorm.scenarios.engine.run import RunOptions, begin
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.result import Ended, RunResult, Sink

SWITCH_S = 0.0005
PAUSE_S = 0.01
"""Between two looks at what is due."""
_PROGRESS_S = 0.5


class LiveRun:
    """One scenario over real sockets: made, gathered, begun, followed, ended, closed.

    Args:
        options: checked by `live_checks`.
        interrupted: whether somebody wants it to end; asked wherever something is waited for.

    Raises:
        Unavailable: broker or port is not there.
    """

    def __init__(self, scenario: Scenario, options: RunOptions, interrupted: Callable[[], bool]) -> None:
        # The core shares this process with the broker's loop: at Python's 5 ms, milliseconds become hundreds (measured)
        sys.setswitchinterval(SWITCH_S)
        self._started = time.perf_counter()
        self._options = options
        self.speed = Fraction(options.speed or 1).limit_denominator(1_000)
        self._interrupted = interrupted
        self._is_going = False
        scenario, rest = split(scenario)
        self.wiring = LiveWiring(scenario, options, self.speed, interrupted, rest)
        try:
            self.engine = Engine(scenario, options.seed, self.wiring, options.until_us)
        except BaseException:
            self.wiring.close()
            raise

    def gather(self, tell: Callable[[int], None] | None = None) -> None:
        """Make the fleet, and wait until every device is online.

        Args:
            tell: gets how many are, a few times a second.

        Raises:
            Unavailable: the worker is not there, or the broker does not let them in.
        """
        if not self._interrupted():
            self.wiring.start_worker(self.engine)
            self.wiring.gather(self._interrupted, tell)

    def begin(self, sinks: Sequence[Sink]) -> None:
        """Tell the sinks what begins, and let simulated time begin, unless somebody wants it to end."""
        engine, wiring = self.engine, self.wiring
        engine.sinks = sinks
        engine.judge.limits_missing = wiring.limits_missing
        wiring.send_ahead(engine)
        begin(engine)
        if len(wiring.real):
            engine.tell_mark("note", "real-devices", wiring.broker.papers_for(engine.registry.names, wiring.real))
        if self._options.hold_open:
            self._options.invite(wiring.broker.invitation())
        spare_pauses()
        if not self._interrupted():
            self._is_going = True
            wiring.go(engine.end_us, self._interrupted)

    def follow(self) -> None:
        """Do what is due by the clock on the wall; returns at once.

        Raises:
            Unavailable: the worker, or a broker that is not ours, has gone.
        """
        engine, wiring = self.engine, self.wiring
        now_us = wiring.now_us()
        while not engine.ended and engine.next_us() <= now_us:
            engine.step()
        wiring.listen()
        if not engine.ended:
            engine.take_in(now_us)
            if not self._interrupted() and (trouble := wiring.trouble()) is not None:
                raise trouble

    def finish(self, how: Ended) -> None:
        """End it here: faults end."""
        self.engine.now_us = min(self.wiring.now_us(), self.engine.end_us)
        self.engine.finish(how)

    def end(self, repeat: str, at_once: Callable[[], bool], meanwhile: Callable[[], None] | None = None) -> RunResult:
        """Let what was sent arrive, then judge.

        Args:
            at_once: whether to close every connection first, and to wait for nothing; asked while it waits.
            meanwhile: called a few times a second while it waits.

        Raises:
            Unavailable: the worker, or a broker that is not ours, has gone.
        """
        cut = at_once if self._is_going else lambda: True  # What has not begun has nothing under way.
        drain(self.wiring, self.engine, cut, held_open=self._options.hold_open, meanwhile=meanwhile)
        wall_s = time.perf_counter() - self._started
        return result_of(self.engine, speed=float(self.speed), wall_s=wall_s, repeat=repeat)

    def close(self) -> None:
        """Leave no process and no socket."""
        gc.unfreeze()
        self.wiring.close()


def play_live(
    scenario: Scenario,
    options: RunOptions,
    sinks: Sequence[Sink],
    interrupted: threading.Event,
    progress: Callable[[int], None] | None,
    repeat: str,
    rates: Rates,
) -> tuple[RunResult, LiveWiring | None]:
    """Play a scenario over real sockets and judge it.

    Args:
        options: checked by `live_checks`.
        rates: told how fast it goes, before `progress`.

    Returns:
        The result, and, with `hold_open`, the broker that is still there: whoever asked for it closes it.

    Raises:
        Unavailable: broker, port or worker is not there.
    """
    started = time.perf_counter()
    stop_at = None if options.max_wall_s is None else started + options.max_wall_s
    run = LiveRun(scenario, options, interrupted.is_set)
    is_held = False
    try:
        run.gather()
        run.begin(sinks)
        if interrupted.is_set():
            run.finish("interrupted")
        _follow_the_clock(run, interrupted, stop_at, progress, rates)
        result = run.end(repeat, interrupted.is_set)
        if options.hold_open and run.wiring.has_own_broker and not interrupted.is_set():
            run.wiring.end_fleet()
            is_held = True
        return result, run.wiring if is_held else None
    except KeyboardInterrupt:
        run.wiring.fleet.kill()  # Somebody does not want to wait for it.
        raise
    except NotAnswered as error:
        hint = "The machine is too busy for it: take fewer devices (--devices) or a lower --speed"
        raise Unavailable("the embedded broker", str(error), hint) from error
    finally:
        if is_held:
            gc.unfreeze()
        else:
            run.close()


def _follow_the_clock(
    run: LiveRun,
    interrupted: threading.Event,
    stop_at: float | None,
    progress: Callable[[int], None] | None,
    rates: Rates,
) -> None:
    """Play to the end, or to this instant of `perf_counter`, or until somebody interrupts."""
    told = 0.0
    engine = run.engine
    while not engine.ended:
        run.follow()
        if interrupted.is_set():
            run.finish("interrupted")
        elif stop_at is not None and time.perf_counter() > stop_at:
            run.finish("stopped")
        elif not engine.ended:
            if progress is not None and time.perf_counter() - told > _PROGRESS_S:
                told = time.perf_counter()
                rates.note(run.wiring.reached(engine))
                rates.trouble = run.wiring.warning
                progress(engine.now_us)
            interrupted.wait(PAUSE_S)
