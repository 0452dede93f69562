"""`twinstorm fit`: what a machine is like, from a table of its readings or from a run in which it took part."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import must_be_writable
from twinstorm.tui.cli.output import must_not_be_read, whole
from twinstorm.tui.cli.tables import DECIMAL, SEP, TIME_FORMAT, manner_of, opened, told_of
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from twinstorm.detectors.values.tables import Manner
    from twinstorm.scenarios.fitting import Fit, Readings
    from twinstorm.twin.machines.kind import MachineKind


@command(
    click.Argument(["file"], metavar="FILE|RUN", help="A table with a header, -: standard input; or a recorded run."),
    click.Option(["--kind"], metavar="KIND", help="Of the machine of a table: pump, chiller, motor, ..."),
    click.Option(["--device"], metavar="ID", help="Of a run: whose readings."),
    SEP,
    DECIMAL,
    click.Option(["--time", "time"], default="", metavar="COLUMN", help="Of the times; absent: one of the usual name."),
    TIME_FORMAT,
    click.Option(["--drive", "driven"], multiple=True, metavar="NAME=COLUMN", help="A column drives it; repeatable."),
    click.Option(["--out"], type=click.Path(path_type=Path), metavar="FILE", help="Write the segment; absent: print."),
)
def fit(
    talk: Talk,
    file: str,
    kind: str | None,
    device: str | None,
    separator: str | None,
    decimal: str,
    time: str,
    time_format: str,
    driven: tuple[str, ...],
    out: Path | None,
) -> int:
    """Estimate the parameters of a machine of a kind.

    Columns named as channels of the kind are what it told; those named as its drives are what drove it (`twinstorm
    explain KIND` lists both). Without its drives a machine follows the rule of its kind, which a real one does not.
    Writes a segment of a scenario with every parameter that the table tells; 95 % intervals stand beside the values.
    A run in virtual time is played again, for a record keeps no readings; what drove its machines nobody was told.

    \b
      twinstorm fit pump.csv --kind pump
      twinstorm fit pump.csv --kind pump --drive demand_share=valve --out pumps.yaml
      twinstorm fit last --device ham-1/pumps-0001

    Exit: 0 fitted, 2 command line, table or run wrong, 4 too little memory to play the run.
    """
    from twinstorm.scenarios import fitting

    must_be_writable(out)
    must_not_be_read(out, file)
    if device is not None:
        kind, readings = _of_a_run(talk, file, device, kind, time, driven)
        file = f"{device} in {file}"
    elif kind is None:
        raise UsageError("what kind of machine is it?", "a table: add `--kind pump`; a run: add `--device ID`")
    else:
        readings = _readings(file, _machine(kind), manner_of(separator, decimal, time_format), time, driven)
    try:
        found = fitting.fit(_machine(kind), readings)
    except fitting.Unfit as error:
        raise UsageError(f"{file}: {error}") from None
    text = segment(kind, found, file)
    if out is None:
        talk.data(text.rstrip("\n"))
    else:
        with whole(out) as sink:
            sink.write(text)
    for name, (sd, mean) in found.residuals.items():
        talk.say(f"residual of {name}: standard deviation {sd:.3g}, mean {mean:+.2g}")
    untold = [one.quantity.name for one in found.estimates if not one.told]
    if untold:
        talk.say(f"these readings do not tell: {', '.join(untold)}")
    return 0


def _of_a_run(
    talk: Talk, name: str, device: str, kind: str | None, time: str, driven: tuple[str, ...]
) -> tuple[str, Readings]:
    """Kind and readings of a device of a recorded run."""
    from twinstorm.scenarios.record.read import NoSuchRun, open_run
    from twinstorm.scenarios.record.readings import NotRecorded, told_by

    if time or driven:
        raise UsageError("`--time` and `--drive` name columns of a table, and a run has none")
    try:
        run = open_run(name)
        talk.say(f"playing {run.about.scenario} again, seed {run.about.seed}, for what {device} told")
        found, readings = told_by(run, device)
    except NoSuchRun as error:
        raise UsageError(error.what, error.hint) from None
    except NotRecorded as error:
        raise UsageError(str(error)) from None
    if kind not in (None, found):
        raise UsageError(f"{device} is of kind `{found}`, not `{kind}`")
    return found, readings


def _machine(kind: str) -> MachineKind:
    """A kind that can be fitted."""
    from twinstorm.scenarios.language.errors import closest
    from twinstorm.twin.machines.kind import catalogue, is_event_driven

    kinds = catalogue()
    if kind not in kinds:
        close = closest(kind, kinds)
        hint = f"did you mean `{close}`?" if close else f"kinds: {', '.join(sorted(kinds))}"
        raise UsageError(f"there is no kind of machine `{kind}`", hint)
    machine = kinds[kind]
    if is_event_driven(machine):
        raise UsageError(f"machines of kind `{kind}` speak by events; a fit plays rows of a table")
    return machine


def segment(kind: str, found: Fit, source: str) -> str:
    """A segment as it stands in a scenario, with what is known of its parameters."""
    lines = [
        f"# Fitted to {found.rows:,} rows of {source}; beside each value its 95 % interval.",
        "segments:",
        f"  fitted-{kind}:",
        f"    kind: {kind}",
        "    share: 100 %",
    ]
    told = [one for one in found.estimates if one.told]
    if told:
        lines.append("    machine:")
    for one in told:
        unit = "" if one.quantity.unit in ("", "1") else f" {one.quantity.unit}"
        lines.append(f"      {one.quantity.key}: {one.value:.5g}{unit}  # {one.low:.5g} .. {one.high:.5g}")
    return "\n".join(lines) + "\n"


def _readings(file: str, kind: MachineKind, manner: Manner, time: str, driven: tuple[str, ...]) -> Readings:
    import numpy as np

    from twinstorm.detectors.values.tables import Table
    from twinstorm.scenarios.fitting import Readings

    with ExitStack() as stack:
        lines = opened(stack, file)
        with told_of(file):
            table = Table(lines, manner, time)
            rows = list(table.rows())
    if not table.time:
        raise UsageError(f"{file} has no column of times", "name it: --time COLUMN")
    values = np.array([row.values for row in rows]).reshape(len(rows), -1).T
    columns = dict(zip(table.channels, values, strict=True))
    drives = _drives(kind, driven, columns)
    taken = set(drives.values())
    channels = {one.name: columns[one.name] for one in kind.channels if one.name in columns and one.name not in taken}
    return Readings(
        np.array([row.at_us for row in rows], np.int64),
        channels,
        {name: columns[column] for name, column in drives.items()},
    )


def _drives(kind: MachineKind, driven: tuple[str, ...], columns: Mapping[str, object]) -> dict[str, str]:
    """Drive to the column that has it: those that were named, and those of the same name that are no channel."""
    names = [one.name for one in kind.drives]
    channels = {one.name for one in kind.channels}
    drives = {name: name for name in names if name in columns and name not in channels}
    for each in driven:
        name, equals, column = each.partition("=")
        if not equals or name not in names or column not in columns:
            raise UsageError(
                f"--drive wants NAME=COLUMN, not `{each}`",
                f"drives of `{kind.name}`: {', '.join(names) or 'none'}; columns: {', '.join(columns)}",
            )
        drives[name] = column
    return drives
