"""`twinstorm explain`: a page on a fault, an SLI, an error code, a state, a form of expectation, and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from twinstorm.scenarios.record.read import RecordedRun
    from twinstorm.scenarios.result import RunResult


@command(
    click.Argument(
        ["topic"], nargs=-1, metavar="[TOPIC]", help="A name as it stands in a scenario, message or screen."
    ),
    click.Option(
        ["--at"], metavar="TIME", help="Of an objective: when, 12min or 00:12:00; by default its worst second."
    ),
)
def explain(talk: Talk, topic: tuple[str, ...], at: str | None) -> int:
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
      twinstorm explain last objective connected --at 00:05:41
    """
    from twinstorm.tui.cli.pages import groups, page_of

    if len(topic) == 3 and topic[1] == "objective":
        return _objective(talk, topic[0], topic[2], at)
    if at is not None:
        raise UsageError("`--at` is about an objective of a run", "twinstorm explain RUN objective NAME --at TIME")
    if len(topic) == 3 and topic[1] == "alarm":
        return _alarm(talk, topic[0], topic[2])
    if len(topic) > 1 and (meant := _meant_of_a_run(topic[1])):
        raise UsageError(f"what of a run is to be explained has three words: RUN {meant}", f"here: {' '.join(topic)}")
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


def _meant_of_a_run(word: str) -> str:
    """What may be asked of a run, if this is like it; empty: it is not."""
    from twinstorm.scenarios.language.errors import closest

    return {"alarm": "alarm NUMBER", "objective": "objective NAME"}.get(closest(word, ["alarm", "objective"]), "")


def _alarm(talk: Talk, run: str, number: str) -> int:
    from twinstorm.scenarios.reports.why import AROUND_S, alarm_lines

    found, result = _ended(run, "alarms")
    alarms = {str(each.number): each for each in result.alarms}
    if number not in alarms:
        known = f"it has {len(alarms)}" if alarms else "it has none"
        raise UsageError(f"no alarm `{number}` in {found.folder}; {known}", "twinstorm report lists them")
    alarm = alarms[number]
    at_s = int(alarm.at_s)
    for line in alarm_lines(result, alarm, list(found.panes(at_s - AROUND_S, at_s))):
        talk.data(line)
    return 0


def _objective(talk: Talk, run: str, name: str, at: str | None) -> int:
    from twinstorm.scenarios.language.catalogue import SLIS
    from twinstorm.scenarios.language.errors import closest
    from twinstorm.scenarios.reports.why_objective import AROUND_S, Instant, objective_lines

    found, result = _ended(run, "objectives")
    objectives = {each.name: each for each in result.objectives}
    if name not in objectives:
        close = closest(name, list(objectives))
        known = f"it has {', '.join(objectives)}" if objectives else "it has none"
        raise UsageError(f"no objective `{name}` in {found.folder}", f"did you mean `{close}`?" if close else known)
    objective, rows = objectives[name], found.judged(name)
    at_s, chosen = (None, "") if at is None else (_second(at, found.last_second()), "")
    if at_s is None and rows:
        # The first of the worst.
        worst = max(rows, key=lambda row: (row.bad / row.total if row.total else 0.0, -row.at_s))
        at_s, chosen = worst.at_s, ", the worst second"
    instant = None
    if at_s is not None:
        near = [row for row in rows if at_s - AROUND_S < row.at_s <= at_s]
        instant = Instant(
            at_s=at_s,
            chosen=chosen,
            rows=near,
            named=next((row for row in reversed(near) if row.devices), None),
            panes=list(found.panes(at_s - 3, at_s)),
        )
    for line in objective_lines(objective, SLIS[objective.sli].summary, instant):
        talk.data(line)
    return 0


def _ended(run: str, what: str) -> tuple[RecordedRun, RunResult]:
    """A record with its result.

    Raises:
        UsageError: there is no such record, or its run has no end.
    """
    from twinstorm.scenarios.record.read import NoSuchRun, open_run

    try:
        found = open_run(run)
    except NoSuchRun as error:
        raise UsageError(error.what, error.hint) from error
    if found.result is None:
        raise UsageError(f"the run in {found.folder} has no end, so nobody knows its {what}", found.about.stopped)
    return found, found.result


def _second(at: str, last_s: int) -> int:
    """The second in which an instant lies, written as a duration or as reports write it.

    Raises:
        UsageError: it is neither, or lies after the end.
    """
    from twinstorm.scenarios.reports.words import clock
    from twinstorm.tui.cli.options import read_duration

    parts = at.split(":")
    if len(parts) == 3 and all(part.isdecimal() for part in parts):
        hours, minutes, seconds = map(int, parts)
        at_s = 3_600 * hours + 60 * minutes + seconds
    else:
        at_us = read_duration("--at", at, or_none=True)
        assert at_us is not None
        at_s = -(-at_us // 1_000_000)
    if at_s > last_s:
        raise UsageError(f"`--at {at}` lies after the end of the run, which is at {clock(last_s)}")
    return at_s
