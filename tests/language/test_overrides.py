"""`--set`: paths as errors print them, items by name or number, and what is wrong with a path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from twinstorm.scenarios.language.errors import Problem, Problems, Source
from twinstorm.scenarios.language.model import Scenario
from twinstorm.scenarios.language.nodes import ListNode, MapNode, Node, ScalarNode, compose
from twinstorm.scenarios.language.overrides import Setting, apply_devices, apply_setting

TEXT = """\
name: x
steps:
  - {name: outage, at: 1}
  - {at: 2}
tags: [one, two]
firmware:
  2.5.0: {size: 1 MB}
"""


def changed(*settings: str) -> tuple[Any, list[Problem]]:
    problems = Problems()
    root = compose(Source("x.yaml", TEXT), problems)
    assert isinstance(root, MapNode)
    for setting in settings:
        apply_setting(root, Setting(setting), problems)
    return plain(root), problems.found


def plain(node: Node) -> Any:
    match node:
        case ScalarNode():
            return node.text
        case ListNode():
            return [plain(item) for item in node.items]
        case MapNode():
            return {key: plain(value) for key, value in node.entries.items()}
    return None


BEFORE, _ = changed()


@pytest.mark.parametrize(
    ("setting", "at", "value"),
    [
        ("name=y", ("name",), "y"),
        ("name =  y z ", ("name",), "y z"),
        ("steps[0].at=5 min", ("steps", 0, "at"), "5 min"),
        ("steps[1].at=5 min", ("steps", 1, "at"), "5 min"),
        ("steps.outage.at=5 min", ("steps", 0, "at"), "5 min"),
        ("steps[outage].at=5 min", ("steps", 0, "at"), "5 min"),
        ("steps.outage.target=site=fra-1 firmware<2", ("steps", 0, "target"), "site=fra-1 firmware<2"),
        ("tags[1]=three", ("tags", 1), "three"),
        ("tags.two=three", ("tags", 1), "three"),
        ("firmware[2.5.0].size=2MB", ("firmware", "2.5.0", "size"), "2MB"),
        ("firmware[2.6.0].size=2MB", ("firmware", "2.6.0"), {"size": "2MB"}),
        ("fleet.reconnect.jitter=none", ("fleet",), {"reconnect": {"jitter": "none"}}),
        ("tags=[a, b, [c]]", ("tags",), ["a", "b", ["c"]]),
        ("firmware={}", ("firmware",), {}),
        ("name=", ("name",), ""),
        ("name=a=b", ("name",), "a=b"),
    ],
)
def test_a_value_is_changed_where_the_path_leads(setting: str, at: tuple[str | int, ...], value: Any) -> None:
    after, found = changed(setting)
    assert not found
    place = after
    for key in at:
        place = place[key]
    assert place == value
    # Nothing else changed.
    reference = BEFORE
    for key in after:
        if key != at[0]:
            assert after[key] == reference[key]


def test_settings_are_applied_in_order() -> None:
    after, found = changed("name=y", "name=z", "new.a=1", "new.b=2")
    assert not found
    assert after["name"] == "z"
    assert after["new"] == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("setting", "code", "part", "message", "advice"),
    [
        ("nonsense", "S114", "nonsense", "is not PATH=VALUE", "--set fleet.reconnect.jitter=none"),
        ("=5", "S114", "=5", "is not PATH=VALUE", ""),
        (".name=5", "S114", ".name=5", "is not PATH=VALUE", ""),
        ("steps..at=5", "S114", "steps..at=5", "is not PATH=VALUE", ""),
        ("steps[=5", "S114", "steps[=5", "is not PATH=VALUE", ""),
        ("steps[]=5", "S114", "steps[]=5", "is not PATH=VALUE", ""),
        ("a b=5", "S114", "a b=5", "is not PATH=VALUE", ""),
        (
            "steps.outag.at=5",
            "S113",
            "outag",
            "`steps` has no item `outag`",
            "did you mean `outage`?  items: outage, [1]",
        ),
        ("steps[7].at=5", "S113", "7", "`steps` has no item `7`", "items: outage, [1]"),
        ("steps.1.at=5", "S113", "1", "`steps` has no item `1`", "items: outage, [1]"),
        ("tags[9]=x", "S113", "9", "`tags` has no item `9`", "items: one, two"),
        ("name.first=x", "S113", "first", "`name` is a single value", "set `name` itself"),
        ("name.first.second=x", "S113", "second", "`name` is a single value", "set `name` itself"),
        ("tags=[a", "S101", "[", "this is not YAML", "close the bracket"),
        ("tags=[&a b]", "S107", "&a b", "no anchor", "remove it"),
    ],
)
def test_what_is_wrong_with_a_path_is_told_at_its_place(
    setting: str, code: str, part: str, message: str, advice: str
) -> None:
    _, (problem,) = changed(setting)
    assert problem.code == code
    assert message in problem.message
    assert advice in problem.advice
    assert problem.place.source.name == f"--set {setting}"
    start = problem.place.column - 1
    assert setting[start : start + problem.place.length] == part


def test_a_setting_that_is_not_utf8_is_told() -> None:
    _, (problem,) = changed("name=\udcff")
    assert problem.code == "S114"
    problem.render().encode()


def test_a_mistyped_key_is_told_by_the_check_that_follows(problem_of: Callable[..., Problem]) -> None:
    problem = problem_of(settings=["fleet.reconect.jitter=none"])
    assert (problem.code, problem.path, problem.suggestion) == ("S102", "fleet.reconnect", "reconnect")
    assert problem.render().split("\n")[1:3] == [
        "  --> --set fleet.reconect.jitter=none  fleet.reconnect",
        "   | fleet.reconect.jitter=none",
    ]


def test_a_wrong_value_is_told_at_the_option(problem_of: Callable[..., Problem]) -> None:
    problem = problem_of(settings=["steps.outage.lasts=5"])
    assert problem.code == "S201"
    assert problem.path == "steps[0].lasts"
    assert (problem.place.column, problem.place.length) == (20, 1)


def test_paths_that_errors_print_are_paths_that_set_takes(problem_of: Callable[..., Problem]) -> None:
    wrong = problem_of(("lasts: 2 min", "lasts: 2"))
    repaired = problem_of(("lasts: 2 min", "lasts: 2"), settings=[f"{wrong.path}=soon"])
    assert repaired.path == wrong.path
    assert repaired.place.source.is_option


def test_segments_without_a_value_of_their_own_follow(storm: Callable[..., Scenario]) -> None:
    own = ("share: 20 %,", "share: 20 %, reconnect: {jitter: equal},")
    scenario = storm(own, settings=["fleet.reconnect.jitter=none", "fleet.reconnect.base=2s"])
    assert [segment.reconnect.jitter for segment in scenario.fleet.segments] == ["none", "equal"]
    assert {segment.reconnect.base_us for segment in scenario.fleet.segments} == {2_000_000}


def test_a_fault_can_be_switched_off_by_a_setting(storm: Callable[..., Scenario]) -> None:
    scenario = storm(settings=["steps=[]", "expect=[{ledger: lost, at_most: 0.1 %}]"])
    assert scenario.steps == ()
    assert len(scenario.expectations) == 1
    assert scenario.expectations[0].line == 0


def test_devices_are_set_like_a_value_of_the_file() -> None:
    root = compose(Source("x.yaml", "fleet: {devices: 5}"), Problems())
    assert isinstance(root, MapNode)
    apply_devices(root, 200)
    assert plain(root) == {"fleet": {"devices": "200"}}


def test_devices_of_a_fleet_that_is_no_mapping_say_nothing_more(problem_of: Callable[..., Problem]) -> None:
    assert problem_of(settings=["fleet=5"], devices=200).code == "S108"
