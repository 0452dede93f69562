"""`routes` in the language: conditions, what is passed on, and what does not go together."""

from __future__ import annotations

from fractions import Fraction

import pytest

from twinstorm.detectors.routing import COMPARE, Target
from twinstorm.scenarios.language import routes
from twinstorm.scenarios.language.errors import ScenarioErrors
from twinstorm.scenarios.language.expressions import ExpressionError, parse
from twinstorm.scenarios.language.model import Change, Condition, Route
from twinstorm.scenarios.language.reader import read
from twinstorm.scenarios.language.units import Kind

FILE = """storm: 1
name: ways
story: Where readings go.
duration: 10 min
fleet:
  devices: 20
  segments:
    motors: {kind: motor, share: 50 %}
    rooms: {kind: environment, share: 50 %}
routes:
  hot: {when: winding_temperature_c > 80, to: alarm}
  trim:
    topic: fleet/+/1/#
    when: winding_temperature_c > 176 F and current_a != 5
    to: command
    keep: [temperature_f]
    becomes: {winding_temperature_c: {name: temperature_f, unit: F}}
    takes: 50 %/s
    tries: 4
    wait: 2 s
  rest: {to: store}
expect:
  - {no_alarm: hot}
  - never: routed(trim) > 1000
"""


def test_rules_stand_in_their_order_with_conditions_in_the_units_of_their_channels() -> None:
    hot, trim, rest = read(FILE, "ways.storm.yaml").routes
    channel = "winding_temperature_c"
    assert hot == Route("hot", "#", "alarm", (Condition(channel, ">", 80.0),), (), (), None, 3, 1_000_000)
    assert [(each.channel, each.compare, round(each.limit, 6)) for each in trim.when] == [
        (channel, ">", 80.0),
        ("current_a", "!=", 5.0),
    ]
    assert trim.changes == (Change(channel, "temperature_f", 1.8, 32.0),)
    assert (trim.topic, trim.keep, trim.takes_per_s) == ("fleet/+/1/#", ("temperature_f",), Fraction(10))
    assert (trim.tries, trim.wait_us) == (4, 2_000_000)
    assert (rest.when, rest.to) == ((), "store")


def test_targets_and_comparisons_are_those_of_the_core() -> None:
    assert tuple(Target) == routes.TARGETS
    for compare in COMPARE:
        text = FILE.replace("c > 80", f"c {compare} 80")
        assert read(text, "ways.storm.yaml").routes[0].when[0].compare == compare


@pytest.mark.parametrize("topic", ["#", "+", "a/b", "a/+/b/#", "/", "+/+", "a//b", "$SYS/#"])
def test_filters_of_the_standard_are_read(topic: str) -> None:
    assert read(FILE.replace("fleet/+/1/#", f"'{topic}'"), "ways.storm.yaml").routes[1].topic == topic


def test_what_a_rule_took_is_a_count_of_the_whole_fleet() -> None:
    assert parse("routed(hot) / delivered", wanted=None).kind is Kind.SHARE
    assert parse("rate(routed(hot), 1 min)", wanted=None).kind is Kind.RATE
    for text in ("routed(hot)[site=1] > 3", "routed(hot, least) > 3"):
        with pytest.raises(ExpressionError, match=r"is of the whole fleet|is one number"):
            parse(text)


@pytest.mark.parametrize(
    ("old", "new", "code", "said"),
    [
        ("to: alarm", "to: alert", "S204", "unknown target `alert`"),
        (", to: alarm", "", "S105", "the key `to` is missing"),
        ("fleet/+/1/#", "fleet/#/1", "S219", "`fleet/#/1` is no topic filter"),
        ("fleet/+/1/#", "fleet/a+", "S219", "is no topic filter"),
        ("c > 80", "c > 80 or current_a > 5", "S215", "is not a condition"),
        ("c > 80", "c > hot", "S215", "is not a condition"),
        ("c > 80", "c > 80 bar", "S208", "is in C, not in bar"),
        ("winding_temperature_c > 80", "winding_temperture_c > 80", "S309", "no machine that fits has a channel"),
        ("c > 80", "c > 80 and humidity_pct > 5", "S309", "has all of these channels"),
        ("keep: [temperature_f]", "keep: [temprature_f]", "S309", "no machine that fits has a channel `temprature_f`"),
        ("keep: [temperature_f]", "keep: [humidity_pct]", "S309", "has a channel `humidity_pct`"),
        ("keep: [temperature_f]", "keep: []", "S212", "nothing at all would be passed on"),
        ("{winding_temperature_c: {", "{current: {", "S309", "has a channel `current`"),
        ("unit: F", "unit: bar", "S208", "winding_temperature_c is in C"),
        ("{name: temperature_f, unit: F}", "{unit: F}", "S105", "the key `name` is missing"),
        ("name: temperature_f", "name: current_a", "S212", "and `current_a` would both be passed on as `current_a`"),
        ("name: temperature_f", "name: Temperature", "S218", "is no name of a channel"),
        ("to: alarm", "to: alarm, keep: [current_a]", "S212", "nothing is passed on to `alarm`"),
        ("to: alarm", "to: dead-letter, takes: 5/s", "S212", "nothing is passed on to `dead-letter`"),
        ("to: store", "to: store, tries: 5", "S212", "nothing is tried again"),
        ("takes: 50 %/s", "takes: 0/s", "S210", "is less than"),
        ("  hot:", "  silence:", "S204", "cannot be called `silence`"),
        ("  hot:", "  any:", "S204", "cannot be called `any`"),
        ("{no_alarm: hot}", "{no_alarm: rest}", "S104", "unknown alarm `rest`"),
        ("routed(trim)", "routed(trm)", "S302", "there is no route `trm`"),
    ],
)
def test_what_makes_no_sense_is_told(old: str, new: str, code: str, said: str) -> None:
    assert old in FILE
    with pytest.raises(ScenarioErrors) as told:
        read(FILE.replace(old, new), "ways.storm.yaml")
    found = {problem.code: problem.message for problem in told.value.problems}
    assert code in found, found
    assert said in found[code]


def test_an_alarm_of_a_rule_may_be_expected_where_no_detector_looks() -> None:
    text = FILE.replace("routes:", "detectors: []\nroutes:").replace("{no_alarm: hot}", "{alarm: hot, within: 5 min}")
    assert read(text, "ways.storm.yaml").detectors == {}
