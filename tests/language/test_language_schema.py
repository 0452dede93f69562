"""The JSON Schema agrees with the reader about the library and about common mistakes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from twinstorm.scenarios.language.catalogue import faults
from twinstorm.scenarios.language.errors import Problems, Source
from twinstorm.scenarios.language.json_schema import json_schema
from twinstorm.scenarios.language.nodes import ListNode, MapNode, Node, ScalarNode, compose
from twinstorm.scenarios.language.reader import library_names
from twinstorm.scenarios.language.schema import documented

Change = tuple[str, str]


def as_editors_see_it(node: Node) -> Any:
    """Plain scalars typed as YAML 1.2 types them."""
    match node:
        case MapNode():
            return {key: as_editors_see_it(value) for key, value in node.entries.items()}
        case ListNode():
            return [as_editors_see_it(item) for item in node.items]
        case ScalarNode() if not node.is_plain:
            return node.text
        case ScalarNode() if re.fullmatch("[-+]?[0-9]+", node.text):
            return int(node.text)
        case ScalarNode() if re.fullmatch(r"[-+]?[0-9]*\.?[0-9]+", node.text):
            return float(node.text)
        case ScalarNode():
            return {"true": True, "false": False, "null": None, "": None}.get(node.text, node.text)
    raise AssertionError(node)


def document(text: str) -> Any:
    problems = Problems()
    node = compose(Source("x.yaml", text), problems)
    assert node is not None
    assert not problems.found
    return as_editors_see_it(node)


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(json.loads(json.dumps(schema)))


@pytest.mark.parametrize("name", library_names())
def test_the_library_is_valid(validator: Draft202012Validator, name: str) -> None:
    from importlib.resources import files

    text = (files("twinstorm.scenarios.library") / f"{name}.storm.yaml").read_text()
    assert [error.message for error in validator.iter_errors(document(text))] == []


RIGHT: list[Change] = [
    ("sites: [arn-1, fra-1, fra-2, fra-3, sin-1]", "sites: 5"),
    ("sites: [arn-1, fra-1, fra-2, fra-3, sin-1]", "sites: {a: {region: b, share: 40 %}, c: {share: 60 %}}"),
    ("share: 80 %, every: 1 s", "devices: 80, firmware: 2.10, qos: 0"),
    ("boot: 8 s .. 12 s", "boot: 1h30min"),
    ("\nobjectives", "\ndetectors: [silence]\n\nobjectives"),
    ("\nobjectives", "\ndetectors: {silence: {periods: 3}, reboot-storm: }\n\nobjectives"),
    (
        "\nobjectives",
        "\ndetectors: {flat-line: {on: kind=motor, channels: [current_a], values: 9, shadow: true}}\n\nobjectives",
    ),
    ("fault: power-outage", "fault: partition\n    with: {direction: up}"),
    ("  - {count: pages, at_most: 1}", "  - at: outage.end + 30 s\n    that: online > 5"),
    ("  - {count: pages, at_most: 1}", "  - {no_alarm: any, from: outage, to: end}"),
    ("  - {count: pages, at_most: 1}", "  - {count: pages, at_most: 1 %}"),
    ("\nobjectives", "\nstop_when: {when: online < 5, hold: 30 s}\n\nobjectives"),
]

WRONG: list[Change] = [
    ("jitter: full", "jiter: full"),
    ("jitter: full", "jitter: ful"),
    ("duration: 30 min", "duration: 30"),
    ("duration: 30 min", "duration: half an hour"),
    ("storm: 1", "storm: 2"),
    ("name: reboot-storm", "name: Reboot Storm"),
    ("share: 80 %", "share: 0.8"),
    ("kind: motor, ", ""),
    ("kind: motor", "kind: moter"),
    ("rate: 1 %/s", "rate: 1 %"),
    ("devices: 10000", "devices: 10k"),
    ("fault: power-outage", "fault: power-outag"),
    ("    target: site=fra-*\n", ""),
    ("fault: power-outage", "fault: partition\n    with: {direction: sideways}"),
    ("fault: power-outage", "fault: partition\n    with: {connections: reset}"),
    ("at: 5 min", "at: 5 min\n    after: 5 min"),
    ("    at: 5 min\n", ""),
    ("    fault: power-outage\n", ""),
    ("alarm: reboot-storm", "alrm: reboot-storm"),
    ("of: outage, ", ""),
    ("count: pages", "count: pagse"),
    ("story: >", "title: >"),
    ("\nfleet", "\nextends: calm\n\nfleet"),
    ("sites: [arn-1, fra-1, fra-2, fra-3, sin-1]", "sites: []"),
]


@pytest.mark.parametrize("change", RIGHT, ids=lambda change: change[1])
def test_what_the_reader_reads_is_valid(
    validator: Draft202012Validator, changed: Callable[..., str], change: Change
) -> None:
    assert [error.message for error in validator.iter_errors(document(changed(change)))] == []


@pytest.mark.parametrize("change", WRONG, ids=lambda change: change[1])
def test_common_mistakes_are_marked(
    validator: Draft202012Validator, changed: Callable[..., str], change: Change
) -> None:
    assert not validator.is_valid(document(changed(change)))


def test_every_key_has_a_description() -> None:
    properties = json_schema()["properties"]
    for name in ("duration", "warm_up", "steps", "expect"):
        assert properties[name]["description"]
    jitter = properties["fleet"]["properties"]["reconnect"]["properties"]["jitter"]
    assert "(default: full)" in jitter["description"]
    assert set(properties["steps"]["items"]["properties"]["fault"]["enum"]) == set(faults())


def test_every_key_can_be_explained_by_its_path() -> None:
    keys = documented()
    for path in (
        "duration",
        "fleet.reconnect.jitter",
        "fleet.segments.NAME.kind",
        "steps[n].lasts",
        "expect[n].within",
    ):
        assert keys[path].summary
    assert keys["fleet.zones"].later
    assert keys["fleet.segments.NAME.kind"].required
    assert keys["fleet.reconnect.cap"].default == "120 s"
