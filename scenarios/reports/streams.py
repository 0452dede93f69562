"""What was asked of the stream of readings: sections of a report, and lines for the end of a run."""

from __future__ import annotations

from collections.abc import Sequence

from twinstorm.scenarios.language.errors import printable
from twinstorm.scenarios.reports.sections import Section, Table
from twinstorm.scenarios.reports.words import clock, duration
from twinstorm.scenarios.result import (
    ContinuityResult,
    CorrelationResult,
    JoinResult,
    RouteResult,
    RunResult,
    WindowKeyResult,
    WindowResult,
)


def stream_lines(result: RunResult) -> list[str]:
    """One a named window, e.g. ``window heat: mean of motor.winding_temperature_c by site, 12 closed, 3 late, greatest
    71.2 C (fra-1)``."""
    lines = [] if result.continuity is None else [continuity_line(result.continuity)]
    lines += [_window_line(found) for found in result.windows]
    lines += [_join_line(found) for found in result.joins]
    lines += [_correlation_line(found) for found in result.correlations]
    if result.routes:
        lines += [_route_line(found) for found in result.routes]
        lines.append(f"routes: {result.unrouted:,} readings went nowhere")
    return lines


def stream_sections(result: RunResult) -> list[Section]:
    """Those for which there is something to tell."""
    sections = [] if result.continuity is None else [_continuity(result.continuity)]
    if result.windows:
        sections.append(_windows(result.windows))
    if result.joins:
        sections.append(_joins(result.joins))
    if result.correlations:
        sections.append(_correlations(result.correlations))
    return [*sections, _routes(result)] if result.routes else sections


def _window_line(found: WindowResult) -> str:
    told = [f"{found.figure} of {found.of} by {found.by}", f"{found.closed:,} closed", f"{found.late:,} late"]
    if found.top and found.top[0].most is not None:
        told.append(f"greatest {_figure(found.top[0].most, found.unit)} ({printable(found.top[0].key)})")
    return f"window {found.name}: {', '.join(told)}"


def continuity_line(found: ContinuityResult) -> str:
    """``continuity: 3 dead sensors (fra-1/motors-0001 current_a, ...), 0 dead links``."""
    told = []
    for count, what, who in (
        (found.dead_sensors, "dead sensor", found.sensors),
        (found.dead_links, "dead link", found.links),
    ):
        more = ", ..." if count > 1 else ""
        whom = f" ({printable(who[0])}{more})" if who else ""
        told.append(f"{count:,} {what}{'s' * (count != 1)}{whom}")
    return f"continuity: {', '.join(told)}"


def _continuity(found: ContinuityResult) -> Section:
    lines = [
        "When the run ended. A dead sensor is left out by a device that speaks; over a dead link nothing comes.",
        f"Dead sensors: {found.dead_sensors:,}. Dead links: {found.dead_links:,}. Never heard of: {found.never:,}.",
    ]
    rows = [("sensor", who) for who in found.sensors] + [("link", who) for who in found.links]
    return Section("Continuity", lines, [Table(("dead", "of"), rows)] if rows else [])


def _join_line(found: JoinResult) -> str:
    mean = "no pair" if found.difference is None else f"mean difference {found.difference:.4g}"
    return f"join {found.name}: {found.left} with {found.right} by {found.by}, {found.pairs:,} pairs, {mean}"


def _joins(joins: Sequence[JoinResult]) -> Section:
    rows = [
        (
            found.name,
            f"{found.left} less {found.right} by {found.by}",
            *(f"{count:,}" for count in (found.pairs, found.alone, found.late, found.misdated)),
            _figure(found.difference, ""),
        )
        for found in joins
    ]
    head = ("join", "of what", "pairs", "alone", "late", "misdated", "mean difference")
    tables = [Table(head, rows, frozenset({2, 3, 4, 5, 6}))]
    keys = [
        (found.name, key.key, f"{key.pairs:,}", _figure(key.difference, "")) for found in joins for key in found.top
    ]
    if keys:
        tables.append(Table(("join", "key", "pairs", "mean difference"), keys, frozenset({2, 3})))
    lines = ["By the stamps of readings, over the whole run. Alone is a reading of the left side without a partner."]
    return Section("Joins", lines, tables)


def _correlation_line(found: CorrelationResult) -> str:
    told = [f"{key} {value:.2f}" for key, value in list(found.top.items())[:1]]
    return f"correlation {found.name}: {found.left} with {found.right}, {', '.join(told) or 'too few windows'}"


def _correlations(correlations: Sequence[CorrelationResult]) -> Section:
    rows = [
        (found.name, f"{found.left} with {found.right}", f"{found.over:,}", key, value)
        for found in correlations
        for key, value in ([(key, f"{value:.3f}") for key, value in found.top.items()] or [("none", "too few windows")])
    ]
    head = ("correlation", "of what", "windows", "key", "Pearson's")
    return Section("Correlations", ["When the run ended."], [Table(head, rows, frozenset({2, 4}))])


def _route_line(found: RouteResult) -> str:
    counts = [(found.retried, "retried"), (found.waiting, "waiting"), (found.dead, "dead")]
    told = [f"{found.taken:,} taken", f"{found.delivered:,} delivered"]
    told += [f"{count:,} {word}" for count, word in counts if count]
    return f"route {found.name} to {found.to}: {', '.join(told)}"


def _routes(result: RunResult) -> Section:
    rows = [(each.name, each.to, *(f"{count:,}" for count in _counts(each))) for each in result.routes]
    head = ("rule", "to", "taken", "delivered", "retried", "waiting", "dead")
    tables = [Table(head, rows, frozenset({2, 3, 4, 5, 6}))]
    newest = [
        (each.name, clock(one.at_s), one.device, ", ".join(f"{name} {value:g}" for name, value in one.told.items()))
        for each in result.routes
        for one in each.newest
    ]
    if newest:
        tables.append(Table(("rule", "at", "device", "what was passed on"), newest))
    lines = [f"Over the whole run, the first rule that fits. {result.unrouted:,} readings fit none and went nowhere."]
    if any(each.to == "command" for each in result.routes):
        lines.append("Commands are kept as they were asked for: nothing is sent to devices.")
    return Section("Routes", lines, tables)


def _counts(found: RouteResult) -> tuple[int, ...]:
    return found.taken, found.delivered, found.retried, found.waiting, found.dead


def _windows(windows: Sequence[WindowResult]) -> Section:
    kept = [
        (
            found.name,
            f"{found.figure} of {found.of} by {found.by}",
            _span(found),
            f"{found.closed:,}",
            f"{found.late:,}",
            f"{found.out_of_order:,}",
            f"{found.misdated:,}",
        )
        for found in windows
    ]
    head = ("window", "of what", "how long", "closed", "late", "out of order", "misdated")
    tables = [Table(head, kept, frozenset({3, 4, 5, 6}))]
    rows = [_key_row(found, key) for found in windows for key in found.top]
    if rows:
        tables.append(Table(("window", "key", "windows", "last", "least", "greatest"), rows, frozenset({2, 3, 4, 5})))
    lines = ["By the stamps of readings, over the whole run. Late and misdated readings are in no window."]
    lines += [
        f"Of {found.keys:,} keys of {found.name} those {len(found.top)} with the greatest figures."
        for found in windows
        if found.keys > len(found.top)
    ]
    return Section("Windows", lines, tables)


def _key_row(found: WindowResult, key: WindowKeyResult) -> Sequence[str]:
    figures = (_figure(value, found.unit) for value in (key.last, key.least, key.most))
    return (found.name, key.key, f"{key.windows:,}", *figures)


def _span(found: WindowResult) -> str:
    if found.gap_s is not None:
        return f"sessions, gap {duration(found.gap_s)}"
    assert found.every_s is not None
    assert found.width_s is not None
    sliding = "" if found.width_s == found.every_s else f" every {duration(found.every_s)}"
    return f"{duration(found.width_s)}{sliding}"


def _figure(value: float | None, unit: str) -> str:
    """Four digits, and all of them before the point."""
    if value is None:
        return ""
    places = 4 - len(str(int(abs(value))))
    shown = f"{value:.3g}" if 0 < abs(value) < 0.1 else f"{value:,.{max(places, 0)}f}"
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return f"{shown} {unit}".rstrip()
