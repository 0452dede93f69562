"""How problems are told: on a terminal, to tools, to GitHub."""

from __future__ import annotations

import json

import pytest

from twinstorm.scenarios.language.errors import (
    MOST_PROBLEMS,
    Place,
    Problem,
    Problems,
    ScenarioErrors,
    Source,
    closest,
    listed,
    printable,
    quoted,
)

TEXT = "storm: 1\nsteps:\n  - at: 5 min\n    fault: partiton\n"
FILE = Source("bad.yaml", TEXT)
UNKNOWN_FAULT = Problem(
    "S104",
    "unknown fault `partiton`",
    Place(FILE, 4, 12, 8),
    "steps[0].fault",
    value="partiton",
    allowed=("partition", "power-outage"),
    suggestion="partition",
    hint="all: twinstorm list faults",
)


def rendered(problem: Problem) -> list[str]:
    return problem.render().split("\n")


def test_layout_has_headline_place_line_and_carets_with_advice() -> None:
    assert rendered(UNKNOWN_FAULT) == [
        "error[S104]: unknown fault `partiton`",
        "  --> bad.yaml:4:12  steps[0].fault",
        " 4 |     fault: partiton",
        "   |            ^^^^^^^^ did you mean `partition`?  all: twinstorm list faults",
    ]


def test_line_numbers_of_two_digits_fill_the_margin() -> None:
    source = Source("bad.yaml", "\n" * 13 + "    fault: partiton\n")
    problem = Problem("S104", "unknown fault `partiton`", Place(source, 14, 12, 8), "steps[2].fault")
    assert rendered(problem)[1:] == [
        "  --> bad.yaml:14:12  steps[2].fault",
        "14 |     fault: partiton",
        "   |            ^^^^^^^^",
    ]


def test_wider_numbers_widen_the_margin_of_every_row() -> None:
    source = Source("long.yaml", "x\n" * 1200)
    assert rendered(Problem("S101", "odd", Place(source, 1200, 1)))[1:] == [
        "    --> long.yaml:1200:1",
        "1200 | x",
        "     | ^",
    ]


def test_a_problem_of_two_places_shows_both_and_advises_once() -> None:
    problem = Problem("S401", "two", Place(FILE, 3, 5, 2), "steps[0]", hint="keep one", also=(Place(FILE, 4, 5, 5),))
    assert rendered(problem)[1:] == [
        "  --> bad.yaml:3:5 and 4:5  steps[0]",
        " 3 |   - at: 5 min",
        "   |     ^^",
        " 4 |     fault: partiton",
        "   |     ^^^^^ keep one",
    ]


def test_a_file_without_a_line_shows_its_advice_alone() -> None:
    problem = Problem("S111", "there is no such file", Place(Source("gone.yaml", "")), hint="look again")
    assert rendered(problem) == ["error[S111]: there is no such file", "  --> gone.yaml", "   = look again"]


def test_an_option_has_no_line_number() -> None:
    option = Source("--set fleet.devices=x", "fleet.devices=x", is_option=True)
    problem = Problem("S207", "`x` is not a whole number", Place(option, 1, 15, 1), "fleet.devices")
    assert rendered(problem)[1:] == [
        "  --> --set fleet.devices=x  fleet.devices",
        "   | fleet.devices=x",
        "   |               ^",
    ]


def test_allowed_values_are_listed_where_there_is_no_other_hint() -> None:
    problem = Problem("S204", "no", Place(FILE, 1, 1), allowed=("none", "full"))
    assert problem.advice == "allowed: none, full"


def test_colour_changes_nothing_but_colour() -> None:
    colourful = UNKNOWN_FAULT.render(color=True)
    assert "\x1b[" in colourful
    for style in ("\x1b[1;31m", "\x1b[34m", "\x1b[1m", "\x1b[0m"):
        colourful = colourful.replace(style, "")
    assert colourful == UNKNOWN_FAULT.render()


def test_a_file_cannot_send_escapes_to_the_terminal() -> None:
    source = Source("bad\x1b.yaml", "k\u202ey: \x1b[31m\tx")
    shown = Problem("S102", f"unknown key {quoted(chr(27))}", Place(source, 1, 1, 3)).render()
    assert shown.replace("\n", "").isprintable()
    assert "`\\x1b`" in shown
    assert "bad\\x1b.yaml" in shown


def test_carets_stand_under_wide_and_combining_characters() -> None:
    source = Source("wide.yaml", "名前e\u0301: x")
    excerpt, carets = rendered(Problem("S102", "odd", Place(source, 1, 7, 1)))[2:]
    assert excerpt == " 1 | 名前e\u0301: x"
    # Two signs of two cells, one of one with its accent, the colon and the blank: seven cells.
    assert carets == "   | " + " " * 7 + "^"


def test_a_very_long_line_is_cut_around_what_is_wrong() -> None:
    source = Source("long.yaml", "a" * 5_000 + "WRONG" + "b" * 5_000)
    excerpt, carets = rendered(Problem("S101", "odd", Place(source, 1, 5_001, 5)))[2:]
    assert len(excerpt) < 180
    assert excerpt[carets.index("^") :].startswith("WRONG")
    assert carets.count("^") == 5


def test_lines_are_those_of_yaml() -> None:
    assert Source("", "a\nb\r\nc\x85d\u2028e\x0bf").lines == ["a", "b", "c", "d", "e\x0bf"]


def test_a_column_behind_the_end_of_the_line_is_shown() -> None:
    assert rendered(Problem("S101", "odd", Place(Source("a.yaml", "ab"), 1, 9, 4)))[2:] == [" 1 | ab", "   |   ^"]


def test_json_has_every_part_by_itself() -> None:
    document = UNKNOWN_FAULT.to_json()
    json.dumps(document)
    assert document == {
        "code": "S104",
        "message": "unknown fault `partiton`",
        "file": "bad.yaml",
        "option": "",
        "line": 4,
        "column": 12,
        "length": 8,
        "path": "steps[0].fault",
        "value": "partiton",
        "allowed": ["partition", "power-outage"],
        "suggestion": "partition",
        "advice": "did you mean `partition`?  all: twinstorm list faults",
        "also": [],
    }


def test_json_of_an_option_names_no_file() -> None:
    option = Source("--set a=b", "a=b", is_option=True)
    document = Problem("S102", "odd", Place(option, 1, 1)).to_json()
    assert (document["file"], document["option"], document["line"]) == ("", "--set a=b", 0)


def test_github_gets_a_workflow_command() -> None:
    assert UNKNOWN_FAULT.to_github() == (
        "::error file=bad.yaml,line=4,col=12,endColumn=20,title=error[S104]::unknown fault `partiton` "
        "(steps[0].fault)%0Adid you mean `partition`?  all: twinstorm list faults"
    )


def test_github_text_and_properties_are_escaped() -> None:
    problem = Problem("S203", "110 %\r\nof it", Place(Source("a:b,c.yaml", "x"), 1, 1))
    assert problem.to_github() == (
        "::error file=a%3Ab%2Cc.yaml,line=1,col=1,endColumn=2,title=error[S203]::110 %25%0D%0Aof it"
    )


def test_problems_are_told_from_top_to_bottom_and_options_last_as_they_came() -> None:
    option = Source("--set b=1", "b=1", is_option=True)
    problems = Problems()
    for place in (Place(option, 1, 9), Place(option, 1, 1), Place(FILE, 4, 2), Place(FILE, 1, 7), Place(FILE, 1, 2)):
        problems.add(Problem("S102", "odd", place))
    with pytest.raises(ScenarioErrors) as raised:
        problems.check()
    places = [one.place for one in raised.value.problems]
    assert [place.source.is_option for place in places] == [False, False, False, True, True]
    assert [place.column for place in places] == [2, 7, 2, 9, 1]


def test_nothing_wrong_raises_nothing() -> None:
    Problems().check()


def test_more_problems_than_anybody_repairs_are_counted_only() -> None:
    problems = Problems()
    for _ in range(MOST_PROBLEMS + 1_234):
        problems.add(UNKNOWN_FAULT)
    with pytest.raises(ScenarioErrors, match="and 1,234 more") as raised:
        problems.check()
    assert len(raised.value.problems) == MOST_PROBLEMS


def test_the_exception_tells_all_of_it_and_survives_a_copy() -> None:
    errors = ScenarioErrors((UNKNOWN_FAULT, UNKNOWN_FAULT))
    again = type(errors)(*errors.args)
    assert str(again) == str(errors) == f"{UNKNOWN_FAULT.render()}\n{UNKNOWN_FAULT.render()}"
    assert errors.to_github().count("::error") == 2
    assert len(errors.to_json()) == 2


@pytest.mark.parametrize(
    ("word", "meant"), [("jiter", "jitter"), ("JITTER", "jitter"), ("backof", "backoff"), ("zzz", ""), ("", "")]
)
def test_the_closest_name_is_suggested(word: str, meant: str) -> None:
    assert closest(word, ("jitter", "backoff", "cap")) == meant


def test_long_lists_and_values_are_cut() -> None:
    assert listed([str(n) for n in range(2_000)], 3) == "0, 1, 2 and 1,997 more"
    assert quoted("x" * 100) == "`" + "x" * 57 + "...`"
    assert printable("a\nb") == "a\\nb"
