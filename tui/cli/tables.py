"""Options and errors of the commands that read tables of people's own."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from twinstorm.tui.cli.command import UsageError

if TYPE_CHECKING:
    from twinstorm.detectors.values.tables import Manner

SEP = click.Option(
    ["--sep", "separator"],
    metavar="CHARACTER",
    help="Between cells; absent: a comma, or ; with --decimal ,; \\t: tabulator.",
)
DECIMAL = click.Option(
    ["--decimal"], type=click.Choice([".", ","]), default=".", help="In numbers: 1.5, or 1,5 and 1.234,5."
)
TIME_FORMAT = click.Option(
    ["--time-format"], default="", metavar="FORMAT", help="Such as '%d.%m.%Y %H:%M'; absent: ISO 8601 or seconds."
)


def manner_of(separator: str | None, decimal: str, time_format: str = "") -> Manner:
    """How a table is written, as the options say.

    Raises:
        UsageError: one of them cannot be.
    """
    from twinstorm.detectors.values.tables import Manner, TableError

    if separator is None:
        separator = ";" if decimal == "," else ","
    separator = "\t" if separator == "\\t" else separator
    if len(separator) != 1:
        raise UsageError(f"--sep is one character, not `{separator}`", "for tabulators: --sep '\\t'")
    if separator == decimal:
        raise UsageError(f"`{decimal}` is both --sep and --decimal", "cells stand apart by another one: --sep ';'")
    try:
        return Manner(separator, decimal, time_format)
    except TableError as error:
        raise UsageError(f"--time-format: {error}", "such as '%d.%m.%Y %H:%M:%S', as Python's strptime") from None


def opened(stack: ExitStack, file: str) -> TextIO:
    """A text file, closed with the stack; `-` is standard input. Raises UsageError if it cannot be read."""
    if file == "-":
        return sys.stdin
    try:
        return stack.enter_context(Path(file).open(encoding="utf-8-sig", newline=""))
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from None


@contextmanager
def told_of(file: str) -> Iterator[None]:
    """What is wrong with a table, as an error of the command line. Raises UsageError."""
    from twinstorm.detectors.values.tables import TableError

    try:
        yield
    except (TableError, csv.Error) as error:
        what, _, hint = str(error).partition("; ")
        raise UsageError(f"{file}: {what}", hint) from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no text in UTF-8", "save it as UTF-8, or: iconv -f latin1 -t utf-8") from None
