"""The command line. One file a command; what a command needs it imports when it is called, so that help is fast."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from twinstorm.tui.cli import bench, check, doctor, explain, init, report, run, schema, tui
from twinstorm.tui.cli import list as listing
from twinstorm.tui.cli.command import command, guarded
from twinstorm.tui.cli.talk import make_talk

SHORT_HELP = """\
twinstorm: a storm laboratory for connected machines

  twinstorm run reboot-storm     play a scenario, get a verdict
  twinstorm list                 scenarios of the library
  twinstorm tui reboot-storm     watch it and take part
  twinstorm --help               all commands"""

app = typer.Typer(
    name="twinstorm",
    rich_markup_mode=None,  # Its help loads rich and takes three times as long.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

for _name, _function in (
    ("run", run.run),
    ("check", check.check),
    ("tui", tui.tui),
    ("list", listing.list_),
    ("explain", explain.explain),
    ("report", report.report),
    ("init", init.init),
    ("schema", schema.schema),
    ("doctor", doctor.doctor),
    ("bench", bench.bench),
):
    app.command(_name)(command(_function))


@app.callback(invoke_without_command=True)
def twinstorm(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """A storm laboratory for connected machines: digital twins, faults, an MQTT broker and a verdict.

    \b
      twinstorm run reboot-storm
      twinstorm run reboot-storm --vary fleet.reconnect.jitter=none,equal,full
      twinstorm run my.storm.yaml --live --devices 200
      twinstorm tui reboot-storm
      twinstorm report last --format html --out storm.html

    Without a command it opens the application on the list of scenarios.
    """
    if show_version:
        from importlib.metadata import version

        typer.echo(f"twinstorm {version('twinstorm')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        talk = make_talk("auto", quiet=False, verbose=0, progress=True)
        if not (talk.out.isatty() and sys.stdin is not None and sys.stdin.isatty()):
            talk.complain(SHORT_HELP)
            raise typer.Exit(2)
        raise typer.Exit(guarded(talk, lambda: tui.tui(talk)))


def main() -> None:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        # A name from a scenario must not end the program because a terminal cannot show it.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="twinstorm")
    finally:
        _flush()


def _flush() -> None:
    """The interpreter flushes as it ends and complains if the reader has gone; here it ends quietly."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
