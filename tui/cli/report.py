"""`twinstorm report`: a recorded run as Markdown, HTML, JSON or JUnit."""

from __future__ import annotations

from pathlib import Path

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.options import WEBHOOK_KEY, must_be_writable, webhook_of
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
    click.Option(["--webhook"], metavar="URL", help="Send its alarms there instead, as Alertmanager does."),
    WEBHOOK_KEY,
    click.Option(["--yes"], is_flag=True, help="The webhook may be on another machine."),
)
def report(
    talk: Talk,
    run: str,
    form: str,
    runs: Path,
    out: Path | None,
    webhook: str | None,
    webhook_key: Path | None,
    yes: bool,
) -> int:
    """Tell a recorded run from its record.

    \b
      twinstorm report last
      twinstorm report reboot-storm-42 --format html --out storm.html
      twinstorm report runs/reboot-storm-42 --format junit > junit.xml
      twinstorm report last --webhook http://127.0.0.1:9000/alarms --webhook-key key.txt

    A run that was killed has no verdict, but a report of what it had recorded. Exit: 0, 2 if there is no such run, or 4
    if a webhook does not take its alarms.
    """
    from twinstorm.scenarios.record.read import NoSuchRun, open_run
    from twinstorm.scenarios.reports.files import render

    if webhook is not None:
        return _send(talk, run, runs, webhook, webhook_key, yes)
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


def _send(talk: Talk, run: str, runs: Path, url: str, key: Path | None, yes: bool) -> int:
    from twinstorm.scenarios.engine.errors import Unavailable
    from twinstorm.scenarios.record.read import NoSuchRun, open_run
    from twinstorm.scenarios.webhook import NotDelivered, payloads

    try:
        found = open_run(run, runs)
    except NoSuchRun as error:
        raise UsageError(error.what, error.hint) from error
    hook = webhook_of(url, key, anywhere=yes)
    if found.result is None:
        raise UsageError(f"the run in {found.folder} has no end, so nobody knows its alarms", found.about.stopped)
    documents = payloads(
        found.result, receiver="twinstorm", started_at=found.about.started_at, run=found.folder.resolve().name
    )
    try:
        sent = hook.send(documents)
    except NotDelivered as error:
        raise Unavailable(url, str(error), "Is it listening there? The same command sends again.") from error
    talk.say(f"sent {sent} incident{'s' * (sent != 1)} to {url}")
    return 0
