"""A run as the command line, the pytest plugin and CI start it: in this process, without a socket."""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from twinstorm.broker.tls import ClientTls
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.errors import BadRequest, EngineError, Unavailable
from twinstorm.scenarios.engine.live_checks import problems
from twinstorm.scenarios.engine.memory import refuse_what_cannot_fit
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.plan import broker_settings, fleet_plan, origin_us, start_of, year_us
from twinstorm.scenarios.engine.rates import Rates
from twinstorm.scenarios.engine.wiring import ModelledWiring
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.result import EventRow, RunResult, Sink
from twinstorm.twin.flow import SECOND_US
from twinstorm.twin.plugins import PluginError

if TYPE_CHECKING:
    from twinstorm.broker.url import Login
    from twinstorm.scenarios.engine.live_wiring import LiveWiring

_CHUNK_US = 10 * SECOND_US
_PROGRESS_S = 0.2


def _tell_nobody(text: str) -> None:
    """Default of `RunOptions.invite`."""


@dataclass(frozen=True)
class RunOptions:
    """How to run a scenario, beside what it says itself.

    Attributes:
        speed: simulated seconds per wall second; 0: as fast as it can (live: 1).
        max_wall_s: stop when this much wall time has gone.
        max_connects_per_s: live: what the fleet never exceeds in any second; None: what `live_checks` allows at most.
        tls: live: the embedded broker speaks TLS, and every client shows a certificate made for this run.
        hold_open: live: let other clients in and keep the broker up until interrupted.
        broker_login: who core and devices are to the broker of broker_url; None: what its address says, if anything.
        broker_tls: how they trust it, and who they are, if it is reached over TLS.
        yes: broker_url may name another machine.
        invite: told how other clients get in, with hold_open; the text names files that hold the password.
        repeat: the command line that repeats the run; made up from seed and scenario if empty.
    """

    seed: int = 1
    until_us: int | None = None
    max_wall_s: float | None = None
    live: bool = False
    speed: float = 0.0
    broker_url: str | None = None
    broker_login: Login | None = None
    broker_tls: ClientTls = field(default_factory=partial(ClientTls, None, strict=False))
    max_connects_per_s: int | None = None
    tls: bool = False
    hold_open: bool = False
    yes: bool = False
    fail_fast: bool = False
    repeat: str = ""
    invite: Callable[[str], None] = field(default=_tell_nobody, compare=False)


def build(scenario: Scenario, options: RunOptions, armed: frozenset[str] | None = None) -> Engine:
    """World, broker, core and timeline of a virtual run, ready to play.

    Args:
        armed: names of steps whose faults really act; None: all.

    Raises:
        Unavailable: if this machine has not enough memory.
    """
    refuse_what_cannot_fit(scenario)
    plan = fleet_plan(scenario)
    start = start_of(scenario)
    wiring = ModelledWiring(plan, broker_settings(scenario), options.seed, year_us(start), origin_us=origin_us(start))
    return Engine(scenario, options.seed, wiring, options.until_us, armed)


def refuse(scenario: Scenario, options: RunOptions) -> None:
    """Before anything exists.

    Raises:
        BadRequest: scenario and options do not go together; a line for each reason.
    """
    wrong = problems(
        scenario,
        live=options.live,
        speed=options.speed,
        broker_url=options.broker_url,
        hold_open=options.hold_open,
        tls=options.tls,
        yes=options.yes,
        max_connects_per_s=options.max_connects_per_s,
    )
    if wrong:
        raise BadRequest("\n".join(wrong))


class Run:
    """One headless run.

    Args:
        sinks: get every event and pane; closed with the result.

    Raises:
        BadRequest: scenario and options do not go together; a line for each reason.
    """

    def __init__(self, scenario: Scenario, options: RunOptions, sinks: Sequence[Sink] = ()) -> None:
        refuse(scenario, options)
        self.scenario, self.options, self.sinks = scenario, options, tuple(sinks)
        self._interrupted = threading.Event()
        self._why_interrupted = ""
        self._held: LiveWiring | None = None
        self.rates = Rates(options.speed or 1.0)
        """How fast a live run goes, beside what is asked of it; empty as text in virtual time."""

    def interrupt(self, why: str = "") -> None:
        """End faults and finish at the next pause; safe from a signal handler or another thread.

        Args:
            why: told to the sinks, if it is not a person who asks.
        """
        self._why_interrupted = self._why_interrupted or why
        self._interrupted.set()

    def execute(self, progress: Callable[[int], None] | None = None) -> RunResult:
        """Play to the end and judge; blocks.

        With `hold_open` the broker may still be there afterwards: call `hold`, or `close`.

        Args:
            progress: called with the simulated instant a few times a second.

        Raises:
            Unavailable: port, disk, broker or memory is not there.
            PluginError: a machine kind or a fault does not keep to its contract.
        """
        result, why = None, ""
        try:
            result = self._play(progress)
            why = self._why_interrupted if result.ended == "interrupted" else ""
        except Unavailable as error:
            why = f"{error.what} is not available: {error.why}"  # What to try is for people, not for the record.
            raise
        except (EngineError, PluginError) as error:
            why = str(error)
            raise
        except KeyboardInterrupt as error:
            why = str(error) or "interrupted"
            raise
        finally:
            try:
                for sink in self.sinks:
                    sink.close(result, why)
            except BaseException:
                self.close()
                raise
        return result

    @property
    def holds(self) -> bool:
        """The run is over, but its broker is still there."""
        return self._held is not None

    def hold(self) -> None:
        """Keep the broker of a run with `hold_open` up until `interrupt`, then close it; without one do nothing."""
        if self._held is None:
            return
        try:
            self.options.invite(f"the run is over; the broker stays open at {self._held.address} until Ctrl+C")
            while not self._interrupted.wait(0.5):  # A wait without an end may begin just after the signal.
                pass
        finally:
            self.close()

    def close(self) -> None:
        """End what `hold_open` left open."""
        held, self._held = self._held, None
        if held is not None:
            held.close()

    def _play(self, progress: Callable[[int], None] | None) -> RunResult:
        if self.options.live:
            from twinstorm.scenarios.engine.live import play_live

            result, self._held = play_live(
                self.scenario, self.options, self.sinks, self._interrupted, progress, self.repeat, self.rates
            )
            return result
        started = time.perf_counter()
        engine = build(self.scenario, self.options)
        engine.sinks = self.sinks
        begin(engine)
        pace = Pace(self.options.speed, started)
        told = started
        while not engine.ended:
            engine.advance(min(pace.chunk_end_us(engine.now_us, _CHUNK_US), engine.end_us))
            now = time.perf_counter()
            if progress is not None and now - told >= _PROGRESS_S:
                told = now
                progress(engine.now_us)
            if self._interrupted.is_set():
                engine.finish("interrupted")
            elif self.options.max_wall_s is not None and now - started > self.options.max_wall_s:
                engine.finish("stopped")
            elif not engine.ended:
                pace.wait(engine.now_us, self._interrupted)
        result = result_of(engine, speed=self.options.speed, wall_s=time.perf_counter() - started, repeat=self.repeat)
        engine.wiring.close()
        return result

    @property
    def repeat(self) -> str:
        """The command that repeats this run."""
        if self.options.repeat:
            return self.options.repeat
        name = self.scenario.path.removeprefix("library:")
        return f"twinstorm run {shlex.quote(name)} --seed {self.options.seed}"


def begin(engine: Engine) -> None:
    """Tell the sinks what begins."""
    scenario = engine.scenario
    text = f"{len(engine.registry):,} devices  {scenario.duration_us / 60 / SECOND_US:g} min simulated"
    for sink in engine.sinks:
        sink.event(EventRow(at_s=0.0, kind="begin", name=scenario.name, text=text))


class Pace:
    """Holds a virtual run back to a speed; 0 lets it run."""

    def __init__(self, speed: float, started: float) -> None:
        self._speed, self._started = speed, started

    def chunk_end_us(self, now_us: int, chunk_us: int) -> int:
        """Play this far before looking up; a tenth of a wall second when held back."""
        return now_us + (chunk_us if not self._speed else max(int(self._speed * 100_000), 1))

    def wait(self, now_us: int, interrupted: threading.Event) -> None:
        if self._speed:
            ahead_s = now_us / SECOND_US / self._speed - (time.perf_counter() - self._started)
            if ahead_s > 0:
                interrupted.wait(ahead_s)
