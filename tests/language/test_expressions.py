"""Expressions: grammar, units, three-valued truth, and what they remember from second to second."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstorm.scenarios.language import units
from twinstorm.scenarios.language.catalogue import COUNTERS, FUNCTIONS, SLIS
from twinstorm.scenarios.language.expressions import (
    DEEPEST,
    LONGEST,
    SLI_WINDOW_US,
    Evaluator,
    ExpressionError,
    look_ups,
    names,
    parse,
)
from twinstorm.scenarios.language.selectors import Selector
from twinstorm.scenarios.language.units import Kind

REPEATABLE = settings(derandomize=True, deadline=None)

S = 1_000_000

FIGURES = ("window", "difference", "pairs", "correlation", "routed")

Values = Mapping[str, float | None]


def looking_up(values: Values) -> Callable[[str, Selector | None, int], float | None]:
    def look_up(name: str, selector: Selector | None, window_us: int) -> float | None:
        return values[name if selector is None else f"{name}[{selector.text}]"]

    return look_up


def value_of(text: str, values: Values | None = None) -> bool | float | None:
    return Evaluator(parse(text, wanted=None)).step(0, looking_up(values or {}))


# --- what it is -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("7 - 2 - 1", 4),
        ("8 / 4 / 2", 1),
        ("-2 * -3", 6),
        ("2 - -1", 3),
        ("min(3, 1) + max(3, 1)", 4),
        ("abs(2 - 5)", 3),
        ("1h30min / 1 min", 90),
        ("90 s", 90),
        ("50 %", 0.5),
        ("200/min * 1 min", 200),
        ("1 %/s", 0.01),
        ("online / devices", 0.9),
        ("(online + offline) / devices", 1.0),
        ("lost / produced", 0.25),
        ("connectivity", 0.97),
        ("connectivity[site=fra-*]", 0.5),
        ("share[state=offline]", 0.1),
        ("count[state=offline site=fra-1]", 42),
        ("connectivity[ site=fra-* ]", 0.5),
        ("1 < 2", True),
        ("2 <= 2", True),
        ("2 > 3", False),
        ("2 = 2", True),
        ("2 != 2", False),
        ("not 1 > 2", True),
        ("not not 1 < 2", True),
        ("1 < 2 and 2 < 1", False),
        ("1 < 2 or 2 < 1", True),
        ("1 < 2 or 2 < 1 and 3 < 1", True),
        ("(1 < 2 or 2 < 1) and 3 < 1", False),
        ("connectivity > 95 % and online / devices >= 90 %", True),
        ("  connectivity<97 %  ", False),
    ],
)
def test_values(text: str, value: bool | float) -> None:
    values = {
        "online": 9_000.0,
        "offline": 1_000.0,
        "devices": 10_000.0,
        "lost": 25.0,
        "produced": 100.0,
        "connectivity": 0.97,
        "connectivity[site=fra-*]": 0.5,
        "share[state=offline]": 0.1,
        "count[state=offline site=fra-1]": 42.0,
    }
    assert value_of(text, values) == value


def test_a_bare_sli_asks_for_ten_seconds_and_a_counter_for_now() -> None:
    asked = []

    def look_up(name: str, selector: Selector | None, window_us: int) -> float:
        asked.append((name, None if selector is None else selector.text, window_us))
        return 1.0

    Evaluator(parse("freshness[kind=motor] > 1 % and online > 1 and share[all] > 1 %")).step(0, look_up)
    assert asked == [("freshness", "kind=motor", SLI_WINDOW_US), ("online", None, 0), ("share", "all", 0)]


def test_names_and_look_ups_are_told() -> None:
    expression = parse("connectivity[site=fra-1] > 90 % or avg(connectivity, 1 min) > 80 % or online > devices / 2")
    assert names(expression) == ("connectivity", "devices", "online")
    assert [name.selector.text if name.selector else None for name in look_ups(expression)] == [
        "site=fra-1",
        None,
        None,
        None,
    ]


# --- what it is not ---------------------------------------------------------------------------------------------------

WRONG = [
    ("", "S502", "", "write a condition"),
    ("open(x) > 1", "S502", "open(", "functions: min, max, abs, avg, rate, baseline, share, count"),
    ("__import__('os')", "S502", "__import__(", "functions:"),
    ("averge(connectivity, 1 min) > 1 %", "S502", "averge(", "functions:"),
    ("conectivity < 85 %", "S501", "conectivity", "names: freshness, connectivity"),
    ("online.real > 1", "S502", ".", "an expression has"),
    ("online[0] > 1", "S502", "online[", "write `count[state=online"),
    ("backlog[site=fra-1] > 1 %", "S502", "backlog[", "an SLI of devices"),
    ("'a' = 'a'", "S502", "'a'", "an expression has"),
    ('"abc" > 1', "S502", '"abc"', "an expression has"),
    ("online == 5", "S502", "==", "write `=`"),
    ("online <> 5", "S502", "<>", "write `!=`"),
    ("online > 5 && online < 9", "S502", "&&", "write `and`"),
    ("online ^ 2 > 1", "S502", "^", "an expression has"),
    ("online > 1e3", "S502", "1e3", "units:"),
    ("online > 10k", "S502", "10k", "units:"),
    ("online > 5 kB", "S502", "5 kB", "units:"),
    ("online > 1:30", "S502", "1:30", "an expression has"),
    ("1 < online < 5", "S506", "<", "join two comparisons with `and`"),
    ("online > ", "S502", ">", "a value is missing"),
    ("(online > 5", "S502", "5", "add `)`"),
    ("online > 5)", "S502", ")", "an expression has"),
    ("online offline > 5", "S502", "offline", "put `and`"),
    ("and online > 5", "S502", "and", ""),
    ("connectivity[site=fra-1 > 5 %", "S502", "[", "close the selector"),
    ("connectivity[sit=fra-1] > 5 %", "S304", "sit", "keys:"),
    ("connectivity[state=online] > 5 %", "S305", "state=online", "share[...]"),
    ("share > 5 %", "S502", "share", "write `share[state=offline]`"),
    ("share(online) > 5 %", "S502", "share(", "write `share[...]`"),
    ("min > 5", "S502", "min", "write min(a, b)"),
    ("min(online) > 5", "S502", "min(online)", "write min(a, b)"),
    ("abs(online, 5) > 5", "S502", "abs(online, 5)", "write abs(a)"),
    ("abs(online > 5) > 5", "S502", "online > 5", "compare outside"),
    ("avg(connectivity) > 5 %", "S502", "avg(connectivity)", "write avg(a, 5 min)"),
    ("avg(connectivity, 5) > 5 %", "S503", "5", "write avg(a, 5 min)"),
    ("avg(connectivity, 1 min + 1 min) > 5 %", "S503", "1 min + 1 min", "write avg"),
    ("avg(connectivity, 10 ms) > 5 %", "S210", "10 ms", "between `1 s` and `1 d`"),
    ("rate(rate(online, 1 min), 1 min) > 5/s", "S503", "rate(online, 1 min)", "rate of a count"),
    ("delivery_time > 5 s", "S103", "delivery_time", "SLIs: freshness"),
    ("connectivity < 30 s", "S503", "connectivity < 30 s", "write a share there"),
    ("connectivity < 0.85", "S503", "connectivity < 0.85", "write `85 %`"),
    ("online / devices > 0.9", "S503", "online / devices > 0.9", "write `90 %`"),
    ("online > 90 %", "S503", "online > 90 %", "`... / devices > 90 %`"),
    ("online > connectivity", "S503", "online > connectivity", "like with like"),
    ("online * online > 5", "S503", "online * online", "like with like"),
    ("rate(attempts, 1 min) > 100", "S503", "rate(attempts, 1 min) > 100", "write `100/s`"),
    ("(online > 5) = (online > 6)", "S503", "(online > 5) = (online > 6)", "like with like"),
    ("online + 5 %", "S503", "online + 5 %", "write a number"),
    ("-(online > 5)", "S502", "-", "write `not`"),
    ("connectivity", "S504", "connectivity", "compare it: `connectivity > 90 %`"),
    ("not online", "S504", "online", "compare it: `online > 0`"),
    ("online and connectivity > 5 %", "S504", "online", "compare it"),
    ("online > 1 w 1 w", "S202", "1 w 1 w", "larger unit first"),
]


@pytest.mark.parametrize(("text", "code", "part", "advice"), WRONG)
def test_what_is_no_expression_is_told_with_its_part(text: str, code: str, part: str, advice: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        parse(text)
    error = raised.value
    assert error.code == code
    assert text[error.offset : error.offset + error.length] == part
    assert advice in error.hint


def test_the_likely_name_is_suggested() -> None:
    with pytest.raises(ExpressionError) as raised:
        parse("conectivity < 85 %")
    assert raised.value.suggestion == "connectivity"
    with pytest.raises(ExpressionError) as raised:
        parse("baselin(online, 1 min) > 5")
    assert raised.value.suggestion == "baseline"


def test_the_message_of_a_wrong_unit_names_both_sides() -> None:
    with pytest.raises(
        ExpressionError, match="`connectivity` is a share, `30 s` is a duration: they cannot be compared"
    ):
        parse("connectivity < 30 s")


def test_all_names_selectors_and_units_that_are_wrong_are_told_and_nothing_twice() -> None:
    with pytest.raises(ExpressionError) as raised:
        parse("onlin > 3 and rate(conectivity, 5) < 30 s and freshness[sit=x zon=y] > 5 and open(x) and online >")
    found = (raised.value, *raised.value.others)
    assert [error.code for error in found] == ["S501", "S501", "S503", "S503", "S304", "S304", "S502", "S502"]
    assert len({(error.offset, error.message) for error in found}) == len(found)


def test_what_is_done_with_a_wrong_name_is_not_judged() -> None:
    for text in ("-onlin < 3", "(onlin + 5 %) * 3 s > 2", "not onlin", "onlin and 1 < 2", "abs(onlin)", "share > 3"):
        error = refusal(text)
        assert error is not None
        assert error.others == (), text


def test_length_and_depth_have_limits() -> None:
    parse("(" * DEEPEST + "online > 1" + ")" * DEEPEST)
    for deep in ("(" * (DEEPEST + 1) + "online > 1" + ")" * (DEEPEST + 1), "not " * (DEEPEST + 1) + "online > 1"):
        with pytest.raises(ExpressionError, match="at most 8 levels"):
            parse(deep)
    parse("online > 1".ljust(LONGEST))
    with pytest.raises(ExpressionError, match="at most 200 characters"):
        parse("online > 1".ljust(LONGEST + 1))


@REPEATABLE
@given(st.text(max_size=220) | st.text("()[]<>=!+-*/, 0123456789.%smhonlieavgratecuby_", max_size=220))
def test_any_text_is_an_expression_or_told_where_it_is_not(text: str) -> None:
    error = refusal(text)
    if error:
        assert error.message
        assert 0 <= error.offset <= len(text)
        assert error.offset + error.length <= len(text)


def refusal(text: str) -> ExpressionError | None:
    try:
        parse(text)
    except ExpressionError as error:
        return error
    return None


# --- units ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("1 + 2", Kind.NUMBER),
        ("online + 1", Kind.COUNT),
        ("online * 2", Kind.COUNT),
        ("online / devices", Kind.SHARE),
        ("devices * 50 %", Kind.COUNT),
        ("attempts / 1 min", Kind.RATE),
        ("rate(attempts, 1 min)", Kind.RATE),
        ("rate(attempts, 1 min) * 10 s", Kind.COUNT),
        ("rate(attempts, 1 min) / devices", Kind.SHARE_RATE),
        ("queue / rate(delivered, 1 min)", Kind.DURATION),
        ("rate(connectivity, 1 min)", Kind.SHARE_RATE),
        ("connectivity / freshness", Kind.SHARE),
        ("connectivity * 2", Kind.SHARE),
        ("100 - online", Kind.COUNT),
        ("5 / 2", Kind.NUMBER),
        ("1 / devices", Kind.SHARE),
        ("baseline(online, 1 h)", Kind.COUNT),
        ("1 min / 1 s", Kind.SHARE),
        ("downtime / devices", Kind.DURATION),
        ("devices * 10 min", Kind.DURATION),
        ("online > 5", Kind.TRUTH),
    ],
)
def test_kinds(text: str, kind: Kind) -> None:
    assert parse(text, wanted=None).kind is kind


@pytest.mark.parametrize("a", list(Kind))
@pytest.mark.parametrize("b", list(Kind))
def test_multiplying_undoes_dividing(a: Kind, b: Kind) -> None:
    assert units.product(a, b) is units.product(b, a)
    quotient = units.quotient(a, b)
    if quotient is not None and Kind.NUMBER not in (a, b):
        assert units.product(quotient, b) is a
    assert Kind.TRUTH not in (a, b) or (quotient is None and units.product(a, b) is None)


def test_every_sli_and_counter_can_stand_in_an_expression() -> None:
    for name, sli in SLIS.items():
        if not sli.is_later:
            assert parse(name, wanted=None).kind is sli.kind
    for name, counter in COUNTERS.items():
        assert parse(name, wanted=None).kind is counter.kind
    assert set(FUNCTIONS) == {"min", "max", "abs", "avg", "rate", "baseline", "share", "count", *FIGURES}


# --- unknown ----------------------------------------------------------------------------------------------------------

UNKNOWN = {"connectivity": None, "freshness": 0.5}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("connectivity > 50 %", None),
        ("connectivity + freshness > 50 %", None),
        ("max(connectivity, freshness) > 10 %", None),
        ("not connectivity > 50 %", None),
        ("-connectivity", None),
        ("connectivity > 50 % and freshness > 90 %", False),
        ("connectivity > 50 % and freshness > 10 %", None),
        ("connectivity > 50 % or freshness > 10 %", True),
        ("connectivity > 50 % or freshness > 90 %", None),
        ("freshness / (freshness - freshness) > 1 %", None),
        ("avg(connectivity, 1 min) > 1 %", None),
    ],
)
def test_without_data_truth_is_unknown(text: str, value: bool | None) -> None:
    assert value_of(text, UNKNOWN) is value


@pytest.mark.parametrize("nothing", [math.nan, math.inf])
def test_what_is_no_number_is_no_data(nothing: float) -> None:
    assert value_of("connectivity > 50 %", {"connectivity": nothing}) is None


TRUTHS = {"known true": "1 < 2", "known false": "2 < 1", "unknown": "connectivity > 50 %"}
AS_NUMBER = {True: 1.0, None: 0.5, False: 0.0}


@pytest.mark.parametrize("left", TRUTHS.values(), ids=TRUTHS)
@pytest.mark.parametrize("right", TRUTHS.values(), ids=TRUTHS)
def test_and_or_not_are_those_of_kleene(left: str, right: str) -> None:
    def truth(text: str) -> float:
        value = value_of(text, UNKNOWN)
        assert value is None or isinstance(value, bool)
        return AS_NUMBER[value]

    assert truth(f"{left} and {right}") == min(truth(left), truth(right))
    assert truth(f"{left} or {right}") == max(truth(left), truth(right))
    assert truth(f"not {left}") == 1 - truth(left)


# --- time -------------------------------------------------------------------------------------------------------------


def played(text: str, series: list[float | None], name: str = "attempts") -> list[bool | float | None]:
    """The value in each of the first seconds."""
    evaluator = Evaluator(parse(text, wanted=None))
    return [evaluator.step(second * S, looking_up({name: value})) for second, value in enumerate(series, 1)]


def test_avg_is_the_mean_of_the_last_seconds() -> None:
    assert played("avg(attempts, 3 s)", [3, 6, 9, 12, 0]) == [3, 4.5, 6, 9, 7]


def test_avg_passes_over_seconds_without_data() -> None:
    assert played("avg(attempts, 3 s)", [3, None, 9, None, None, None]) == [3, 3, 6, 9, 9, None]


def test_rate_is_per_second_and_needs_two_seconds() -> None:
    assert played("rate(attempts, 2 s)", [10, 14, 20, 20, 20]) == [None, 4, 5, 3, 0]


def test_baseline_is_the_median_before_now() -> None:
    assert played("baseline(attempts, 3 s)", [5, 1, 100, 2, 7, 7]) == [None, 5, 3, 5, 2, 7]


def test_windows_can_be_nested_and_each_remembers_its_own() -> None:
    series = [float(n * n) for n in range(20)]
    rates = played("rate(attempts, 5 s)", list(series))
    nested = played("avg(rate(attempts, 5 s), 3 s)", list(series))
    assert nested[10] == pytest.approx(sum(r for r in rates[8:11] if r is not None) / 3)
    twice = played("avg(attempts, 2 s) - avg(attempts, 4 s)", [0, 0, 4, 8])
    assert twice == [0, 0, 2 - 4 / 3, 6 - 3]


def test_windows_see_every_second_even_behind_a_false_condition() -> None:
    seen = played("attempts < 0 and avg(attempts, 10 s) > 0", [1, 2, 3])
    assert seen == [False] * 3
    evaluator = Evaluator(parse("attempts < 0 and avg(attempts, 10 s) > 0"))
    for second in range(5):
        evaluator.step(second * S, looking_up({"attempts": 1.0}))
    assert len(evaluator.windows[0].seen) == 5


def test_memory_is_bounded_by_the_window() -> None:
    evaluator = Evaluator(parse("avg(online, 10 s) + baseline(online, 20 s) + online > 5"))
    for second in range(500):
        evaluator.step(second * S, looking_up({"online": float(second % 7)}))
    assert [len(window.seen) for window in evaluator.windows] == [10, 21]
    assert sorted(evaluator.windows[1].seen) == evaluator.windows[1].ordered


@REPEATABLE
@given(
    st.lists(st.none() | st.integers(-5, 5).map(float), min_size=1, max_size=40),
    st.integers(1, 39),
    st.sampled_from(["avg(attempts, 7 s)", "rate(attempts, 7 s)", "baseline(attempts, 7 s)"]),
)
def test_a_saved_evaluator_goes_on_as_if_nothing_had_happened(series: list[float | None], cut: int, text: str) -> None:
    whole = played(text, series)
    evaluator = Evaluator(parse(text, wanted=None))
    seen = []
    for second, value in enumerate(series, 1):
        if second == cut:
            evaluator = pickle.loads(pickle.dumps(evaluator))
        seen.append(evaluator.step(second * S, looking_up({"attempts": value})))
    assert seen == whole


@REPEATABLE
@given(st.lists(st.integers(-1000, 1000).map(float), min_size=1, max_size=30), st.integers(1, 10))
def test_windows_agree_with_a_plain_recomputation(series: list[float], window: int) -> None:
    means = played(f"avg(attempts, {window} s)", list(series))
    medians = played(f"baseline(attempts, {window} s)", list(series))
    for now in range(len(series)):
        last = series[max(now - window + 1, 0) : now + 1]
        assert means[now] == pytest.approx(sum(last) / len(last))
        before = sorted(series[max(now - window, 0) : now])
        middle = len(before) // 2
        expected = (
            None if not before else before[middle] if len(before) % 2 else sum(before[middle - 1 : middle + 1]) / 2
        )
        assert medians[now] == expected
