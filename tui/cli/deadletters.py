"""`twinstorm deadletters`: what the core of a recorded run refused, and what would become of it now."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinstorm.scenarios.record.read import RecordedRun
    from twinstorm.scenarios.result import LetterRow


@command(
    click.Argument(["run"], metavar="RUN", help="last, the name of a run's folder, or its path."),
    click.Option(["--reason"], metavar="TEXT", help="Only letters whose reason contains this."),
    click.Option(["--last"], type=click.IntRange(0), default=20, metavar="N", help="How many are shown one by one."),
    click.Option(["--replay"], is_flag=True, help="Let a fresh core, whose registry lacks nobody, take them."),
    click.Option(
        ["--schema"],
        type=click.IntRange(2),
        multiple=True,
        metavar="NUMBER",
        help="With --replay: documents of this schema say what those of schema 1 do.",
    ),
    click.Option(
        ["--runs"], type=click.Path(path_type=Path), default=Path("runs"), metavar="DIR", help="Where run folders are."
    ),
)
def deadletters(
    talk: Talk, run: str, reason: str | None, last: int, replay: bool, schema: tuple[int, ...], runs: Path
) -> int:
    """Tell what the core of a recorded run refused.

    \b
      twinstorm deadletters last
      twinstorm deadletters bad-firmware-1 --reason schema --last 5
      twinstorm deadletters last --replay
      twinstorm deadletters last --replay --schema 2

    A record keeps the newest 1,000 letters of each second and 10,000 in all, of each the first 4 kB. What is played
    again changes nothing in the record. Exit: 0, or 2 if there is no such run.
    """
    from twinstorm.scenarios.record.read import NoSuchRun, open_run

    if schema and not replay:
        raise UsageError("--schema needs --replay", "add --replay, or leave --schema out")
    try:
        recorded = open_run(run, runs)
        letters = recorded.letters()
    except NoSuchRun as error:
        raise UsageError(error.what, error.hint) from error
    chosen = [letter for letter in letters if reason is None or reason in letter.reason]
    if not chosen:
        told = sorted({_short(letter.reason) for letter in letters})
        talk.data("no dead letters" if not letters else f"no letter's reason contains `{reason}`: {', '.join(told)}")
        return 0
    for each, count in Counter(_short(letter.reason) for letter in chosen).most_common():
        talk.data(f"{count:>7,}  {each}")
    outcomes = _outcomes(talk, recorded, chosen, schema) if replay else [""] * len(chosen)
    begin = max(len(chosen) - last, 0)
    if begin < len(chosen):
        talk.data("")
    for letter, outcome in zip(chosen[begin:], outcomes[begin:], strict=True):
        talk.data(_line(letter, outcome))
    return 0


def _outcomes(
    talk: Talk, recorded: RecordedRun, letters: Sequence[LetterRow], versions: tuple[int, ...]
) -> Sequence[str]:
    from twinstorm.scenarios.language.errors import ScenarioErrors
    from twinstorm.scenarios.record.replay import replayed

    try:
        again = replayed(recorded, letters, sorted(set(versions)))
    except ScenarioErrors as error:
        hint = "play it again with the version of twinstorm that recorded it"
        raise UsageError("the recorded scenario cannot be read by this version", hint) from error
    talk.data("\nplayed again:")
    for each, count in again.counts.items():
        talk.data(f"{count:>7,}  {each}")
    return again.outcomes


def _short(reason: str) -> str:
    return reason.partition(":")[0]


def _line(letter: LetterRow, outcome: str) -> str:
    detail = f": {letter.detail}" if letter.is_reading and letter.detail else ""
    return f"{letter.at_s:>12.6f} s  {letter.source}  {letter.reason}{detail}" + (f"  -> {outcome}" if outcome else "")
