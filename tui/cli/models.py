"""`twinstorm models`: models of machines from recorded runs, and their versions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from twinstorm.tui.cli import anomaly, condition
from twinstorm.tui.cli.command import UsageError, command
from twinstorm.tui.cli.model_talk import give, guarded, opened, share_or_none, table
from twinstorm.tui.cli.options import JSON, SEED
from twinstorm.tui.cli.talk import Talk

if TYPE_CHECKING:
    from twinstorm.scenarios.models.manifest import Manifest, Stored

_RUN = click.Argument(["run"], metavar="RUN", help="last, the name of a run's folder, or its path.")
_SEVERAL = click.Argument(
    ["run"],
    nargs=-1,
    required=True,
    metavar="RUN...",
    help="last, names of folders of runs, or their paths; several for conditions.",
)
_MODEL = click.Argument(["model"], metavar="NAME[@VERSION]", help="Without a version the live one.")
_VERSION = click.Argument(["model"], metavar="NAME@VERSION", help="As `twinstorm models list` prints it.")
_NAME = click.Argument(["name"], metavar="NAME")
_STORE = click.Option(
    ["--store"], type=click.Path(path_type=Path), default=Path("models"), metavar="DIR", help="Where models are kept."
)
_RUNS = click.Option(
    ["--runs"], type=click.Path(path_type=Path), default=Path("runs"), metavar="DIR", help="Where run folders are."
)


_HORIZON = click.Option(
    ["--horizon"], default="2h", metavar="DURATION", help="Of conditions: within which machines fail or do not."
)
_JUDGE = click.Option(
    ["--judge"], metavar="RUN", help="Of conditions: a run that does not teach, and says what the version is worth."
)


@command(
    _SEVERAL,
    click.Option(
        ["--task"],
        type=click.Choice(("anomaly", "condition")),
        default="anomaly",
        metavar="TASK",
        help="anomaly: what is strange; condition: what fails, health and remaining life.",
    ),
    click.Option(["--name"], required=True, metavar="NAME", help="What the model is called: small letters and `-`."),
    click.Option(["--detector"], default="pyod:PCA", metavar="NAME", help="Whose model: of PyOD, or autoencoder."),
    click.Option(
        ["--kind"], default="", show_default=False, metavar="KIND", help="Of machine, if the run has several."
    ),
    click.Option(["--channels"], metavar="A,B", help="Which; absent: all but angles, counters and codes."),
    click.Option(["--from", "since"], metavar="DURATION", help="Of the run; absent: from the end of the warm-up."),
    click.Option(["--to"], metavar="DURATION", help="Of the run; absent: to its end."),
    click.Option(["--rare"], default="0.01 %", metavar="SHARE", help="Of what is learnt that lies beyond the limit."),
    click.Option(
        ["--level"],
        type=click.IntRange(0, 100_000),
        default=60,
        metavar="N",
        help="First readings of a device that make its level, from which its values are told; 0: as they are.",
    ),
    click.Option(["--seed"], type=SEED, default=1, metavar="N", help="Of the draw, where more rows were told."),
    click.Option(
        ["--features"],
        type=click.Choice(("rows", "minutes")),
        default="rows",
        metavar="SORT",
        help="rows: of the newest 5 and 15 readings, a row a reading; minutes: of the last 1, 5 and 15 minutes, with "
        "older values, spikes, products of channels and the time of the week, a row a minute.",
    ),
    _HORIZON,
    _JUDGE,
    _STORE,
    _RUNS,
)
def train(
    talk: Talk,
    run: tuple[str, ...],
    task: str,
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
    horizon: str,
    judge: str | None,
    store: Path,
    runs: Path,
) -> int:
    """Train a model on recorded runs.

    A run is played again, since a record keeps no readings. What belongs to a fault is left out, by the labels of the
    run. With `--task condition` nothing is: failures, health and remaining lives of the twins are what is learnt, from
    as many runs as are named. The first version of a name is live; a later one is when somebody promotes it.

    \b
      twinstorm models train last --name pumps --kind pump
      twinstorm models train calm-1 --name pumps --detector autoencoder --from 1h --to 5h
      twinstorm models train calm-1 --name pumps --features minutes
      twinstorm models train worn-1 worn-2 --task condition --name pump-wear --kind pump --judge worn-3

    Exit: 0 trained, 2 command line or run wrong, 4 too little memory, or the store cannot be written.
    """
    if task == "condition":
        _must_not({"detector", "features", "rare", "level"}, "says nothing to a model of conditions", "leave it out")
        return condition.train(talk, run, name, kind, channels, since, to, seed, horizon, judge, store, runs)
    _must_not({"horizon", "judge"}, "is for models of conditions", "add `--task condition`")
    if len(run) > 1:
        raise UsageError(f"one run teaches what is strange, not {len(run)}", "several teach with `--task condition`")
    return anomaly.train(
        talk, run[0], name, detector, kind, channels, since, to, rare, level, seed, features, store, runs
    )


@command(_STORE, JSON)
def list_(talk: Talk, store: Path, json: bool) -> int:
    """List models and versions.

    Exit: 0, or 2 if a manifest cannot be read.
    """
    from twinstorm.scenarios.models.manifest import find, names, state_of, versions

    def do() -> int:
        found = [(name, state_of(store, name), versions(store, name)) for name in names(store)]
        if json:
            give(talk, [{"name": name, "live": state.live[-1:], "versions": there} for name, state, there in found])
            return 0
        if not found:
            talk.say(f"there is no model in {store}; twinstorm models train RUN --name NAME makes one")
        rows = []
        for name, state, there in found:
            for number in there:
                about = find(store, f"{name}@{number}").manifest
                is_live = state.live[-1:] == (number,)
                rows.append((f"{name}@{number}", "live" if is_live else "", about.detector, about.kind, *_of(about)))
        head = ("model", "", "detector", "kind", "rows", "trained on", "recall", "false a device-day")
        table(talk, head if rows else (), rows, {4, 6, 7})
        return 0

    return guarded(do)


@command(_MODEL, _STORE, JSON)
def show(talk: Talk, model: str, store: Path, json: bool) -> int:
    """Show what is known of a version.

    Exit: 0, or 2 if there is none.
    """
    from twinstorm.scenarios.models.manifest import find
    from twinstorm.scenarios.models.store import load

    def do() -> int:
        stored = find(store, model)
        load(stored)  # What it shows is worth nothing if its parameters are not there.
        about = stored.manifest
        if json:
            give(talk, about)
            return 0
        (condition.show if about.task == "condition" else anomaly.show)(talk, stored)
        return 0

    return guarded(do)


@command(_MODEL, _RUN, _HORIZON, _STORE, _RUNS, JSON)
def evaluate(talk: Talk, model: str, run: str, horizon: str, store: Path, runs: Path, json: bool) -> int:
    """Judge a version by the faults of a run.

    The run is played again with this detector alone, with its usual settings. A model of conditions is judged by what
    is true of the machines of the run, minute by minute.

    \b
      twinstorm models evaluate pumps last
      twinstorm models evaluate pumps@2 storm-7 --json

    Exit: 0, 2 command line or run wrong, 4 too little memory.
    """
    from twinstorm.scenarios.models.manifest import find

    def do() -> int:
        stored, found = find(store, model), opened(run, runs)
        if stored.manifest.task == "condition":
            return condition.evaluate(talk, stored, found, horizon, json=json)
        return anomaly.evaluate(talk, stored, found, json=json)

    return guarded(do)


@command(_NAME, _SEVERAL, _HORIZON, _JUDGE, _STORE, _RUNS, JSON)
def retrain(
    talk: Talk,
    name: str,
    run: tuple[str, ...],
    horizon: str,
    judge: str | None,
    store: Path,
    runs: Path,
    json: bool,
) -> int:
    """Train the next version like the live one.

    It learns from another run with the settings of the live version, and both are judged on that run; models of
    conditions on the run that `--judge` names. It is not live before somebody promotes it.

    \b
      twinstorm models retrain pumps last
      twinstorm models promote pumps@2

    Exit: 0 trained, 2 command line or run wrong, 4 too little memory, or the store cannot be written.
    """

    def do() -> int:
        from twinstorm.scenarios.models.manifest import find

        live = find(store, name)
        if live.manifest.task == "condition":
            return condition.retrain(talk, live, run, horizon, judge, store, runs, json=json)
        if len(run) > 1 or judge is not None:
            raise UsageError(f"{live} tells what is strange: one run teaches and judges it", "name one run")
        return anomaly.retrain(talk, name, opened(run[0], runs), store, json=json)

    return guarded(do)


@command(_VERSION, _STORE)
def promote(talk: Talk, model: str, store: Path) -> int:
    """Let a version be the live one.

    Which one was before is remembered. Exit: 0, or 2 if there is no such version, or it is live already.
    """
    from twinstorm.scenarios.models.store import promote as promoted

    return guarded(lambda: _tell_live(talk, promoted(store, model)))


@command(_NAME, _STORE)
def rollback(talk: Talk, name: str, store: Path) -> int:
    """Go back to the version that was live before.

    Exit: 0, or 2 if there was none.
    """
    from twinstorm.scenarios.models.store import roll_back

    return guarded(lambda: _tell_live(talk, roll_back(store, name)))


@command(_VERSION, _STORE)
def delete(talk: Talk, model: str, store: Path) -> int:
    """Delete a version that is not live.

    Its number is not given again. Exit: 0, or 2 if there is no such version, or it is live.
    """
    from twinstorm.scenarios.models.store import delete as deleted

    def do() -> int:
        deleted(store, model)
        talk.say(f"{model} is deleted")
        return 0

    return guarded(do)


# --- what they have in common -----------------------------------------------------------------------------------------


def _must_not(options: set[str], why: str, hint: str) -> None:
    """Raises UsageError: one of these was given."""
    context = click.get_current_context()
    for name in sorted(options):
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise UsageError(f"--{name} {why}", hint)


def _tell_live(talk: Talk, stored: Stored) -> int:
    talk.data(f"{stored} is live")
    return 0


def _of(about: Manifest) -> tuple[str, str, str, str]:
    """Rows, run, recall and false alarms of a version."""
    worth = about.evaluation
    runs = (about.trained, *about.others)
    judged = about.worth if about.task == "condition" else worth
    return (
        f"{sum(each.rows for each in runs):,}",
        ", ".join(f"{each.scenario}-{each.seed}" for each in runs),
        share_or_none(None if judged is None else judged.recall),
        "-" if worth is None or worth.false_alarms_per_day is None else f"{worth.false_alarms_per_day:,.3f}",
    )


models = click.Group(
    "models",
    commands={one.name: one for one in (train, list_, show, evaluate, retrain, promote, rollback, delete) if one.name},
    no_args_is_help=True,
    help="""Trained models and their versions.

    \b
      twinstorm models train last --name pumps --kind pump
      twinstorm models list
      twinstorm models evaluate pumps storm-7
      twinstorm models retrain pumps last
      twinstorm models promote pumps@2
      twinstorm models rollback pumps

    A scenario uses one by `detectors: {pump-watch: {model: pumps}}`.
    """,
)
