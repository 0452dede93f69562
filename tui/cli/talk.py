"""Where a command's words go: data to standard output, talk to standard error, colour only where it is seen."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, TextIO

from twinstorm.scenarios.reports.color import paint

When = Literal["auto", "always", "never"]

STANDARD_OUTPUT = "standard output"


@dataclass
class Talk:
    """The two streams of one command and how much is said.

    Attributes:
        color_out, color_err: paint on that stream.
        quiet: say the verdict only.
        verbose: 1: more of the run; 2: also the trace of a bug.
        progress: how far a long run is may be told.
    """

    out: TextIO
    err: TextIO
    color_out: bool = False
    color_err: bool = False
    quiet: bool = False
    verbose: int = 0
    progress: bool = True

    def data(self, text: str) -> None:
        """What the user asked for: one or more whole lines on standard output, at once.

        Raises:
            BrokenPipeError: nobody reads any more.
            OSError: it cannot be written; `filename` says that it is standard output.
        """
        try:
            self.out.write(text + "\n")
            self.out.flush()
        except OSError as error:
            raise named(error, self.out) from error

    def flush(self) -> None:
        """Write what is left for standard output.

        Raises:
            OSError: as `data`.
        """
        try:
            self.out.flush()
        except OSError as error:
            raise named(error, self.out) from error

    def say(self, text: str) -> None:
        """Talk about it; silent with `--quiet`."""
        if not self.quiet:
            self.complain(text)

    def complain(self, text: str) -> None:
        """Something is wrong: said even with `--quiet`. If standard error takes no more, there is nobody to tell."""
        with suppress(OSError):
            self.err.write(text + "\n")
            self.err.flush()

    def error(self, what: str, hint: str = "") -> None:
        """The form of all errors that are not about a line of a scenario."""
        self.complain(f"{paint('error', 'bad', self.color_err)}: {what}")
        if hint:
            self.complain(f"  {hint}")


def named(error: OSError, stream: TextIO) -> OSError:
    """The error of a write to standard output, with that name on it. A terminal that was closed is a reader gone."""
    if isinstance(error, BrokenPipeError) or (error.errno == errno.EIO and _is_device(stream)):
        return BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE), STANDARD_OUTPUT)
    return OSError(error.errno, error.strerror or str(error), STANDARD_OUTPUT)


def _is_device(stream: TextIO) -> bool:
    """A terminal, even one that has gone: that is no `isatty` any more."""
    try:
        return stat.S_ISCHR(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):
        return False


def write_at_once(stream: TextIO, line: str) -> None:
    """Write a line past the stream's buffer: a signal handler may have interrupted a write into it."""
    start = "\n" if stream.isatty() else ""  # The terminal shows ^C, perhaps beside a progress bar.
    with suppress(OSError, ValueError):  # No descriptor, or closed: there is nobody to tell.
        os.write(stream.fileno(), f"{start}{line}\n".encode())


def wants_color(when: When, stream: TextIO, environment: Mapping[str, str]) -> bool:
    """`--color`, then NO_COLOR, FORCE_COLOR, TERM=dumb, then whether anybody looks."""
    if when != "auto":
        return when == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and environment.get("TERM") != "dumb"


def make_talk(color: When, quiet: bool, verbose: int, progress: bool) -> Talk:
    """The streams of this process. One that was closed before we began swallows what it gets."""
    out = sys.stdout if sys.stdout is not None else _nowhere()
    err = sys.stderr if sys.stderr is not None else _nowhere()
    return Talk(
        out,
        err,
        color_out=wants_color(color, out, os.environ),
        color_err=wants_color(color, err, os.environ),
        quiet=quiet,
        verbose=verbose,
        progress=progress and not quiet,
    )


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - lives as long as the process
