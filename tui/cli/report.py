"""`twinstorm report`: a recorded run as Markdown, HTML, JSON or JUnit."""

from __future__ import annotations

from pathlib import Path

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import must_be_writable
from twinstorm.tui.cli.talk import Talk


@command(
    click.Argument(["run"], metavar="RUN", help="last, the name of a run's folder, or its path."),
    click.Option(
        ["--format", "form"], type=click.Choice(["md", "html", "json", "junit"]), default="md", help="Of the report."
    ),
    click.Option(
        ["--runs"],
        type=click.Path(path_type=Path),
        default=Path("runs"),
        metavar="DIR",
        help="Where run folders are.",
    ),
    click.Option(
        ["--out"],
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write here instead of to standard output.",
    ),
)
def report(talk: Talk, run: str, form: str, runs: Path, out: Path | None) -> int:
    """Tell a recorded run from its record.

    \b
      twinstorm report last
      twinstorm report reboot-storm-42 --format html --out storm.html
      twinstorm report runs/reboot-storm-42 --format junit > junit.xml

    A run that was killed has no verdict, but a report of what it had recorded. Exit: 0, or 2 if there is no such run.
    """
    from twinstorm.scenarios.record.read import NoSuchRun, open_run
    from twinstorm.scenarios.reports.files import render

    must_be_writable(out)
    try:
        text = render(open_run(run, runs), form)
    except NoSuchRun as error:
        raise UsageError(error.what, error.hint) from error
    if out is None:
        talk.data(text.decode().rstrip("\n"))
    else:
        from twinstorm.scenarios.record.folder import write_whole

        write_whole(out, text)
        talk.say(f"wrote {out}")
    return 0
