"""Steps: one trigger and one action each, with what stands beside a fault."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from twinstorm.scenarios.language import catalogue, values
from twinstorm.scenarios.language.errors import Place, Problem, Problems, from_top
from twinstorm.scenarios.language.fields import BAD, Record, list_items, of_keys, unusable, wrong
from twinstorm.scenarios.language.model import Step
from twinstorm.scenarios.language.nodes import MapNode, Node, ScalarNode
from twinstorm.scenarios.language.schema import ACTIONS, BESIDE_FAULT, LATER_ACTIONS, LATER_TRIGGERS, STEP, TRIGGERS
from twinstorm.scenarios.language.settings import of_record, plain, settings_table
from twinstorm.scenarios.language.timeline import Planned
from twinstorm.twin.images import image_step
from twinstorm.twin.plugins import PluginError

MOST_STEPS = 200
SELECTING = ("suppress", "serviced", "certified")
"""Actions whose value says which devices are meant."""

RESERVED = "end"
"""As an instant it is the end of the run."""


@dataclass(frozen=True)
class StepDraft:
    """A step as far as it could be read.

    Attributes:
        action: empty if there is none or more than one.
        settings: own settings of the fault, as read.
    """

    name: str
    record: Record
    action: str
    settings: dict[str, Any]

    @property
    def node(self) -> Node:
        assert self.record.node is not None
        return self.record.node

    def planned(self) -> Planned:
        """For the timeline."""
        record = self.record
        trigger = next((key for key in TRIGGERS if record.has(key)), "")
        return Planned(
            name=self.name,
            node=self.node,
            place=self.node.place,
            trigger=record.own(trigger),
            trigger_node=record.at(trigger) if trigger else None,
            action=self.action,
            ends=record.own("end") or "",
            ends_node=record.at("end") if record.has("end") else None,
            lasts_us=record.own("lasts"),
            lasts=record.at("lasts").key_place if record.has("lasts") else None,
            expects=record.has("expect"),
        )

    def finished(self, devices: int) -> Step:
        """The step, once nothing is wrong with it."""
        record = self.record
        expect = record.own("expect")
        return Step(
            name=self.name,
            at=record.own("at"),
            after=record.own("after"),
            action=self.action,
            value=_value(self.action, record),
            target=record.own(self.action if self.action in SELECTING else "target"),
            lasts_us=record.own("lasts"),
            ramp_us=record.value("ramp"),
            settings=plain(self.settings, devices),
            expect=expect,
            line=0 if self.node.place.source.is_option else self.node.place.line,
        )


def _value(action: str, record: Record) -> str:
    """What a step acts on, as text."""
    own = record.own(action)
    return str(own.text) if action in ("expect", *SELECTING) else str(own)


def read_steps(node: Node | None, problems: Problems) -> tuple[list[StepDraft], bool]:
    """All steps that are mappings, in the order of the file, and whether those are all and under their own names."""
    items = [] if node is None else list_items(node, problems, "a list of steps", MOST_STEPS)
    complete = items is not None
    drafts: list[StepDraft] = []
    first: dict[str, Place] = {}
    for number, item in enumerate(items or (), 1):
        record = STEP.read(item, problems)
        if record is BAD:
            complete = False
            continue
        complete = complete and record.has("name") == (record.own("name") is not None)
        draft = _draft(number, record, problems)
        named = record.at("name") if record.has("name") else item
        if draft.name == RESERVED:
            message = f"`{RESERVED}` is no name of a step: it means the end of the run"
            problems.add(wrong(named, "S109", message, "choose another name"))
        elif draft.name in first:
            message = f"two steps have the name `{draft.name}`"
            places = from_top((first[draft.name], named.place))
            problems.add(Problem("S110", message, places[0], named.path, hint="rename one of them", also=(places[1],)))
        first.setdefault(draft.name, named.place)
        drafts.append(draft)
    return drafts, complete


def carried(
    versions: Mapping[str, Record], run: Collection[str], warm_up_us: int, problems: Problems
) -> list[StepDraft]:
    """What images carry: a step for the fault of every version that somebody runs, from the end of the warm-up on.

    Args:
        versions: what the file says of them.
        run: those that devices run.
    """
    drafts = []
    for version, record in versions.items():
        if not record.has("fault") and record.has("with"):
            node, message = record.at("with"), f"`with` belongs beside a fault, version `{version}` has none"
            problems.add(wrong(node, "S405", message, "remove it", node.key_place))
        if version not in run or record.own("fault") is None:
            continue
        if not catalogue.faults()[record.own("fault")].needs_target:
            message = f"the fault `{record.own('fault')}` is none of devices: no firmware can carry it"
            problems.add(wrong(record.at("fault"), "S410", message, "start it with a step"))
            continue
        fault = record.at("fault")
        name = image_step(version)
        texts = {"at": f"{warm_up_us} us", "target": name}
        entries: dict[str, Node] = {
            key: ScalarNode(fault.path, fault.place, fault.key_place, text) for key, text in texts.items()
        }
        entries |= {key: record.at(key) for key in ("fault", "with") if record.has(key)}
        assert record.node is not None
        step = STEP.read(MapNode(record.node.path, fault.place, fault.key_place, entries), problems)
        drafts.append(StepDraft(name, step, "fault", _settings(name, step, problems)))
    return drafts


def _draft(number: int, record: Record, problems: Problems) -> StepDraft:
    name = record.own("name") or f"step-{number}"
    _check_trigger(name, record, problems)
    action = _action(name, record, problems)
    if not record.has("fault"):
        # What stands beside a reserved action may well belong to it.
        for key in () if _says(record, LATER_ACTIONS) else BESIDE_FAULT:
            if record.has(key) and not (key == "lasts" and record.has("suppress")):
                message = f"`{key}` belongs beside a fault, step `{name}` has none"
                problems.add(wrong(record.at(key), "S405", message, "remove it", record.at(key).key_place))
        return StepDraft(name, record, action, {})
    settings = _settings(name, record, problems)
    return StepDraft(name, record, action, settings)


def _says(record: Record, keys: tuple[str, ...]) -> bool:
    """One of these reserved keys stands there, which has been told."""
    assert record.node is not None
    return any(key in record.node.entries for key in keys)


def _check_trigger(name: str, record: Record, problems: Problems) -> None:
    node = record.node
    assert node is not None
    present = [key for key in TRIGGERS if record.has(key)]
    if len(present) == 1:
        return
    if not present:
        if not _says(record, LATER_TRIGGERS):
            message = f"step `{name}` has no trigger"
            problems.add(Problem("S402", message, node.place, node.path, hint="add `at: 5 min` or `after: ...`"))
        return
    hint = "a step has one: remove `at` or `after`"
    problems.add(of_keys("S401", f"step `{name}` has two triggers, `at` and `after`", hint, record, present))


def _action(name: str, record: Record, problems: Problems) -> str:
    node = record.node
    assert node is not None
    present = [key for key in ACTIONS if record.has(key)]
    if len(present) > 1:
        listing = " and ".join(f"`{key}`" for key in present)
        hint = "a step has one: move the other to a step of its own"
        problems.add(of_keys("S404", f"step `{name}` has more than one action, {listing}", hint, record, present))
        return ""
    if present:
        return present[0] if record.own(present[0]) is not None else ""
    if record.has("expect"):
        return "expect"
    if _says(record, LATER_ACTIONS):
        return ""
    message = f"step `{name}` has no action"
    problems.add(Problem("S403", message, node.place, node.path, hint="add `fault`, `end`, `mark` or `expect`"))
    return ""


def _settings(step: str, record: Record, problems: Problems) -> dict[str, Any]:
    """Own settings of a step's fault; checks what stands beside it as well."""
    name = record.own("fault")
    lasts_us, ramp_us = record.own("lasts"), record.own("ramp")
    if lasts_us is not None and ramp_us is not None and ramp_us > lasts_us:
        shown = f"{values.show_duration(ramp_us)} to full reach and lasts {values.show_duration(lasts_us)}"
        message = f"step `{step}` takes {shown}"
        problems.add(wrong(record.at("ramp"), "S212", message, "make `ramp` shorter or `lasts` longer"))
    if name is None:
        return {}
    try:
        fault = catalogue.faults()[name]
    except PluginError as error:
        problems.add(unusable(record.at("fault"), error))
        return {}
    if fault.needs_target and not record.has("target"):
        assert record.node is not None
        hint = "add `target: all`, or part of the fleet: `target: site=fra-*`"
        problems.add(wrong(record.at("fault"), "S410", f"the fault `{name}` needs a target", hint))
    if not fault.needs_target:
        for key in ("target", "ramp"):
            if record.has(key):
                message = f"the fault `{name}` acts on the {fault.acts_on}: it takes no `{key}`"
                problems.add(wrong(record.at(key), "S410", message, "remove it", record.at(key).key_place))
    table = settings_table(f"a mapping of settings of `{name}`", fault.settings)
    given = table.read(record.own("with"), problems) if record.has("with") else Record(table)
    if given is BAD:
        return {}
    return of_record(given)
