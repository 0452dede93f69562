"""Play one case: record, sinks, signals, reports, and the exit code it ends with."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from twinstorm.scenarios.record.folder import TRACE
from twinstorm.scenarios.reports.ending import ending, verdict_line
from twinstorm.scenarios.verdict import PRECEDENCE, ExitCode, exit_code
from twinstorm.tui.cli.cases import Case
from twinstorm.tui.cli.command import PIPE_CLOSED, explained
from twinstorm.tui.cli.printed import Printed, heading
from twinstorm.tui.cli.progress import Meter
from twinstorm.tui.cli.readers import Readers
from twinstorm.tui.cli.signals import Interruption
from twinstorm.tui.cli.talk import Talk, write_at_once

if TYPE_CHECKING:
    from twinstorm.scenarios.engine.run import Run, RunOptions
    from twinstorm.scenarios.record.recorder import Recorder
    from twinstorm.scenarios.result import RunResult, Sink
    from twinstorm.scenarios.webhook import Webhook
    from twinstorm.scenarios.webhook_courier import Courier


@dataclass(frozen=True)
class Outcome:
    """How one case ended.

    Attributes:
        result: None if the run could not end (a bug, no disk).
        run: has a broker that is still open, see `hold_open_until_interrupted`; None: nothing is open.
    """

    case: Case
    code: int
    result: RunResult | None
    run: Run | None = None


@dataclass(frozen=True)
class Style:
    """How runs are shown.

    Attributes:
        story: print heading, timeline and findings of each run as it goes on.
        on_out: to standard output; else to standard error, because standard output carries a document.
    """

    story: bool = True
    on_out: bool = True


def play(
    case: Case,
    options: RunOptions,
    out: Path,
    sinks: Sequence[Sink],
    talk: Talk,
    style: Style,
    hook: Webhook | None = None,
) -> Outcome:
    """Run a case to its end, whatever that is; only a second Ctrl+C leaves as an exception, and a reader that has gone
    before anything was recorded."""
    until_us = case.scenario.duration_us if options.until_us is None else options.until_us
    meter = Meter(talk, case.scenario.name, until_us)
    line = _line(talk, style, meter)
    color = talk.color_out if style.on_out else talk.color_err
    if style.story and not talk.quiet:
        line(heading(case.scenario, case.seed, options.until_us, options.live, options.speed))
        sinks = [*sinks, Printed(line, color, talk.verbose > 0)]
    recorder: Recorder | None = None
    readers = Readers()
    try:
        # The heading stands before the second that these imports take.
        from twinstorm.scenarios.engine.run import Run
        from twinstorm.scenarios.record.recorder import Recorder

        recorder = Recorder.start(
            case.scenario,
            seed=case.seed,
            clock="live" if options.live else "virtual",
            out=out,
            until_us=options.until_us,
            repeat=case.repeat,
        )
        sent = [] if hook is None else [_courier(hook, case, recorder)]
        run = Run(case.scenario, options, [recorder, *map(readers.of, sinks), *sent])
        readers.interrupt = run.interrupt
        meter.rates = run.rates
        with Interruption(run.interrupt, partial(write_at_once, talk.err)) as interruption:
            result = run.execute(meter)
    except KeyboardInterrupt as error:
        _abandon(recorder, str(error) or "interrupted")
        raise
    except Exception as error:
        meter.close()
        _abandon(recorder)
        trace = None if recorder is None else recorder.folder / TRACE
        code = explained(talk, error, trace)
        if recorder is not None and recorder.has_rows and code == ExitCode.UNAVAILABLE:
            talk.complain(f"  what was recorded until then: twinstorm report {shlex.quote(str(recorder.folder))}")
        return Outcome(case, code, None)
    finally:
        meter.close()
    result = recorder.result or result
    for courier in sent:
        if courier.complaint:
            talk.complain(courier.complaint)
    try:
        if style.story:
            with readers:
                for text in [verdict_line(result, color)] if talk.quiet else ending(result, color):
                    line(text)
    except BaseException:
        run.close()
        raise
    code = exit_code(result)
    if readers.gone and not interruption.code:
        code = PIPE_CLOSED
    return Outcome(case, _interrupted_code(code, interruption.code), result, run if run.holds else None)


def _courier(hook: Webhook, case: Case, recorder: Recorder) -> Courier:
    from twinstorm.scenarios.webhook_courier import Courier

    return Courier(hook, case.scenario.name, recorder.folder.resolve().name, recorder.started_at)


def hold_open_until_interrupted(outcome: Outcome, talk: Talk) -> None:
    """Keep the broker of a run with `--hold-open` up for other clients. Its verdict has been told: a signal ends only
    the broker."""
    if outcome.run is not None:
        tell = partial(write_at_once, talk.err)
        with Interruption(outcome.run.interrupt, tell, "closing the broker; once more leaves at once"):
            outcome.run.hold()


def _interrupted_code(code: int, signalled: int) -> int:
    """A run that ended because of a signal ends with the signal's own number."""
    return signalled if signalled and code == ExitCode.INTERRUPTED else code


def _line(talk: Talk, style: Style, meter: Meter) -> Callable[[str], None]:
    return meter.line if style.on_out else talk.complain


def _abandon(recorder: Recorder | None, why: str = "") -> None:
    """The engine closes its sinks even when it fails; a run that never got so far is closed here."""
    if recorder is not None:
        try:
            recorder.close(None, why)
        except Exception:
            return


def worst(codes: Sequence[int]) -> int:
    """The answer to several runs: the first of the documented order that occurred.

    A request that only a started run could refuse comes right after the ways of not ending at all.
    """
    gravest = PRECEDENCE.index(ExitCode.UNAVAILABLE)
    order = (PIPE_CLOSED, *PRECEDENCE[:gravest], ExitCode.USAGE, *PRECEDENCE[gravest:])
    return next((code for code in order if code in codes), ExitCode.HELD)
