"""`twinstorm fit`: what a machine is like, from a table of its readings."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import must_be_writable
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from twinstorm.scenarios.fitting import Fit, Readings
    from twinstorm.twin.machines.kind import MachineKind


@command(
    click.Argument(["file"], metavar="FILE", help="A table with a header; -: standard input."),
    click.Option(["--kind"], required=True, metavar="KIND", help="Of the machine: pump, chiller, motor, ..."),
    click.Option(["--sep", "separator"], default=",", metavar="CHARACTER", help="Between cells; \\t: tabulator."),
    click.Option(["--time", "time"], default="", metavar="COLUMN", help="Of the times; absent: one of the usual name."),
    click.Option(["--drive", "driven"], multiple=True, metavar="NAME=COLUMN", help="A column drives it; repeatable."),
    click.Option(["--out"], type=click.Path(path_type=Path), metavar="FILE", help="Write the segment; absent: print."),
)
def fit(talk: Talk, file: str, kind: str, separator: str, time: str, driven: tuple[str, ...], out: Path | None) -> int:
    """Estimate the parameters of a machine of a kind.

    Columns named as channels of the kind are what it told; those named as its drives are what drove it (`twinstorm
    explain KIND` lists both). Without its drives a machine follows the rule of its kind, which a real one does not.
    Writes a segment of a scenario with every parameter that the table tells; 95 % intervals stand beside the values.

    \b
      twinstorm fit pump.csv --kind pump
      twinstorm fit pump.csv --kind pump --drive demand_share=valve --out pumps.yaml

    Exit: 0 fitted, 2 command line or table wrong.
    """
    from twinstorm.scenarios import fitting
    from twinstorm.scenarios.language.errors import closest
    from twinstorm.twin.machines.kind import catalogue, is_event_driven

    must_be_writable(out)
    kinds = catalogue()
    if kind not in kinds:
        close = closest(kind, kinds)
        hint = f"did you mean `{close}`?" if close else f"kinds: {', '.join(sorted(kinds))}"
        raise UsageError(f"there is no kind of machine `{kind}`", hint)
    machine = kinds[kind]
    if is_event_driven(machine):
        raise UsageError(f"machines of kind `{kind}` speak by events; a fit plays rows of a table")
    readings = _readings(file, machine, "\t" if separator == "\\t" else separator, time, driven)
    try:
        found = fitting.fit(machine, readings)
    except fitting.Unfit as error:
        raise UsageError(f"{file}: {error}") from None
    text = segment(kind, found, file)
    if out is None:
        talk.data(text.rstrip("\n"))
    else:
        out.write_text(text, encoding="utf-8")
    for name, (sd, mean) in found.residuals.items():
        talk.say(f"residual of {name}: standard deviation {sd:.3g}, mean {mean:+.2g}")
    untold = [one.quantity.name for one in found.estimates if not one.told]
    if untold:
        talk.say(f"these readings do not tell: {', '.join(untold)}")
    return 0


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


def _readings(file: str, kind: MachineKind, separator: str, time: str, driven: tuple[str, ...]) -> Readings:
    import numpy as np

    from twinstorm.detectors.values.tables import Table, TableError
    from twinstorm.scenarios.fitting import Readings
    from twinstorm.tui.cli.detect import opened

    if len(separator) != 1:
        raise UsageError(f"--sep is one character, not `{separator}`", "for tabulators: --sep '\\t'")
    with ExitStack() as stack:
        try:
            table = Table(opened(stack, file), separator, time)
            rows = list(table.rows())
        except TableError as error:
            raise UsageError(f"{file}: {error}") from None
        except UnicodeDecodeError:
            raise UsageError(f"{file} is no text in UTF-8") from None
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
