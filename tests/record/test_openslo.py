"""Objectives as OpenSLO and back: nothing is lost, and what cannot be said is told."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twinstorm.scenarios.burning import burn_rules
from twinstorm.scenarios.language.errors import Problems, ScenarioErrors, Source
from twinstorm.scenarios.language.model import Objective, Scenario
from twinstorm.scenarios.language.nodes import ListNode, MapNode, Node, ScalarNode, compose_all
from twinstorm.scenarios.language.reader import load, read
from twinstorm.scenarios.language.slis import SLIS
from twinstorm.scenarios.openslo import API_VERSION, export
from twinstorm.scenarios.openslo_reading import Imported, import_objectives
from twinstorm.twin.flow import HOUR_US

HEAD = """storm: 1
name: plant
story: Two sites.
duration: 2 h
fleet:
  devices: 20
  sites: [a, b]
  segments:
    motors: {kind: motor, share: 100 %}
"""


def scenario(objectives: str) -> Scenario:
    return read(f"{HEAD}objectives:\n{objectives}", "plant.storm.yaml")


def imported(text: str) -> Imported:
    return import_objectives(Source("slo.yaml", text))


def problems(text: str) -> list[tuple[str, str, str]]:
    with pytest.raises(ScenarioErrors) as raised:
        imported(text)
    return [(one.code, one.place.short, one.message) for one in raised.value.problems]


def tree(node: Node) -> Any:
    match node:
        case MapNode():
            return {key: tree(value) for key, value in node.entries.items()}
        case ListNode():
            return [tree(item) for item in node.items]
        case ScalarNode():
            return node.text
    raise AssertionError(node)


def documents(text: str) -> list[Any]:
    problems = Problems()
    found = [tree(node) for node in compose_all(Source("slo.yaml", text), problems, "an OpenSLO file")]
    assert not problems.found
    return found


def meaning(objective: Objective) -> tuple[Any, ...]:
    """All that an objective asks for: its burn alarms as the rules that they are."""
    burn, bare = objective.burn, replace(objective, burn=None, line=0, of=None)
    of = "" if objective.of is None else objective.of.text
    if burn is None:
        return bare, of, None
    rules = [
        (rule.long_us, pytest.approx(rule.burn, rel=1e-12), rule.severity) for rule in burn_rules(objective, HOUR_US)
    ]
    return bare, of, (burn.period_us, burn.least, rules)


# --- there and back ---------------------------------------------------------------------------------------------------


def test_an_objective_is_a_ratio_and_its_burn_alarms_are_policies() -> None:
    made = export(scenario("  fresh: {sli: freshness, within: 60 s, at_least: 99.5 %, of: site=a, burn: 30 d}\n"))
    assert made.notes == ()
    (document,) = documents(made.text)
    assert (document["apiVersion"], document["kind"], document["metadata"]["name"]) == (API_VERSION, "SLO", "fresh")
    spec = document["spec"]
    ratio = spec["indicator"]["spec"]["ratioMetric"]
    source = {"sli": "freshness", "within": "1 min", "of": "site=a"}
    assert ratio["good"]["metricSource"] == {"type": "twinstorm", "spec": {**source, "counts": "good"}}
    assert ratio["total"]["metricSource"] == {"type": "twinstorm", "spec": {**source, "counts": "total"}}
    assert spec["objectives"] == [{"targetPercent": "99.5"}]
    assert spec["timeWindow"] == [{"duration": "30d", "isRolling": "true"}]
    conditions = [policy["spec"]["conditions"][0]["spec"] for policy in spec["alertPolicies"]]
    told = [(one["condition"]["threshold"], one["condition"]["lookbackWindow"], one["severity"]) for one in conditions]
    assert told == [("14.4", "1h", "ticket"), ("6", "6h", "ticket"), ("3", "1d", "ticket"), ("1", "3d", "ticket")]


def test_a_bound_from_above_counts_what_is_bad() -> None:
    (document,) = documents(export(scenario("  auth-errors: {}\n")).text)
    ratio = document["spec"]["indicator"]["spec"]["ratioMetric"]
    assert list(ratio) == ["counter", "bad", "total"]
    assert document["spec"]["objectives"] == [{"targetPercent": "99.9"}]


def test_burn_alarms_of_the_workbook_come_back_as_a_period() -> None:
    written = "  fresh:\n    sli: freshness\n    at_least: 99 %\n    burn: 4 w\n"
    back = imported(export(scenario(written)).text)
    assert back.text == f"objectives:\n{written}"


@pytest.mark.parametrize("name", ["all-quiet", "reboot-storm", "stuck-sensor", "winter-night"])
def test_objectives_of_the_library_come_back(name: str) -> None:
    of = load(name)
    made = export(of)
    back = imported(made.text).objectives
    left = {one.name for one in of.objectives} - {one.name for one in back}
    assert all(any(f"`{name}` is left out" in note for note in made.notes) for name in left)
    assert [meaning(one) for one in back] == [meaning(one) for one in of.objectives if one.name not in left]


SHARES = st.integers(1, 99_999_999).map(lambda millionths: f"{millionths / 1_000_000:.6f} %")
DURATIONS = st.builds("{} {}".format, st.integers(1, 50), st.sampled_from(["s", "min", "h"]))
ALARMS = st.builds(
    "{{spends: {}, within: {}, severity: {}}}".format,
    st.integers(1, 100_000).map(lambda thousandths: f"{thousandths / 1_000:.3f} %"),
    DURATIONS,
    st.sampled_from(["page", "ticket"]),
)
BURNS = st.one_of(
    st.sampled_from(["run", "30 d", "28 d", "1 h", "90 min", "61 s"]),
    st.builds(
        "{{period: {}{}{}}}".format,
        st.sampled_from(["run", "30 d", "1 w", "17 h", "119 s"]),
        st.just("") | st.integers(1, 10**6).map(", least: {}".format),
        st.just("") | st.lists(ALARMS, min_size=1, max_size=4).map(lambda all_of: f", alarms: [{', '.join(all_of)}]"),
    ),
)


@st.composite
def objectives(draw: st.DrawFn) -> str:
    sli = draw(st.sampled_from([one for one in SLIS.values() if not one.is_later]))
    parts = [f"sli: {sli.name}"]
    kind = draw(st.sampled_from(["at_least", "at_most"]))
    parts.append(f"{kind}: {draw(SHARES)}")
    if sli.within and draw(st.booleans()):
        parts.append(f"within: {draw(DURATIONS)}")
    if sli.has_devices and draw(st.booleans()):
        parts.append(f"of: {draw(st.sampled_from(['site=a', 'kind=motor site!=b']))}")
    if (sli.is_part or kind == "at_most") and draw(st.booleans()):
        parts.append(f"burn: {draw(BURNS)}")
        parts += draw(st.sampled_from([[], ["runbook: https://example.org/runbooks/a#b"]]))
    return f"{{{', '.join(parts)}}}"


@given(st.lists(objectives(), min_size=1, max_size=4))
def test_what_is_written_as_openslo_comes_back_the_same(written: list[str]) -> None:
    of = scenario("".join(f"  slo-{number}: {one}\n" for number, one in enumerate(written)))
    back = imported(export(of).text)
    assert [meaning(one) for one in back.objectives] == [meaning(one) for one in of.objectives]
    again = read(HEAD + back.text, "plant.storm.yaml")
    assert [meaning(one) for one in again.objectives] == [meaning(one) for one in of.objectives], "as it is printed"
    assert imported(export(again).text).text == back.text


# --- what OpenSLO cannot say ------------------------------------------------------------------------------------------


def test_what_openslo_cannot_say_is_told() -> None:
    made = export(
        scenario(
            "  drained: {sli: backlog_drain}\n"
            "  reboots: {sli: reboot_rate, at_most: 120 %}\n"
            "  fresh: {sli: freshness, burn: run}\n"
            "  known: {sli: freshness, burn: {period: 30 d, least: 5}}\n"
        )
    )
    assert [note.split(":")[0].split(" is ")[0] for note in made.notes] == [
        f"objective `{name}`" for name in ("drained", "reboots", "fresh", "known")
    ]
    first, second = documents(made.text)
    assert first["metadata"]["annotations"] == {"twinstorm/burn": "{period: run}"}
    assert "alertPolicies" not in first["spec"]
    assert second["metadata"]["annotations"] == {"twinstorm/burn": "{period: 30 d, least: 5}"}
    assert len(second["spec"]["alertPolicies"]) == 4, "others learn what OpenSLO has words for"


def test_a_scenario_without_a_word_for_openslo_gives_nothing() -> None:
    assert export(scenario("  drained: {sli: backlog_drain}\n")).text == ""


# --- files of others --------------------------------------------------------------------------------------------------

OTHERS = """apiVersion: openslo/v1
kind: Service
metadata: {name: plant}
spec: {description: All of it}
---
apiVersion: openslo/v1
kind: SLI
metadata: {name: fresh-enough}
spec:
  ratioMetric:
    good: {metricSource: {type: twinstorm, spec: {sli: freshness, counts: good, within: 60 s}}}
    total: {metricSource: {type: twinstorm, spec: {sli: freshness, counts: total, within: 60 s}}}
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: {name: fast}
spec: {severity: page, condition: {kind: burnrate, op: gt, threshold: 10, lookbackWindow: 30m, alertAfter: 5m}}
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: {name: page-us}
spec: {alertWhenBreaching: true, conditions: [{conditionRef: fast}], notificationTargets: [{targetRef: us}]}
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: fresh, displayName: Fresh, labels: {team: ours}}
spec:
  service: plant
  indicatorRef: fresh-enough
  timeWindow: [{duration: 1w, isRolling: true}]
  budgetingMethod: Occurrences
  objectives:
    - {displayName: good, target: 0.99}
    - {displayName: better, target: 0.9995}
  alertPolicies: [{alertPolicyRef: page-us}]
"""


def test_a_file_of_several_documents_that_refer_to_each_other() -> None:
    found = imported(OTHERS)
    assert [one.name for one in found.objectives] == ["fresh-1", "fresh-2"]
    assert [one.at_least for one in found.objectives] == [0.99, 0.9995]
    (rule,) = burn_rules(found.objectives[0], HOUR_US)
    assert (rule.long_us, round(rule.burn, 9), str(rule.severity)) == (HOUR_US // 2, 10.0, "page")
    assert "within: 60 s" in found.text
    told = "\n".join(found.notes)
    for left in ("Service `plant`", "labels", "service", "alertAfter", "notificationTargets", "displayName"):
        assert left in told


@pytest.mark.parametrize(
    ("old", "new", "code", "place", "said"),
    [
        ("budgetingMethod: Occurrences", "budgetingMethod: Timeslices", "S103", "31:20", "not yet in this version"),
        ("budgetingMethod: O", "budgetMethod: O", "S102", "31:3", "unknown key `budgetMethod`"),
        ("target: 0.9995", "target: 1.0", "S210", "34:37", "allows for no error at all"),
        ("target: 0.9995", "target: most", "S207", "34:37", "`most` is not a number"),
        ("target: 0.9995", "target: 0.9, targetPercent: 90", "S212", "34:29", "has one target"),
        ("indicatorRef: fresh-enough", "indicatorRef: fresh-enugh", "S602", "29:17", "unknown SLI `fresh-enugh`"),
        ("conditionRef: fast", "conditionRef: slow", "S602", "22:62", "unknown AlertCondition `slow`"),
        ("sli: freshness, counts: good", "sli: processed_in_time, counts: good", "S212", "12:57", "have another `sli`"),
        ("counts: total", "counts: good", "S212", "12:76", "the source of `total` counts `good`"),
        ("within: 60 s}}}\n---", "within: 50 s}}}\n---", "S212", "12:91", "have another `within`"),
        (
            "good: {metricSource: {type: twinstorm",
            "good: {metricSource: {type: Prometheus",
            "S601",
            "11:33",
            "Prometheus",
        ),
        ("isRolling: true", "calendar: {startTime: 2030-01-01 00:00:00}", "S601", "30:41", "none of the calendar"),
        ("duration: 1w", "duration: 1M", "S601", "30:27", "no months"),
        ("duration: 1w", "duration: 90 s", "S202", "30:27", "`90 s` is not a duration"),
        ("severity: page", "severity: sev1", "S204", "17:18", "unknown severity `sev1`"),
        ("op: gt", "op: lte", "S204", "17:56", "unknown comparison `lte`"),
        ("apiVersion: openslo/v1\nkind: SLO", "apiVersion: openslo/v2\nkind: SLO", "S204", "24:13", "`openslo/v2`"),
        ("{name: fresh, disp", "{name: Fresh, disp", "S109", "26:18", "`Fresh` is not a name"),
        ("threshold: 10", "threshold: ten", "S207", "17:71", "`ten` is not a number"),
        ("  timeWindow: [{duration: 1w, isRolling: true}]\n", "", "S105", "27:1", "`timeWindow` is missing"),
        ("spec: {description", "spec: &all {description", "S107", "4:7", "an OpenSLO file has no anchor"),
    ],
)
def test_what_a_scenario_cannot_say_is_an_error_at_its_place(
    old: str, new: str, code: str, place: str, said: str
) -> None:
    assert OTHERS.count(old) >= 1
    found = problems(OTHERS.replace(old, new, 1))
    assert [one[:2] for one in found] == [(code, place)], found
    assert said in found[0][2]


def test_what_is_wrong_with_an_objective_is_told_where_it_stands_in_the_file() -> None:
    text = OTHERS.replace("within: 60 s", "of: site")
    assert ("S303", "11:85", "`site` has no value") in problems(text)


def test_an_annotation_that_contradicts_what_stands_beside_it_is_told() -> None:
    text = export(scenario("  known: {sli: freshness, burn: {period: 30 d, least: 5}}\n")).text
    assert (
        imported(text).objectives[0].burn
        == scenario("  known: {sli: freshness, burn: {period: 30 d, least: 5}}\n").objectives[0].burn
    )
    for old, new in (("threshold: 14.4", "threshold: 10"), ("duration: 30d", "duration: 28d")):
        ((code, _, message),) = problems(text.replace(old, new))
        assert code == "S212"
        assert "says something else" in message


@pytest.mark.parametrize(
    "text", ["", "---\n", "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: a}\nspec: {}\n"]
)
def test_a_file_without_an_slo_is_told(text: str) -> None:
    ((code, _, message),) = problems(text)
    assert (code, message) == ("S105", "there is no SLO in the file")


@given(st.text(max_size=200) | st.integers(0, len(OTHERS)).map(lambda at: OTHERS[:at]))
def test_no_file_surprises_the_reader(text: str) -> None:
    with suppress(ScenarioErrors):
        imported(text)
