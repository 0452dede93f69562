"""From one version to the next: what `train` and `retrain` do with run, training, evaluation and store."""

from __future__ import annotations

from datetime import UTC, timedelta
from pathlib import Path

from twinstorm.detectors.values.stored import Version
from twinstorm.detectors.values.whole import feature_names
from twinstorm.scenarios.engine.plan import start_of
from twinstorm.scenarios.models import store as stores
from twinstorm.scenarios.models.evaluation import evaluate
from twinstorm.scenarios.models.manifest import FORMAT, Evaluation, Manifest, NoSuchModel, Stored, find, parts_of
from twinstorm.scenarios.models.training import Taught, Wanted, train
from twinstorm.scenarios.record.read import RecordedRun
from twinstorm.scenarios.record.readings import repeatable


def begin(store: Path, name: str, run: RecordedRun, wanted: Wanted, parent: int | None = None) -> Stored:
    """Train a version, judge it on the run that taught it, and keep it.

    Raises:
        NoSuchModel: `name` cannot be one.
        NotRecorded, UnfitRun, UnfitModelError: nothing can be learnt from this run.
        Unavailable: too little memory, or the store cannot be written.
    """
    if parts_of(name) != (name, None):
        raise NoSuchModel(f"`{name}` cannot be the name of a model", "versions get their numbers by themselves")
    taught = train(run, wanted)
    worth = evaluate(Version(name, 0, taught.model), run)
    created = _date(run, taught)

    def manifest(number: int) -> Manifest:
        judge = taught.model.judge
        return Manifest(
            model=FORMAT if taught.model.held else 1,
            name=name,
            version=number,
            created=created,
            detector=wanted.detector,
            kind=taught.model.kind,
            channels=taught.model.channels,
            rare=wanted.rare,
            level=wanted.level,
            seed=wanted.seed,
            trained=taught.trained,
            usual=judge.usual,
            limit=judge.limit,
            features=feature_names(taught.model.channels, taught.model.held),
            held=taught.model.held,
            parameters=taught.model.digest(),
            parent=parent,
            evaluation=worth,
        )

    return stores.save(store, name, taught.model, manifest)


def again(store: Path, name: str, run: RecordedRun) -> tuple[Stored, Stored, Evaluation]:
    """Train the next version on another run with the settings of the live one.

    Returns:
        The live version, the new one, and what the live one is worth on this run.

    Raises:
        As `begin`; NoSuchModel also if no version of this name is live.
    """
    if parts_of(name) != (name, None):
        raise NoSuchModel(f"`{name}` is no name of a model", "it goes on from the live version: write NAME")
    before = find(store, name)
    about = before.manifest
    worth = evaluate(Version(name, about.version, stores.load(before)), run)
    wanted = Wanted(
        detector=about.detector,
        kind=about.kind,
        channels=about.channels,
        rare=about.rare,
        level=about.level,
        seed=about.seed,
        by_minutes=about.held > 0,
    )
    return before, begin(store, name, run, wanted, parent=about.version), worth


def _date(run: RecordedRun, taught: Taught) -> str:
    """Simulated date of the last row, RFC 3339."""
    scenario, _ = repeatable(run)
    at = start_of(scenario) + timedelta(microseconds=taught.created_us)
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
