"""Expectations and the stop condition: what must hold, and what they refer to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twinstorm.scenarios.language import catalogue
from twinstorm.scenarios.language.errors import Place, Problem, Problems, closest, listed, quoted
from twinstorm.scenarios.language.expressions import Expression, names
from twinstorm.scenarios.language.fields import Record, list_items, missing_key, unknown_key, wrong
from twinstorm.scenarios.language.model import Expectation
from twinstorm.scenarios.language.nodes import BrokenNode, MapNode, Node, ScalarNode, line_of
from twinstorm.scenarios.language.objectives import BURN_SUFFIX
from twinstorm.scenarios.language.quantities import Count
from twinstorm.scenarios.language.schema import FORMS, LATER_FORMS
from twinstorm.scenarios.language.timeline import Timeline

MOST_EXPECTATIONS = 200

_INSTANTS = ("after", "from", "to", "at")


@dataclass(frozen=True)
class ExpectationDraft:
    """An expectation as far as it could be read."""

    form: str
    record: Record

    @property
    def node(self) -> MapNode:
        assert self.record.node is not None
        return self.record.node

    def finished(self, devices: int) -> Expectation:
        """The expectation, once nothing is wrong with it."""
        record, form = self.record, self.form
        known = set(record.table.allowed)

        def own(key: str) -> Any:
            return record.own(key) if key in known else None

        share = own("recovered")
        expression = own("that") or own(form) if form in ("always", "never", "eventually", "at") else None
        return Expectation(
            form=form,
            text=on_one_line(self.node),
            line=line_of(self.node),
            name=own(form) if form in ("alarm", "no_alarm", "objective", "count", "ledger") else "",
            verdict=own("verdict") or "",
            severity=own("severity") or "",
            share=None if share is None else float(share),
            of=own("of") or "",
            after=own("after"),
            within_us=own("within"),
            since=own("from"),
            to=own("to"),
            at=own("at"),
            target=own("target"),
            expression=expression,
            at_most=_bound(form, own("at_most"), devices),
            at_least=_bound(form, own("at_least"), devices),
            bound_is_share=form == "ledger" and any(bound is not None and bound.of_fleet for bound in _bounds(record)),
        )


def on_one_line(node: MapNode) -> str:
    """As people would write it between braces."""
    texts = ((key, value.text.strip()) for key, value in node.entries.items() if isinstance(value, ScalarNode))
    return ", ".join(f"{key}: {' '.join(text.split())}" for key, text in texts)


def _bounds(record: Record) -> tuple[Count | None, Count | None]:
    return record.own("at_least"), record.own("at_most")


def _bound(form: str, bound: Count | None, devices: int) -> float | None:
    """A share is of the readings produced with `ledger` and stays one; else it is of the fleet's devices."""
    if bound is None:
        return None
    return float(bound.value * devices) if bound.of_fleet and form != "ledger" else float(bound.value)


# --- expectations -----------------------------------------------------------------------------------------------------


def read_expectations(node: Node | None, problems: Problems) -> list[ExpectationDraft]:
    """All expectations whose form is known, in the order of the file."""
    items = [] if node is None else list_items(node, problems, "a list of expectations", MOST_EXPECTATIONS) or []
    drafts = (_draft(item, problems) for item in items)
    return [draft for draft in drafts if draft is not None]


def _draft(node: Node, problems: Problems) -> ExpectationDraft | None:
    if isinstance(node, BrokenNode):
        return None
    if not isinstance(node, MapNode) or not node.entries:
        text = node.text.strip() if isinstance(node, ScalarNode) else ""
        hint = f"write `always: {text}`" if 0 < len(text) < 40 else f"begin with one of {', '.join(FORMS)}"
        problems.add(wrong(node, "S108", "an expectation is a mapping", hint))
        return None
    form = next(iter(node.entries))
    if form not in FORMS:
        problems.add(_no_form(node, form))
        return None
    record = FORMS[form].read(node, problems)
    _check_bounds(record, problems)
    return ExpectationDraft(form, record)


def _no_form(node: MapNode, first: str) -> Problem:
    value = node.entries[first]
    if first in LATER_FORMS:
        message = f"expectations of the form `{first}` are not yet in this version"
        return wrong(value, "S103", message, place=value.key_place, allowed=tuple(FORMS))
    named = next((key for key in node.entries if key in FORMS), "")
    keys = {key for form in FORMS.values() for key in form.allowed}
    if named and first in keys:
        message = f"the first key names the form, and `{first}` is none"
        return wrong(value, "S411", message, f"put `{named}` first", value.key_place)
    return unknown_key(node, first, value, tuple(FORMS))


def _check_bounds(record: Record, problems: Problems) -> None:
    """`count` and `ledger` need a bound, and two bounds must leave room."""
    node = record.node
    if node is None or "at_most" not in record.table.allowed:
        return
    if not record.has("at_most") and not record.has("at_least"):
        problems.add(missing_key(node, "at_most", "or `at_least`"))
    least, most = _bounds(record)
    if least is None or most is None:
        return
    if least.of_fleet != most.of_fleet:
        if record.has("count"):
            return  # Both are numbers of devices once the fleet is known.
        message = "one bound is a share, the other a number"
        problems.add(wrong(record.at("at_most"), "S212", message, "write both alike"))
    elif least.value > most.value:
        problems.add(wrong(record.at("at_most"), "S212", "`at_least` is more than `at_most`", "exchange the two"))


def check_expectation(
    draft: ExpectationDraft, timeline: Timeline, objectives: tuple[str, ...] | None, problems: Problems
) -> None:
    """Tell what an expectation refers to and does not exist or cannot be.

    Args:
        objectives: their names; None if they could not be read.
    """
    record = draft.record
    at_us: dict[str, int | None] = {}
    for key in _INSTANTS:
        instant = record.own(key) if key in record.table.allowed else None
        if instant is None:
            continue
        node = record.at(key)
        timeline.check_reference(instant, node)
        at_us[key] = when_us = timeline.instant_us(instant)
        if when_us is not None and timeline.check_inside(when_us, node) and key == "at":
            timeline.check_judged(when_us, node)
    since_us, to_us = at_us.get("from"), at_us.get("to")
    if since_us is not None and to_us is not None and to_us < since_us:
        problems.add(wrong(record.at("to"), "S212", "`to` comes before `from`", "exchange the two"))
    if draft.form == "recovered" and record.own("of") is not None:
        timeline.find_fault(record.own("of"), record.at("of"), wants_end=True)
    name = record.own("objective") if draft.form == "objective" else None
    if name is not None and objectives is not None and name not in objectives:
        hint = f"objectives: {listed(objectives)}" if objectives else "this scenario has no objectives"
        message = f"there is no objective {quoted(name)}"
        node = record.at("objective")
        problems.add(wrong(node, "S302", message, hint, allowed=objectives, suggestion=closest(name, objectives)))


def check_verdicts(drafts: Sequence[ExpectationDraft], problems: Problems) -> None:
    """Tell of an objective that is expected to be held and to be missed."""
    first: dict[str, tuple[str, Node]] = {}
    for record in (draft.record for draft in drafts if draft.form == "objective"):
        name, verdict = record.own("objective"), record.own("verdict")
        if name is None or verdict is None:
            continue
        node = record.at("verdict")
        before, there = first.setdefault(name, (verdict, node))
        if verdict != before:
            message = f"objective {quoted(name)} is expected to be {before} and to be {verdict}"
            problems.add(wrong(node, "S212", message, "remove one of the two", also=(there.place,)))


_COUNT_ALARMS = ("alarms", "pages", "incidents")
"""Counters and counts that stay 0 where no detector looks."""


def check_raised(record: Record, detectors: tuple[str, ...], burns: tuple[str, ...], problems: Problems) -> None:
    """Tell of what is expected of alarms that nothing can raise: it would hold, or be missed, whatever happens.

    Args:
        record: an expectation, a step, or the stop condition.
        detectors: those that look.
        burns: alarms that objectives raise.
    """
    for key, value in record.read.items():
        node = record.at(key)
        if isinstance(value, Expression):
            asked = tuple(name for name in names(value) if name in _COUNT_ALARMS)
        elif key in ("alarm", "no_alarm", "count"):
            asked = (value,) if key != "count" or value in _COUNT_ALARMS else ()
        else:
            asked = ()
        for name in asked:
            if name.endswith(BURN_SUFFIX) or (burns and name in (*_COUNT_ALARMS, "any")):
                continue
            if key in ("alarm", "no_alarm") and name != "any" and name not in (*catalogue.detectors(), *detectors):
                continue  # Of no detector at all: that has been told.
            if key in ("alarm", "no_alarm") and name != "any" and name not in detectors:
                looking = f"only {listed(detectors)} looks" if len(detectors) == 1 else f"{listed(detectors)} look"
                message = f"no detector looks for {quoted(name)}: {looking if detectors else '`detectors` is empty'}"
                problems.add(wrong(node, "S308", message, f"add `{name}` to `detectors`"))
            elif not detectors:
                subject = "alarms" if key == "no_alarm" else quoted(name)
                message = f"nothing raises {subject}: `detectors` is empty"
                hint = "name detectors there, or remove the key: then the default ones look"
                problems.add(wrong(node, "S308", message, hint, _place_of(name, node)))


def _place_of(word: str, node: Node) -> Place:
    """Where a word stands in a value."""
    found = re.search(rf"\b{re.escape(word)}\b", node.text) if isinstance(node, ScalarNode) else None
    return node.part(found.start(), len(word)) if found and isinstance(node, ScalarNode) else node.place
