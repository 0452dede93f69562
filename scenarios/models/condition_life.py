"""Models of conditions from recorded runs: how they are taught, what they are worth, and how they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from twinstorm.detectors.values.condition import FOLDS, LONGEST_H, SURE, ConditionModel, Found, Taught, logged
from twinstorm.detectors.values.contract import Reals
from twinstorm.scenarios.engine.plan import start_of
from twinstorm.scenarios.models import store as stores
from twinstorm.scenarios.models.condition_rows import Seen, play
from twinstorm.scenarios.models.manifest import (
    CONDITION,
    OF_CONDITIONS,
    ConditionWorth,
    Manifest,
    NoSuchModel,
    Stored,
    Trained,
    parts_of,
)
from twinstorm.scenarios.models.training import UnfitRun
from twinstorm.scenarios.record.read import RecordedRun
from twinstorm.scenarios.record.readings import repeatable
from twinstorm.twin.chance import stream, words
from twinstorm.twin.flow import HOUR_US, SECOND_US, Int, Mask

DETECTOR: Final = "boosting"
"""What learns conditions, in a manifest."""
NEAR: Final = 10.0
"""Lives up to so many horizons count when it is asked by which factor they are off."""
_LOT: Final = 1
"""Stream of the lot of machines; the draw of rows has 0."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to train.

    Attributes:
        kind: of machine; empty: the only one of the first run. channels: None: all but angles, counters and codes.
        from_us, to_us: of each run; None: from the end of its warm-up, to its end.
        horizon_us: within which machines fail or do not, where the version is judged.
    """

    kind: str = ""
    channels: tuple[str, ...] | None = None
    from_us: int | None = None
    to_us: int | None = None
    seed: int = 1
    horizon_us: int = 2 * HOUR_US


def begin(
    store: Path,
    name: str,
    runs: Sequence[RecordedRun],
    wanted: Wanted,
    judge: RecordedRun | None = None,
    parent: int | None = None,
) -> Stored:
    """Train a version, judge it on a run that did not teach it, and keep it.

    Args:
        judge: None: nobody judges.

    Raises:
        NoSuchModel: `name` cannot be one.
        NotRecorded, UnfitRun, UnfitModelError: nothing can be learnt from these runs, or one of them twice.
        Unavailable: too little memory, or the store cannot be written.
    """
    if parts_of(name) != (name, None):
        raise NoSuchModel(f"`{name}` cannot be the name of a model", "versions get their numbers by themselves")
    _must_differ([*runs, *([] if judge is None else [judge])])
    seen: list[Seen] = []
    for run in runs:
        kind, channels = (seen[0].kind, seen[0].channels) if seen else (wanted.kind, wanted.channels)
        seen.append(play(run, kind, channels, wanted.seed, wanted.from_us, wanted.to_us))
    kind, channels = seen[0].kind, seen[0].channels
    folds = np.concatenate([_folds(each, wanted.seed) for each in seen])
    model = ConditionModel.trained(kind, channels, _together([each.taught for each in seen]), folds, wanted.seed)
    worth = None if judge is None else evaluate(model, judge, wanted.horizon_us)
    first, *others = (_about(run, each) for run, each in zip(runs, seen, strict=True))
    last_us = int(seen[0].taught.at_us.max())
    scenario, _ = repeatable(runs[0])
    created = (start_of(scenario) + timedelta(microseconds=last_us)).astimezone(UTC)

    def manifest(number: int) -> Manifest:
        return Manifest(
            model=OF_CONDITIONS,
            name=name,
            version=number,
            created=created.isoformat(timespec="seconds").replace("+00:00", "Z"),
            detector=DETECTOR,
            kind=kind,
            channels=channels,
            rare=0.0,
            level=0,
            seed=wanted.seed,
            trained=first,
            usual=0.0,
            limit=1.0,
            features=model.names,
            parameters=model.digest(),
            parent=parent,
            task=CONDITION,
            others=tuple(others),
            types=model.types,
            worth=worth,
        )

    return stores.save(store, name, model, manifest)


def again(
    store: Path, before: Stored, runs: Sequence[RecordedRun], judge: RecordedRun | None, horizon_us: int
) -> tuple[Stored, ConditionWorth | None]:
    """Train the next version on other runs with the settings of a version.

    Returns:
        The new version, and what the one before is worth on the run that judges.

    Raises:
        As `begin`.
    """
    about = before.manifest
    worth = None if judge is None else evaluate(needed(before), judge, horizon_us)
    wanted = Wanted(kind=about.kind, channels=about.channels, seed=about.seed, horizon_us=horizon_us)
    return begin(store, about.name, runs, wanted, judge, parent=about.version), worth


def needed(stored: Stored) -> ConditionModel:
    """The parameters of a version of this task. Raises NoSuchModel: they cannot be read."""
    model = stores.load(stored)
    assert isinstance(model, ConditionModel)
    return model


def evaluate(model: ConditionModel, run: RecordedRun, horizon_us: int) -> ConditionWorth:
    """Judge a model by what is true of the machines of a run.

    Raises:
        NotRecorded: nobody can play it again.
        UnfitRun: no device of the run is of its kind.
        Unavailable: this machine has not enough memory.
    """
    seen = play(run, model.kind, model.channels, 0)
    if seen.channels != model.channels:
        raise UnfitRun(f"`{model.kind}` does not tell {', '.join(model.channels)} in this order any more")
    taught = seen.taught
    return worth_of(model, taught, model.look(taught.rows), run, horizon_us)


def worth_of(model: ConditionModel, truth: Taught, found: Found, run: RecordedRun, horizon_us: int) -> ConditionWorth:
    """What answers are worth beside the truth."""
    horizon_h = horizon_us / HOUR_US
    types = _confused(model, truth, found)
    named = sum(sum(row.values()) for row in types.values())
    right = {name: row.get(name, 0) for name, row in types.items()}
    # A machine at its end has no life of which anything could be foretold.
    living = truth.hours > 0.0
    true_h, told_h = np.minimum(truth.hours[living], LONGEST_H), found.hours[living]
    failing, said = true_h <= horizon_h, told_h <= horizon_h
    near = true_h <= NEAR * horizon_h
    off = np.abs(logged(told_h[near]) - logged(true_h[near]))
    inside = _inside(true_h, found.least[living], found.most[living])
    hits = int(np.count_nonzero(failing & said))
    return ConditionWorth(
        scenario=run.about.scenario,
        seed=run.about.seed,
        digest="" if run.result is None else run.result.digest,
        horizon_s=horizon_us / SECOND_US,
        devices=len(np.unique(truth.device)),
        rows=len(truth),
        types=types,
        right=round(sum(right.values()) / named, 4) if named else None,
        balanced=round(float(np.mean([right[name] / sum(row.values()) for name, row in types.items()])), 4)
        if types
        else None,
        health_error=round(float(np.abs(found.health - 100.0 * truth.health).mean()), 3),
        covered=round(float(inside.mean()), 4) if len(inside) else 0.0,
        promised=SURE,
        covered_near=round(float(inside[near].mean()), 4) if near.any() else None,
        life_factor=round(float(np.exp2(np.median(off))), 3) if near.any() else None,
        failing=int(np.count_nonzero(failing)),
        precision=round(hits / int(np.count_nonzero(said)), 4) if said.any() else None,
        recall=round(hits / int(np.count_nonzero(failing)), 4) if failing.any() else None,
    )


def _inside(hours: Reals, least: Reals, most: Reals) -> Mask:
    """Lives within their bounds; what lies beyond all that is told is told as the last of it."""
    told = np.clip(hours, 1.0 / 60.0, LONGEST_H)
    inside: Mask = (told >= least * (1.0 - 1e-9)) & (told <= most * (1.0 + 1e-9))
    return inside


def _confused(model: ConditionModel, truth: Taught, found: Found) -> dict[str, dict[str, int]]:
    """Truth, then answer, to how often."""
    answers = np.array(model.types)[found.failure]
    table: dict[str, dict[str, int]] = {}
    for name in np.unique(truth.failure[truth.failure != ""]).tolist():
        said, times = np.unique(answers[truth.failure == name], return_counts=True)
        table[name] = dict(zip(said.tolist(), times.tolist(), strict=True))
    return table


def _folds(seen: Seen, seed: int) -> Int:
    """int64 (rows,): the part of the machines to which that of each row belongs, by lot."""
    lot = np.argsort(words(stream(seed, _LOT), seen.keys, 0), kind="stable")
    fold = np.empty(len(lot), np.int64)
    fold[lot] = np.arange(len(lot)) % FOLDS
    found: Int = fold[seen.taught.device]
    return found


def _together(parts: Sequence[Taught]) -> Taught:
    return Taught(
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.device for part in parts]),
        np.concatenate([part.at_us for part in parts]),
        np.concatenate([part.failure for part in parts]),
        np.concatenate([part.health for part in parts]),
        np.concatenate([part.hours for part in parts]),
    )


def _about(run: RecordedRun, seen: Seen) -> Trained:
    taught = seen.taught
    return Trained(
        scenario=run.about.scenario,
        seed=run.about.seed,
        digest=run.result.digest if run.result is not None else "",
        from_s=int(taught.at_us.min()) / SECOND_US,
        to_s=int(taught.at_us.max()) / SECOND_US,
        devices=len(np.unique(taught.device)),
        rows=len(taught),
        of_rows=seen.of_rows,
        left_out=0,
    )


def _must_differ(runs: Sequence[RecordedRun]) -> None:
    """A run that taught a model says nothing of its worth, and one that teaches twice nothing new."""
    digests = [(run.about.scenario, run.about.seed, "" if run.result is None else run.result.digest) for run in runs]
    for number, each in enumerate(digests):
        if each in digests[:number]:
            raise UnfitRun(
                f"{each[0]}, seed {each[1]}, is named twice; take runs with other seeds: twinstorm run {each[0]} "
                "--seeds 1..4"
            )
