"""What `twinstorm models` does with models of what is strange."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from twinstorm.tui.cli.command import UsageError
from twinstorm.tui.cli.model_talk import (
    fields_of,
    give,
    guarded,
    opened,
    say_played,
    share_or_none,
    table,
    tell_known,
    tell_trained,
)
from twinstorm.tui.cli.options import read_duration
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twinstorm.scenarios.models.manifest import Evaluation, Stored
    from twinstorm.scenarios.record.read import RecordedRun


def train(
    talk: Talk,
    run: str,
    name: str,
    detector: str,
    kind: str,
    channels: str | None,
    since: str | None,
    to: str | None,
    rare: str,
    level: int,
    seed: int,
    features: str,
    store: Path,
    runs: Path,
) -> int:
    """Train the first or the next version of a name. Raises UsageError."""
    from twinstorm.detectors.values.model import algorithms
    from twinstorm.scenarios.language.errors import Refused, closest
    from twinstorm.scenarios.language.values import share
    from twinstorm.scenarios.models.training import Wanted

    if detector not in algorithms():
        meant = closest(detector, algorithms())
        hint = f"did you mean `{meant}`?" if meant else f"there are {', '.join(algorithms())}"
        raise UsageError(f"no model of `{detector}` can be kept", hint)
    try:
        beyond = float(share(rare))
    except Refused as reason:
        raise UsageError(f"--rare: {reason.message}", reason.hint) from None
    if beyond > 0.1:
        raise UsageError(f"--rare is at most 10 %, not {rare}")
    wanted = Wanted(
        detector=detector,
        kind=kind,
        channels=None if channels is None else tuple(part.strip() for part in channels.split(",")),
        from_us=read_duration("--from", since, or_none=True),
        to_us=read_duration("--to", to),
        rare=beyond,
        level=level,
        seed=seed,
        by_minutes=features == "minutes",
    )

    def do() -> int:
        from twinstorm.scenarios.models.life import begin

        found = opened(run, runs)
        say_played(talk, found, "once to learn, once to judge")
        stored = begin(store, name, found, wanted)
        _tell_trained(talk, stored)
        return 0

    return guarded(do)


def retrain(talk: Talk, name: str, run: RecordedRun, store: Path, *, json: bool) -> int:
    """Train the next version on another run with the settings of the live one, and judge both on it."""
    from twinstorm.scenarios.models.evaluation import better
    from twinstorm.scenarios.models.life import again

    say_played(talk, run, f"to learn, and to judge the new version and the live one of {name}")
    before, stored, worth_before = again(store, name, run)
    worth = stored.manifest.evaluation
    assert worth is not None
    which = better(worth, worth_before)
    if json:
        of_both = {str(before): fields_of(worth_before), str(stored): fields_of(worth)}
        give(talk, {"live": str(before), "trained": str(stored), "evaluations": of_both, "better": which})
        return 0
    _tell_trained(talk, stored)
    _tell_evaluations(talk, [(f"{before}, live", worth_before), (str(stored), worth)])
    said = {1: f"{stored} is better on this run", -1: f"{before} is better on this run", 0: "neither is better"}
    talk.data(f"{said[which]}; to let it be the live one: twinstorm models promote {stored}")
    return 0


def evaluate(talk: Talk, stored: Stored, run: RecordedRun, *, json: bool) -> int:
    """Judge a version by the faults of a run."""
    from twinstorm.detectors.values.stored import Version
    from twinstorm.scenarios.models.evaluation import evaluate as judged
    from twinstorm.scenarios.models.store import load

    say_played(talk, run, f"with {stored}")
    about = stored.manifest
    worth = judged(Version(about.name, about.version, load(stored)), run)
    if json:
        give(talk, {"model": str(stored), **fields_of(worth)})
        return 0
    _tell_evaluations(talk, [(str(stored), worth)])
    _tell_drift(talk, stored, worth)
    return 0


def show(talk: Talk, stored: Stored) -> None:
    """What is known of a version."""
    about = stored.manifest
    taught = about.trained
    told = [
        ("level", f"the mean of the first {about.level:,} readings" if about.level else "none"),
        ("limit", f"{about.limit:.6g}; usual {about.usual:.6g}; beyond it {about.rare:.4%} of the rows"),
        ("trained on", f"{taught.scenario}, seed {taught.seed}, {taught.from_s:g} to {taught.to_s:g} s"),
        ("", f"{taught.rows:,} of {taught.of_rows:,} healthy rows of {taught.devices:,} devices, seed {about.seed}"),
        ("", f"{taught.left_out:,} rows left out: of faults"),
        ("run", taught.digest),
    ]
    tell_known(talk, stored, told)
    if about.evaluation is not None:
        talk.data("")
        _tell_evaluations(talk, [(str(stored), about.evaluation)])


def _tell_trained(talk: Talk, stored: Stored) -> None:
    about, taught = stored.manifest, stored.manifest.trained
    tell_trained(
        talk,
        stored,
        f"{about.detector} on {taught.rows:,} rows of {taught.devices:,} {about.kind} devices, "
        f"{taught.left_out:,} rows of faults left out",
    )


def _tell_drift(talk: Talk, stored: Stored, found: Evaluation) -> None:
    if found.drift > found.drift_limit:
        talk.data(
            f"drift: {found.drift_feature} has moved by {found.drift:.2f}, and {found.drift_limit:.2f} is allowed; "
            f"retrain it: twinstorm models retrain {stored.manifest.name} RUN"
        )


def _tell_evaluations(talk: Talk, found: Sequence[tuple[str, Evaluation]]) -> None:
    head = ("on", "model", "alarms", "precision", "faults found", "recall", "delay", "false a device-day", "drift")
    rows = [
        (
            f"{each.scenario}-{each.seed}",
            name,
            f"{each.alarms:,}",
            share_or_none(each.precision),
            f"{each.found} of {each.faults}",
            share_or_none(each.recall),
            "-" if each.delay_s is None else f"{each.delay_s:,.1f} s",
            "-" if each.false_alarms_per_day is None else f"{each.false_alarms_per_day:,.3f}",
            f"{each.drift:.2f} of {each.drift_limit:.2f}",
        )
        for name, each in found
    ]
    table(talk, head, rows, {2, 3, 4, 5, 6, 7, 8})
