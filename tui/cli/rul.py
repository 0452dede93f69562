"""`twinstorm rul`: how long units of a table will last, by others that ran until they failed."""

from __future__ import annotations

import csv
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import POSITIVE, must_be_writable
from twinstorm.tui.cli.output import must_not_be_read, whole
from twinstorm.tui.cli.tables import DECIMAL, SEP, manner_of, opened, told_of
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from twinstorm.detectors.values.contract import Reals
    from twinstorm.detectors.values.tables import Manner

HEAD = ("unit", "cycles", "remaining", "at_least", "at_most")


@command(
    click.Argument(["failed"], metavar="FAILED", help="A table of units that failed after their last row."),
    click.Argument(["file"], metavar="FILE", help="A table of units that still run; -: standard input."),
    click.Option(["--unit"], default="unit", metavar="COLUMN", help="Whose a row is."),
    SEP,
    DECIMAL,
    click.Option(["--channels"], default="", metavar="A,B", help="Columns to learn from; absent: all others."),
    click.Option(
        ["--horizon"],
        type=POSITIVE,
        default=125.0,
        metavar="CYCLES",
        help="Longer lives are not told apart.",
    ),
    click.Option(["--seed"], type=click.IntRange(0, (1 << 32) - 1), default=0, metavar="N", help="Of the learning."),
    click.Option(["--out"], type=click.Path(path_type=Path), metavar="FILE", help="Write there; absent: print."),
)
def rul(
    talk: Talk,
    failed: str,
    file: str,
    unit: str,
    separator: str | None,
    decimal: str,
    channels: str,
    horizon: float,
    seed: int,
    out: Path | None,
) -> int:
    """Tell how long units will last, by others that failed.

    Both tables have a header and a row a cycle (an hour, a flight, a shift), the oldest of each unit first, and the
    same columns. Writes `unit,cycles,remaining,at_least,at_most` for every unit of FILE: cycles so far, those that are
    expected to remain after its last row, and bounds that should hold for four units of five.

    \b
      twinstorm rul failed.csv running.csv --unit engine
      twinstorm rul failed.csv running.csv --channels temperature,vibration --horizon 200 --out lives.csv

    Exit: 0 told, 2 command line or tables wrong.
    """
    from twinstorm.detectors.remaining_life import RemainingLife

    must_be_writable(out)
    must_not_be_read(out, failed, file)
    manner = manner_of(separator, decimal)
    wanted = tuple(name.strip() for name in channels.split(",") if name.strip()) or None
    known, columns = _read(failed, unit, manner, wanted)
    running, _ = _read(file, unit, manner, columns)
    model = RemainingLife(horizon, seed)
    talk.say(f"learning from {len(known):,} units of {failed}, {sum(map(len, known.values())):,} cycles")
    import sklearn.ensemble  # noqa: F401 - only what is loaded can be limited
    from threadpoolctl import threadpool_limits

    try:
        # Threads that wait for each other cost more than they bring where other work goes on.
        with threadpool_limits(1, user_api="openmp"):
            model.fit(list(known.values()))
    except ValueError as error:
        raise UsageError(f"{failed}: {_named(str(error), list(known))}") from None
    with ExitStack() as stack:
        sink = stack.enter_context(whole(out)) if out is not None else talk.out
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(HEAD)
        for name, rows in running.items():
            told = model.outlook(rows)
            lives = (told.cycles, told.at_least, told.at_most)
            writer.writerow([name, len(rows), *(f"{life:.1f}" for life in lives)])
    talk.say(f"{len(running):,} units told" + (f", {out}" if out else ""))
    return 0


def _read(
    file: str, unit: str, manner: Manner, channels: tuple[str, ...] | None
) -> tuple[dict[str, Reals], tuple[str, ...]]:
    """Units of a file. Raises UsageError."""
    from twinstorm.detectors.values.unit_tables import read_units

    with ExitStack() as stack:
        lines = opened(stack, file)
        with told_of(file):
            return read_units(lines, unit, manner, channels)


def _named(told: str, names: list[str]) -> str:
    """An error that numbers units, with the name of the one that it is about."""
    first, space, rest = told.removeprefix("unit ").partition(" ")
    if not told.startswith("unit ") or not first.isdecimal():
        return told
    return f"unit `{names[int(first)]}`{space}{rest}"
