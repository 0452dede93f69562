"""What `twinstorm models` does with models of conditions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twinstorm.tui.cli.model_talk import fields_of, give, guarded, opened, say_played, table, tell_known, tell_trained
from twinstorm.tui.cli.options import read_duration
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinstorm.scenarios.models.manifest import ConditionWorth, Stored
    from twinstorm.scenarios.record.read import RecordedRun


def train(
    talk: Talk,
    names: Sequence[str],
    name: str,
    kind: str,
    channels: str | None,
    since: str | None,
    to: str | None,
    seed: int,
    horizon: str,
    judge: str | None,
    store: Path,
    runs: Path,
) -> int:
    """Train the first or the next version of a name. Raises UsageError."""
    from twinstorm.scenarios.models.condition_life import Wanted

    wanted = Wanted(
        kind=kind,
        channels=None if channels is None else tuple(part.strip() for part in channels.split(",")),
        from_us=read_duration("--from", since, or_none=True),
        to_us=read_duration("--to", to),
        seed=seed,
        horizon_us=_horizon_us(horizon),
    )

    def do() -> int:
        from twinstorm.scenarios.models.condition_life import begin

        found, judging = _all_opened(talk, names, judge, runs)
        stored = begin(store, name, found, wanted, judging)
        _tell_trained(talk, stored)
        if stored.manifest.worth is not None:
            tell_worth(talk, str(stored), stored.manifest.worth)
        return 0

    return guarded(do)


def retrain(
    talk: Talk,
    live: Stored,
    names: Sequence[str],
    horizon: str,
    judge: str | None,
    store: Path,
    runs: Path,
    *,
    json: bool,
) -> int:
    """Train the next version on other runs with the settings of the live one. Raises UsageError."""
    from twinstorm.scenarios.models.condition_life import again

    found, judging = _all_opened(talk, names, judge, runs)
    stored, worth = again(store, live, found, judging, _horizon_us(horizon))
    new = stored.manifest.worth
    if json:
        of_both = {str(live): worth, str(stored): new}
        told = {label: None if each is None else fields_of(each) for label, each in of_both.items()}
        give(talk, {"live": str(live), "trained": str(stored), "evaluations": told})
        return 0
    _tell_trained(talk, stored)
    for label, each in ((f"{live}, live", worth), (str(stored), new)):
        if each is not None:
            tell_worth(talk, label, each)
    talk.data(f"to let it be the live one: twinstorm models promote {stored}")
    return 0


def evaluate(talk: Talk, stored: Stored, run: RecordedRun, horizon: str, *, json: bool) -> int:
    """Judge a version by the truth about the machines of a run. Raises UsageError."""
    from twinstorm.scenarios.models.condition_life import evaluate as judged
    from twinstorm.scenarios.models.condition_life import needed

    horizon_us = _horizon_us(horizon)
    say_played(talk, run, f"with {stored}")
    worth = judged(needed(stored), run, horizon_us)
    about = stored.manifest
    if any((each.scenario, each.seed) == (worth.scenario, worth.seed) for each in (about.trained, *about.others)):
        talk.say(f"{worth.scenario}, seed {worth.seed}, taught it: it looks better here than it is")
    if json:
        give(talk, {"model": str(stored), **fields_of(worth)})
        return 0
    tell_worth(talk, str(stored), worth)
    return 0


def show(talk: Talk, stored: Stored) -> None:
    """What is known of a version."""
    about = stored.manifest
    taught = [
        f"{each.scenario}, seed {each.seed}, {each.from_s:g} to {each.to_s:g} s: {each.rows:,} of {each.of_rows:,} "
        f"minutes of {each.devices:,} devices"
        for each in (about.trained, *about.others)
    ]
    runs = [("trained on" if not place else "", each) for place, each in enumerate(taught)]
    tell_known(talk, stored, [("types", ", ".join(about.types)), *runs])
    if about.worth is not None:
        talk.data("")
        tell_worth(talk, str(stored), about.worth)


def tell_worth(talk: Talk, label: str, found: ConditionWorth) -> None:
    """What a version is worth on a run."""
    from twinstorm.scenarios.reports.words import duration

    answers = sorted({answer for row in found.types.values() for answer in row} | set(found.types))
    talk.data(f"{label} on {found.scenario}-{found.seed}: {found.rows:,} minutes of {found.devices:,} devices")
    rows = [(truth, *(f"{row.get(answer, 0):,}" for answer in answers)) for truth, row in sorted(found.types.items())]
    table(talk, ("really", *answers), rows, set(range(1, len(answers) + 1)))
    within, of_them = duration(found.horizon_s), f" of {found.failing:,} minutes"
    factor = "" if found.life_factor is None else f", off by a factor of {found.life_factor:.2f} in the middle"
    for name, value in (
        ("failures", f"{_share(found.right)} named right, {_share(found.balanced)} as the mean of the types"),
        ("health", f"off by {found.health_error:.1f} of 100 on average"),
        ("life", f"{_share(found.covered)} within their bounds, of {_share(found.promised)} promised"),
        ("", f"{_share(found.covered_near)} of those up to {duration(10 * found.horizon_s)}{factor}"),
        (
            "failing",
            f"within {within}: precision {_share(found.precision)}, recall {_share(found.recall)}{of_them}",
        ),
    ):
        talk.data(f"{name:<9} {value}")


def _all_opened(
    talk: Talk, names: Sequence[str], judge: str | None, runs: Path
) -> tuple[list[RecordedRun], RecordedRun | None]:
    found = [opened(name, runs) for name in names]
    for each in found:
        say_played(talk, each, "to learn")
    judging = None if judge is None else opened(judge, runs)
    if judging is not None:
        say_played(talk, judging, "to judge")
    return found, judging


def _horizon_us(text: str) -> int:
    horizon_us = read_duration("--horizon", text)
    assert horizon_us is not None
    return horizon_us


def _tell_trained(talk: Talk, stored: Stored) -> None:
    about = stored.manifest
    taught = (about.trained, *about.others)
    tell_trained(
        talk,
        stored,
        f"conditions by {about.detector} on {sum(each.rows for each in taught):,} minutes of "
        f"{sum(each.devices for each in taught):,} {about.kind} devices; it names {', '.join(about.types)}",
    )


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
