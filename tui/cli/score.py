"""`twinstorm score`: the alarms of a recorded run against the faults that it really had."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from twinstorm.scenarios.record.read import RecordedRun
    from twinstorm.scenarios.reports.scoring import Score


@command(
    click.Argument(["run"], metavar="RUN", help="last, the name of a run's folder, or its path."),
    click.Option(["--control"], is_flag=True, help="Play it again without any fault, and score what is raised then."),
    click.Option(["--json"], is_flag=True, help="One document on standard output."),
    click.Option(
        ["--runs"],
        type=click.Path(path_type=Path),
        default=Path("runs"),
        metavar="DIR",
        help="Where run folders are.",
    ),
)
def score(talk: Talk, run: str, control: bool, json: bool, runs: Path) -> int:
    """Judge the alarms of a recorded run.

    Delay, precision, recall, false pages, and whether they name the cause.

    \b
      twinstorm score last
      twinstorm score reboot-storm-42 --json
      twinstorm score last --control        the same fleet in virtual time, with no fault: every alarm is false

    Exit: 0, or 2 if there is no such run, or it has no end.
    """
    from twinstorm.scenarios.record.read import NoSuchRun, open_run
    from twinstorm.scenarios.reports.scoring import score_of

    try:
        found = open_run(run, runs)
    except NoSuchRun as error:
        raise UsageError(error.what, error.hint) from error
    if found.result is None:
        raise UsageError(f"the run in {found.folder} has no end, so there is nothing to score", found.about.stopped)
    scored = _control(found) if control else score_of(found.result, found.about.warm_up_s)
    if json:
        import msgspec

        talk.data(msgspec.json.format(msgspec.json.encode(scored), indent=2).decode())
        return 0
    for line in _table(scored):
        talk.data(line)
    return 0


def _control(run: RecordedRun) -> Score:
    """The same scenario and seed, disarmed."""
    from twinstorm.scenarios.engine.outcome import result_of
    from twinstorm.scenarios.engine.run import RunOptions, build
    from twinstorm.scenarios.language.reader import read
    from twinstorm.scenarios.record.folder import SCENARIO
    from twinstorm.scenarios.reports.scoring import score_of

    scenario = read(run.scenario_text, str(run.folder / SCENARIO))
    engine = build(scenario, RunOptions(seed=run.about.seed), armed=frozenset())
    engine.play()
    result = result_of(engine, speed=0.0, wall_s=0.0, repeat=run.about.repeat)
    engine.wiring.close()
    return score_of(result, run.about.warm_up_s)


def _table(scored: Score) -> list[str]:
    from twinstorm.scenarios.reports.scoring import HEAD, cells, stories
    from twinstorm.scenarios.reports.words import share

    rows: list[tuple[str, ...]] = [HEAD]
    for title, part in (("detector", scored.detectors), ("shadow", scored.shadows), ("fault", scored.faults)):
        rows += [(f"{title} {name}", *more) for name, *more in (cells(row, share) for row in part)]
    rows.append(cells(scored.total, share))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    what = (
        "no fault had an effect: a control run, every alarm is false"
        if scored.control
        else f"{scored.total.faults} fault{'s' * (scored.total.faults != 1)} with effect"
    )
    return [
        f"{scored.scenario}  seed {scored.seed}  {scored.days:.3g} fleet-days  {what}",
        *lines,
        *stories(scored),
    ]
