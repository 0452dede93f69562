"""Objectives: what they bound, when their burn is an alarm, and what cannot be meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from twinstorm.scenarios.language import catalogue, values
from twinstorm.scenarios.language.errors import Problems, closest, quoted
from twinstorm.scenarios.language.fields import (
    ADDRESS,
    BAD,
    SELECTOR,
    Field,
    Key,
    Listing,
    Record,
    Single,
    Table,
    Word,
    duration,
    missing_key,
    of_keys,
    share,
    whole,
    words,
    wrong,
)
from twinstorm.scenarios.language.model import Burn, BurnAlarm, Objective
from twinstorm.scenarios.language.nodes import MapNode, Node, ScalarNode, line_of
from twinstorm.scenarios.language.slis import Sli, called

RUN = "run"
"""The period of a budget that is the judged part of the run."""
BURN_SUFFIX = "-burn"
"""Of the name of the alarm of an objective's burn."""

SLI = Word(
    "SLI",
    lambda: tuple(sli.name for sli in catalogue.SLIS.values() if not sli.is_later),
    tuple(sli.name for sli in catalogue.SLIS.values() if sli.is_later),
    "S104",
)

BOUND = Single("a share", values.portion, "99 %", values.SHARE)
"""Of an objective. That it is at most 100 %, of an SLI that cannot be more, is checked once the SLI is known."""


def _period(text: str) -> int:
    return 0 if text == RUN else values.duration(text)


class Period(Single):
    """``run`` lies below every bound, and may be written."""

    def _out_of_bounds(self, node: ScalarNode, text: str, value: Any) -> Any:
        return None if text == RUN else super()._out_of_bounds(node, text, value)


PERIOD = Period("a duration or `run`", _period, "30 d", f"{RUN}|{values.DURATION}", "1 min", "366 d")
"""Microseconds; 0 for that of the run."""

BURN = Table(
    "the burn of an error budget",
    (
        Key("period", PERIOD, "the time that the budget is for; `run`: what is judged of the run", default=RUN),
        Key("least", whole("1", "1000000000", "100"), "events in a long window below which no burn is believed"),
        Key(
            "alarms",
            Listing(
                "a list of burn alarms",
                Table(
                    "a burn alarm",
                    (
                        Key("spends", share("0.001 %", "100 %", "2 %"), "share of the budget", required=True),
                        Key("within", duration("1 s", "7 d", "1 h"), "the long window", required=True),
                        Key("severity", words("severity", *catalogue.SEVERITIES), "page or ticket", required=True),
                    ),
                ),
                most=10,
            ),
            "by default 2 % in 1/720 and 5 % in 1/120 of the period page, 10 % in 1/30 and in 1/10 are tickets",
        ),
    ),
)


class BurnField(Field):
    """A period, or a mapping that says more."""

    def read(self, node: Node, problems: Problems) -> Any:
        if isinstance(node, MapNode):
            return BURN.read(node, problems)
        period_us = PERIOD.read(node, problems)
        return BAD if period_us is BAD else Record(BURN, None, {"period": period_us})

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [PERIOD.json_schema(), BURN.json_schema()]}

    def in_full(self) -> Field:
        return BURN


OBJECTIVE = Table(
    "an objective",
    (
        Key("sli", SLI, "what is measured; by default what the objective is called after"),
        Key("at_least", BOUND, "it must not be lower over the run; by default the target of its SLI, if that has one"),
        Key("at_most", BOUND, "it must not be higher over the run"),
        Key("of", SELECTOR, "which devices; by default all"),
        Key("within", duration("1 ms", "366 d", "60 s"), "the time that its SLI allows for; each has its own default"),
        Key("percentile", share(example="99 %"), "which percentile, with SLIs that are durations"),
        Key("burn", BurnField(), "raise an alarm when the error budget of this time goes too fast; by default none"),
        Key("runbook", ADDRESS, "page that says what to do when it does"),
    ),
)


class AlarmName(Word):
    """The name of a detector, of a pattern, or of an objective with ``-burn`` behind it; whether there is such a
    pattern or objective is asked later."""

    def read(self, node: Node, problems: Problems) -> Any:
        text = node.text.strip() if isinstance(node, ScalarNode) else ""
        if re.fullmatch(values.NAME, text):
            return text
        return super().read(node, problems)

    def json_schema(self) -> dict[str, Any]:
        return {"anyOf": [super().json_schema(), {"type": "string", "pattern": f"^{values.NAME}$"}]}


def burn_alarms(records: Mapping[str, Record]) -> tuple[str, ...]:
    """Names of the alarms that objectives raise."""
    return tuple(name + BURN_SUFFIX for name, record in records.items() if record.has("burn"))


def check_burning(record: Record, known: Iterable[str], problems: Problems) -> None:
    """Tell of an expectation about the burn of an objective that raises no alarm.

    Args:
        known: alarms that objectives raise.
    """
    for key in ("alarm", "no_alarm"):
        name = record.read.get(key)
        if name is None or name in known or name in catalogue.detectors() or not name.endswith(BURN_SUFFIX):
            continue
        meant = name.removesuffix(BURN_SUFFIX)
        message = f"nothing raises {quoted(name)}: no objective {quoted(meant)} with `burn`"
        problems.add(wrong(record.at(key), "S308", message, f"give the objective `burn: {RUN}`", allowed=tuple(known)))


def _names_of_slis() -> list[str]:
    """What an objective is called that names none."""
    return [sli.name.replace("_", "-") for sli in catalogue.SLIS.values() if not sli.is_later]


def read_objectives(records: Mapping[str, Record], problems: Problems) -> list[Objective]:
    """Objectives as far as they could be read; what goes wrong is told."""
    return [_objective(name, record, problems) for name, record in records.items()]


def _objective(name: str, record: Record, problems: Problems) -> Objective:
    node = record.node
    assert node is not None
    sli = catalogue.SLIS.get(record.own("sli") or "") if record.has("sli") else called(name)
    if sli is None and not record.has("sli"):
        missing = missing_key(node, "sli", f"what is measured; {quoted(name)} is no SLI by itself")
        problems.add(replace(missing, suggestion=closest(name, _names_of_slis())))
    present = [key for key in ("at_least", "at_most") if record.has(key)]
    bounds: dict[str, Any] = {key: record.own(key) for key in present}
    if len(present) == 2:
        message, hint = f"objective {quoted(name)} has two bounds", "keep one; two bounds are two objectives"
        problems.add(of_keys("S212", message, hint, record, present))
    elif not present and sli is not None and sli.target is None:
        problems.add(missing_key(node, "at_least", f"the bound; or `at_most`: `{sli.name}` has no target of its own"))
    elif not present and sli is not None and sli.target is not None:
        bounds[sli.target[0]] = BOUND.default(sli.target[1])
    if sli is not None:
        _check_sli(sli, record, problems)
    if record.has("runbook") and not record.has("burn"):
        message = f"objective {quoted(name)} has a runbook and raises no alarm that could tell of it"
        at = record.at("runbook")
        problems.add(wrong(at, "S212", message, "add `burn: 30 d`, or remove it", at.key_place))
    least, most, percentile = bounds.get("at_least"), bounds.get("at_most"), record.own("percentile")
    return Objective(
        name=name,
        sli="" if sli is None else sli.name,
        at_least=None if least is None else float(least),
        at_most=None if most is None else float(most),
        of=record.own("of"),
        within_us=record.own("within"),
        percentile=None if percentile is None else float(percentile),
        line=line_of(node),
        burn=_burn(sli, record, bounds, problems),
        runbook=record.own("runbook") or "",
    )


def _burn(sli: Sli | None, record: Record, bounds: Mapping[str, Any], problems: Problems) -> Burn | None:
    said: Record | None = record.own("burn")
    if said is None:
        return None
    for key, spent in (("at_least", bounds.get("at_least") == 1), ("at_most", bounds.get("at_most") == 0)):
        if spent:
            message = "nothing may go wrong, so that there is no error budget that could burn"
            hint = "remove `burn`, or allow for something"
            problems.add(wrong(record.at(key if record.has(key) else "burn"), "S212", message, hint))
    if record.has("at_least") and sli is not None and not sli.is_part:
        message = "`burn` goes with `at_most` here: a least number of reboots allows for no errors"
        problems.add(wrong(record.at("burn"), "S212", message, "remove it", record.at("burn").key_place))
    alarms = tuple(
        BurnAlarm(float(each.own("spends")), each.own("within"), each.own("severity"))
        for each in said.own("alarms") or ()
        if None not in (each.own("spends"), each.own("within"), each.own("severity"))
    )
    return Burn(said.value("period") or None, said.own("least"), alarms)


def _check_sli(sli: Sli, record: Record, problems: Problems) -> None:
    assert record.node is not None
    fits = {"within": bool(sli.within), "percentile": sli.kind == "duration", "of": sli.has_devices}
    for key, takes in fits.items():
        if record.has(key) and not takes:
            message = f"`{key}` does not go with `{sli.name}`"
            problems.add(wrong(record.at(key), "S212", message, "remove it", record.at(key).key_place))
    for key in ("at_least", "at_most"):
        if sli.is_part and (record.own(key) or 0) > 1:
            node = record.at(key)
            message = f"{quoted(node.text.strip() if isinstance(node, ScalarNode) else '')} is more than 100 %"
            problems.add(wrong(node, "S210", message, "write a share between `0 %` and `100 %`"))
