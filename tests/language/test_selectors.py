"""Selectors: their forms, what matches, and what is wrong where."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twinstorm.scenarios.language.selectors import (
    FIXED_KEYS,
    MOMENT_KEYS,
    Selector,
    SelectorError,
    Term,
    like,
    parse,
    version_key,
)

REPEATABLE = settings(derandomize=True, deadline=None)


@pytest.mark.parametrize(
    ("text", "terms", "share", "first"),
    [
        ("all", (), None, None),
        ("site=fra-*", (Term("site", "=", ("fra-*",)),), None, None),
        ("site=fra-1,fra-2", (Term("site", "=", ("fra-1", "fra-2")),), None, None),
        ("site = fra-1, fra-2", (Term("site", "=", ("fra-1", "fra-2")),), None, None),
        ("site!=fra-1,arn-1", (Term("site", "!=", ("fra-1", "arn-1")),), None, None),
        ("firmware<2.4", (Term("firmware", "<", ("2.4",)),), None, None),
        ("firmware >= 2.4", (Term("firmware", ">=", ("2.4",)),), None, None),
        ("battery<20 %", (Term("battery", "<", ("20 %",)),), None, None),
        ("battery<20%", (Term("battery", "<", ("20 %",)),), None, None),
        ("id=fra-2/motors-0042", (Term("id", "=", ("fra-2/motors-0042",)),), None, None),
        ("all share=20 %", (), Fraction(1, 5), None),
        ("share=20%", (), Fraction(1, 5), None),
        ("first=50", (), None, 50),
        (
            "site=fra-* segment=motors share=0.5 %",
            (Term("site", "=", ("fra-*",)), Term("segment", "=", ("motors",))),
            Fraction(1, 200),
            None,
        ),
        (
            "battery<20 % state=online,offline first=3",
            (Term("battery", "<", ("20 %",)), Term("state", "=", ("online", "offline"))),
            None,
            3,
        ),
    ],
)
def test_forms(text: str, terms: tuple[Term, ...], share: Fraction | None, first: int | None) -> None:
    assert parse(text) == Selector(text, terms, share, first)


@pytest.mark.parametrize(
    ("text", "code", "part", "advice"),
    [
        ("", "S303", "", "write `all`"),
        ("   ", "S303", "", "write `all`"),
        ("sites=fra-1", "S304", "sites", "keys: id, region, site"),
        ("fra-1", "S304", "fra-1", "keys:"),
        ("site", "S303", "site", "write `site=...`"),
        ("site=", "S303", "site=", "write it behind `=`"),
        ("site=fra-1,", "S303", "site=fra-1,", "write it"),
        ("site==fra-1", "S303", "==", "write `=`"),
        ("=fra-1", "S303", "=fra-1", "write terms such as"),
        ("site<fra-1", "S303", "fra-1", "only firmware and battery have an order"),
        ("firmware<2.*", "S303", "2.*", "without `*`"),
        ("firmware<2.x", "S109", "2.x", "write `firmware<2` or `firmware=2.*`"),
        ("firmware>=v2.4.X.1", "S109", "v2.4.X.1", "write `firmware>=v2.4` or `firmware=v2.4.*`"),
        ("firmware<stable", "S109", "stable", "`2.4.1`"),
        ("firmware<2.", "S109", "2.", "`2.4.1`"),
        ("all=3", "S303", "all", "write `all`"),
        ("firmware<2.4,2.5", "S303", "firmware<2.4,2.5", "keep one"),
        ("battery<20", "S205", "20", "write `battery<20 %`"),
        ("state=onlin", "S204", "onlin", "states: online"),
        ("site=20 %", "S303", "20 %", "remove `%`"),
        ("share=20", "S205", "20", "write `20 %`"),
        ("share=120 %", "S210", "120 %", "100 %"),
        ("share<20 %", "S303", "20 %", "write `share=...`"),
        ("share=20 % site=fra-1", "S303", "site=fra-1", "stands last"),
        ("share=20 % first=5", "S303", "first=5", "only one of them"),
        ("first=many", "S207", "many", "write `first=50`"),
        ("first=5,6", "S303", "first=5,6", "keep one"),
        ("all site=fra-1", "S303", "site=fra-1", "remove `all`"),
        ("site=fra-1;kind=motor", "S303", "=", "blank"),
        ("cell=l-1", "S304", "cell", "keys:"),
        ("site=fra-1[", "S303", "[", "blank"),
        ("site=a " * 100, "S303", "", "use `*`"),
    ],
)
def test_what_is_no_selector_is_told_with_its_part(text: str, code: str, part: str, advice: str) -> None:
    with pytest.raises(SelectorError) as raised:
        parse(text)
    error = raised.value
    assert error.code == code
    assert text[error.offset : error.offset + error.length] == part
    assert advice in error.hint


def test_a_wrong_key_suggests_the_right_one() -> None:
    with pytest.raises(SelectorError) as raised:
        parse("segmnt=motors")
    assert raised.value.suggestion == "segment"
    with pytest.raises(SelectorError) as raised:
        parse("state=ofline")
    assert raised.value.suggestion == "offline"


def test_every_term_that_is_wrong_is_told() -> None:
    with pytest.raises(SelectorError) as raised:
        parse("cell=10 sitte=4 site ==x battery<20 state=onlin,offline,of")
    found = (raised.value, *raised.value.others)
    assert [(error.code, error.offset) for error in found] == [
        *(("S304", 0), ("S304", 8), ("S303", 21), ("S205", 33), ("S204", 42), ("S204", 56)),
    ]


DEVICE = {
    "id": "fra-2/motors-0042",
    "region": "fra",
    "site": "fra-2",
    "segment": "motors",
    "kind": "motor",
    "firmware": "2.4.1",
    "link": "ethernet",
    "origin": "simulated",
    "state": "online",
    "battery": "17.5 %",
}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("all", True),
        ("site=fra-2", True),
        ("site=fra-*", True),
        ("site=*", True),
        ("site=*-2", True),
        ("site=f*a*2", True),
        ("site=fra", False),
        ("site=FRA-2", False),
        ("site=arn-1,fra-2", True),
        ("site!=fra-2", False),
        ("site!=arn-1,sin-1", True),
        ("site!=arn-1,fra-*", False),
        ("site=fra-* segment=climate", False),
        ("id=fra-2/*", True),
        ("firmware<2.4", False),
        ("firmware<2.5", True),
        ("firmware<2.10", True),
        ("firmware>=2.4.1", True),
        ("firmware>2.4.1", False),
        ("firmware<2.4.1-rc1", False),
        ("firmware>2.4.1rc1", True),
        ("firmware>v2.4.1.dev3", True),
        ("firmware<=2.4.1+build.7", True),
        ("firmware!=stable", True),
        ("firmware=2.4*", True),
        ("battery<20 %", True),
        ("battery<17.5 %", False),
        ("battery=17.50 %", True),
        ("battery!=17.5 %", False),
        ("battery>=17 % state=online", True),
        ("share=1 %", True),
    ],
)
def test_matching(text: str, matches: bool) -> None:
    assert parse(text).matches(DEVICE) is matches


def test_a_device_without_the_fact_is_not_meant() -> None:
    assert not parse("battery<20 %").matches({"battery": ""})
    assert not parse("site=*").matches({})
    assert not parse("site!=fra-1").matches({})


def test_fixed_selectors_are_told_from_those_of_the_moment() -> None:
    assert parse("site=fra-* share=20 %").is_fixed
    assert parse("all").is_fixed
    assert not parse("site=fra-* state=online").is_fixed
    assert not set(FIXED_KEYS) & set(MOMENT_KEYS)


@pytest.mark.parametrize(
    "ascending",
    [["2.4.0-alpha", "2.4.0-rc1", "2.4.0-rc2", "2.4", "2.4.1", "2.9", "2.10", "10.0"], ["v1.2", "1.3", "1.3.0.1"]],
)
def test_versions_have_the_order_of_their_numbers(ascending: list[str]) -> None:
    descending = ascending[::-1]
    assert sorted(descending, key=version_key) == ascending


def test_trailing_zeros_and_build_names_make_no_other_version() -> None:
    assert version_key("2.4") == version_key("2.4.0") == version_key("v2.4")
    assert not version_key("2.4") < version_key("2.4.0")


@REPEATABLE
@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_wildcards_are_those_of_a_regular_expression(pattern: str, text: str) -> None:
    expected = re.fullmatch(".*".join(re.escape(part) for part in pattern.split("*")), text) is not None
    assert like(pattern, text) is expected


def test_a_hostile_pattern_costs_nothing() -> None:
    assert not like("*a" * 200 + "*b", "a" * 5_000)


KEYS = st.sampled_from(["site", "segment", "kind", "link", "id"])
WORDS = st.from_regex(r"[a-z][a-z0-9*/-]{0,8}", fullmatch=True)


@REPEATABLE
@given(
    st.lists(st.tuples(KEYS, st.sampled_from(["=", "!="]), st.lists(WORDS, min_size=1, max_size=3)), max_size=4),
    st.sampled_from(["", "share=2.5 %", "first=7"]),
)
def test_written_terms_read_back(terms: list[tuple[str, str, list[str]]], taken: str) -> None:
    text = " ".join([*(f"{key}{op}{','.join(words)}" for key, op, words in terms), taken]).strip() or "all"
    selector = parse(text)
    assert [(term.key, term.op, list(term.values)) for term in selector.terms] == terms
    assert (selector.share is not None, selector.first is not None) == ("share" in taken, "first" in taken)


@REPEATABLE
@given(st.text("site=<>!,*% 2.afirstbery", max_size=60) | st.text(max_size=40))
def test_any_text_is_a_selector_or_told_where_it_is_not(text: str) -> None:
    error = refusal(text)
    if error:
        assert 0 <= error.offset <= len(text)
        assert error.offset + error.length <= len(text)


def refusal(text: str) -> SelectorError | None:
    try:
        parse(text)
    except SelectorError as error:
        return error
    return None
