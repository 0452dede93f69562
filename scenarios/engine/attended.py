"""A recorded run with somebody watching: what the engine process plays for its front end."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.errors import EngineError
from twinstorm.scenarios.engine.frames import hello
from twinstorm.scenarios.engine.outcome import result_of
from twinstorm.scenarios.engine.paces import FRAME_S, LivePace, Pace, VirtualPace
from twinstorm.scenarios.engine.run import RunOptions, begin, build, refuse
from twinstorm.scenarios.engine.session import Session
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.reader import load
from twinstorm.scenarios.language.values import show_duration
from twinstorm.scenarios.protocol import Ended, Event, Loading
from twinstorm.scenarios.record.recorder import Recorder
from twinstorm.scenarios.reports.ending import ending
from twinstorm.scenarios.result import RunResult
from twinstorm.scenarios.verdict import exit_code
from twinstorm.twin.plugins import PluginError

if TYPE_CHECKING:
    from twinstorm.scenarios.engine.live import LiveRun
    from twinstorm.scenarios.engine.server import EngineRequest, LiveRequest, WebhookRequest
    from twinstorm.scenarios.webhook_courier import Courier

COURIER_PATIENCE_S = 5.0
"""How long people who quit wait for the last messages of a webhook; less than a screen gives its engine to leave."""


class Attended:
    """One run of the engine process, from request to report: `begin`, `go_on` until it is `over`, `end`, `close`.

    Args:
        is_called: whether somebody wants a live run to end.
        ends_at_once: whether they want every connection of it closed, and nothing waited for.

    Attributes:
        session: there is one once it has begun.
    """

    session: Session

    def __init__(
        self,
        request: EngineRequest,
        send: Callable[[Event], None],
        is_called: Callable[[], bool] = lambda: False,
        ends_at_once: Callable[[], bool] = lambda: False,
    ) -> None:
        self._request, self._send = request, send
        self._is_called, self._ends_at_once = is_called, ends_at_once
        self._scenario = load(request.scenario, settings=request.settings, devices=request.devices)
        self._options = _options(request)
        refuse(self._scenario, self._options)
        self._repeat = _repeat(request)
        self._started = time.perf_counter()
        self._live: LiveRun | None = None
        self._shown = 0.0
        self.recorder = Recorder.start(
            self._scenario,
            seed=request.seed,
            clock="virtual" if request.live is None else "live",
            out=Path(request.out),
            repeat=self._repeat,
        )

        self._sent = [] if request.webhook is None else [_courier(request.webhook, self._scenario, self.recorder)]

    def begin(self) -> None:
        """Make world and broker, greet the front end, and let simulated time begin.

        Raises:
            Unavailable: memory, port or broker is not there.
        """
        if self._request.live is None:
            engine = build(self._scenario, self._options)
            engine.sinks = (self.recorder, *self._sent)
            self._meet(engine, VirtualPace(engine, self._request.speed))
            begin(engine)
        else:
            self._begin_live(self._scenario)

    def _begin_live(self, scenario: Scenario) -> None:
        from twinstorm.scenarios.engine.live import LiveRun

        run = self._live = LiveRun(scenario, self._options, self._is_called)
        self._meet(run.engine, LivePace(run, self._is_called))
        devices = len(run.engine.registry)

        def tell(online: int) -> None:
            self._send(Loading(what=f"Connecting {devices:,} devices to {run.wiring.address}", share=online / devices))

        tell(0)
        run.gather(tell)
        run.begin((self.recorder, *self._sent, self.session.watch))

    def _meet(self, engine: Engine, pace: Pace) -> None:
        self.session = Session(engine, pace)
        self._send(hello(engine, str(self.recorder.folder), self._repeat))

    @property
    def over(self) -> bool:
        return bool(self.session.engine.ended)

    def go_on(self) -> None:
        self.session.pace.play()

    def fail(self, error: Exception) -> None:
        """Record why there is no end."""
        self.recorder.close(None, str(error) if isinstance(error, PluginError | EngineError) else "")
        for courier in self._sent:
            courier.close(None)

    def leave(self) -> None:
        """Nobody watches any more: finish now."""
        self.session.pace.finish("interrupted")

    def end(self) -> Ended:
        """Judge, record and report.

        Raises:
            Unavailable: the broker of a live run has gone.
        """
        result = self._result()
        self.close()
        self.recorder.close(result)
        result = self.recorder.result or result  # The recorder adds where the report is.
        for courier in self._sent:
            courier.close(result)
        complaints = [courier.complaint for courier in self._sent if courier.complaint]
        return Ended(
            ended=result.ended,
            verdict=result.verdict,
            exit_code=int(exit_code(result)),
            report=result.report or "",
            text="\n".join([*ending(result), *complaints]),
        )

    def _result(self) -> RunResult:
        if self._live is not None:
            return self._live.end(self._repeat, self._ends_at_once, self._look)
        wall_s = time.perf_counter() - self._started
        return result_of(self.session.engine, speed=self._request.speed, wall_s=wall_s, repeat=self._repeat)

    def _look(self) -> None:
        """Show that what was under way still arrives."""
        now = time.monotonic()
        if now - self._shown >= FRAME_S:
            self._shown = now
            self._send(self.session.frame())

    def close(self) -> None:
        """Leave no process and no socket; a second call does nothing."""
        run, self._live = self._live, None
        if run is not None:
            run.close()


def _courier(webhook: WebhookRequest, scenario: Scenario, recorder: Recorder) -> Courier:
    from twinstorm.scenarios.webhook import Webhook
    from twinstorm.scenarios.webhook_courier import Courier

    hook = Webhook(webhook.url, webhook.key, anywhere=webhook.anywhere)
    name, run = scenario.name, recorder.folder.resolve().name
    return Courier(hook, name, run, recorder.started_at, COURIER_PATIENCE_S)


def _options(request: EngineRequest) -> RunOptions:
    common = RunOptions(seed=request.seed, until_us=request.until_us, speed=request.speed)
    return common if request.live is None else _live_options(common, request.live)


def _live_options(common: RunOptions, live: LiveRequest) -> RunOptions:
    from dataclasses import replace

    from twinstorm.broker.tls import ClientTls
    from twinstorm.broker.url import Login

    ca, certificate, key = (None if path is None else Path(path) for path in (live.ca, live.certificate, live.key))
    return replace(
        common,
        live=True,
        broker_url=live.broker_url,
        broker_login=Login(live.user, live.password) if live.login else None,
        broker_tls=ClientTls(ca, certificate, key, strict=False),
        tls=live.tls,
        yes=live.yes,
        max_connects_per_s=live.max_connects_per_s,
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
    return shlex.join([*words, *([] if request.live is None else request.live.words)])
