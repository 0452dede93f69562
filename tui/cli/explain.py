"""`twinstorm explain`: a page on a fault, an SLI, an error code, a state, a form of expectation, and so on."""

from __future__ import annotations

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.talk import Talk


@command(
    click.Argument(["topic"], nargs=-1, metavar="[TOPIC]", help="A name as it stands in a scenario, message or screen.")
)
def explain(talk: Talk, topic: tuple[str, ...]) -> int:
    """Explain a name or a part of the language.

    Faults, SLIs, alarms, machines, error codes, states, forms of expectations, the protocol and more.

    \b
      twinstorm explain                   what there is to explain
      twinstorm explain power-outage
      twinstorm explain freshness
      twinstorm explain S201
      twinstorm explain expectations
      twinstorm explain power             a word of a scenario, and what may stand under it
      twinstorm explain last alarm 1      an alarm of a recorded run, down to what it rests on
    """
    from twinstorm.tui.cli.pages import groups, page_of

    if len(topic) == 3 and topic[1] == "alarm":
        return _alarm(talk, topic[0], topic[2])
    name = " ".join(topic)
    if not name:
        for group, names in groups().items():
            talk.data(f"{group}: {', '.join(names)}")
        return 0
    page = page_of(name)
    if page is None:
        from twinstorm.scenarios.language.errors import closest, quoted

        close = closest(name, [each for names in groups().values() for each in names])
        raise UsageError(
            f"nothing is known about {quoted(name)}",
            f"did you mean `{close}`?" if close else "twinstorm explain lists everything there is to explain",
        )
    talk.data(page)
    return 0


def _alarm(talk: Talk, run: str, number: str) -> int:
    from twinstorm.scenarios.record.read import NoSuchRun, open_run
    from twinstorm.scenarios.reports.why import AROUND_S, alarm_lines

    try:
        found = open_run(run)
    except NoSuchRun as error:
        raise UsageError(error.what, error.hint) from error
    if found.result is None:
        raise UsageError(f"the run in {found.folder} has no end, so nobody knows its alarms", found.about.stopped)
    alarms = {str(each.number): each for each in found.result.alarms}
    if number not in alarms:
        known = f"it has {len(alarms)}" if alarms else "it has none"
        raise UsageError(f"no alarm `{number}` in {found.folder}; {known}", "twinstorm report lists them")
    alarm = alarms[number]
    at_s = int(alarm.at_s)
    for line in alarm_lines(found.result, alarm, list(found.panes(at_s - AROUND_S, at_s))):
        talk.data(line)
    return 0
