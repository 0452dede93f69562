"""Play one case: record, sinks, signals, reports, and the exit code it ends with."""

from __future__ import annotations

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
from twinstorm.tui.cli.signals import Interruption
from twinstorm.tui.cli.talk import Talk, write_at_once

if TYPE_CHECKING:
    from twinstorm.scenarios.engine.run import RunOptions
    from twinstorm.scenarios.record.recorder import Recorder
    from twinstorm.scenarios.result import RunResult, Sink


@dataclass(frozen=True)
class Outcome:
    """How one case ended. `result` is None if the run could not end (a bug, no disk, left at once)."""

    case: Case
    code: int
    result: RunResult | None


@dataclass(frozen=True)
class Style:
    """How runs are shown.

    Attributes:
        story: print heading, timeline and findings of each run as it goes on.
        on_out: to standard output; else to standard error, because standard output carries a document.
    """

    story: bool = True
    on_out: bool = True


def play(case: Case, options: RunOptions, out: Path, sinks: Sequence[Sink], talk: Talk, style: Style) -> Outcome:
    """Run a case to its end, whatever that is; only a closed pipe and a second Ctrl+C leave as exceptions."""
    until_us = case.scenario.duration_us if options.until_us is None else options.until_us
    meter = Meter(talk, case.scenario.name, until_us)
    line = _line(talk, style, meter)
    color = talk.color_out if style.on_out else talk.color_err
    if style.story and not talk.quiet:
        line(heading(case.scenario, case.seed, options.until_us, options.live, options.speed))
        sinks = [*sinks, Printed(line, color, talk.verbose > 0)]
    recorder: Recorder | None = None
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
        run = Run(case.scenario, options, [recorder, *sinks])
        with Interruption(run.interrupt, partial(write_at_once, talk.err)) as interruption:
            result = run.execute(meter)
    except BrokenPipeError:
        _abandon(recorder)
        raise
    except Exception as error:
        meter.close()
        _abandon(recorder)
        trace = None if recorder is None else recorder.folder / TRACE
        return Outcome(case, explained(talk, error, trace), None)
    finally:
        meter.close()
    result = recorder.result or result
    if style.story:
        for text in [verdict_line(result, color)] if talk.quiet else ending(result, color):
            line(text)
    code = exit_code(result)
    return Outcome(case, _interrupted_code(code, interruption.code), result)


def _interrupted_code(code: int, signalled: int) -> int:
    """A run that ended because of a signal ends with the signal's own number."""
    return signalled if signalled and code == ExitCode.INTERRUPTED else code


def _line(talk: Talk, style: Style, meter: Meter) -> Callable[[str], None]:
    return meter.line if style.on_out else talk.complain


def _abandon(recorder: Recorder | None) -> None:
    """The engine closes its sinks even when it fails; a run that never got so far is closed here."""
    if recorder is not None:
        try:
            recorder.close(None)
        except Exception:
            return


def worst(codes: Sequence[int]) -> int:
    """The answer to several runs: the first of the documented order that occurred.

    A request that only a started run could refuse comes right after the ways of not ending at all.
    """
    gravest = PRECEDENCE.index(ExitCode.UNAVAILABLE)
    order = (PIPE_CLOSED, *PRECEDENCE[:gravest], ExitCode.USAGE, *PRECEDENCE[gravest:])
    return next((code for code in order if code in codes), ExitCode.HELD)
