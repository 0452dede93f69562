"""A recorded run with somebody watching: what the engine process plays for its front end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from twinstorm.scenarios.engine.frames import hello
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.run import RunOptions, begin, build
from twinstorm.scenarios.engine.session import Session
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.language.values import show_duration
from twinstorm.scenarios.protocol import Ended, Event
from twinstorm.scenarios.record.recorder import Recorder
from twinstorm.scenarios.reports.ending import ending
from twinstorm.scenarios.verdict import exit_code
from twinstorm.twin.plugins import PluginError

if TYPE_CHECKING:
    from twinstorm.scenarios.engine.server import EngineRequest


class Attended:
    """One run of the engine process, from request to report."""

    def __init__(self, request: EngineRequest, send: Callable[[Event], None]) -> None:
        scenario = load(request.scenario, settings=request.settings, devices=request.devices)
        options = RunOptions(seed=request.seed, until_us=request.until_us, speed=request.speed)
        self._speed = request.speed
        self._repeat = _repeat(request)
        self._started = time.perf_counter()
        engine = build(scenario, options)
        self.recorder = Recorder.start(
            scenario, seed=request.seed, clock="virtual", out=Path(request.out), repeat=self._repeat
        )
        engine.sinks = (self.recorder,)
        self.session = Session(engine, request.speed)
        send(hello(engine, str(self.recorder.folder), self._repeat))
        begin(engine)
        self._ended: Ended | None = None

    @property
    def over(self) -> bool:
        return bool(self.session.engine.ended)

    def go_on(self) -> None:
        self.session.play()

    def fail(self, error: Exception) -> None:
        """Record why there is no end."""
        self.recorder.close(None, str(error) if isinstance(error, PluginError) else "")

    def leave(self) -> None:
        """Nobody watches any more: finish now."""
        self.session.engine.finish("interrupted")

    def end(self) -> Ended:
        """Judge, record and report."""
        engine = self.session.engine
        result = result_of(engine, speed=self._speed, wall_s=time.perf_counter() - self._started, repeat=self._repeat)
        self.recorder.close(result)
        result = self.recorder.result or result  # The recorder adds where the report is.
        return Ended(
            ended=result.ended,
            verdict=result.verdict,
            exit_code=int(exit_code(result)),
            report=result.report or "",
            text="\n".join(ending(result)),
        )


def _repeat(request: EngineRequest) -> str:
    """The command that repeats this run without hands on it."""
    words = ["twinstorm", "run", request.scenario, "--seed", str(request.seed)]
    for setting in request.settings:
        words += ["--set", setting]
    if request.devices is not None:
        words += ["--devices", str(request.devices)]
    if request.until_us is not None:
        words += ["--until", show_duration(request.until_us).replace(" ", "")]
    return shlex.join(words)
