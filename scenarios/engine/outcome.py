"""From an engine that has ended to the document that `run --json` prints."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib.metadata import version
from math import isfinite

from twinstorm.detectors.values.forecast import Forecast
from twinstorm.detectors.values.peers import OnPeers
from twinstorm.scenarios.engine.airtime import airtime_notes
from twinstorm.scenarios.engine.alarm_results import alarm_result, incident_result
from twinstorm.scenarios.engine.conditions import conditions, used
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.judge import Facts
from twinstorm.scenarios.engine.maintenance_log import maintenance_log
from twinstorm.scenarios.engine.routes import deaf_rules, route_results
from twinstorm.scenarios.engine.silences import continuity_result
from twinstorm.scenarios.engine.streams import correlation_results, join_results, window_results
from twinstorm.scenarios.engine.timeline import StepRun
from twinstorm.scenarios.engine.truth import attributed
from twinstorm.scenarios.engine.upkeep import result_of as upkeep_result
from twinstorm.scenarios.faults.base import catalogue
from twinstorm.scenarios.foretold import forecast_result
from twinstorm.scenarios.language.model import Speech
from twinstorm.scenarios.language.stored import models_of
from twinstorm.scenarios.result import (
    AlarmResult,
    FaultResult,
    ForecastResult,
    KindHealthResult,
    LedgerResult,
    MachineHealthResult,
    MaintenanceResult,
    MirrorResult,
    ModelResult,
    ObjectiveResult,
    ProcessingResult,
    RunResult,
    StageResult,
    TrafficResult,
    Verdict,
)
from twinstorm.scenarios.verdict import HELD, INCONCLUSIVE, MISSED, overall
from twinstorm.twin.flow import SECOND_US, Alarm

LEFT_OUT = 3
"""Names of channels in a note, before the rest is counted."""


def result_of(engine: Engine, *, speed: float, wall_s: float, repeat: str) -> RunResult:
    """Judge a run that has ended."""
    assert engine.ended, "a run is judged when it has ended"
    scenario = engine.scenario
    objectives = objective_results(engine)
    ledger = engine.ledger()
    expectations = engine.judge.results(
        Facts(
            end_us=engine.now_us,
            warm_up_us=scenario.warm_up_us,
            alarms=engine.core.alarms,
            ledger=ledger,
            counts=engine.counts(),
            objectives={each.name: each for each in objectives},
            recoveries=engine.recoveries,
            cut_short=engine.ended != "completed" and engine.now_us < engine.end_us,
        )
    )
    alarms = _alarms(engine, engine.core.alarms)
    faults = [_fault(engine, step, alarms) for step in engine.steps.runs if step.action == "fault"]
    notes = list(engine.wiring.notes())
    if ledger.difference:
        notes.append(f"the ledger does not close by {ledger.difference:+,} readings: this is a bug, please report it")
    notes += airtime_notes(scenario)
    by_hand = sum(step.injected for step in engine.steps.runs)
    if by_hand or engine.aborted:
        what = [f"{by_hand} fault{'s' * (by_hand != 1)}"] * bool(by_hand) + ["the abort"] * engine.aborted
        notes.append(f"the command that repeats this run does so without {' and '.join(what)} by hand")
    maintained = _maintenance(engine)
    if maintained is not None and not maintained.requests:
        notes.append("no machine stopped and nobody asked for a crew: maintenance had nothing to do")
    for found in engine.core.taken_out:
        notes.append(f"detector `{found.name}` broke {found.at_us / SECOND_US:g} s into the run: {found.what}")
    notes += _without_peers(engine)
    notes += _left_out(engine)
    notes += [
        f"`{each.name}` did not look at {each.passed_over:,} events of devices with too many in a second"
        for each in engine.core.patterns
        if each.passed_over
    ]
    notes += _in_the_shadow(engine)
    notes += [
        f"route `{name}` takes nothing: no device speaks on its topics" for name in deaf_rules(engine.core.router)
    ]
    notes += _drifts(engine)
    if not expectations:
        notes.append("nothing is expected of this run: add objectives, or `expect`")
    digest = engine.wiring.log.digest()
    return RunResult(
        scenario=scenario.name,
        seed=engine.seed,
        version=version("twinstorm"),
        clock=engine.wiring.clock,
        speed=speed,
        ended=engine.ended,
        verdict=overall(
            (each.verdict for each in expectations), bit=all(fault.bit for fault in faults if not fault.injected)
        ),
        digest=digest if engine.wiring.clock == "virtual" else f"live:{digest}",
        devices=len(engine.registry),
        simulated_s=engine.now_us / SECOND_US,
        wall_s=round(wall_s, 3),
        ledger=LedgerResult(
            produced=ledger.produced,
            delivered=ledger.delivered,
            buffered=ledger.buffered,
            in_flight=ledger.in_flight,
            lost=dict(ledger.lost),
            repeated=ledger.repeated,
        ),
        objectives=objectives,
        expectations=expectations,
        faults=faults,
        alarms=alarms,
        incidents=[incident_result(incident) for incident in engine.core.incidents],
        counts=engine.counts(),
        report=None,
        repeat=repeat,
        maintenance=maintained,
        maintenance_log=maintenance_log(engine),
        processing=_processing(engine),
        models=sorted([*_models(engine), *used(engine)], key=lambda each: each.detector),
        conditions=conditions(engine),
        shadows=_alarms(engine, engine.core.shadows),
        stages=_stages(engine),
        continuity=continuity_result(engine.core, scenario.continuity, engine.now_us),
        windows=window_results(engine.core.streams),
        joins=join_results(engine.core.streams),
        correlations=correlation_results(engine.core.streams),
        routes=route_results(engine.core.router, engine.registry),
        unrouted=0 if engine.core.router is None else engine.core.router.unrouted,
        mirrors=mirror_results(engine),
        forecasts=_forecasts(engine),
        traffic=_traffic(engine),
        health=_health(engine),
        notes=notes,
    )


def _without_peers(engine: Engine) -> list[str]:
    """Of detectors that compare devices with their like: how many have too few."""
    found = [(each.name, each.lonely) for each in engine.core.on_values if isinstance(each, OnPeers)]
    return [
        f"`{name}` compares {lonely:,} device{'s' * (lonely != 1)} with nobody: too few are alike; see its `peers`"
        for name, lonely in found
        if lonely
    ]


def _left_out(engine: Engine) -> list[str]:
    """Channels that nobody named and detectors do not watch by themselves."""
    found = sorted({name for each in engine.core.on_values for name in each.left_out})
    if not found:
        return []
    shown = ", ".join(found[:LEFT_OUT]) + (f" and {len(found) - LEFT_OUT} more" if len(found) > LEFT_OUT else "")
    return [
        f"not watched, for it changes by events and not by itself: {shown}; name it in `channels` to have it watched"
    ]


def _in_the_shadow(engine: Engine) -> list[str]:
    """What detectors found that raise no alarms; of a long run what is still remembered."""
    told = []
    for name, settings in (engine.scenario.detectors or {}).items():
        if settings.get("shadow") == "true":
            found = [each for each in engine.core.findings if each.detector == name]
            first = f": first {found[0].at_us / SECOND_US:g} s into the run, {found[0].group}" if found else ""
            times = "once" if len(found) == 1 else f"{len(found):,} times"
            told.append(f"in the shadow `{name}` would have raised an alarm {times if found else 'never'}{first}")
    return told


def _traffic(engine: Engine) -> list[TrafficResult]:
    written = {part.name: part.speech for part in engine.scenario.fleet.segments}
    results = []
    for found in engine.wiring.traffic():
        speech = written[found.segment]
        said = Speech() if speech is None else speech
        per_message_j = found.energy_j / found.messages if found.energy_j is not None and found.messages else None
        results.append(
            TrafficResult(
                segment=found.segment,
                profile="twinstorm" if said.profile is None else said.profile.name,
                codec=said.codec,
                measured=speech is not None or engine.wiring.clock == "live",
                messages=found.messages,
                readings=found.readings,
                births=found.births,
                forwarded=found.forwarded,
                repeats=found.repeats,
                connects=found.connects,
                payload_bytes=found.payload_bytes,
                wire_bytes=found.wire_bytes,
                connect_bytes=found.connect_bytes,
                energy_j=None if found.energy_j is None else round(found.energy_j, 6),
                message_energy_j=None if per_message_j is None else round(per_message_j, 9),
            )
        )
    return results


def _health(engine: Engine) -> list[KindHealthResult]:
    names = engine.registry.names
    return [
        KindHealthResult(
            kind=found.kind,
            machines=found.machines,
            ended=found.ended,
            median_health=round(found.median, 4),
            worst=[
                MachineHealthResult(
                    device=names[each.device],
                    health=round(each.health, 4),
                    remaining_s=round(each.remaining_s, 1) if isfinite(each.remaining_s) else None,
                )
                for each in found.worst
            ],
        )
        for found in engine.wiring.health()
    ]


def _maintenance(engine: Engine) -> MaintenanceResult | None:
    written, upkeep = engine.scenario.maintenance, engine.wiring.upkeep(engine.now_us)
    return None if written is None or upkeep is None else upkeep_result(written, upkeep, engine.now_us)


def mirror_results(engine: Engine) -> list[MirrorResult]:
    """How far devices are from their mirrors so far, one a segment and channel."""
    if engine.mirrors is None:
        return []
    return [
        MirrorResult(
            segment=found.segment,
            devices=found.devices,
            channel=channel.name,
            unit=channel.unit,
            readings=readings,
            mean=total / readings if readings else None,
            rms=math.sqrt(squares / readings) if readings else None,
        )
        for found, kind in engine.mirrors.told()
        for channel, readings, total, squares in zip(
            kind.channels, found.count.tolist(), found.total.tolist(), found.squares.tolist(), strict=True
        )
        if channel.averaged
    ]


def _stages(engine: Engine) -> list[StageResult]:
    if engine.core.stages is None:
        return []
    return [
        StageResult(
            stage=found.to.name.lower(),
            readings=found.readings,
            median_s=_seconds(found.median_us),
            p95_s=_seconds(found.p95_us),
            most_s=_seconds(found.most_us),
        )
        for found in engine.core.stages.latencies()
    ]


def _processing(engine: Engine) -> ProcessingResult | None:
    intake = engine.core.intake
    if intake is None:
        return None
    found, functions = intake.figures, intake.functions
    return ProcessingResult(
        processed=found.processed,
        replayed=found.replayed,
        shed=found.shed,
        waiting=intake.waiting,
        mean_s=None if found.mean_us is None else round(found.mean_us / SECOND_US, 6),
        longest_s=found.longest_us / SECOND_US,
        deepest=found.deepest,
        consumers=found.most,
        crashed=found.crashed,
        calls=0 if functions is None else functions.calls,
        cold=0 if functions is None else functions.cold,
        cost=0.0 if functions is None else round(functions.cost, 6),
    )


def objective_results(engine: Engine) -> list[ObjectiveResult]:
    """Every objective over the run after its warm-up."""
    results = []
    for written in engine.scenario.objectives:
        found = engine.core.objective(written.name)
        bad, total = engine.core.objective_counts(written.name)
        verdict: Verdict = HELD if found.verdict == HELD else MISSED if found.verdict == MISSED else INCONCLUSIVE
        share = found.unit == "%"
        bound = written.at_least if written.at_least is not None else written.at_most
        assert bound is not None
        shown = f"{bound * 100:g} %" if share else f"{bound:g} {found.unit}".strip()
        results.append(
            ObjectiveResult(
                name=written.name,
                sli=written.sli,
                wanted=f"{'at least' if written.at_least is not None else 'at most'} {shown}",
                value=found.value,
                unit=found.unit,
                verdict=verdict,
                missed_from_s=None if found.first_broken_us is None else found.first_broken_us / SECOND_US,
                missed_to_s=None if found.last_broken_us is None else found.last_broken_us / SECOND_US,
                budget_left=found.budget_left,
                bad=bad,
                total=total,
            )
        )
    return results


def _fault(engine: Engine, step: StepRun, alarms: Sequence[AlarmResult]) -> FaultResult:
    evidence = engine.evidence(step)
    recovery = engine.recoveries.get(step.name)
    back_us = recovery.reached_us(0.99, engine.now_us) if recovery is not None else None
    evident_us = engine.witness.evident_us.get(step.name)
    lives_s = engine.witness.lives_s.get(step.name, {})
    found_us = min((round(alarm.at_s * SECOND_US) for alarm in alarms if alarm.fault == step.name), default=None)
    return FaultResult(
        name=step.name,
        fault=step.value,
        target=step.target,
        from_s=step.start_instant_us() / SECOND_US,
        to_s=None if (end_us := step.end_instant_us()) is None else end_us / SECOND_US,
        devices=len(step.device) if catalogue()[step.value].needs_target else len(engine.registry),
        evidence=evidence,
        bit=any(evidence.values()),
        injected=step.injected,
        recovered_s=None if back_us is None or step.ended_us is None else (back_us - step.ended_us) / SECOND_US,
        evident_s=_seconds(evident_us),
        life_s=_digits(lives_s.get(step.start_instant_us())),
        life_found_s=None if found_us is None else _digits(lives_s.get(found_us)),
    )


def _forecasts(engine: Engine) -> list[ForecastResult]:
    by = [(each.name, each.detector) for each in engine.core.on_values]
    return [forecast_result(name, detector, engine.now_us) for name, detector in by if isinstance(detector, Forecast)]


def _models(engine: Engine) -> list[ModelResult]:
    used = models_of(engine.scenario.detectors)
    return [
        ModelResult(
            detector=each.name,
            model=str(each.version),
            parameters=used[each.name].manifest.parameters,
            kind=each.version.model.kind,
            learnt_by=used[each.name].manifest.detector,
            shadow=each.policy.shadow,
            devices=each.devices,
            drift=round(each.most.index, 4),
            drift_feature=each.most.feature,
            drift_limit=round(each.most.limit, 4),
        )
        for each in engine.core.models
    ]


def _drifts(engine: Engine) -> list[str]:
    """Models that the fleet has left behind, and what to do."""
    return [
        f"the fleet has left what the model {each.version} learnt: {each.most.feature} has moved by "
        f"{each.most.index:.2f}, and {each.most.limit:.2f} is allowed; retrain it: twinstorm models retrain "
        f"{each.version.name} RUN"
        for each in engine.core.models
        if each.most.is_one
    ]


def _alarms(engine: Engine, alarms: Sequence[Alarm]) -> list[AlarmResult]:
    found = attributed(engine, alarms)
    return [alarm_result(alarm, engine.registry, engine.scenario.runbooks, label) for alarm, label in found]


def _digits(left_s: float | None) -> float | None:
    return None if left_s is None else round(left_s, 1)


def _seconds(at_us: int | None) -> float | None:
    return None if at_us is None else at_us / SECOND_US
