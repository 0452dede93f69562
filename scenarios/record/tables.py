"""The tables of a run record, as SQLAlchemy Core. Every row carries its run, so that many runs may share a database.

Times are seconds since the start of the run (`_s`), as in `scenarios.result`; lists and mappings are JSON.
"""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, ForeignKey, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()


def _run() -> Column[str]:
    return Column("run", String(32), ForeignKey("runs.run"), primary_key=True)


def _number() -> Column[int]:
    """Position in the order in which the run told of them, from 1."""
    return Column("number", Integer, primary_key=True, autoincrement=False)


runs = Table(
    "runs",
    metadata,
    Column("run", String(32), primary_key=True),
    Column("project", String(200), nullable=False),
    Column("labels", JSON, nullable=False),
    Column("scenario", String(200), nullable=False),
    Column("seed", Integer, nullable=False),
    Column("version", String(40), nullable=False),
    Column("clock", String(10), nullable=False),
    Column("devices", Integer, nullable=False),
    Column("started_at", String(40), nullable=False),
    Column("state", String(20), nullable=False),
    Column("ended", String(20)),
    Column("verdict", String(20)),
    Column("digest", String(80)),
    Column("simulated_s", Float),
    Column("wall_s", Float),
    Column("result", Text),
    comment="one row a run; `result` is the whole document of `run --json`, absent until the run has ended",
)

panes = Table(
    "panes",
    metadata,
    _run(),
    Column("at_s", Integer, primary_key=True, autoincrement=False),
    Column("online", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("admitted", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("unanswered", Integer, nullable=False),
    Column("readings", Integer, nullable=False),
    Column("queue", Integer, nullable=False),
    Column("buffered", Integer, nullable=False),
    Column("slis", JSON, nullable=False),
    comment="one simulated second of the whole fleet",
)

events = Table(
    "events",
    metadata,
    _run(),
    _number(),
    Column("at_s", Float, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("name", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("severity", String(20), nullable=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    _run(),
    _number(),
    Column("at_s", Float, nullable=False),
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("is_reading", Boolean, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    comment="what the core refused, the first of them; counts of all are in the result",
)

routed = Table(
    "routed",
    metadata,
    _run(),
    _number(),
    Column("at_s", Float, nullable=False),
    Column("rule", Text, nullable=False),
    Column("target", String(20), nullable=False),
    Column("device", Text, nullable=False),
    Column("told", JSON, nullable=False),
    comment="what routes delivered to the store or as commands, the first of it; counts of all are in the result",
)

judged = Table(
    "judged",
    metadata,
    _run(),
    _number(),
    Column("at_s", Integer, nullable=False),
    Column("objective", Text, nullable=False),
    Column("bad", Integer, nullable=False),
    Column("total", Integer, nullable=False),
    Column("bad_so_far", Integer, nullable=False),
    Column("total_so_far", Integer, nullable=False),
    Column("devices", JSON, nullable=False),
    comment="seconds in which something counted against an objective, the first of them",
)

alarms = Table(
    "alarms",
    metadata,
    _run(),
    _number(),
    Column("name", Text, nullable=False),
    Column("at_s", Float, nullable=False),
    Column("severity", String(20), nullable=False),
    Column("group", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("fault", Text),
    Column("delay_s", Float),
    Column("incident", Integer, nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    _run(),
    _number(),
    Column("title", Text, nullable=False),
    Column("opened_s", Float, nullable=False),
    Column("resolved_s", Float),
    Column("severity", String(20), nullable=False),
    Column("alarms", JSON, nullable=False),
)

faults = Table(
    "faults",
    metadata,
    _run(),
    _number(),
    Column("name", Text, nullable=False),
    Column("fault", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("from_s", Float, nullable=False),
    Column("to_s", Float),
    Column("devices", Integer, nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("bit", Boolean, nullable=False),
    Column("injected", Boolean, nullable=False),
    Column("recovered_s", Float),
)

maintenance = Table(
    "maintenance",
    metadata,
    _run(),
    _number(),
    Column("work", String(20), nullable=False),
    Column("target", Text, nullable=False),
    Column("devices", Integer, nullable=False),
    Column("why", Text, nullable=False),
    Column("asked_s", Float),
    Column("begun_s", Float),
    Column("ended_s", Float, nullable=False),
    Column("still_s", Float),
    Column("crew", Integer),
    comment="what was done to machines: repairs, calibrations, new batteries",
)

objectives = Table(
    "objectives",
    metadata,
    _run(),
    _number(),
    Column("name", Text, nullable=False),
    Column("sli", Text, nullable=False),
    Column("wanted", Text, nullable=False),
    Column("value", Float),
    Column("unit", String(20), nullable=False),
    Column("verdict", String(20), nullable=False),
    Column("missed_from_s", Float),
    Column("missed_to_s", Float),
    Column("budget_left", Float),
)

expectations = Table(
    "expectations",
    metadata,
    _run(),
    _number(),
    Column("text", Text, nullable=False),
    Column("line", Integer, nullable=False),
    Column("wanted", Text, nullable=False),
    Column("value", Text),
    Column("at_s", Float),
    Column("verdict", String(20), nullable=False),
    Column("why", Text, nullable=False),
)
