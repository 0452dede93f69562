"""What a model is worth on a recorded run: the run is played again with this one detector, and its labels judge.

It looks as it would in a scenario that names it and sets nothing. Each version is played by itself: alarms of two that
look at once would explain each other away.
"""

from __future__ import annotations

from statistics import median

import numpy as np

from twinstorm.detectors.values.stored import Version
from twinstorm.detectors.values.trained import Trained
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.run import build
from twinstorm.scenarios.engine.truth import attributed, labels
from twinstorm.scenarios.models.manifest import Evaluation
from twinstorm.scenarios.models.training import UnfitRun, watched_by
from twinstorm.scenarios.record.read import RecordedRun
from twinstorm.scenarios.record.readings import repeatable
from twinstorm.twin.flow import DAY_US, SECOND_US, TruthLabel

NAME = "evaluated"


def evaluate(version: Version, run: RecordedRun) -> Evaluation:
    """Judge a version by the faults of a run.

    Raises:
        NotRecorded: nobody can play it again.
        UnfitRun: no device of the run is of its kind.
        Unavailable: this machine has not enough memory.
    """
    scenario, options = repeatable(run)
    kind = version.model.kind
    if kind not in {segment.kind for segment in scenario.fleet.segments}:
        raise UnfitRun(f"{version} is a model of `{kind}`, and no device of {run.about.scenario} is one")
    engine = build(watched_by(scenario, {NAME: {"model": version}}), options)
    engine.play()
    found = _judged(engine, run, scenario.warm_up_us)
    engine.wiring.close()
    return found


def _judged(engine: Engine, run: RecordedRun, warm_up_us: int) -> Evaluation:
    model = next((each for each in engine.core.models), None)
    if model is None:
        raise UnfitRun(f"the model broke: {engine.core.taken_out[0].what}")
    truth = [label for label in labels(engine) if _concerns(engine, model, label)]
    alarms = [alarm for alarm in engine.core.alarms if alarm.name == NAME]
    causes = attributed(engine, alarms)
    delays = []
    for label in truth:
        mine = [
            alarm.at_us - label.from_us for alarm, cause in causes if cause is not None and cause.step == label.step
        ]
        if mine:
            delays.append(min(mine) / SECOND_US)
    caused = sum(cause is not None for _, cause in causes)
    days = max(engine.now_us - warm_up_us, 0) / DAY_US * model.devices
    false = len(alarms) - caused
    return Evaluation(
        scenario=run.about.scenario,
        seed=run.about.seed,
        digest="" if run.result is None else run.result.digest,
        devices=model.devices,
        days=round(days, 6),
        faults=len(truth),
        found=len(delays),
        alarms=len(alarms),
        caused=caused,
        precision=round(caused / len(alarms), 4) if alarms else None,
        recall=round(len(delays) / len(truth), 4) if truth else None,
        delay_s=median(delays) if delays else None,
        false_alarms=false,
        false_alarms_per_day=round(false / days, 4) if days else None,
        drift=round(model.most.index, 4),
        drift_feature=model.most.feature,
        drift_limit=round(model.most.limit, 4),
    )


def _concerns(engine: Engine, model: Trained, label: TruthLabel) -> bool:
    """It did something, to a device of the kind at least."""
    step = engine.steps[label.step]
    if not any(engine.evidence(step).values()):
        return False
    registry = engine.registry
    code = registry.kinds.index(model.version.model.kind)
    return bool(np.any(registry.kind[label.device] == code))


def better(one: Evaluation, other: Evaluation) -> int:
    """Which of two that were judged on the same run is better: 1 the first, -1 the second, 0 neither.

    More faults found count first, then fewer false alarms, then the shorter delay.
    """
    first, second = _merit(one), _merit(other)
    return (first > second) - (first < second)


def _merit(found: Evaluation) -> tuple[int, int, float]:
    return found.found, -found.false_alarms, -(found.delay_s or 0.0)
