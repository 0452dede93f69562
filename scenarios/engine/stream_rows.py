"""What the screen shows of the processing core: who processes readings, and what the scenario asks of their stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from math import isfinite

import numpy as np

from twinstorm.detectors.figures import NamedFigure
from twinstorm.detectors.pool import PoolSettings
from twinstorm.detectors.stages import Stage
from twinstorm.detectors.values.trained import Trained
from twinstorm.detectors.values.wear import Wear
from twinstorm.scenarios.engine.engine import Engine
from twinstorm.scenarios.engine.outcome import mirror_results
from twinstorm.scenarios.engine.routes import route_results
from twinstorm.scenarios.engine.silences import continuity_result
from twinstorm.scenarios.engine.streams import correlation_results, join_results
from twinstorm.scenarios.protocol import ProcessingRow, StreamKey, StreamRow
from twinstorm.scenarios.result import JoinResult, MirrorResult, RouteResult
from twinstorm.twin.flow import SECOND_US

MOST_KEYS = 10
RATE_S = 10
"""Rates are of so many simulated seconds."""

_BAD_OF_ROUTES = ("waiting", "dead")
_BAD_OF_JOINS = ("late", "misdated")


class Processed:
    """What the pool or the functions of a run do, from second to second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._past: deque[tuple[int, int, int]] = deque([(0, 0, 0)], maxlen=RATE_S + 1)
        """Instant, readings processed so far, and what all of them took, microseconds."""

    def note(self, now_us: int) -> None:
        """A second has ended."""
        intake = self._engine.core.intake
        if intake is not None:
            self._past.append((now_us, intake.figures.processed, intake.figures.waited_us))

    def row(self) -> ProcessingRow | None:
        """None: readings are processed as they come."""
        intake = self._engine.core.intake
        if intake is None:
            return None
        (from_us, before, took_before_us), (to_us, now, took_us) = self._past[0], self._past[-1]
        found, functions = intake.figures, intake.functions
        many, seconds = now - before, (to_us - from_us) / SECOND_US
        return ProcessingRow(
            functions=functions is not None,
            consumers=intake.consumers,
            waiting=intake.lag,
            lag_s=intake.waited_us / SECOND_US,
            processed_per_s=many / seconds if seconds else 0.0,
            took_s=(took_us - took_before_us) / many / SECOND_US if many else None,
            policy=_policy(intake.processing.how),
            shed=found.shed,
            replayed=found.replayed,
            crashed=found.crashed,
            deepest=found.deepest,
            calls=0 if functions is None else functions.calls,
            cold=0 if functions is None else functions.cold,
            cost=0.0 if functions is None else functions.cost,
        )


def _policy(how: object) -> str:
    if not isinstance(how, PoolSettings) or how.room is None:
        return "no limit: none is shed"
    return f"room {how.room:,}, then the {how.sheds} go"


def has_streams(engine: Engine) -> bool:
    """There is something to show."""
    core = engine.core
    parts = (core.intake, core.streams, core.router, core.stages, engine.mirrors, engine.scenario.continuity)
    asked = any(part is not None for part in parts) or core.models or core.wears
    return bool(asked) or any(core.dead_letters.values())


def stream_rows(engine: Engine, processing: ProcessingRow | None) -> list[StreamRow]:
    """One a thing that the scenario asks of the stream, by word; what the core refused comes last."""
    if not has_streams(engine):
        return []
    made = [] if processing is None else [_processing(processing)]
    made += [*_windows(engine), *_joins(engine), *_correlations(engine), *_routes(engine), *_continuity(engine)]
    made += [*_stages(engine), *_mirrors(engine), *(_model(engine, each) for each in engine.core.models)]
    made += [_wear(engine, each) for each in engine.core.wears]
    return [*made, _ingest(engine, dict(engine.core.dead_letters))]


def _processing(row: ProcessingRow) -> StreamRow:
    work = {"instances": row.consumers, "calls": row.calls, "cold starts": row.cold}
    counts = {"waiting now": row.waiting, "deepest": row.deepest, "shed": row.shed}
    counts |= work if row.functions else {"consumers now": row.consumers, "replayed": row.replayed}
    counts |= {"crashed": row.crashed} if row.crashed else {}
    return StreamRow(
        word="processing",
        name="functions" if row.functions else "pool",
        of="readings on their way into the core",
        figure=row.lag_s,
        whose="the oldest has waited" if row.lag_s else "none waits",
        unit="s",
        counts=counts,
        trouble=_trouble({"shed": row.shed, "waiting": row.waiting if row.lag_s >= 1 else 0}),
        lines=[f"Policy: {row.policy}.", *([f"Cost so far {row.cost:,.4g}."] if row.functions else [])],
    )


def _windows(engine: Engine) -> Iterator[StreamRow]:
    streams = engine.core.streams
    for figure in () if streams is None else streams.figures.values():
        plan = figure.plan
        keys = _newest(figure)
        yield StreamRow(
            word="windows",
            name=plan.name,
            of=f"{plan.measure} of {plan.kind}.{plan.channel} by {plan.level}",
            figure=keys[0].figure if keys else None,
            whose=_greatest(figure, keys),
            unit=figure.unit,
            counts={
                "closed": figure.closed,
                "late": figure.late,
                "out of order": figure.out_of_order,
                "misdated": figure.misdated,
            },
            trouble=_trouble({"late": figure.late, "misdated": figure.misdated}),
            keys=keys,
        )


def _greatest(figure: NamedFigure, keys: list[StreamKey]) -> str:
    if keys:
        return f"greatest now, {keys[0].name}"
    return "nothing in the newest window" if figure.closed else "no window has closed yet"


def _newest(figure: NamedFigure) -> list[StreamKey]:
    """What the keys have in the newest window, the greatest first."""
    newest = figure.newest()
    if newest is None:
        return []
    known = np.flatnonzero(~np.isnan(newest))
    if len(known) > MOST_KEYS:
        # Of a million devices ten are found without sorting all.
        known = np.sort(known[np.argpartition(-newest[known], MOST_KEYS - 1)[:MOST_KEYS]])
    order = known[np.argsort(-newest[known], kind="stable")]
    return [StreamKey(name=figure.names[key], figure=float(newest[key]), unit=figure.unit) for key in order.tolist()]


def _joins(engine: Engine) -> Iterator[StreamRow]:
    for found in join_results(engine.core.streams):
        counts = {"pairs": found.pairs, "alone": found.alone, "late": found.late, "misdated": found.misdated}
        yield StreamRow(
            word="joins",
            name=found.name,
            of=f"{found.left} less {found.right} by {found.by}",
            figure=found.difference,
            whose="mean difference" if found.pairs else "no pair yet",
            unit=_unit_of(engine, found),
            counts=counts,
            trouble=_trouble({word: counts[word] for word in _BAD_OF_JOINS}),
            keys=[StreamKey(name=each.key, figure=each.difference, unit=_unit_of(engine, found)) for each in found.top],
        )


def _unit_of(engine: Engine, join: JoinResult) -> str:
    kind, _, channel = join.left.partition(".")
    return next((one.unit for one in engine.core.registry.channels[kind] if one.name == channel), "")


def _correlations(engine: Engine) -> Iterator[StreamRow]:
    for found in correlation_results(engine.core.streams):
        first = next(iter(found.top.items()), None)
        yield StreamRow(
            word="correlations",
            name=found.name,
            of=f"{found.left} with {found.right}, {found.over:,} windows",
            figure=None if first is None else first[1],
            whose="too few windows yet" if first is None else f"highest, {first[0]}",
            unit="",
            counts={"keys": found.keys},
            trouble="",
            keys=[StreamKey(name=key, figure=value, unit="") for key, value in found.top.items()],
        )


def _routes(engine: Engine) -> Iterator[StreamRow]:
    router = engine.core.router
    if router is None:
        return
    for found in route_results(router, engine.registry):
        yield _route(found)
    yield StreamRow(
        word="routes", name="(no rule)", of="readings that fit none and went nowhere", figure=None, whose="", unit="",
        counts={"readings": router.unrouted}, trouble="",
    )  # fmt: skip


def _route(found: RouteResult) -> StreamRow:
    counts = {
        "taken": found.taken,
        "delivered": found.delivered,
        "retried": found.retried,
        "waiting": found.waiting,
        "dead": found.dead,
    }
    lines = ["Commands are kept as they were asked for: nothing is sent to devices."] * (found.to == "command")
    for one in reversed(found.newest):
        told = ", ".join(f"{name} {value:g}" for name, value in one.told.items())
        lines.append(f"{one.at_s:,.0f} s {one.device}: {told}")
    return StreamRow(
        word="routes",
        name=found.name,
        of=f"to {found.to}",
        figure=None,
        whose="",
        unit="",
        counts=counts,
        trouble=_trouble({word: counts[word] for word in _BAD_OF_ROUTES}),
        lines=lines,
    )


def _continuity(engine: Engine) -> Iterator[StreamRow]:
    found = continuity_result(engine.core, engine.scenario.continuity, engine.now_us)
    if found is None:
        return
    counts = {"dead sensors": found.dead_sensors, "dead links": found.dead_links, "never heard": found.never}
    yield StreamRow(
        word="continuity",
        name="now",
        of="sensors left out by devices that speak, and devices that do not",
        figure=None,
        whose="",
        unit="",
        counts=counts,
        trouble=_trouble({"dead sensors": found.dead_sensors, "dead links": found.dead_links}),
        lines=[f"sensor {who}" for who in found.sensors] + [f"link {who}" for who in found.links],
    )


def _stages(engine: Engine) -> Iterator[StreamRow]:
    stages = engine.core.stages
    if stages is None:
        return
    found = [each for each in stages.latencies() if each.readings]
    way = [each for each in found if each.to is not Stage.ALARMED]
    slowest = max(way, key=lambda each: each.p95_us or 0, default=None)
    yield StreamRow(
        word="stamps",
        name="stages",
        of="p95 of the way from stage to stage",
        figure=None if slowest is None else (slowest.p95_us or 0) / SECOND_US,
        whose="no window has closed yet" if slowest is None else f"slowest, {slowest.to.name.lower()}",
        unit="s",
        counts={each.to.name.lower(): each.readings for each in found},
        trouble="",
        keys=[StreamKey(name=each.to.name.lower(), figure=(each.p95_us or 0) / SECOND_US, unit="s") for each in found],
    )


def _mirrors(engine: Engine) -> Iterator[StreamRow]:
    by_segment: dict[str, list[MirrorResult]] = {}
    for found in mirror_results(engine):
        by_segment.setdefault(found.segment, []).append(found)
    for segment, channels in by_segment.items():
        yield StreamRow(
            word="mirrors",
            name=segment,
            of=f"readings of {channels[0].devices:,} devices less those of their mirrors, root mean square",
            figure=None,
            whose="" if any(each.readings for each in channels) else "none compared yet",
            unit="",
            counts={"readings": max(each.readings for each in channels)},
            trouble="",
            keys=[StreamKey(name=each.channel, figure=each.rms, unit=each.unit) for each in channels],
        )


def _model(engine: Engine, found: Trained) -> StreamRow:
    most = found.most
    moved = f"drift of {most.feature}" if most.is_one else ""
    return StreamRow(
        word="models",
        name=found.name,
        of=_at_work(found),
        figure=most.index if most.feature and isfinite(most.index) else None,
        whose=f"drift, {most.feature}, {most.limit:.2f} allowed" if most.feature else "drift is looked at later",
        unit="",
        counts=_alarms(engine, found),
        trouble=moved,
    )


def _wear(engine: Engine, found: Wear) -> StreamRow:
    judged, soon = found.counts()
    first = found.conditions(MOST_KEYS)
    names = engine.registry.names
    return StreamRow(
        word="models",
        name=found.name,
        of=_at_work(found),
        figure=first[0].hours if first else None,
        whose=f"life left, {names[first[0].device]}" if first else "no machine has told its level yet",
        unit="h",
        counts={"judged": judged, "fail in time": soon, **_alarms(engine, found)},
        trouble=f"{soon:,} {found.headline}" if soon else "",
        keys=[StreamKey(name=names[each.device], figure=each.hours, unit="h") for each in first],
        lines=[f"{names[each.device]}: {each}, health {each.health:.0f}" for each in first],
    )


def _at_work(found: Trained | Wear) -> str:
    where = "in the shadow" if found.policy.shadow else "live"
    return f"{found.version} {where}, {found.devices:,} of kind {found.version.kind}"


def _alarms(engine: Engine, found: Trained | Wear) -> dict[str, int]:
    shadow = found.policy.shadow
    told = engine.core.shadows if shadow else engine.core.alarms
    return {"would have alarmed" if shadow else "alarms": sum(alarm.name == found.name for alarm in told)}


def _ingest(engine: Engine, refused: dict[str, int]) -> StreamRow:
    core = engine.core
    letters = {f"refused: {reason}": count for reason, count in sorted(refused.items()) if count}
    return StreamRow(
        word="ingest",
        name="core",
        of="what the core took, and what it refused",
        figure=None,
        whose="",
        unit="",
        counts={"accepted": core.accepted, "repeated": core.repeated, "misdated": core.misdated, **letters},
        trouble=_trouble({"dead letters": sum(letters.values())}),
        lines=["Dead letters are stored with the run: twinstorm deadletters RUN."] * bool(letters),
    )


def _trouble(counts: dict[str, int]) -> str:
    return ", ".join(_told(counts.items()))


def _told(counts: Iterable[tuple[str, int]]) -> Iterator[str]:
    return (f"{count:,} {word}" for word, count in counts if count)
