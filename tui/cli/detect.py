"""`twinstorm detect`: what a detector of ours says of a table of yours."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import POSITIVE, must_be_writable
from twinstorm.tui.cli.output import must_not_be_read, whole
from twinstorm.tui.cli.tables import DECIMAL, SEP, TIME_FORMAT, manner_of, opened, told_of
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from twinstorm.detectors.values.contract import Reals, ValueDetector
    from twinstorm.detectors.values.gate import Gate
    from twinstorm.detectors.values.tables import Table
    from twinstorm.twin.plugins import PluginError

TOLD_EVERY = 50_000
"""Rows between two lines of progress."""


@command(
    click.Argument(["file"], metavar="FILE", help="A table with a header; -: standard input."),
    SEP,
    DECIMAL,
    click.Option(["--time", "time"], default="", metavar="COLUMN", help="Of the times; absent: one of the usual name."),
    TIME_FORMAT,
    click.Option(["--channels"], default="", metavar="A,B", help="Columns to watch; absent: all with numbers."),
    click.Option(["--train"], type=click.IntRange(0), default=0, metavar="ROWS", help="First rows, learnt unscored."),
    click.Option(
        ["--detector"], default="context", metavar="NAME", help="See `twinstorm explain detectors-on-values`."
    ),
    click.Option(["--set", "settings"], multiple=True, metavar="KEY=VALUE", help="Of the detector; repeatable."),
    click.Option(["--threshold"], type=POSITIVE, default=1.0, help="Score of an alarm."),
    click.Option(["--hold"], type=click.IntRange(1), default=1, metavar="ROWS", help="In a row, before an alarm."),
    click.Option(["--quiet-rows"], type=click.IntRange(0), default=0, metavar="ROWS", help="Without alarm after one."),
    click.Option(["--out"], type=click.Path(path_type=Path), metavar="FILE", help="Write there; absent: print."),
)
def detect(
    talk: Talk,
    file: str,
    separator: str | None,
    decimal: str,
    time: str,
    time_format: str,
    channels: str,
    train: int,
    detector: str,
    settings: tuple[str, ...],
    threshold: float,
    hold: int,
    quiet_rows: int,
    out: Path | None,
) -> int:
    """Score the rows of a table, each by those before it.

    Writes `timestamp,score,alarm` for every row, in their order: the highest score of its channels, 1 at the detector's
    limit, empty while it knows too little; 1 in a row in which an alarm is open. With several channels the fourth
    column, `channel`, names the one with that score.

    \b
      twinstorm detect pump.csv --out scores.csv
      twinstorm detect pump.csv --sep ';' --time when --channels flow,pressure --train 500
      twinstorm detect pumpe.csv --decimal , --time Zeit --time-format '%d.%m.%Y %H:%M'
      twinstorm detect pump.csv --detector cusum --set limit=5 --hold 3

    A row needs the columns of the header; empty cells and what is no number are values that never came. Times are
    universal unless they say otherwise; without a column of them rows are a second apart.

    Exit: 0 all rows scored, 2 command line or table wrong.
    """
    from twinstorm.detectors.values.contract import build
    from twinstorm.detectors.values.gate import Gate, Limits
    from twinstorm.detectors.values.tables import MOST, Table
    from twinstorm.twin.plugins import PluginError

    must_be_writable(out)
    must_not_be_read(out, file)
    manner = manner_of(separator, decimal, time_format)
    given = _settings(settings)
    with ExitStack() as stack:
        lines = opened(stack, file)
        with told_of(file):
            wanted = tuple(name.strip() for name in channels.split(",") if name.strip())
            table = Table(lines, manner, time, wanted)
            try:
                kind = build(detector, len(table.channels), given)
            except ValueError as error:
                raise UsageError(str(error)) from None
            except PluginError as error:
                raise UsageError(str(error), _whose(error)) from error
            contradiction = kind.contradiction(kind.settings)
            if contradiction:
                raise UsageError(f"`{detector}`: {contradiction}", "settings: --set KEY=VALUE")
            _must_have_peers(kind)
            gate = Gate(len(table.channels), Limits(threshold, threshold, hold, quiet_rows))
            sink = stack.enter_context(whole(out)) if out is not None else talk.out
            rows, judged, alarms = _scored(talk, table, kind, gate, train, sink)
    if table.unreadable:
        talk.say(f"{table.unreadable:,} cells held no number, or one beyond {MOST:g}, and were passed over")
    if not rows:
        talk.say("the table has a header and no rows")
    elif not judged:
        talk.say("no row was judged, so that there can be no alarm: the detector needs more rows to learn from first")
    talk.say(f"{rows:,} rows of {_channels(table)} by `{detector}`: {alarms:,} alarms" + (f", {out}" if out else ""))
    if told := _foretold(kind):
        talk.say(told)
    return 0


def _whose(error: PluginError) -> str:
    return f"tell those who make `{error.by}`, or take another detector" if error.by else "take another detector"


def _foretold(detector: ValueDetector) -> str:
    """What came of its predictions; empty: it makes none."""
    from twinstorm.detectors.values.forecast import Forecast
    from twinstorm.scenarios.foretold import forecast_result, foretold

    return foretold(forecast_result(detector.name, detector)) if isinstance(detector, Forecast) else ""


def _must_have_peers(detector: ValueDetector) -> None:
    """Of a detector that compares, the columns of a table are each other's like.

    Raises:
        UsageError: there are too few.
    """
    from twinstorm.detectors.values.contract import Comparing

    if isinstance(detector, Comparing) and detector.series < detector.fewest:
        raise UsageError(
            f"`{detector.name}` compares columns with each other, at least {detector.fewest}; "
            f"there {'is one' if detector.series == 1 else f'are {detector.series}'}",
            "it wants one column a device, all of one quantity; other detectors look at each column alone",
        )


def _scored(
    talk: Talk, table: Table, detector: ValueDetector, gate: Gate, train: int, sink: TextIO
) -> tuple[int, int, int]:
    """Write a line a row; rows, those with a score, and how many alarms opened."""
    import numpy as np

    from twinstorm.detectors.values.contract import Sample

    several = len(table.channels) > 1
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(["timestamp", "score", "alarm", *(["channel"] if several else [])])
    rows = judged = alarms = 0
    was = False
    for row in table.rows():
        rows += 1
        sample = Sample(np.full(len(row.values), row.at_us, np.int64), row.values)
        # Libraries divide by the spread of rows in which one is as large as all others are small.
        with np.errstate(all="ignore"):
            if rows <= train:
                detector.learn(sample)
                writer.writerow([row.stamp, "", 0, *([""] if several else [])])
                continue
            scores = detector.step(sample)
        scores = np.where(np.isfinite(scores), scores, np.nan)
        judged += bool((scores == scores).any())
        now = bool(gate.decide(scores).any())
        alarms += now and not was
        was = now
        writer.writerow(_line(row.stamp, scores, now, table))
        if talk.progress and rows % TOLD_EVERY == 0:
            talk.say(f"{rows:,} rows, {alarms:,} alarms")
    return rows, judged, alarms


def _line(stamp: str, scores: Reals, alarm: bool, table: Table) -> list[object]:
    import numpy as np

    best = int(np.argmax(np.where(scores == scores, scores, -1.0)))
    score = float(scores[best])
    known = score == score
    line: list[object] = [stamp, f"{score:.6g}" if known else "", int(alarm)]
    if len(table.channels) > 1:
        line.append(table.channels[best] if known else "")
    return line


def _settings(settings: tuple[str, ...]) -> dict[str, str]:
    given: dict[str, str] = {}
    for each in settings:
        key, equals, value = each.partition("=")
        if not equals:
            raise UsageError(f"--set wants KEY=VALUE, not `{each}`")
        given[key.strip()] = value
    return given


def _channels(table: Table) -> str:
    count = len(table.channels)
    return f"`{table.channels[0]}`" if count == 1 else f"{count} channels"
