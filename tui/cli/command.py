"""What all commands have in common: the options that every one takes, and how each way of failing ends.

A command is a function that gets a `Talk` and its own arguments and returns an exit code. `command` makes of it what
typer wants. Only what a run of `--help` needs is imported here.
"""

from __future__ import annotations

import errno
import inspect
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

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


Color = Annotated[When, typer.Option("--color", help="Paint: auto follows NO_COLOR, FORCE_COLOR, TERM and terminal.")]
NoColor = Annotated[bool, typer.Option("--no-color", help="The same as --color never.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say the verdict only.")]
Verbose = Annotated[int, typer.Option("--verbose", "-v", count=True, show_default=False, help="Say more; -vv: traces.")]
NoProgress = Annotated[bool, typer.Option("--no-progress", help="Do not tell how far it is.")]

_SHARED: tuple[tuple[str, Any, object], ...] = (
    ("color", Color, "auto"),
    ("no_color", NoColor, False),
    ("no_progress", NoProgress, False),
    ("quiet", Quiet, False),
    ("verbose", Verbose, 0),
)


def command(function: Callable[..., int]) -> Callable[..., None]:
    """The typer command of a function `(talk, ...) -> exit code`: its own parameters, then the shared options."""

    def run(**arguments: Any) -> None:
        shared = {name: arguments.pop(name) for name, _, _ in _SHARED}
        talk = make_talk(
            "never" if shared["no_color"] else shared["color"],
            shared["quiet"],
            shared["verbose"],
            progress=not shared["no_progress"],
        )
        raise typer.Exit(guarded(talk, lambda: function(talk, **arguments)))

    own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [parameter.replace(kind=keyword) for parameter in own]
    parameters += [inspect.Parameter(name, keyword, default=value, annotation=form) for name, form, value in _SHARED]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__name__, run.__doc__ = function.__name__, function.__doc__
    return run


def guarded(talk: Talk, body: Callable[[], int]) -> int:
    """Run a command; whatever goes wrong becomes a message on standard error and an exit code."""
    try:
        code = int(body())
        talk.out.flush()
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

    if isinstance(error, ScenarioErrors):
        talk.complain(error.render(talk.color_err))
        return ExitCode.USAGE
    if isinstance(error, UsageError):
        talk.error(error.what, error.hint)
        return ExitCode.USAGE
    if isinstance(error, BadRequest):
        talk.error(str(error))
        return ExitCode.USAGE
    if isinstance(error, Unavailable):
        talk.error(f"{error.what} is not available: {error.why}", error.hint)
        return ExitCode.UNAVAILABLE
    if isinstance(error, MemoryError):
        talk.error("memory is not available", "Take fewer devices: --devices")
        return ExitCode.UNAVAILABLE
    if isinstance(error, OSError) and error.errno in _NOT_OUR_FAULT:
        where = f"{error.filename}: " if error.filename else ""
        talk.error(f"{where}{error.strerror}")
        return ExitCode.UNAVAILABLE
    return _bug(talk, error, trace_file)


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


def _bug(talk: Talk, error: Exception, trace_file: Path | None) -> int:
    from twinstorm.scenarios.verdict import ExitCode

    trace = "".join(traceback.format_exception(error))
    written = _keep(trace, trace_file)
    if talk.verbose >= 2 or written is None:
        talk.complain(trace.rstrip())
    talk.error(
        f"twinstorm failed: {type(error).__name__}: {str(error).partition(chr(10))[0]}",
        f"This is a bug, please report it. The trace: {written}" if written else "This is a bug, please report it.",
    )
    return ExitCode.BUG


def _keep(trace: str, path: Path | None) -> Path | None:
    """Write a trace; None if there is no room for it anywhere."""
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
