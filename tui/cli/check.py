"""`twinstorm check`: read and resolve scenarios, run nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from twinstorm.scenarios.reports.color import paint
from twinstorm.tui.cli.command import command, explained
from twinstorm.tui.cli.options import DEVICES, SCENARIOS, SETTINGS
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from twinstorm.scenarios.engine.errors import Unavailable
    from twinstorm.scenarios.language.errors import ScenarioErrors
    from twinstorm.scenarios.language.model import Scenario

    Outcome = Scenario | ScenarioErrors | Unavailable
    """What a file holds, or why it cannot be played here."""

CHECK_SCHEMA = "twinstorm/check/1"


@command(
    SCENARIOS,
    SETTINGS,
    DEVICES,
    click.Option(
        ["--format", "form"],
        type=click.Choice(["text", "json", "github"]),
        default="text",
        help="github: shown at the lines of a change.",
    ),
)
def check(talk: Talk, scenarios: tuple[str, ...], settings: tuple[str, ...], devices: int | None, form: str) -> int:
    """Read scenarios and tell all that is wrong.

    \b
      twinstorm check my.storm.yaml
      twinstorm check *.storm.yaml --format github
      twinstorm check reboot-storm --set fleet.reconnect.jitter=none

    Exit: 0 all are right, 2 one is wrong, 4 one has more devices than fit the memory of this machine.
    """
    from twinstorm.scenarios.engine.errors import Unavailable
    from twinstorm.scenarios.engine.memory import refuse_what_cannot_fit
    from twinstorm.scenarios.language.errors import ScenarioErrors
    from twinstorm.scenarios.language.reader import load

    found: list[tuple[str, Outcome]] = []
    for name in scenarios:
        try:
            scenario = load(name, settings, devices)
            refuse_what_cannot_fit(scenario)
            found.append((name, scenario))
        except (ScenarioErrors, Unavailable) as error:
            found.append((name, error))
    if form == "json":
        talk.data(_document(found))
    else:
        for _, outcome in found:
            _tell(talk, outcome, github=form == "github")
    if any(isinstance(outcome, ScenarioErrors) for _, outcome in found):
        return 2
    too_large = [outcome for _, outcome in found if isinstance(outcome, Unavailable)]
    return max((explained(talk, error) for error in too_large), default=0)


def _tell(talk: Talk, outcome: Outcome, github: bool) -> None:
    from twinstorm.scenarios.engine.errors import Unavailable
    from twinstorm.scenarios.language.errors import ScenarioErrors

    if isinstance(outcome, Unavailable):
        return
    if isinstance(outcome, ScenarioErrors):
        talk.data(outcome.to_github() if github else outcome.render(talk.color_out))
    elif not github and not talk.quiet:
        talk.data(f"{paint('ok', 'good', talk.color_out)}  {_summary(outcome)}")
        for note in _notes(outcome):
            talk.data(f"{paint('note:', 'warn', talk.color_out)} {note}")


def _notes(scenario: Scenario) -> list[str]:
    """What is allowed and yet probably not meant; nothing heavy is loaded where it cannot be."""
    from twinstorm.scenarios.language.catalogue import FAST_LINKS
    from twinstorm.scenarios.language.freshness import freshness_notes

    notes = freshness_notes(scenario)
    if any(objective.burn is not None for objective in scenario.objectives):
        from twinstorm.scenarios.burning import burn_notes

        notes += burn_notes(scenario)
    if all(segment.link in FAST_LINKS for segment in scenario.fleet.segments):
        return notes
    from twinstorm.scenarios.engine.airtime import airtime_notes

    return notes + airtime_notes(scenario)


def _summary(scenario: Scenario) -> str:
    from twinstorm.scenarios.reports.words import duration

    counts = [
        (len(scenario.steps), "step"),
        (len(scenario.objectives), "objective"),
        (len(scenario.expectations), "expectation"),
    ]
    told = ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts)
    return f"{scenario.name}  {scenario.fleet.devices:,} devices  {duration(scenario.duration_us / 1e6)}  {told}"


def _document(found: list[tuple[str, Outcome]]) -> str:
    import msgspec

    from twinstorm.scenarios.engine.errors import Unavailable
    from twinstorm.scenarios.language.errors import ScenarioErrors
    from twinstorm.scenarios.language.model import Scenario

    files = [
        {
            "scenario": name,
            "ok": isinstance(outcome, Scenario),
            "problems": outcome.to_json() if isinstance(outcome, ScenarioErrors) else [],
            "unavailable": str(outcome) if isinstance(outcome, Unavailable) else None,
            "notes": _notes(outcome) if isinstance(outcome, Scenario) else [],
        }
        for name, outcome in found
    ]
    document = {"schema": CHECK_SCHEMA, "files": files}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()
