"""The command line. One file a command; what a command needs it imports when it is called, so that help is fast."""

from __future__ import annotations

import builtins
import io
import os
import sys
from importlib import import_module

import click

from twinstorm.tui.cli.talk import make_talk, named

SHORT_HELP = """\
twinstorm: a storm laboratory for connected machines

  twinstorm run reboot-storm     play a scenario, get a verdict
  twinstorm list                 scenarios of the library
  twinstorm tui reboot-storm     watch it and take part
  twinstorm --help               all commands"""

_COMMANDS = (
    "run",
    "check",
    "tui",
    "list",
    "explain",
    "waveform",
    "spectrum",
    "detect",
    "rul",
    "fit",
    "report",
    "score",
    "models",
    "slo",
    "deadletters",
    "init",
    "schema",
    "broker",
    "pki",
    "calibrate",
    "doctor",
    "bench",
    "completion",
)
"""In the order of the help. Each has a module of its name and in it a function of its name."""


class _Commands(click.Group):
    """Loads the module of a command when it is asked for: none pays for what another needs."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in _COMMANDS and not ctx.resilient_parsing:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=_COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*_COMMANDS, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return super().get_command(ctx, cmd_name)
        try:
            module = import_module(f"twinstorm.tui.cli.{cmd_name}")
        except KeyboardInterrupt:
            raise click.exceptions.Exit(130) from None
        # A function named like a builtin has an underscore behind it.
        found = getattr(module, f"{cmd_name}_" if hasattr(builtins, cmd_name) else cmd_name)
        assert isinstance(found, click.Command)
        return found


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True},
)
@click.version_option(package_name="twinstorm", message="twinstorm %(version)s", help="Print the version.")
@click.pass_context
def app(context: click.Context) -> None:
    """A storm laboratory for connected machines: digital twins, faults, an MQTT broker and a verdict.

    \b
      twinstorm run reboot-storm
      twinstorm run reboot-storm --vary fleet.reconnect.jitter=none,equal,full
      twinstorm run my.storm.yaml --live --devices 200
      twinstorm tui reboot-storm
      twinstorm report last --format html --out storm.html

    Without a command it opens the application on the list of scenarios.
    """
    if context.invoked_subcommand is None:
        talk = make_talk("auto", quiet=False, verbose=0, progress=True)
        if not (talk.out.isatty() and sys.stdin is not None and sys.stdin.isatty()):
            talk.complain(SHORT_HELP)
            context.exit(2)
        from twinstorm.tui.cli.tui import tui

        context.invoke(tui)


def main() -> None:
    """The whole program; `entry` calls it."""
    for stream in (sys.stdout, sys.stderr):
        # A name from a scenario must not end the program because a terminal cannot show it.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="twinstorm")
    except OSError as error:
        # Help and version are written by click, outside of any command.
        from twinstorm.tui.cli.command import explained

        talk = make_talk("auto", quiet=False, verbose=0, progress=False)
        sys.exit(explained(talk, named(error, talk.out) if error.filename is None else error))
    finally:
        _flush()


def _flush() -> None:
    """The interpreter flushes as it ends and complains if that fails; here that has been done, or need not be."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
