"""What all commands have in common: the options that every one takes, and how each way of failing ends.

A command is a function that gets a `Talk` and its own arguments and returns an exit code. `command` makes of it what
click wants. Only what a run of `--help` needs is imported here.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, get_args

import click

from twinstorm.tui.cli.signals import Leave
from twinstorm.tui.cli.talk import Talk, When, make_talk

PIPE_CLOSED = 141
"""What a shell reports of a program whose reader has gone: 128 + SIGPIPE."""


class UsageError(Exception):
    """The command line asks for something that does not exist or does not go together: exit code 2.

    Attributes:
        what, hint: for people; the hint may be empty.
    """

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what, self.hint = what, hint


_SHARED = (
    click.Option(
        ["--color"],
        type=click.Choice(get_args(When)),
        default="auto",
        help="Paint: auto follows NO_COLOR, FORCE_COLOR, TERM and terminal.",
    ),
    click.Option(["--no-color"], is_flag=True, help="The same as --color never."),
    click.Option(["--no-progress"], is_flag=True, help="Do not tell how far it is."),
    click.Option(["--quiet", "-q"], is_flag=True, help="Say the verdict only."),
    click.Option(["--verbose", "-v"], count=True, show_default=False, help="Say more; -vv: traces."),
)


def command(*parameters: click.Parameter) -> Callable[[Callable[..., int]], click.Command]:
    """Make a click command of a function `(talk, ...) -> exit code`.

    It is named after the function and helps with its docstring.

    Args:
        parameters: what the command takes, in the order of its help; the options that all take follow.
    """

    def made(function: Callable[..., int]) -> click.Command:
        def run(
            color: When, no_color: bool, no_progress: bool, quiet: bool, verbose: int, **arguments: Any
        ) -> NoReturn:
            talk = make_talk("never" if no_color else color, quiet, verbose, progress=not no_progress)
            click.get_current_context().exit(guarded(talk, lambda: function(talk, **arguments)))

        name = function.__name__.rstrip("_")
        return click.Command(name, callback=run, params=[*parameters, *_SHARED], help=function.__doc__)

    return made


def guarded(talk: Talk, body: Callable[[], int]) -> int:
    """Run a command; whatever goes wrong becomes a message on standard error and an exit code."""
    try:
        code = int(body())
        talk.flush()
    except BrokenPipeError:
        _hush(talk)
        return PIPE_CLOSED
    except Leave as leave:
        return leave.code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        return explained(talk, error)
    return code


def explained(talk: Talk, error: Exception, trace_file: Path | None = None) -> int:
    """Say what went wrong and what to do; return the exit code.

    Args:
        trace_file: where to write the trace if it turns out to be a bug; None: a temporary file.
    """
    from twinstorm.scenarios.engine.errors import BadRequest, Unavailable
    from twinstorm.scenarios.language.errors import ScenarioErrors
    from twinstorm.scenarios.verdict import ExitCode
    from twinstorm.twin.plugins import PluginError

    if isinstance(error, ScenarioErrors):
        talk.complain(error.render(talk.color_err))
        return ExitCode.USAGE
    if isinstance(error, UsageError):
        talk.error(error.what, error.hint)
        return ExitCode.USAGE
    if isinstance(error, BadRequest):
        for reason in str(error).splitlines():
            talk.error(reason)
        return ExitCode.USAGE
    if isinstance(error, Unavailable):
        talk.error(f"{error.what} is not available: {error.why}", error.hint)
        return ExitCode.UNAVAILABLE
    if isinstance(error, PluginError):
        return _bug(
            talk, error, trace_file, str(error), f"This is a bug in {error.by or 'the plug-in'}, not in your run."
        )
    if isinstance(error, MemoryError):
        talk.error("memory is not available", "Take fewer devices: --devices")
        return ExitCode.UNAVAILABLE
    if isinstance(error, OSError) and error.errno in _NOT_OUR_FAULT:
        where = f"{error.filename}: " if error.filename else ""
        talk.error(f"{where}{error.strerror}")
        return ExitCode.UNAVAILABLE
    what = f"twinstorm failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return _bug(talk, error, trace_file, what, "This is a bug, please report it.")


_NOT_OUR_FAULT = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOMEM,
    errno.EMFILE,
    errno.ENFILE,
    errno.EADDRINUSE,
    errno.EADDRNOTAVAIL,
    errno.EIO,
}


def _bug(talk: Talk, error: Exception, trace_file: Path | None, what: str, hint: str) -> int:
    import traceback

    from twinstorm.scenarios.verdict import ExitCode

    trace = "".join(traceback.format_exception(error))
    written = _keep(trace, trace_file)
    if talk.verbose >= 2 or written is None:
        talk.complain(trace.rstrip())
    talk.error(what, f"{hint} The trace: {written}" if written else hint)
    return ExitCode.BUG


def _keep(trace: str, path: Path | None) -> Path | None:
    """Write a trace; None if there is no room for it anywhere."""
    import tempfile

    try:
        if path is None:
            number, name = tempfile.mkstemp(prefix="twinstorm-trace-", suffix=".txt")
            os.close(number)
            path = Path(name)
        path.write_text(trace, encoding="utf-8")
    except OSError:
        return None
    return path


def _hush(talk: Talk) -> None:
    """Nobody reads: what is still in the buffer goes nowhere, or the interpreter would complain about it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (talk.out, sys.stdout):
        try:
            os.dup2(nowhere, stream.fileno())
        except (OSError, ValueError, AttributeError):
            continue  # Not a stream of the system, or closed.
    os.close(nowhere)
