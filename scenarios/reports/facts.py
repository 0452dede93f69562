"""Everything that a report says, as text and tables; the templates only lay it out.

It reads the record of a run and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from twinstorm.scenarios.language.errors import printable
from twinstorm.scenarios.record.read import RecordedRun
from twinstorm.scenarios.reports.charts import POINTS, charts
from twinstorm.scenarios.reports.conditions import condition_sections
from twinstorm.scenarios.reports.maintenance_log import log_sections
from twinstorm.scenarios.reports.scoring import HEAD as SCORE_HEAD
from twinstorm.scenarios.reports.scoring import cells, score_of, stories
from twinstorm.scenarios.reports.sections import Section, Table
from twinstorm.scenarios.reports.series import Impact, Interval, coarser, gather
from twinstorm.scenarios.reports.streams import stream_sections
from twinstorm.scenarios.reports.words import (
    clock,
    duration,
    evidence,
    missed_interval,
    number,
    objective_value,
    share,
    size,
)
from twinstorm.scenarios.result import (
    AlarmResult,
    EventRow,
    FaultResult,
    IncidentResult,
    MaintenanceResult,
    ModelResult,
    ProcessingResult,
    RunResult,
)

SIGNS = {"held": "+", "missed": "x", "inconclusive": "?"}

DAY_S = 86_400.0
YEAR_S = 365.25 * DAY_S

_TABLE_ROWS = 15
_BLANK = "(to be filled in by people)"


@dataclass(frozen=True)
class Facts:
    """A report, not yet laid out.

    Attributes:
        verdict: HELD, MISSED, INCONCLUSIVE, or NO VERDICT of a run that did not end.
        about: what and with which settings, pairs of name and value.
    """

    title: str
    verdict: str
    summary: str
    about: Sequence[tuple[str, str]]
    sections: Sequence[Section] = field(default=())
    repeat: str = ""


def facts_of(run: RecordedRun) -> Facts:
    """Read a record once and say what it holds."""
    events = sorted(run.events(), key=attrgetter("at_s"))  # A note speaks of when its line was opened.
    last_s = run.last_second()
    impact = Impact(run.about.devices, run.about.warm_up_s)
    intervals = gather(impact.watch(run.panes()), last_s, POINTS)
    end_s = run.result.simulated_s if run.result is not None else float(last_s)
    over_time = Section(
        "Over time",
        [] if intervals else ["No second was recorded."],
        charts=charts(run, intervals, events, end_s),
        chart_table=_over_time(coarser(intervals, _TABLE_ROWS)) if intervals else None,
    )
    sections = [_hypothesis(run)]
    if run.result is not None:
        sections += _judged(run.result)
    sections += [over_time, _timeline(events)]
    if run.result is not None:
        sections += [_alarms(run.result), _scores(run.result, run.about.warm_up_s), _surprises(run.result)]
    sections.append(_impact(impact, run.result, bool(intervals)))
    if run.result is not None:
        if run.result.maintenance is not None:
            sections.append(_maintenance(run.result.maintenance))
        sections += log_sections(run.result)
        if run.result.processing is not None:
            sections.append(_processing(run.result.processing))
        if run.result.models:
            sections.append(_models(run.result))
        sections += condition_sections(run.result)
        if run.result.stages:
            sections.append(_stages(run.result))
        sections += stream_sections(run.result)
        if run.result.mirrors:
            sections.append(_mirrors(run.result))
        sections += [_readings(run.result), *_traffic(run.result), _broker(run.result, impact), *_health(run.result)]
        if run.result.notes:
            sections.append(Section("Assumed", [f"{note}." for note in run.result.notes]))
    sections += [Section("Contributing factors", [_BLANK]), Section("Action items", [_BLANK])]
    return Facts(
        title=f"{run.about.scenario}, seed {run.about.seed}",
        verdict=run.result.verdict.upper() if run.result is not None else "NO VERDICT",
        summary=summary(run, end_s),
        about=_about(run),
        sections=sections,
        repeat=run.about.repeat or (run.result.repeat if run.result is not None else ""),
    )


def summary(run: RecordedRun, end_s: float) -> str:
    """The verdict in a sentence."""
    result = run.result
    if result is None:
        how = "is still running" if run.about.state == "running" else f"did not end: {run.about.stopped}"
        return f"The run {how}. This is what it had recorded at {clock(end_s)}."
    total = len(result.expectations)
    failed = sum(each.verdict != "held" for each in result.expectations)
    told = {
        "held": f"All {total} expectations held.",
        "missed": f"{failed} of {total} expectations did not hold.",
        "inconclusive": f"{failed} of {total} expectations could not be judged.",
    }[result.verdict]
    blunt = [fault.name for fault in result.faults if not fault.bit]
    if blunt and result.verdict == "inconclusive":
        told += f" No effect was measured of {', '.join(blunt)}."
    if result.ended != "completed":
        told += f" The run was {result.ended} at {clock(result.simulated_s)}."
    return told


def _about(run: RecordedRun) -> list[tuple[str, str]]:
    about, result = run.about, run.result
    pairs = [
        ("scenario", about.scenario),
        ("seed", str(about.seed)),
        ("devices", f"{about.devices:,}"),
        ("clock", about.clock),
        ("planned", duration(about.duration_s)),
        ("warm-up", duration(about.warm_up_s)),
        ("started", about.started_at),
    ]
    if result is not None:
        pace = f" ({number(round(result.simulated_s / result.wall_s))}x)" if result.wall_s else ""
        pairs += [
            ("simulated", duration(result.simulated_s)),
            ("took", duration(result.wall_s) + pace),
            ("digest", result.digest),
        ]
    pairs += [
        ("scenario hash", hashlib.sha256(run.scenario_text.encode()).hexdigest()),
        ("version", about.version),
        ("record", run.folder.name),
    ]
    if about.project:
        pairs.append(("project", about.project))
    pairs += [(f"label {name}", value) for name, value in sorted(about.labels.items())]
    return pairs


def _hypothesis(run: RecordedRun) -> Section:
    ending = {
        None: "It could not be tested to the end.",
        "held": "It held.",
        "missed": "It did not hold.",
        "inconclusive": "The run could not tell.",
    }[None if run.result is None else run.result.verdict]
    return Section("Hypothesis", [run.about.story, ending])


def _judged(result: RunResult) -> list[Section]:
    expectations = Table(
        ("", "expectation", "wanted", "found", "at", "verdict", "why"),
        [
            (
                SIGNS[each.verdict],
                each.text if not each.line else f"{each.text} (line {each.line})",
                each.wanted,
                each.value or "",
                "" if each.at_s is None else clock(each.at_s),
                each.verdict,
                each.why,
            )
            for each in result.expectations
        ],
    )
    objectives = Table(
        ("", "objective", "measures", "wanted", "found", "missed", "budget left", "verdict"),
        [
            (
                SIGNS[each.verdict],
                each.name,
                each.sli,
                each.wanted,
                objective_value(each),
                missed_interval(each),
                "" if each.budget_left is None else share(each.budget_left),
                each.verdict,
            )
            for each in result.objectives
        ],
        numbers=frozenset({4, 6}),
    )
    return [
        _tabled("Expectations", expectations, "expectation"),
        _tabled("Objectives", objectives, "objective"),
        _faults(result),
    ]


def _faults(result: RunResult) -> Section:
    lives = any(fault.life_s is not None for fault in result.faults)
    table = Table(
        (
            "step",
            "fault",
            "target",
            "devices",
            "from",
            "to",
            "by",
            "evidence",
            "first alarm",
            "99 % back",
            *["life left"] * lives,
        ),
        [
            (
                fault.name,
                fault.fault,
                fault.target or "broker",
                f"{fault.devices:,}",
                clock(fault.from_s),
                "" if fault.to_s is None else clock(fault.to_s),
                "a person" if fault.injected else "the scenario",
                evidence(fault.evidence) or "NONE: it did not bite",
                _first_alarm(result, fault),
                "" if fault.recovered_s is None else f"{number(fault.recovered_s)} s after its end",
                *[_life(fault)] * lives,
            )
            for fault in result.faults
        ],
        numbers=frozenset({3}),
    )
    return _tabled("Faults", table, "fault")


def _first_alarm(result: RunResult, fault: FaultResult) -> str:
    found_s = min((alarm.at_s for alarm in result.alarms if alarm.fault == fault.name), default=None)
    if found_s is None:
        return "none"
    told = f"after {number(max(round(found_s - fault.from_s, 6), 0.0))} s"
    if fault.evident_s is None or fault.evident_s <= fault.from_s:
        return told
    return f"{told}, {number(max(round(found_s - fault.evident_s, 6), 0.0))} s from evidence"


def _life(fault: FaultResult) -> str:
    """What the machines of a fault had left, by their twins."""
    if fault.life_s is None:
        return ""
    found = "" if fault.life_found_s is None else f", {duration(fault.life_found_s)} at its first alarm"
    return f"{duration(fault.life_s)} when it began{found}"


def _over_time(intervals: Sequence[Interval]) -> Table:
    counts = ("attempts", "admitted", "refused", "unanswered", "readings")
    return Table(
        (
            "until",
            "attempts",
            "admitted",
            "refused",
            "unanswered",
            "readings",
            "online, lowest",
            "queue, deepest",
        ),
        [
            (
                clock(each.to_s),
                *(f"{each.total[name]:,}" for name in counts),
                f"{each.low['online']:,.0f}",
                f"{each.high['queue']:,.0f}",
            )
            for each in intervals
        ],
        numbers=frozenset(range(8)),
    )


def _timeline(events: Sequence[EventRow]) -> Section:
    table = Table(
        ("time", "kind", "name", "what"),
        [(clock(event.at_s), event.kind, event.name, "  ".join(event.text.split())) for event in events],
    )
    return _tabled("Timeline", table, "event")


def _alarms(result: RunResult) -> Section:
    alarms = Table(
        ("alarm", "time", "name", "severity", "group", "shared cause", "fault", "delay", "incident", "told"),
        [
            (
                str(alarm.number or ""),
                clock(alarm.at_s),
                alarm.name,
                alarm.severity,
                alarm.group,
                alarm.cause,
                alarm.fault or "none",
                "" if alarm.delay_s is None else f"{number(alarm.delay_s)} s",
                f"INC-{alarm.incident}",
                _told(alarm),
            )
            for alarm in result.alarms
        ],
        numbers=frozenset({0, 7}),
    )
    incidents = Table(
        ("incident", "title", "severity", "opened", "resolved", "alarms"),
        [
            (
                f"INC-{incident.number}",
                incident.title,
                incident.severity,
                clock(incident.opened_s),
                _ended(incident),
                ", ".join(incident.alarms),
            )
            for incident in result.incidents
        ],
    )
    tables = [table for table in (incidents, alarms) if table.rows]
    return Section("Incidents and alarms", [] if tables else ["No alarm."], tables)


def _scores(result: RunResult, warm_up_s: float) -> Section:
    """Alarms against faults."""
    scored = score_of(result, warm_up_s)
    if not result.alarms and not result.shadows and not scored.faults and not scored.forecasts:
        return Section("Scores", ["No alarm and no fault."])
    rows = [cells(row, share) for row in (*scored.detectors, *scored.faults, scored.total)]
    for name, *rest in (cells(row, share) for row in scored.shadows):
        rows.append((f"{name}, in the shadow", *rest))
    lines = ["No fault had an effect: every alarm is false."] if scored.control else []
    lines += [f"{told[0].upper()}{told[1:]}." for told in stories(scored)]
    return Section("Scores", lines, [Table(SCORE_HEAD, rows, frozenset(range(1, len(SCORE_HEAD))))])


def _told(alarm: AlarmResult) -> str:
    """What became of an alarm, beside that it was raised."""
    said = [f"not told: {alarm.suppressed}"] * bool(alarm.suppressed)
    said += [f"flapped, opened {alarm.openings} times"] * (alarm.openings > 1)
    said += ["marked wrong"] * alarm.wrong
    said += [alarm.runbook] * bool(alarm.runbook)
    return "; ".join(said)


def _ended(incident: IncidentResult) -> str:
    said = ["open" if incident.resolved_s is None else clock(incident.resolved_s)]
    if incident.acknowledged_s is not None:
        said.append(f"acknowledged {clock(incident.acknowledged_s)}")
    if incident.escalated_s is not None:
        said.append(f"escalated {clock(incident.escalated_s)}")
    return ", ".join(said)


def _surprises(result: RunResult) -> Section:
    lines = [
        f"Alarm {alarm.name} ({alarm.group}) at {clock(alarm.at_s)} has no fault behind it."
        for alarm in result.alarms
        if alarm.fault is None
    ]
    alarmed = {alarm.fault for alarm in result.alarms}
    unseen = [fault for fault in result.faults if fault.bit and fault.name not in alarmed]
    lines += [f"Fault {fault.name} raised no alarm." for fault in unseen]
    return Section("Surprises", lines or ["None."])


def _impact(impact: Impact, result: RunResult | None, any_pane: bool) -> Section:
    if not any_pane:
        return Section("Impact", ["No second was recorded."])
    rows = [
        ("devices without a session, worst second", f"{impact.most_offline:,} at {clock(impact.worst_s)}"),
        ("device-minutes without a session", number(round(impact.device_minutes))),
    ]
    if result is not None:
        lost = sum(result.ledger.lost.values())
        of_all = f" ({share(lost / result.ledger.produced, up=True)} of produced)" if result.ledger.produced else ""
        rows.append(("readings lost", f"{lost:,}{of_all}"))
    return Section("Impact", ["After the warm-up."], [Table(("", ""), rows)])


def _maintenance(found: MaintenanceResult) -> Section:
    """What the crews did."""
    rows = [
        ("policy", found.policy),
        ("machines looked after", f"{found.machines:,}"),
        ("breakdowns", f"{found.breakdowns:,}"),
        ("requests", f"{found.requests:,}"),
        ("repairs", f"{found.repairs:,}"),
        ("parts", f"{found.spares:,}"),
        ("downtime of all machines", duration(found.downtime_s)),
        ("availability", "no data" if found.availability is None else share(found.availability)),
        ("wait for a crew, mean", "none came" if found.mean_wait_s is None else duration(found.mean_wait_s)),
        ("cost", f"{found.cost:,.2f}"),
    ]
    return Section("Maintenance", ["Over the whole run."], [Table(("", "of the crews"), rows, frozenset({1}))])


def _mirrors(result: RunResult) -> Section:
    """How far devices are from their mirrors."""
    rows = [
        (
            each.segment,
            each.channel,
            f"{each.readings:,}",
            *("" if value is None else f"{value:.4g} {each.unit}" for value in (each.mean, each.rms)),
        )
        for each in result.mirrors
    ]
    lines = ["What devices told after the warm-up less what their twins measured: its mean, and its root mean square."]
    return Section(
        "Mirrors", lines, [Table(("segment", "channel", "readings", "mean", "rms"), rows, frozenset({2, 3, 4}))]
    )


def _models(result: RunResult) -> Section:
    """Which versions looked, and whether the fleet is still theirs."""
    rows = [
        (
            each.detector,
            each.model,
            each.learnt_by,
            "in the shadow" if each.shadow else "live",
            f"{each.devices:,}",
            _drift(each),
            each.parameters[:12],
        )
        for each in result.models
    ]
    head = ("detector", "model", "learnt by", "", "devices", "drift", "parameters")
    lines = [
        "Kept in the folder of this record, under models. Drift is that of the feature that moved most in a window."
    ]
    return Section("Models", lines, [Table(head, rows, frozenset({4}))])


def _drift(found: ModelResult) -> str:
    if not found.drift_limit:
        return ""
    return f"{found.drift:.2f} of {found.drift_limit:.2f}" + (f", {found.drift_feature}" if found.drift_feature else "")


def _stages(result: RunResult) -> Section:
    """Where the time of readings went."""
    rows = [
        (each.stage, f"{each.readings:,}", *(_took(value) for value in (each.median_s, each.p95_s, each.most_s)))
        for each in result.stages
    ]
    head = ("to", "readings", "median", "95 %", "most")
    lines = [
        "From the stage before, of the readings that were followed and whose window has closed.",
        "Alarmed counts from ingested, of the newest such reading of each device that an alarm was about.",
    ]
    told = {each.stage for each in result.stages}
    untold = [stage for stage in ("sent", "admitted") if stage not in told]
    if untold:
        lines.append(f"Nobody told when readings were {' or '.join(untold)}: the stage after it has that time as well.")
    return Section("Where the time goes", lines, [Table(head, rows, frozenset({1, 2, 3, 4}))])


def _took(value_s: float | None) -> str:
    return "" if value_s is None else f"{value_s:,.3f} s"


def _processing(found: ProcessingResult) -> Section:
    """Who processed readings, and how long they waited."""
    rows = [
        ("processed", f"{found.processed:,}"),
        ("waiting at the end", f"{found.waiting:,}"),
        ("shed for want of room", f"{found.shed:,}"),
        ("wait and service, mean", "none came" if found.mean_s is None else duration(found.mean_s)),
        ("wait and service, longest", duration(found.longest_s)),
        ("waiting, deepest", f"{found.deepest:,}"),
    ]
    if found.calls:
        rows += [("instances at one time", f"{found.consumers:,}"), ("calls", f"{found.calls:,}")]
        rows += [("cold starts", f"{found.cold:,}"), ("cost", f"{found.cost:,.4g}")]
    else:
        rows += [("consumers, most", f"{found.consumers:,}"), ("consumers that crashed", f"{found.crashed:,}")]
        rows += [("processed once more", f"{found.replayed:,}")]
    return Section("Processing", ["Over the whole run."], [Table(("", "of readings"), rows, frozenset({1}))])


def _health(result: RunResult) -> list[Section]:
    """How machines really were in the end, and the worst of each kind."""
    if not result.health:
        return []
    rows = []
    for found in result.health:
        named = [f"{each.device} {share(each.health)} ({_lasting(each.remaining_s)})" for each in found.worst]
        rows.append(
            (found.kind, f"{found.machines:,}", f"{found.ended:,}", share(found.median_health), ", ".join(named))
        )
    head = ("kind", "machines", "at their end", "health, median", "the worst, with the life that remains")
    lines = ["At the end of the run. This is the truth: neither the core nor its operators know it."]
    return [Section("Health of machines", lines, [Table(head, rows, frozenset({1, 2, 3}))])]


def _lasting(remaining_s: float | None) -> str:
    """A life that remains, in a unit that fits: nobody wants the seconds of years."""
    if remaining_s is None:
        return "nothing wears"
    for unit, seconds in (("years", YEAR_S), ("days", DAY_S), ("h", 3_600.0)):
        if remaining_s >= 2 * seconds:
            return f"{remaining_s / seconds:,.1f} {unit}"
    return duration(round(remaining_s))


def _readings(result: RunResult) -> Section:
    ledger = result.ledger
    rows = [("produced", f"{ledger.produced:,}"), ("delivered", f"{ledger.delivered:,}")]
    rows += [("buffered in devices", f"{ledger.buffered:,}"), ("in flight", f"{ledger.in_flight:,}")]
    rows += [(f"lost: {cause.replace('_', ' ')}", f"{amount:,}") for cause, amount in sorted(ledger.lost.items())]
    difference = ledger.produced - ledger.delivered - ledger.buffered - ledger.in_flight - sum(ledger.lost.values())
    closes = "The ledger closes." if difference == 0 else f"The ledger does not close: {difference:+,} readings."
    repeated = f"{ledger.repeated:,} readings arrived again and count once."
    return Section("Readings", [closes, repeated], [Table(("", "readings"), rows, frozenset({1}))])


def _traffic(result: RunResult) -> list[Section]:
    """What devices sent, by segment."""
    if not result.traffic:
        return []
    with_energy = any(each.energy_j is not None for each in result.traffic)
    head = ["segment", "profile", "codec", "messages", "payload", "with headers", "a message", "connects", "theirs"]
    rows = []
    for each in result.traffic:
        mean = each.payload_bytes / each.messages if each.messages else 0.0
        row = [each.segment, each.profile, each.codec if each.measured else f"{each.codec} (length assumed)"]
        row += [f"{each.messages:,}", size(each.payload_bytes), size(each.wire_bytes), f"{mean:,.0f} B"]
        row += [f"{each.connects:,}", size(each.connect_bytes)]
        if with_energy:
            row += ["" if each.energy_j is None else f"{each.energy_j:,.1f} J"]
            row += ["" if each.message_energy_j is None else f"{1e3 * each.message_energy_j:,.3g} mJ"]
        rows.append(tuple(row))
    head += ["energy of messages", "of one"] * with_energy
    live = "As written to sockets: whole MQTT packets, nothing below them."
    modelled = "By the lengths and headers that links have for messages; handshakes of TLS are not in them."
    lines = ["Over the whole run.", live if result.clock == "live" else modelled]
    return [Section("On the wire", lines, [Table(head, rows, frozenset(range(3, len(head))))])]


def _broker(result: RunResult, impact: Impact) -> Section:
    rows = [(name.replace("_", " "), f"{amount:,}") for name, amount in result.counts.items()]
    busiest = f"{impact.most_attempts:,} at {clock(impact.busiest_s)}" if impact.most_attempts else "none"
    rows += [
        ("connect attempts, busiest second", busiest),
        ("queue, deepest", f"{impact.deepest_queue:,}"),
    ]
    return Section("Counts", tables=[Table(("", "over the run"), rows, frozenset({1}))])


def _tabled(title: str, table: Table, what: str) -> Section:
    return Section(title, tables=[table]) if table.rows else Section(title, [f"No {what}."])


def one_line(text: str) -> str:
    """Text for a cell or a heading: no line break, no control character."""
    return printable(" ".join(text.split()))
